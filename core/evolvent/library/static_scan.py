"""A look at a skill's script without running it.

The sandbox is the wall; this scan is the sieve before it. It refuses what no honest skill needs, so that what
is admitted can be read and reviewed, and runs the same tomorrow.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Sequence
from types import ModuleType

from evolvent.library.hard_coded import hard_coded_answers
from evolvent.library.obfuscation_scan import hidden_texts, script_texts
from evolvent.library.purity_scan import impurities
from evolvent.library.script import without_main
from evolvent.scanning import scan_prose

__all__ = ["ALLOWED_DUNDERS", "ALLOWED_MODULES", "MAX_TABLE", "REFUSED_NAMES", "is_module", "scan_script"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED_MODULES = _words(
    """__future__ array bisect calendar cmath collections collections.abc copy dataclasses datetime decimal
    difflib enum fractions functools heapq itertools json math numbers operator re statistics string textwrap
    typing unicodedata"""
)
"""Standard-library modules that only compute: no input or output, no processes, no randomness."""

REFUSED_NAMES = _words(
    """__builtins__ __import__ __loader__ __spec__ breakpoint compile delattr dir eval exec exit globals help
    input locals memoryview open quit setattr vars"""
)
ALLOWED_DUNDERS = _words(
    """__abs__ __add__ __bool__ __call__ __contains__ __delitem__ __doc__ __enter__ __eq__ __exit__
    __floordiv__ __ge__ __getitem__ __gt__ __hash__ __init__ __iter__ __le__ __len__ __lt__ __main__ __mod__
    __mul__ __name__ __ne__ __neg__ __next__ __post_init__ __pow__ __radd__ __repr__ __rmul__ __rsub__
    __setitem__ __slots__ __str__ __sub__ __truediv__"""
)
MAX_BYTES = 100_000
MAX_TABLE = 512
"""Constants in one literal; the longest honest table so far is the periodic table's 118 elements."""
_SKILL = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_DUNDER = re.compile(r"__\w+__")
_REFUSED_ATTRIBUTES = frozenset({"get_type_hints", "make_dataclass", "ForwardRef", "tofile", "fromfile"})
"""Public names of allowed modules that evaluate text or touch files."""


def scan_script(
    source: str, known: Sequence[tuple[str, str]] = (), *, calls_skills: bool = False
) -> list[str]:
    """Return the reasons to refuse a script; empty when there are none.

    Args:
        source: the script; its `__main__` block is not looked at, ours replaces it.
        known: (question, expected answer) of tasks that the author may have seen, for the hard-coding check.
        calls_skills: whether it may import other skills; who allows that resolves them.
    """
    text = without_main(source)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return [f"the script has {len(text.encode())} bytes; allowed: {MAX_BYTES}"]
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [f"line {error.lineno}: does not parse: {error.msg}"]
    except (ValueError, RecursionError, MemoryError) as error:
        return [f"does not parse: {error or type(error).__name__}"]
    try:
        reasons = [*_entry(tree), *_walk(tree, calls_skills), *impurities(tree), *hidden_texts(tree, text)]
        reasons += [*hard_coded_answers(tree, known), *scan_prose(text, *script_texts(tree))]
    except RecursionError:
        return ["the script is nested too deeply to be looked at"]
    return list(dict.fromkeys(reasons))


def _entry(tree: ast.Module) -> Iterator[str]:
    """`solve` is a plain function of one question."""
    found = [
        n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == "solve"
    ]
    if not found:
        yield "defines no top-level function solve(question)"
        return
    solve = found[-1]
    if isinstance(solve, ast.AsyncFunctionDef) or any(
        isinstance(n, ast.Yield | ast.YieldFrom) for n in _own(solve)
    ):
        yield f"line {solve.lineno}: solve must be a plain function, not async and not a generator"
    positional = [*solve.args.posonlyargs, *solve.args.args]
    required = len(positional) - len(solve.args.defaults)
    if not positional or required > 1 or any(default is None for default in solve.args.kw_defaults):
        yield f"line {solve.lineno}: solve must take exactly one required argument, the question"


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _own(child)


