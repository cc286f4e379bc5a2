from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from evolvent.evolution.archive import changed_lines
from evolvent.evolution.novelty import Novelty
from evolvent.storage import open_database
from evolvent.storage.archive import ArchiveTables
from evolvent.types import Candidate, CandidateStatus, Modification

CHANGE = (
    "task_agent.py: messages = [system, *examples, question]\ntask_agent.py: return ask(messages, tries=2)"
)


@pytest.fixture
def tables(tmp_path: Path) -> ArchiveTables:
    return ArchiveTables(open_database(tmp_path / "evolvent.db"))


def tried(
    tables: ArchiveTables, change: str, status: CandidateStatus = "measured", parent: str = "p"
) -> None:
    number = len(tables.candidates())
    tables.add_candidates(
        [
            Candidate(
                key=f"run/{number}/0",
                generation=number,
                slot=0,
                action="expand",
                parent=parent,
                status=status,
                evidence={"lines": change},
            )
        ]
    )


class Alike:
    """An embedder that finds all texts alike, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += 1
        return [[1.0, 0.0] for _ in texts]


def test_nearly_the_same_change_of_the_same_parent_is_named(tables: ArchiveTables) -> None:
    tried(tables, CHANGE, "rejected")
    novelty = Novelty(tables, Alike(), 0.98)
    reworded = CHANGE.replace("question]", "asked]")
    assert "tried before (at 0/0, similarity 1.000): rejected" in novelty.objection("p", reworded)
    assert novelty.objection("another", reworded) == ""


@pytest.mark.parametrize(
    ("earlier", "status", "now"),
    [
        (CHANGE, "failed", CHANGE),
        (CHANGE, "measured", CHANGE.replace("tries=2", "tries=3")),
        (CHANGE, "measured", "prompts/answer.md: Reply with the number alone."),
        ("genome.toml: value = 0.5", "measured", "genome.toml: value = 0.5"),
    ],
)
def test_what_is_no_repetition(
    tables: ArchiveTables, earlier: str, status: CandidateStatus, now: str
) -> None:
    tried(tables, earlier, status)
    embed = Alike()
    assert Novelty(tables, embed, 0.98).objection("p", now) == ""
    assert embed.asked == 0, "only what shares most words and all numbers is embedded"


def test_changes_that_an_embedder_tells_apart_are_new(tables: ArchiveTables) -> None:
    tried(tables, CHANGE)

    def apart(texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, 0.0], [0.9, 0.436]]

    assert Novelty(tables, apart, 0.98).objection("p", CHANGE.replace("question", "asked")) == ""


def test_changed_lines_name_their_files() -> None:
    change = Modification(
        before={"a.py": "x = 1\ny = 2\n", "b.py": "z = 3\n"}, after={"a.py": "x = 1\ny = 4\n"}
    )
    assert changed_lines(change) == "a.py: y = 4\na.py without: y = 2\nb.py removed"
