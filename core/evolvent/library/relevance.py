"""How well one skill fits a question: the features that the calibration weighs.

Similarity alone cannot tell "sort the numbers" from "sort the numbers, then give their sum". So the wording is
compared too: what all questions that a skill answered have in common is what a question of its kind must say.

Nor can one skill's wording alone tell whether it is right or a near miss. A question that is cut short or put in other
words lacks some of what its right skill says, but what it lacks the skill's kin says as well. What sets a near miss
apart from its kin ("then give their sum") is its own, and there the question is silent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
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
KIN = 3
"""Candidates nearest in wording that a skill is compared with."""

Terms = frozenset[str]


class _Wording(NamedTuple):
    passages: tuple[Terms, ...]
    """Description and examples."""
    kinds: tuple[tuple[Terms, tuple[Terms, ...]], ...]
    """What a question of this kind says, whole and sentence by sentence: each sentence states something that a
    question must state too. Examples of one wording make one kind; else each passage is one."""
    says: Terms
    """Description, and what all examples have in common."""
    every: Terms
    """All that the skill says, its body too."""
    words: Terms
    """The single words of `every`."""


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
    - `ahead`: coverage of wording and best passage, ahead of the best other candidate;
    - `kin`: the share of words (Jaccard) that it has in common with the candidate nearest in wording;
    - `own`: log(1 + idf mass) of what it says, but neither the question nor its `KIN` nearest, times `kin`;
    - `other`: log(1 + idf mass) of what the question and another candidate say, but not it, times `kin`;
    - `alone_missing`, `alone_least`: `missing` and `least` times 1 - `kin`: without kin there is only what is missing.

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
    known = asked & frozenset[str]().union(*(wording.every for wording in wordings))
    found: list[Mapping[str, float]] = []
    for hit, wording, (constant, sentences), fit, (kin, said) in zip(
        hits, wordings, kinds, fits, _nearest(wordings), strict=True
    ):
        similar = _best_other([other.similarity for other in hits], hit.similarity)
        missing = math.log1p(mass(constant - asked))
        least = min((covered(sentence) for sentence in sentences), default=0.0)
        found.append(
            {
                "similarity": hit.similarity,
                "words": hit.words,
                "lead": max(-LEAD, min(LEAD, hit.similarity - similar)) / LEAD,
                "missing": missing,
                "least": least,
                "ahead": fit - _best_other(fits, fit),
                "kin": kin,
                "own": kin * math.log1p(mass(wording.says - asked - said)),
                "other": kin * math.log1p(mass(known - wording.every)),
                "alone_missing": (1.0 - kin) * missing,
                "alone_least": (1.0 - kin) * least,
            }
        )
    return found


def _nearest(wordings: Sequence[_Wording]) -> list[tuple[float, Terms]]:
    """Return for each candidate how near the nearest other one is, and all that the `KIN` nearest say."""
    count = len(wordings)
    shares = [[0.0] * count for _ in wordings]
    for i, j in combinations(range(count), 2):
        both = len(wordings[i].words & wordings[j].words)
        either = len(wordings[i].words) + len(wordings[j].words) - both
        shares[i][j] = shares[j][i] = both / (either or 1)
    found = []
    for i, row in enumerate(shares):
        order = sorted((j for j in range(count) if j != i), key=lambda j: (-row[j], j))[:KIN]
        said = frozenset[str]().union(*(wordings[j].every for j in order))
        found.append((row[order[0]] if order else 0.0, said))
    return found


def _best_other(values: Sequence[float], own: float) -> float:
    """Return the highest value after one's own is taken out once; 0 when there is no other."""
    others = list(values)
    others.remove(own)
    return max(others, default=0.0)


@lru_cache(maxsize=8192)
def _wording(texts: tuple[str, ...], description: str) -> _Wording:
    head, body, *examples = texts
    found = [terms(example) for example in examples]
    seen = (terms(head), *found)
    every = terms(body).union(*seen)
    words = frozenset(term for term in every if " " not in term)
    constant = frozenset.intersection(*found) if found else frozenset()
    says = terms(description) | (constant if len(found) > 1 else frozenset())
    if len(constant) < TEMPLATE_TERMS:
        kinds = tuple((terms(text), _sentences(text)) for text in (description, *examples))
        return _Wording(seen, kinds, says, every, words)
    own = [
        sentence & constant
        for sentence in _sentences(examples[0])
        if len(sentence & constant) >= CONSTANT_SHARE * len(sentence)
    ]
    return _Wording(seen, ((constant, tuple(own) or (constant,)),), says, every, words)


def _sentences(text: str) -> tuple[Terms, ...]:
    found = [s for s in map(terms, _SENTENCE.split(text)) if len(s) >= SENTENCE_TERMS]
    return tuple(found) or (terms(text),)
