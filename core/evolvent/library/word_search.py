"""Search in skills by their words alone: needs no index, no embedder and no lock."""

from __future__ import annotations

from collections.abc import Sequence

from evolvent.library.passages import routing_text
from evolvent.search.lexical import LexicalIndex
from evolvent.types import Skill

__all__ = ["search_words"]


def search_words(skills: Sequence[Skill], query: str, limit: int) -> list[tuple[Skill, float]]:
    """Return (skill, BM25 as a share of what the query could reach), best first.

    A share says little about being right: two words in common may be enough for a high one.
    """
    index = LexicalIndex()
    for skill in skills:
        index.put(skill.name, routing_text(skill))
    named = {skill.name: skill for skill in skills}
    return [(named[name], share) for name, share in index.scored(query, limit)]
