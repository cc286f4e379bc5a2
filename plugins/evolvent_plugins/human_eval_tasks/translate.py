"""Reads a `check(candidate)` function as cases without running it: (arguments, relation, expected value)."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import Any

__all__ = ["Expectation", "NotTranslatable", "translate"]


class NotTranslatable(Exception):
    """The check does something that cannot be read off its syntax."""


@dataclass(frozen=True)
class Expectation:
    """One assertion of a check."""

    args: list[Any]
    """Python literals: tuples, and dicts with keys that JSON has not, among them."""
    expected: Any
    """A JSON value."""
    tolerance: float | None = None
    """Absolute tolerance where the check has one."""


def translate(check: str, function: str) -> list[Expectation]:
    """Return the assertions of a check that compares calls of `candidate` with constant values.

    Raises:
        NotTranslatable: it has an assertion or a statement of another form.
    """
    module = ast.parse(check)
    bodies = [node.body for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "check"]
    if len(bodies) != 1:
        raise NotTranslatable("no single function `check`")
    found = [_statement(statement) for statement in bodies[0]]
    expectations = [item for item in found if item is not None]
    if not expectations:
        raise NotTranslatable("no assertion about the candidate")
    return expectations


def _statement(statement: ast.stmt) -> Expectation | None:
    match statement:
        case ast.Expr(value=ast.Constant() | ast.Name()) | ast.Pass():
            return None
        case ast.Assert(test=ast.Constant(value=value)) if value:
            return None
        case ast.Assert(test=test):
            return _assertion(test)
    raise NotTranslatable(ast.unparse(statement)[:100])


def _assertion(test: ast.expr) -> Expectation:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            return Expectation(_call(_without_tuple(left)), _as_json(_constant(right)))
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=left, op=ast.Sub(), right=right)]),
            ops=[ast.Lt() | ast.LtE()],
            comparators=[bound],
        ):
            return Expectation(_call(left), _constant(right), float(_constant(bound)))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Expectation(_call(operand), False)
        case ast.Call():
            return Expectation(_call(test), True)
    raise NotTranslatable(ast.unparse(test)[:100])


def _without_tuple(node: ast.expr) -> ast.expr:
    """`tuple(candidate(…))` only hides whether a list or a tuple came back, which JSON does too."""
    match node:
        case ast.Call(func=ast.Name(id="tuple"), args=[inner], keywords=[]):
            return inner
    return node


def _call(node: ast.expr) -> list[Any]:
    match node:
        case ast.Call(func=ast.Name(id="candidate"), args=args, keywords=[]):
            return [_constant(argument) for argument in args]
    raise NotTranslatable(ast.unparse(node)[:100])


_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def _constant(node: ast.expr) -> Any:
    """Evaluate literals and arithmetic on them."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_constant(left), _constant(right))
        case ast.Call(func=ast.Name(id="tuple"), args=[inner], keywords=[]):
            return _constant(inner)
        case ast.List(elts=elements):
            return [_constant(element) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(_constant(element) for element in elements)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise NotTranslatable(ast.unparse(node)[:100]) from None


def _as_json(value: Any) -> Any:
    """Turn tuples into lists, as they come back from the sandbox."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise NotTranslatable(repr(value)[:100])
        return {key: _as_json(item) for key, item in value.items()}
    return value
