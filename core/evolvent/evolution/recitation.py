"""Whether an agent program recites tasks that its author has seen, instead of solving tasks of their kind."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache

from evolvent.library.hard_coded import FEW_ANSWERS, hard_coded_answers
from evolvent.syntax import nodes_of, parsed

__all__ = ["recitations"]

PIECE = 8
"""Words in a row that no two tasks share by chance."""
SHORTEST = 4
"""Words of a prompt that is looked for as a whole when it has fewer than `PIECE`."""
LONG_ANSWER = 12
"""Characters from which on a single answer tells; shorter ones turn up by chance."""
MIN_ANSWER = 4
SEVERAL = 2
"""Shorter answers tell from so many on."""
_WORD = re.compile(r"\w+|[^\w\s]")

Known = Sequence[tuple[str, str]]


def recitations(before: Mapping[str, str], after: Mapping[str, str], known: Known) -> Iterator[str]:
    """Yield a reason for each changed file that holds known tasks or their answers, beyond what the parent had.

    Args:
        before: the parent's files.
        after: the child's.
        known: (prompt, expected answer) of the train tasks that the author may have seen.
    """
    if not known:
        return
    pieces = _telling_pieces(tuple(known))
    old_literals = {value for path, text in before.items() for _, value in _literals(path, text)}
    for path, text in sorted(after.items()):
        if before.get(path) == text:
            continue
        yield from _pieces(path, text, pieces, before.values())
        yield from _answers(path, text, known, old_literals, "\n".join(before.values()))
        if path.endswith(".py"):
            yield from (f"{path!r} {reason}" for reason in hard_coded_answers(parsed(text), known))


@lru_cache(maxsize=8)
def _telling_pieces(known: tuple[tuple[str, str], ...]) -> dict[tuple[str, ...], str]:
    """Return the runs of words that only few prompts have; what most share is their kind's wording."""
    rows = [_WORD.findall(prompt.lower()) for prompt, _ in known]
    sizes = [PIECE if len(row) >= PIECE else max(len(row), SHORTEST) for row in rows]
    found = [set(_windows(row, size)) for row, size in zip(rows, sizes, strict=True)]
    counts = Counter(piece for pieces in found for piece in pieces)
    most = max(1, len(known) // 4)
    return {piece: " ".join(piece) for piece, count in counts.items() if count <= most}


def _windows(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def _pieces(
    path: str, text: str, pieces: Mapping[tuple[str, ...], str], before: Collection[str]
) -> Iterator[str]:
    sizes = {len(piece) for piece in pieces}
    for number, row in _word_rows(text):
        for window in (window for size in sizes for window in _windows(row, size)):
            if window in pieces and not any(window in _all_windows(old, len(window)) for old in before):
                yield f"{path!r} line {number} holds a piece of a train task: {pieces[window]!r}"
                return


@lru_cache(maxsize=256)
def _all_windows(text: str, size: int) -> frozenset[tuple[str, ...]]:
    return frozenset(_windows(_WORD.findall(text.lower()), size))


def _word_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the whole text's words, as of its first line, and each line's: a piece may run over lines."""
    for number, line in enumerate(text.splitlines(), 1):
        yield number, _WORD.findall(line.lower())
    yield 1, _WORD.findall(text.lower())


def _answers(path: str, text: str, known: Known, old_literals: set[str], old_text: str) -> Iterator[str]:
    expected = {answer.strip() for _, answer in known}
    if len(expected) <= FEW_ANSWERS:
        return
    candidates = {answer for answer in expected if len(answer) >= MIN_ANSWER}
    if path.endswith(".py"):
        held = {
            value: line
            for line, value in _literals(path, text)
            if value in candidates and value not in old_literals
        }
    else:
        held = {
            answer: text.count("\n", 0, text.find(answer)) + 1
            for answer in candidates
            if _stands_in(answer, text) and not _stands_in(answer, old_text)
        }
    telling = [answer for answer in held if len(answer) >= LONG_ANSWER]
    if telling or len(held) > SEVERAL:
        shown = sorted(telling or held, key=lambda answer: held[answer])[0]
        yield f"{path!r} line {held[shown]} holds {len(held)} answers of train tasks, for example {shown[:80]!r}"


def _stands_in(answer: str, text: str) -> bool:
    return answer in text and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) is not None


@lru_cache(maxsize=512)
def _literals(path: str, text: str) -> tuple[tuple[int, str], ...]:
    """Return the texts and numbers of a file of code: line and value."""
    if not path.endswith(".py"):
        return ()
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    constants = [node for node in nodes_of(tree) if isinstance(node, ast.Constant)]
    return tuple(
        (n.lineno, str(n.value).strip()) for n in constants if isinstance(n.value, str | int | float)
    )
