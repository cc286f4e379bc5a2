"""Does a script treat some inputs in a special way that no judged task has shown to be right?

Every comparison with a number or a text that is out of the ordinary is watched while the judged tasks run: each
must have come out both ways (condition coverage), unless the way that was not taken gives no answer. A script that
is wrong beyond 4096, or on one word, shows it here even where no task reaches that far.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["SpecialCase", "instrument", "watched"]

ORDINARY = {-1, 0, 1, 2, 10}
"""Numbers that honest scripts compare with everywhere."""
RECORDER = """
_evolvent_seen = {}


def _evolvent_note(number, value):
    _evolvent_seen.setdefault(number, set()).add(bool(value))
    return value


def evolvent_conditions(questions):
    for question in questions:
        try:
            solve(question)
        except BaseException:
            continue
    return [[number, sorted(seen)] for number, seen in sorted(_evolvent_seen.items())]
"""


class SpecialCase(NamedTuple):
    """A comparison in a script that sets inputs apart."""

    line: int
    text: str
    silent: frozenset[bool]
    """Outcomes after which the script gives no answer; they need no evidence."""


def watched(script: str) -> list[SpecialCase]:
    """Return the comparisons that need evidence, in the order of their numbers in `instrument`."""
    tree = ast.parse(script)
    return [SpecialCase(node.lineno, ast.unparse(node)[:120], silent) for node, silent in _special(tree)]


def instrument(script: str) -> str:
    """Return the script with every special comparison noted, and `evolvent_conditions(questions)` to run it."""
    tree = ast.parse(script)
    numbers = {id(node): number for number, (node, _) in enumerate(_special(tree))}

    class Note(ast.NodeTransformer):
        def visit_Compare(self, node: ast.Compare) -> ast.AST:
            self.generic_visit(node)
            number = numbers.get(id(node))
            if number is None:
                return node
            name = ast.Name("_evolvent_note", ast.Load())
            return ast.Call(name, [ast.Constant(number), node], [])

    return RECORDER + ast.unparse(ast.fix_missing_locations(Note().visit(tree)))


def _special(tree: ast.Module) -> Iterator[tuple[ast.Compare, frozenset[bool]]]:
    names = _constant_names(tree)
    silent: dict[int, frozenset[bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp):
            branches = (True, node.body), (False, node.orelse)
            ways = frozenset(way for way, body in branches if _gives_nothing(body))
            silent.update((id(part), ways) for part in ast.walk(node.test))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = (node.left, *node.comparators)
        if any(_telling(part, names) for part in sides) or any(_measure(part, names) for part in sides):
            yield node, silent.get(id(node), frozenset())


def _constant_names(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the names that are set to a constant or to a collection of them."""
    return {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant | ast.Tuple | ast.List | ast.Set)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _telling(node: ast.expr, names: dict[str, ast.expr]) -> bool:
    """Whether a comparison with this sets some inputs apart."""
    if isinstance(node, ast.Name) and node.id in names:
        return _telling(names[node.id], {})
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_telling(item, names) for item in node.elts)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return len(node.value) >= 2
    return _measure(node, names)


def _measure(node: ast.expr, names: dict[str, ast.expr]) -> bool:
    """Whether arithmetic holds a number that is out of the ordinary, as in `n % 97`."""
    if isinstance(node, ast.Name) and node.id in names:
        return _measure(names[node.id], {})
    if isinstance(node, ast.BinOp):
        return _measure(node.left, names) or _measure(node.right, names)
    if isinstance(node, ast.UnaryOp):
        return _measure(node.operand, names)
    plain = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    return plain and not isinstance(node.value, bool) and node.value not in ORDINARY


def _gives_nothing(body: Sequence[ast.stmt] | ast.expr) -> bool:
    """Whether a branch ends in `return None`, or raises."""
    if isinstance(body, ast.expr):
        return isinstance(body, ast.Constant) and body.value is None
    last = body[-1] if body else None
    if isinstance(last, ast.Return):
        return last.value is None or (isinstance(last.value, ast.Constant) and last.value.value is None)
    return isinstance(last, ast.Raise)
