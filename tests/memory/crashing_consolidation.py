"""Consolidates a memory and kills itself with signal 9 after the N-th change: run by `test_kill.py`."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from evolvent.memory import LessonStore, consolidate
from evolvent.storage import Ledger, open_database
from evolvent.types import Event

TEXT = (
    "Sort the words by the alphabet, upper case first, and join them with single commas and no spaces at all"
)


def main() -> None:
    """Fill the memory where it is empty, consolidate, and print what there is."""
    folder, kill_at = Path(sys.argv[1]), int(sys.argv[2])
    engine = open_database(folder / "evolvent.db")
    ledger = Ledger(engine)
    store = LessonStore(engine, ledger, lambda: datetime(2030, 1, 1, tzinfo=UTC))
    if not store.all():
        fill(store)
    changes = 0

    def hear(event: Event) -> None:
        nonlocal changes
        changes += 1
        if changes == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger.listen(hear)
    consolidate(store)
    found = [lesson.model_dump(mode="json") for lesson in sorted(store.all(), key=lambda k: k.id)]
    print(json.dumps([found, sorted(event.key for event in ledger.events())]))


def fill(store: LessonStore) -> None:
    """Keep lessons of which some say the same and some do not help, in one transaction."""
    from evolvent.memory.taint import lesson_id
    from evolvent.types import Lesson

    with store.writing() as writing:
        for number in range(4):
            for text in (TEXT + "!" * number, f"Useless thing {number}"):
                lesson = Lesson(
                    id=lesson_id(text, "Sort"), text=text, situation="Sort", created_at=store.clock()
                )
                writing.add(lesson)
                for n in range(8 if text.startswith("Useless") else number):
                    writing.count(writing.find(lesson.id) or lesson, f"r-{number}-{n}#1", "r", success=False)


if __name__ == "__main__":
    main()
