"""Does a script treat some inputs in a special way that no judged task has shown to be right?

Every condition on a number or a text that is out of the ordinary is watched while the judged tasks run: each must
have come out both ways (condition coverage), unless the way that was not taken gives no answer. A look-up in a small
table with another default must have found something. A script that is wrong beyond 4096, or on one word, shows it
here even where no task reaches that far.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evolvent.types import JsonValue

__all__ = ["SpecialCase", "instrument", "read_conditions", "watched"]

ORDINARY = {-1, 0, 1, 2, 10}
"""Numbers that honest scripts compare with everywhere."""
_FIXED = ast.Constant | ast.Tuple | ast.List | ast.Set | ast.Dict | ast.BinOp
SMALL_TABLE = 4
"""Keys up to which a table is a list of exceptions."""
RECORDER = """
_evolvent_seen = {}


def _evolvent_note(number, value, way=None):
    _evolvent_seen.setdefault(number, set()).add(bool(value if way is None else way))
    return value


def evolvent_conditions(questions):
    kept = {}
    for question in questions:
        _evolvent_seen.clear()
        try:
            answered = solve(question) is not None
        except BaseException:
            answered = False
        if answered:
            for number, ways in _evolvent_seen.items():
                kept.setdefault(number, set()).update(ways)
    return [[number, sorted(ways)] for number, ways in sorted(kept.items())]
