"""Families whose own `score_answer` must not simply be called on an answer from a guest, and why.

Read in reasoning-gym 0.1.25. Families that are not named here compare text, parse numbers or JSON, replay
moves, or simplify formulas. All scoring runs in a helper process that is killed when it takes too long
(`client.py`).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from evolvent.errors import UsageError

__all__ = [
    "EVALUATES_TEXT",
    "EXPRESSIONS",
    "NOT_SCORABLE",
    "UNSOUND",
    "ExpressionRules",
    "expression_problem",
    "require_scorable",
]

EVALUATES_TEXT = {
    "binary_matrix": "reasoning_gym.algorithmic.binary_matrix",
    "n_queens": "reasoning_gym.games.n_queens",
    "spiral_matrix": "reasoning_gym.algorithmic.spiral_matrix",
    "string_insertion": "reasoning_gym.algorithmic.string_insertion",
}
"""Calls `eval(answer)` in the module that is named. They want a literal, so `ast.literal_eval` takes eval's
place there: nothing else can be written in an answer."""


@dataclass(frozen=True)
class ExpressionRules:
    """What may stand in an answer that sympy's `parse_expr`, which is `eval` underneath, will read."""

    names: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    powers: bool = True


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDFGHJKLMPQRTUVWXYZ")
_CALCULUS = ExpressionRules(
    names=_LETTERS | {"pi", "E"},
    functions=frozenset(
        {"sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "exp", "log", "sqrt"}
    )
    | {"sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "ln", "Abs"},
)
EXPRESSIONS = {
    "countdown": ExpressionRules(powers=False),
    "puzzle24": ExpressionRules(powers=False),
    "polynomial_multiplication": ExpressionRules(names=_LETTERS),
    "simple_integration": _CALCULUS,
    "intermediate_integration": _CALCULUS,
}
"""Gives the answer to sympy's `parse_expr`. An answer that breaks these rules scores 0 unseen."""

UNSOUND = {
    "coin_flip": "gives full marks to any prefix of the answer (`0` for 0.125), and hangs on `1e999999999`",
    "game_of_life_halting": "compares `bool(text)`, so every answer but the empty one is right",
    "puzzle24": "does not look whether the four numbers are the given ones, and cuts 24.9 to 24",
}
"""The library's score is wrong here; `scoring.py` judges these itself, or asks for more."""

NOT_SCORABLE = {
    "composite": "it mixes other families and cannot be built from its name alone; name those families"
}
"""Families that suites refuse."""

MAX_NODES = 200
MAX_DIGITS = 12
MAX_POWER = 60
_NUMBER_TOO_LONG = re.compile(rf"\d{{{MAX_DIGITS + 1},}}")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def require_scorable(family: str) -> None:
    """Check that answers to this family can be judged.

    Raises:
        UsageError: they cannot; says why.
    """
    if family in NOT_SCORABLE:
        raise UsageError(f"the reasoning-gym family {family!r} cannot be used: {NOT_SCORABLE[family]}")


def expression_problem(text: str, rules: ExpressionRules) -> str:
    """Return why `text` may not be given to sympy, or "" when it is plain, bounded arithmetic."""
    if not text.isascii() or "\n" in text.strip() or _NUMBER_TOO_LONG.search(text):
        return "an expression is one line of ASCII with short numbers"
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "it is not an expression"
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        return f"it has more than {MAX_NODES} parts"
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        problem = "" if id(node) in called else _node_problem(node, rules)
        if problem:
            return problem
    return f"its powers multiply to more than {MAX_POWER}" if _power(tree) > MAX_POWER else ""


def _node_problem(node: ast.AST, rules: ExpressionRules) -> str:
    match node:
        case ast.Constant(value=bool()):
            fine = False
        case ast.Constant(value=int() | float() as value):
            fine = abs(value) < 10**MAX_DIGITS
        case ast.Name(id=name):
            fine = name in rules.names
        case ast.Call(func=ast.Name(id=name), args=[_], keywords=[]):
            fine = name in rules.functions
        case ast.BinOp(op=operator):
            fine = isinstance(operator, _OPERATORS) and (rules.powers or not isinstance(operator, ast.Pow))
        case ast.UnaryOp(op=operator):
            fine = isinstance(operator, ast.UAdd | ast.USub)
        case ast.operator() | ast.unaryop() | ast.expr_context():
            fine = True
        case _:
            fine = False
    return "" if fine else f"{ast.unparse(node)[:40]!r} is not allowed in this expression"


def _power(node: ast.AST) -> float:
    """Return a bound of the power to which anything is raised: nested exponents multiplied."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return max(1.0, _size_of(node.right)) * max(_power(node.left), _power(node.right))
    return max((_power(child) for child in ast.iter_child_nodes(node)), default=1.0)


def _size_of(exponent: ast.expr) -> float:
    """Return a bound of an exponent's size: the product of its numbers, counted before any division."""
    size = 1.0
    for node in ast.walk(exponent):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            size *= max(1.0, abs(node.value))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            size *= 2
    return size
