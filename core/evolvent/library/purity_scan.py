"""Is a script a function of its question? State that survives a call, the clock and the memory's layout say no."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["impurities"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MUTATORS = _words(
    """add append appendleft clear discard extend extendleft insert insort insort_left insort_right pop popitem
    popleft remove reverse rotate setdefault sort subtract update heappush heappop heapify heapreplace
    heappushpop move_to_end"""
)
CLOCK = frozenset({"now", "today", "utcnow"})
ITERATORS = _words(
    "iter count cycle chain repeat enumerate zip map filter tee islice accumulate starmap reversed"
)
MUTABLE_MAKERS = ITERATORS | _words(
    "list dict set bytearray array deque defaultdict Counter OrderedDict ChainMap Random SimpleNamespace"
)
CACHES = frozenset({"lru_cache", "cache", "cached_property", "singledispatch"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def impurities(tree: ast.Module) -> Iterator[str]:
    """Yield a reason for each place where an answer could depend on more than the question."""
    outer = _bound(tree.body)
    makers = {f.name for f in tree.body if isinstance(f, ast.FunctionDef) and _remembering(f)}
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            yield from _kept(statement.value, makers)
    for node in ast.walk(tree):
        line = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Global):
            yield f"{line}: `global` keeps state between calls; pass values as arguments"
        elif isinstance(node, _Function):
            yield from _defaults(node)
            yield from _mutations(node, outer)
            if isinstance(node, ast.FunctionDef):
                yield from _cached(node, outer)
        elif isinstance(node, ast.Attribute) and node.attr in CLOCK:
            yield f"{line}: {node.attr} reads the clock; an answer may depend on its question only"
        elif (
            isinstance(node, ast.Name)
            and node.id in {"id", "hash"} - outer
            and isinstance(node.ctx, ast.Load)
            and not _own_name(tree, node)
        ):
            yield f"{line}: {node.id}() differs from process to process"


def _bound(body: list[ast.stmt]) -> set[str]:
    """Return the names that the module binds itself."""
    names = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add((node.asname or node.name).split(".")[0])
    return names


def _remembering(function: ast.FunctionDef) -> bool:
    """Whether what a function returns may remember: it has inner functions that rebind, or yields."""
    return any(isinstance(node, ast.Nonlocal | ast.Yield | ast.YieldFrom) for node in ast.walk(function))


def _kept(value: ast.expr, makers: set[str]) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.GeneratorExp) and node is value:
            yield f"line {node.lineno}: a generator that is kept at module level gives something else to each call"
        if isinstance(node, ast.Call):
            name = _name(node.func)
            if node is value and name in ITERATORS:
                yield f"line {node.lineno}: {name}() that is kept at module level gives something else to each call"
            if name in makers:
                yield f"line {node.lineno}: {name}() returns something that remembers, and it is kept at module level"


def _defaults(function: _Function) -> Iterator[str]:
    for default in (*function.args.defaults, *function.args.kw_defaults):
        if isinstance(default, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp) or (
            isinstance(default, ast.Call) and _name(default.func) in MUTABLE_MAKERS
        ):
            yield f"line {default.lineno}: a default that can change keeps state between calls; use None"


def _mutations(function: _Function, outer: set[str]) -> Iterator[str]:
    own = _own(function)
    for node in ast.walk(function):
        line = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            root = _root(node)
            if root in outer - own:
                yield f"{line}: changes {root!r} of the module, which keeps state between calls"
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                root = _root(node.func)
                arguments = {_root(argument) for argument in node.args}
                for name in sorted(
                    ({root, *arguments} if root in {"heapq", "bisect"} else {root}) & (outer - own)
                ):
                    if name not in {"heapq", "bisect"}:
                        yield f"{line}: changes {name!r} of the module, which keeps state between calls"
            elif _name(node.func) in {"next", *MUTATORS} and node.args:
                root = _root(node.args[0])
                if root in outer - own:
                    yield f"{line}: changes {root!r} of the module, which keeps state between calls"


def _cached(function: ast.FunctionDef, outer: set[str]) -> Iterator[str]:
    """A cache of plain values is harmless; one of things that can change is state."""
    if not any(_name(d.func if isinstance(d, ast.Call) else d) in CACHES for d in function.decorator_list):
        return
    makes = [
        node
        for node in ast.walk(function)
        if isinstance(
            node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp | ast.Lambda
        )
        or (
            isinstance(node, ast.Call)
            and (_name(node.func) in MUTABLE_MAKERS or _name(node.func)[:1].isupper())
        )
    ]
    if not function.args.args or makes:
        yield f"line {function.lineno}: a cache of values that can change keeps state between calls"


def _own(function: ast.AST) -> set[str]:
    """Return the names that a function, or one inside it, binds itself."""
    names = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _own_name(tree: ast.Module, name: ast.Name) -> bool:
    """Whether `id` or `hash` is a variable of the script, or stands in a `__hash__`."""
    for node in ast.walk(tree):
        inside = isinstance(node, _Function) and any(part is name for part in ast.walk(node))
        if inside and (getattr(node, "name", "") == "__hash__" or name.id in _own(node)):
            return True
    return False


def _root(node: ast.expr) -> str:
    """Return the name at the root of `name.a[0].b`, or nothing."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
