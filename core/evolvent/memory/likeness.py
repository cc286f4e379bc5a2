"""How much two texts say the same, by their words: no model, no order of writing, the same on every machine.

Shingles are runs of words (Broder, "On the resemblance and containment of documents", 1997).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping

__all__ = ["containment", "pairs_alike", "resemblance", "same_claim", "shingles"]

_NEGATIONS = re.compile(
    r"\b(?:not|no|never|none|nothing|without|neither|nor|cannot|cant|dont|doesnt|isnt|wont|shouldnt|avoid|except|unless)\b"
)


def shingles(text: str, width: int = 3) -> frozenset[tuple[str, ...]]:
    """Return the runs of `width` words of a text; all its words as one run where it has fewer."""
    words = _words(text)
    if not words:
        return frozenset()
    return frozenset(tuple(words[n : n + width]) for n in range(max(1, len(words) - width + 1)))


def resemblance(first: str, second: str) -> float:
    """Return the Jaccard index of two texts' shingles, in [0, 1]; two empty texts are the same."""
    a, b = shingles(first), shingles(second)
    return len(a & b) / len(a | b) if a or b else 1.0


def containment(text: str, source: str) -> float:
    """Return the share of a text's shingles that a source holds as well, in [0, 1]."""
    words = _words(text)
    if not words:
        return 0.0
    width = min(3, len(words))
    own = shingles(text, width)
    return len(own & shingles(source, width)) / len(own)


def same_claim(first: str, second: str, bound: float) -> bool:
    """Tell whether two texts claim the same: alike, with the same numbers and as many negations."""
    return _telling(first) == _telling(second) and resemblance(first, second) >= bound


def pairs_alike(texts: Mapping[str, str], bound: float) -> Iterator[tuple[str, str]]:
    """Yield all pairs of ids whose texts claim the same, each once, in a fixed order.

    Two sets of Jaccard index >= t share one of the first |s| - ceil(t |s|) + 1 elements of each, in any one order of
    all elements; the rarest first leaves the fewest candidates (prefix filtering: Bayardo, Ma and Srikant, "Scaling up
    all pairs similarity search", WWW 2007).
    """
    sets = {key: shingles(text) for key, text in texts.items()}
    frequency = Counter(shingle for found in sets.values() for shingle in found)
    seen: dict[tuple[str, ...], list[str]] = {}
    for key in sorted(sets):
        found = sets[key]
        candidates: set[str] = set()
        rare_first = sorted(found, key=lambda shingle: (frequency[shingle], shingle))
        for shingle in rare_first[: len(found) - math.ceil(bound * len(found)) + 1]:
            candidates.update(seen.setdefault(shingle, []))
            seen[shingle].append(key)
        for other in sorted(candidates):
            if same_claim(texts[other], texts[key], bound):
                yield other, key


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", ""))


def _telling(text: str) -> tuple[tuple[str, ...], int]:
    """Return what turns a claim into another one though nearly all words stay: its numbers and its negations."""
    words = _words(text)
    numbers = tuple(sorted(word for word in words if any(c.isdigit() for c in word)))
    return numbers, sum(bool(_NEGATIONS.fullmatch(word)) for word in words)