"""


class SpecialCase(NamedTuple):
    """A condition in a script that sets inputs apart."""

    line: int
    text: str
    ways: frozenset[bool]
    """Outcomes that need evidence: not those after which the script gives no answer."""
    trigger: bool | None
    """The outcome that means "it is this very input", where the condition asks for that."""


def watched(script: str) -> list[SpecialCase]:
    """Return the conditions that need evidence, in the order of their numbers in `instrument`."""
    tree = ast.parse(script)
    return [
        SpecialCase(node.lineno, ast.unparse(node)[:120], frozenset({True, False}) - silent, _trigger(node))
        for node, silent in _special(tree)
    ]


def read_conditions(value: JsonValue) -> dict[int, frozenset[bool]]:
    """Return how each condition came out in calls that gave an answer, from what `evolvent_conditions` returned."""
    rows = value if isinstance(value, list) else []
    return {
        int(str(row[0])): frozenset(bool(way) for way in row[1])
        for row in rows
        if isinstance(row, list) and len(row) == 2 and isinstance(row[1], list)
    }


def _trigger(node: ast.expr) -> bool | None:
    if isinstance(node, ast.Compare):
        if any(isinstance(op, ast.Eq | ast.In | ast.Is) for op in node.ops):
            return True
        if any(isinstance(op, ast.NotEq | ast.NotIn | ast.IsNot) for op in node.ops):
            return False
        return None
    return True


def instrument(script: str) -> str:
    """Return the script with every special condition noted, and `evolvent_conditions(questions)` to run it."""
    tree = ast.parse(script)
    numbers = {id(node): number for number, (node, _) in enumerate(_special(tree))}

    class Note(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            number = numbers.get(id(node))
            seen = self.generic_visit(node)
            if number is None:
                return seen
            assert isinstance(seen, ast.expr)
            arguments: list[ast.expr] = [ast.Constant(number), seen]
            if isinstance(seen, ast.Call) and _looks_up(seen):
                assert isinstance(seen.func, ast.Attribute)
                arguments.append(ast.Compare(seen.args[0], [ast.In()], [seen.func.value]))
            return ast.Call(ast.Name("_evolvent_note", ast.Load()), arguments, [])

    return RECORDER + ast.unparse(ast.fix_missing_locations(Note().visit(tree)))


def _special(tree: ast.Module) -> Iterator[tuple[ast.expr, frozenset[bool]]]:
    names = _constant_names(tree)
    silent = _silent_ways(tree)
    tests = {id(leaf) for node in ast.walk(tree) for leaf in _leaves(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            found = any(_telling(part, names) or _measure(part, names) for part in sides)
        elif isinstance(node, ast.Call) and _looks_up(node):
            assert isinstance(node.func, ast.Attribute)
            if _keys_are_telling(node.func.value, names):
                yield node, frozenset({False})
            continue
        else:
            found = id(node) in tests and isinstance(node, ast.Call | ast.BinOp) and _telling(node, names)
        if found:
            assert isinstance(node, ast.expr)
            yield node, silent.get(id(node), frozenset()) | _misses(node, names)


def _misses(node: ast.expr, names: dict[str, ast.expr]) -> frozenset[bool]:
    """Return the outcome that says "not in a large table": tables list what is known, and need hits only."""
    if not (isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn)):
        return frozenset()
    table = node.comparators[0]
    if isinstance(table, ast.Name):
        table = names.get(table.id, table)
    if isinstance(table, ast.Constant) and isinstance(table.value, str):
        size = len(table.value)
    elif isinstance(table, ast.Dict):
        size = len(table.keys)
    else:
        size = len(table.elts) if isinstance(table, ast.Tuple | ast.List | ast.Set) else 0
    return frozenset({isinstance(node.ops[0], ast.NotIn)}) if size > SMALL_TABLE else frozenset()


def _leaves(node: ast.AST) -> list[ast.expr]:
    """Return the operands of a test or of a Boolean operator."""
    if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
        return [node.test]
    if isinstance(node, ast.comprehension):
        return list(node.ifs)
    if isinstance(node, ast.BoolOp):
        return list(node.values)
    return [node.operand] if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else []


def _silent_ways(tree: ast.Module) -> dict[int, frozenset[bool]]:
    """Return, for every part of a test, the outcomes of the test after which there is no answer."""
    ways: dict[int, frozenset[bool]] = {}

    def note(test: ast.expr, no_if_true: bool, no_if_false: bool) -> None:
        found = frozenset(way for way, no in ((True, no_if_true), (False, no_if_false)) if no)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            note(test.operand, no_if_false, no_if_true)
            return
        ways.update((id(part), found) for part in ast.walk(test))

    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp):
            note(node.test, _gives_nothing(node.body), _gives_nothing(node.orelse))
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            statements = body if isinstance(body, list) else []
            for place, statement in enumerate(statements):
                if isinstance(statement, ast.If):
                    other = statement.orelse or statements[place + 1 : place + 2]
                    note(statement.test, _gives_nothing(statement.body), _gives_nothing(other))
    return ways


def _looks_up(node: ast.Call) -> bool:
    """Whether this is `table.get(key, default)` with a default that is an answer."""
    if not (
        isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop") and len(node.args) == 2
    ):
        return False
    default = node.args[1]
    return not (isinstance(default, ast.Constant) and default.value is None)


def _keys_are_telling(node: ast.expr, names: dict[str, ast.expr]) -> bool:
    if isinstance(node, ast.Name) and node.id in names:
        node = names[node.id]
    keys = [key for key in node.keys if key is not None] if isinstance(node, ast.Dict) else []
    return 0 < len(keys) <= SMALL_TABLE and any(_telling(key, {}) for key in keys)


def _constant_names(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the names that are set to a constant or to a collection of them."""
    return {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, _FIXED)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _telling(node: ast.expr, names: dict[str, ast.expr]) -> bool:
    """Whether a comparison with this sets some inputs apart."""
    if isinstance(node, ast.Name) and node.id in names:
        return _telling(names[node.id], {})
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_telling(item, names) for item in node.elts)
    if isinstance(node, ast.Dict):
        return _keys_are_telling(node, names)
    if isinstance(node, ast.Call):
        return any(_telling(argument, names) for argument in node.args)
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
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return False
    return isinstance(node.value, int | float) and node.value not in ORDINARY


def _gives_nothing(body: Sequence[ast.stmt] | ast.expr) -> bool:
    """Whether a branch ends in `return None`, or raises."""
    if isinstance(body, ast.expr):
        return isinstance(body, ast.Constant) and body.value is None
    last = body[-1] if body else None
    if isinstance(last, ast.Return):
        return last.value is None or (isinstance(last.value, ast.Constant) and last.value.value is None)
    return isinstance(last, ast.Raise)