def _walk(tree: ast.Module, calls_skills: bool) -> Iterator[str]:
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and not (calls_skills and _imports_skills(node)):
            yield from _import(node, modules)
    for node in ast.walk(tree):
        line = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Name):
            if node.id in REFUSED_NAMES or _strange_dunder(node.id):
                yield f"{line}: {node.id} is not allowed"
        elif isinstance(node, ast.Attribute):
            yield from _attribute(node, modules, line)
        elif isinstance(node, ast.Call):
            yield from _getattr(node, line)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if any(_strange_dunder(word) for word in _DUNDER.findall(node.value)):
                yield f"{line}: a text that names a special attribute is not allowed"
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            if _strange_dunder(node.name) or node.name in REFUSED_NAMES:
                yield f"{line}: defining {node.name} is not allowed"
        elif isinstance(node, ast.Dict | ast.List | ast.Set | ast.Tuple):
            size = sum(isinstance(child, ast.Constant) for child in ast.walk(node))
            if size > MAX_TABLE:
                yield f"{line}: a literal with {size} constants; a skill computes, allowed: {MAX_TABLE}"


def _imports_skills(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether this is `from skills import name, ...`, without other names for them."""
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "skills"
        and not node.level
        and all(_SKILL.fullmatch(alias.name) and alias.asname is None for alias in node.names)
    )


def _import(node: ast.Import | ast.ImportFrom, modules: dict[str, str]) -> Iterator[str]:
    line = f"line {node.lineno}"
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level or module not in ALLOWED_MODULES:
            yield f"{line}: importing from {'.' * node.level + module!r} is not allowed"
            return
        for alias in node.names:
            whole = f"{module}.{alias.name}"
            if alias.name == "*" or alias.name.startswith("_") or alias.name in _REFUSED_ATTRIBUTES:
                yield f"{line}: importing {alias.name!r} from {module} is not allowed"
            elif is_module(module, alias.name) and whole not in ALLOWED_MODULES:
                yield f"{line}: importing {whole!r} is not allowed"
        return
    for alias in node.names:
        if alias.name not in ALLOWED_MODULES:
            allowed = ", ".join(sorted(ALLOWED_MODULES))
            yield f"{line}: importing {alias.name!r} is not allowed; allowed: {allowed}"
        else:
            modules[alias.asname or alias.name.split(".")[0]] = (
                alias.name if alias.asname else alias.name.split(".")[0]
            )


def _attribute(node: ast.Attribute, modules: dict[str, str], line: str) -> Iterator[str]:
    if _strange_dunder(node.attr) or node.attr in _REFUSED_ATTRIBUTES:
        yield f"{line}: the attribute {node.attr} is not allowed"
    elif isinstance(node.value, ast.Name) and node.value.id in modules:
        module = modules[node.value.id]
        if node.attr.startswith("_") or (
            is_module(module, node.attr) and f"{module}.{node.attr}" not in ALLOWED_MODULES
        ):
            yield f"{line}: {module}.{node.attr} is not a public part of {module}"


def _getattr(node: ast.Call, line: str) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in {"getattr", "hasattr"}:
        name = node.args[1] if len(node.args) > 1 else None
        if not (isinstance(name, ast.Constant) and isinstance(name.value, str)) or name.value.startswith("_"):
            yield f"{line}: {node.func.id} is allowed only with a literal public name"


def _strange_dunder(name: str) -> bool:
    return bool(_DUNDER.fullmatch(name)) and name not in ALLOWED_DUNDERS


def is_module(module: str, attribute: str) -> bool:
    """Whether a name in an allowed (standard-library) module is itself a module, such as json.codecs."""
    return isinstance(getattr(importlib.import_module(module), attribute, None), ModuleType)
