"""What the memory costs. Prints JSON.

`episode_ms`: what keeping the episode adds to keeping an attempt (read the journal, compress, write), for an attempt of
four requests. `journal_ms`: what storing the request beside the answer adds to one journal entry. `count_ms`: counting
the use of a lesson. `plan_s`: planning a consolidation of `--lessons` lessons of which a tenth say the same as another
one. `consolidate_s`: doing it, one transaction a step.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from evolvent.memory import Episodes, LessonStore, consolidate, plan
from evolvent.memory.taint import lesson_id
from evolvent.storage import Journal, Ledger, Runs, open_database
from evolvent.types import Attempt, BrokerAnswered, Lesson, TaskView, Usage

PROMPT = "Here is a rather long question about words, numbers and their order. " * 20


def figures(seconds):
    """Summarise durations in milliseconds."""
    ordered = sorted(1000 * s for s in seconds)
    return {"p50": round(statistics.median(ordered), 2), "p95": round(ordered[int(0.95 * len(ordered))], 2)}


def timed(work):
    """Return the seconds that something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def asked(journal, ledger, number, *, whole):
    """Journal one model call, with or without what was asked."""
    event = BrokerAnswered(
        key=f"broker:{journal.session_id}:{number}",
        run_id="r",
        attempt_id=journal.session_id,
        method="model.complete",
        ok=True,
    )
    response = {"result": {"text": PROMPT[:400]}, "usage": Usage().model_dump(), "summary": "", "final": True}
    request = {"method": "model.complete", "params": {"messages": [{"role": "user", "content": PROMPT}]}}
    journal.record(number, "0" * 64, response, event, request if whole else None)


def episodes(engine, rounds):
    """Measure what an episode adds."""
    ledger, runs, kept = Ledger(engine), Runs(engine), Episodes(engine)
    runs.start("r", "solve", "t", {})
    bare, full, plain, whole = [], [], [], []
    for number in range(rounds):
        for name, with_episode in (("a", False), ("b", True)):
            attempt = Attempt(
                id=f"r#{name}{number}",
                run_id="r",
                task=TaskView(id="t", prompt=PROMPT),
                number=1,
                status="answered",
            )
            journal = Journal(engine, ledger, attempt.id)
            for n in range(4):
                work = partial(asked, journal, ledger, n, whole=with_episode)
                (whole if with_episode else plain).append(timed(work))

            def keep(attempt=attempt, with_episode=with_episode):
                exchanges = kept.exchanges(attempt.id) if with_episode else []
                with engine.begin() as transaction:
                    runs.keep_attempt(attempt, transaction)
                    if with_episode:
                        kept.keep(attempt, exchanges, transaction)

            (full if with_episode else bare).append(timed(keep))
    added = statistics.median(full) - statistics.median(bare)
    journaled = statistics.median(whole) - statistics.median(plain)
    return {
        "attempt_alone_ms": figures(bare),
        "with_episode_ms": figures(full),
        "episode_ms": round(1000 * added, 2),
        "journal_ms": round(1000 * journaled, 2),
    }


def lessons(engine, count):
    """Measure counting and consolidation."""
    store = LessonStore(engine, Ledger(engine))
    with store.writing() as writing:
        for number in range(count):
            same = number - 1 if number % 10 == 9 else number
            words = " ".join(f"w{same * 7 % 997 + k * same % 13}" for k in range(14))
            text = f"When asked for {words} do it in order and check twice" + "!" * (number % 10 == 9)
            writing.add(Lesson(id=lesson_id(text, "s"), text=text, situation="Sort these words"))
    lesson = store.all()[0]
    counting = []
    for number in range(100):

        def count_one(number=number):
            with store.writing() as writing:
                writing.count(writing.find(lesson.id), f"r-{number}#1", "r", success=True)

        counting.append(timed(count_one))
    planning = timed(lambda: plan(store.all(), store.clock()))
    started = time.perf_counter()
    steps = consolidate(store)
    return {
        "lessons": count,
        "count_ms": figures(counting),
        "plan_s": round(planning, 2),
        "consolidate_s": round(time.perf_counter() - started, 2),
        "steps": len(steps),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--lessons", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(Path(folder) / "evolvent.db")
        found = {**episodes(engine, args.rounds), **lessons(engine, args.lessons)}
    print(json.dumps({**found, "load": round(os.getloadavg()[0], 1)}, indent=2))


if __name__ == "__main__":
    main()
