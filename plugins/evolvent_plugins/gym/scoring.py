"""Scores an answer with the library's own `score_answer`, where that is safe and sound.

Runs in the helper process only.
"""

from __future__ import annotations

import ast
import copy
import importlib
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from evolvent_plugins.gym.hazards import EVALUATES_TEXT, EXPRESSIONS, expression_problem

__all__ = ["MAX_ANSWER", "RawEntry", "score_answer"]

RawEntry = dict[str, Any]
"""`question`, `answer` and `metadata` as the library made them."""
MAX_ANSWER = 20_000
"""Characters of an answer; longer ones score 0 unread."""

_WRONG = (0.0, "")


def score_answer(family: str, dataset: Any, entry: RawEntry, answer: str) -> tuple[float, str]:
    """Return the score in [0, 1] and, where the answer could not be scored, why. Never raises."""
    if len(answer) > MAX_ANSWER:
        return 0.0, f"the answer has {len(answer)} characters; more than {MAX_ANSWER} are not read"
    rules = EXPRESSIONS.get(family)
    if rules is not None and (problem := expression_problem(answer, rules)):
        return 0.0, problem
    if family in EVALUATES_TEXT:
        module: Any = importlib.import_module(EVALUATES_TEXT[family])
        module.eval = ast.literal_eval  # a module's global hides the builtin of the same name
    try:
        if family in _OWN_SCORERS:
            return _OWN_SCORERS[family](answer, entry)
        # Some scorers write into the entry that they are given.
        value = float(dataset.score_answer(answer, copy.deepcopy(entry)))
    except Exception as error:  # the library's scorers raise all sorts of things on odd text
        return 0.0, f"the scorer stopped with {type(error).__name__}: {str(error)[:200]}"
    return (min(1.0, max(0.0, value)), "") if value == value else _WRONG


def _coin_flip(answer: str, entry: RawEntry) -> tuple[float, str]:
    """Right within 1e-4, as in the library, and within 1 %; without its marks for a common prefix."""
    text = answer.strip()
    if not re.fullmatch(r"\d{1,20}/\d{1,20}|(\d{1,20}\.?\d{0,40}|\.\d{1,40})([eE]-?\d{1,2})?", text):
        return 0.0, "not a decimal number or a fraction"
    right = Fraction(entry["answer"])
    close = abs(Fraction(text) - right) <= min(Fraction(1, 10_000), right / 100)
    return (1.0, "") if close else _WRONG


def _halting(answer: str, entry: RawEntry) -> tuple[float, str]:
    return (1.0, "") if answer.strip().lower() == str(entry["answer"]).strip().lower() else _WRONG


def _puzzle24(answer: str, entry: RawEntry) -> tuple[float, str]:
    """Right when it uses each of the given numbers once and makes exactly 24."""
    used = sorted(int(number) for number in re.findall(r"\d+", answer))
    if used != sorted(entry["metadata"]["numbers"]):
        return 0.0, "it does not use each of the given numbers once"
    return (1.0, "") if _arithmetic(ast.parse(answer.strip(), mode="eval").body) == 24 else _WRONG


def _arithmetic(node: ast.expr) -> Fraction:
    """Evaluate an expression that passed `expression_problem` without powers, names and functions."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(value)
        case ast.UnaryOp(op=sign, operand=operand):
            return -_arithmetic(operand) if isinstance(sign, ast.USub) else _arithmetic(operand)
        case ast.BinOp(left=left, op=operator, right=right):
            first, second = _arithmetic(left), _arithmetic(right)
            if isinstance(operator, ast.Div):
                return first / second
            if isinstance(operator, ast.Mult):
                return first * second
            return first + second if isinstance(operator, ast.Add) else first - second
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not arithmetic")


_OWN_SCORERS: dict[str, Callable[[str, RawEntry], tuple[float, str]]] = {
    "coin_flip": _coin_flip,
    "game_of_life_halting": _halting,
    "puzzle24": _puzzle24,
}
