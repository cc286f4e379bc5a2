"""The texts by which a skill is found: its head, its body, and questions that it answered."""

from __future__ import annotations

from evolvent.search.chunks import PASSAGE_BREAK
from evolvent.types import Skill

__all__ = ["passages", "routing_text"]

EXAMPLES = 4
"""Questions of the tests that are indexed with a skill: tasks look more like examples than like
descriptions."""
EXAMPLE_CHARS = 1_000


def passages(skill: Skill) -> tuple[str, ...]:
    """Return name and description, the whole body, and each example."""
    head = f"{skill.name.replace('-', ' ')}\n{skill.description}"
    examples = [case.question[:EXAMPLE_CHARS] for case in skill.cases[:EXAMPLES]] if skill.script else []
    return (head, skill.body, *examples)


def routing_text(skill: Skill) -> str:
    """Return what of a skill is indexed: its passages."""
    return PASSAGE_BREAK.join(passage.replace(PASSAGE_BREAK, " ") for passage in passages(skill))
