"""How well one skill fits a question: the features that the calibration weighs.

Similarity alone cannot tell "sort the numbers" from "sort the numbers, then give their sum". So the wording is
compared too: what all questions that a skill answered have in common is what a question of its kind must say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from evolvent.library.passages import passages
from evolvent.search import Hit
from evolvent.types import Skill

__all__ = ["features", "terms"]

_TERM = re.compile(r"[^\W\d_]+|\d+")
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")
NUMBER = "0"
"""Stands for every number: which one it is says nothing about the kind of question."""
LEAD = 0.2
"""A lead in similarity over the next candidate counts up to here."""
TEMPLATE_TERMS = 6
"""Examples that share fewer terms have no wording of their own; the description stands in for it."""
SENTENCE_TERMS = 3
CONSTANT_SHARE = 0.8
"""A sentence of an example belongs to the wording when so much of it is the same in all examples."""

Terms = frozenset[str]


class _Wording(NamedTuple):
    passages: tuple[Terms, ...]
    """Description and examples."""
    kinds: tuple[tuple[Terms, tuple[Terms, ...]], ...]
    """What a question of this kind says, whole and sentence by sentence: each sentence states something that a
    question must state too. Examples of one wording make one kind; else each passage is one."""


def terms(text: str) -> Terms:
    """Return the lower-case words of a text and its pairs of neighbouring words; all numbers are one word."""
    words = [NUMBER if word.isdigit() else word for word in _TERM.findall(text.lower())]
    return frozenset(words) | {f"{a} {b}" for a, b in pairwise(words)}


def features(
    query: str, hits: Sequence[Hit], skills: Sequence[Skill], idf: Callable[[str], float]
) -> list[Mapping[str, float]]:
    """Return the features of each candidate.

    - `similarity`: cosine of the best chunk; `words`: BM25 as a share of what the question could reach;
    - `lead`: similarity ahead of the best other candidate, in [-1, 1];
    - `missing`: log(1 + idf mass) of the skill's constant wording that the question lacks;
    - `least`: coverage of that sentence of the constant wording that the question covers least;
    - `ahead`: coverage of wording and best passage, ahead of the best other candidate.

    Args:
        query: the question.
        hits: the candidates.
        skills: the same candidates as skills.
        idf: how rare a word is in the library; a pair of words weighs half of what its words do.
    """
    asked = terms(query)
    weights: dict[str, float] = {}

    def mass(words: Terms) -> float:
        for word in words - weights.keys():
            weights[word] = sum(idf(part) for part in word.split(" ")) / (2 if " " in word else 1)
        # An exact sum: sets of texts have another order in each process, and a replayed run must find the same.
        return math.fsum(weights[word] for word in words)

    def covered(words: Terms) -> float:
        return mass(asked & words) / (mass(words) or 1.0)

    asked_mass = mass(asked) or 1.0
    wordings = [_wording(passages(skill), skill.description) for skill in skills]
    kinds, fits = [], []
    for wording in wordings:
        best = max((mass(asked & p) / asked_mass + covered(p), covered(p)) for p in wording.passages)
        kinds.append(max(wording.kinds, key=lambda kind: covered(kind[0])))
        fits.append(covered(kinds[-1][0]) + best[1])
    found: list[Mapping[str, float]] = []
    for hit, (constant, sentences), fit in zip(hits, kinds, fits, strict=True):
        similar = _best_other([other.similarity for other in hits], hit.similarity)
        found.append(
            {
                "similarity": hit.similarity,
                "words": hit.words,
                "lead": max(-LEAD, min(LEAD, hit.similarity - similar)) / LEAD,
                "missing": math.log1p(mass(constant - asked)),
                "least": min((covered(sentence) for sentence in sentences), default=0.0),
                "ahead": fit - _best_other(fits, fit),
            }
        )
    return found


def _best_other(values: Sequence[float], own: float) -> float:
    """Return the highest value after one's own is taken out once; 0 when there is no other."""
    others = list(values)
    others.remove(own)
    return max(others, default=0.0)


@lru_cache(maxsize=8192)
def _wording(texts: tuple[str, ...], description: str) -> _Wording:
    head, _, *examples = texts
    found = [terms(example) for example in examples]
    every = (terms(head), *found)
    constant = frozenset.intersection(*found) if found else frozenset()
    if len(constant) < TEMPLATE_TERMS:
        return _Wording(every, tuple((terms(text), _sentences(text)) for text in (description, *examples)))
    own = [
        sentence & constant
        for sentence in _sentences(examples[0])
        if len(sentence & constant) >= CONSTANT_SHARE * len(sentence)
    ]
    return _Wording(every, ((constant, tuple(own) or (constant,)),))


def _sentences(text: str) -> tuple[Terms, ...]:
    found = [s for s in map(terms, _SENTENCE.split(text)) if len(s) >= SENTENCE_TERMS]
    return tuple(found) or (terms(text),)
