"""Does a script compute its answers, or does it recite those of tasks that its author saw?"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from evolvent.syntax import nodes_of
from evolvent.types import JsonValue, Task

__all__ = ["hard_coded_answers", "known_answers"]

MIN_CHARS = 3
"""Shorter texts turn up in a question by chance."""
FEW_ANSWERS = 3
"""Where all tasks share so few answers, such as yes and no, every script holds them: only a text that stands in one
single question is telling."""
TOLERATED = 1
"""Tasks whose question and answer may both stand in the script, for example as a worked example."""


def hard_coded_answers(tree: ast.Module, known: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield a reason when the literals of a script pair known questions with their answers.

    A task counts as recited when a literal is its whole expected answer and another literal is its question,
    or a part of it that most other questions do not have.

    Args:
        tree: the parsed script.
        known: (question, expected answer as text) of tasks.
    """
    literals = {text for node in nodes_of(tree) if (text := _literal(node)) is not None}
    long = {text for text in literals if len(text) >= MIN_CHARS}
    few = len({expected for _, expected in known}) <= FEW_ANSWERS
    recited = []
    for question, expected in known:
        if expected not in literals:
            continue
        parts = [text for text in long if text in question and text != expected]
        most = 1 if few else max(1, len(known) // 4)
        if any(sum(part in other for other, _ in known) <= most for part in parts):
            recited.append(question)
    if len(recited) > TOLERATED:
        yield (
            f"recites the answers of {len(recited)} known tasks instead of computing them,"
            f" for example of {recited[0][:80]!r}"
        )


def known_answers(tasks: Sequence[Task]) -> list[tuple[str, str]]:
    """Return (question, expected answer) of the tasks whose reference shows one."""
    pairs = []
    for task in tasks:
        reference = task.reference
        answer: JsonValue = reference
        if isinstance(reference, dict):
            answer = reference.get("answer", reference.get("expected"))
        if isinstance(answer, str | int | float) and not isinstance(answer, bool):
            pairs.append((task.prompt, str(answer).strip()))
    return pairs


def _literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
        return str(node.value).strip()
    return None
