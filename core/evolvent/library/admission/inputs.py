"""Inputs that are made up to falsify a script: neighbours of real questions, extreme ones first among them.

Hypothesis draws them from the questions of the cases, always the same ones for the same questions. What varies
between the questions is what is changed; their common wording stays, so that most inputs are still of their kind.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["OTHER_KINDS", "Probe", "constants_of", "make_probes"]

OTHER_KINDS = (
    " ",
    "hello",
    "?",
    "0",
    "What is the capital of Australia?",
    "Write a short poem about autumn, please.",
    "Translate into German: the house is red.",
    "Summarise the following text in one sentence: it rained all day, and nobody went out.",
)
"""Questions that no skill of ours answers."""

_PIECE = re.compile(r"\[[^\[\]]*\]|-?\d+(?:\.\d+)?|\"[^\"\n]*\"|'[^'\n]*'|\w+|\s+|[^\w\s]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
MAX_CHARS = 4_000
EXTREMES = (
    "0",
    "1",
    "-1",
    "2",
    "7",
    "10",
    "99",
    "100",
    "101",
    "255",
    "999",
    "1000",
    "4096",
    "65537",
    "1000000",
)
WORDS = ("a", "zz", "Ärger", "naïve", "straße", "x" * 60, "ABBA", "aaa", "42", "e-mail")


class Probe(NamedTuple):
    """A made-up question."""

    question: str
    near: bool
    """Whether it should be of the cases' kind: their wording, and parts that occur in them or plain numbers."""


def make_probes(questions: Sequence[str], constants: Sequence[str] = (), count: int = 96) -> list[Probe]:
    """Return made-up questions, without those that are real ones; deterministic.

    Args:
        questions: of the cases; the more there are, the better is known what varies.
        constants: numbers and words that the script treats in a special way.
        count: how many at most.
    """
    if not questions or count < 1:
        return []
    from hypothesis import HealthCheck, Phase, given, settings

    found: dict[str, Probe] = {}
    known = {question.strip() for question in questions}

    @settings(
        database=None,
        derandomize=True,
        deadline=None,
        max_examples=3 * count,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_probes(tuple(questions), tuple(constants)))
    def collect(probe: Probe) -> None:
        text = probe.question
        if text.strip() and text.strip() not in known and len(text) <= MAX_CHARS and len(found) < count:
            found.setdefault(text, probe)

    collect()
    return list(found.values())


def _probes(questions: tuple[str, ...], constants: tuple[str, ...]) -> SearchStrategy[Probe]:
    from hypothesis import strategies as st

    rows = [_PIECE.findall(question) for question in questions]
    seen = Counter(piece for row in rows for piece in set(row))
    common = {piece for piece, times in seen.items() if times == len(rows) and len(rows) > 1}
    places = [
        [
            i
            for i, piece in enumerate(row)
            if piece.strip() and piece not in common and (piece[0].isalnum() or len(piece) > 1)
        ]
        for row in rows
    ]
    numbers = sorted(
        {rows[r][i] for r, row in enumerate(places) for i in row if _NUMBER.fullmatch(rows[r][i])}
    )
    words = sorted({rows[r][i] for r, row in enumerate(places) for i in row if rows[r][i].isalpha()})
    lists = sorted({rows[r][i] for r, row in enumerate(places) for i in row if rows[r][i].startswith("[")})
    own_numbers = [c for c in constants if _NUMBER.fullmatch(c)]
    own_words = [c for c in constants if not _NUMBER.fullmatch(c)]

    @st.composite
    def probes(draw: DrawFn) -> Probe:
        number = draw(st.integers(0, len(rows) - 1))
        row, spots = list(rows[number]), places[number]
        if not spots:
            return Probe(
                draw(st.sampled_from([f"{''.join(row)} ", "".join(row).upper(), "".join(row)[:-1]])), False
            )
        near = True
        for spot in draw(st.lists(st.sampled_from(spots), min_size=1, max_size=2, unique=True)):
            row[spot], plain = _changed(draw, row[spot], numbers, words, lists, own_numbers, own_words)
            near = near and plain
        whole = draw(st.sampled_from(["", "", "", "", "", "", " ", "\n", "upper", "spaces"]))
        text = "".join(row)
        text = (
            text.upper()
            if whole == "upper"
            else text.replace(" ", "  ")
            if whole == "spaces"
            else text + whole
        )
        return Probe(text, near and not whole)

    return probes()


def _changed(
    draw: DrawFn,
    piece: str,
    numbers: Sequence[str],
    words: Sequence[str],
    lists: Sequence[str],
    own_numbers: Sequence[str],
    own_words: Sequence[str],
) -> tuple[str, bool]:
    """Return another piece for one that varies, and whether it is an ordinary one."""
    from hypothesis import strategies as st

    if _NUMBER.fullmatch(piece):
        how = draw(st.sampled_from(["own", "near", "near", "other", "extreme", "large"]))
        if how == "own" and own_numbers:
            return draw(st.sampled_from(own_numbers)), False
        if how == "other" and numbers:
            return draw(st.sampled_from(numbers)), True
        if how == "large":
            return str(draw(st.integers(-(10**12), 10**15))), False
        if how == "extreme":
            return draw(st.sampled_from(EXTREMES)), False
        low, high = _range(numbers)
        return str(draw(st.integers(low, high))), True
    if piece.startswith("["):
        items = [item.strip() for item in piece[1:-1].split(",") if item.strip()]
        how = draw(
            st.sampled_from(["shuffle", "shuffle", "one", "none", "twice", "sorted", "same", "long", "other"])
        )
        if how == "shuffle":
            return f"[{', '.join(draw(st.permutations(items)))}]", True
        if how == "other":
            return draw(st.sampled_from(lists)), True
        made = {
            "one": items[:1],
            "none": [],
            "twice": items * 2,
            "sorted": sorted(items),
            "same": items[:1] * max(2, len(items)),
            "long": items * 12,
        }[how]
        return f"[{', '.join(made)}]", how == "sorted"
    how = draw(st.sampled_from(["other", "other", "other", "own", "strange", "upper", "double", "none"]))
    if how == "own" and own_words:
        return draw(st.sampled_from(own_words)), False
    if how == "strange":
        return draw(st.sampled_from(WORDS)), False
    if how in ("upper", "double", "none"):
        return {"upper": piece.upper(), "double": piece * 2, "none": ""}[how], False
    return (draw(st.sampled_from(words)), True) if words and piece.isalpha() else (piece, True)


def _range(numbers: Sequence[str]) -> tuple[int, int]:
    """Return the smallest and the largest of the numbers that occur: beyond them nothing is known to be asked."""
    values = [int(float(number)) for number in numbers] or [0]
    return min(values), max(values)


def constants_of(script: str, limit: int = 60) -> list[str]:
    """Return the numbers and short words in a script, and the neighbours of the numbers: where it may branch."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(script)):
        if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
            continue
        if isinstance(node.value, int) and abs(node.value) < 10**15:
            found.update(dict.fromkeys(str(node.value + step) for step in (0, 1, -1)))
        elif isinstance(node.value, str) and node.value.isalnum() and len(node.value) <= 30:
            found[node.value] = None
    return list(found)[:limit]
