"""The texts by which a skill is found: its head, its body, and questions that it answered."""

from __future__ import annotations

import re

from evolvent.search.chunks import PASSAGE_BREAK
from evolvent.types import Skill

__all__ = ["passages", "routing_text"]

EXAMPLES = 4
"""Questions of the tests that are indexed with a skill: tasks look more like examples than like
descriptions."""
EXAMPLE_CHARS = 1_000
SAME_WORDING = 0.7
"""Examples that share so much of their words (Jaccard, numbers left out) are nearly one point to an embedder: the
first stands for all of them."""
_WORD = re.compile(r"[^\W\d_]+")


def passages(skill: Skill) -> tuple[str, ...]:
    """Return name and description, the whole body, and each example."""
    head = f"{skill.name.replace('-', ' ')}\n{skill.description}"
    examples = [case.question[:EXAMPLE_CHARS] for case in skill.cases[:EXAMPLES]] if skill.script else []
    return (head, skill.body, *examples)


def routing_text(skill: Skill) -> str:
    """Return what of a skill is indexed: its passages, without examples that repeat another's wording."""
    head, body, *examples = passages(skill)
    kept = (head, body, *_different(examples))
    return PASSAGE_BREAK.join(passage.replace(PASSAGE_BREAK, " ") for passage in kept)


def _different(examples: list[str]) -> list[str]:
    kept: list[tuple[str, frozenset[str]]] = []
    for text in examples:
        words = frozenset(_WORD.findall(text.lower()))
        if all(len(words & other) < SAME_WORDING * len(words | other) for _, other in kept):
            kept.append((text, words))
    return [text for text, _ in kept]
