"""What the code of an agent program reaches for: the host, its own judge, or more than the sandbox means to give.

The sandbox is the wall; this is the sieve before it. A program that tries such things is not measured at all: who
looks for the judge optimizes something else than the tasks.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping

from evolvent.library.static_scan import ALLOWED_DUNDERS, ALLOWED_MODULES, MAX_TABLE, REFUSED_NAMES, is_module
from evolvent.syntax import nodes_of

__all__ = ["PROGRAM_MODULES", "reaches"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROGRAM_MODULES = ALLOWED_MODULES | _words(
    "ast abc contextlib html keyword os pathlib pprint random time types"
)
"""Modules that a program may import: what a skill may, and what it takes to read its own files and to draw lots."""
PATH_FUNCTIONS = _words("basename dirname join normpath splitext")
"""What a program may use of `os`: functions of `os.path` that only compute."""
FRAMES = _words("f_back f_builtins f_code f_globals f_locals gi_frame cr_frame ag_frame tb_frame tb_next")
REFUSED_ATTRIBUTES = FRAMES | _words(
    """ag_code chmod chown cr_code cwd environ environb expanduser fdopen fork getenv gi_code hardlink_to home iterdir
    listdir modules mkdir popen putenv rmdir scandir setprofile settrace spawn symlink_to system touch unlink
    rename write_bytes write_text lchmod readlink"""
)
"""Attributes by which files are written, folders searched, or the interpreter looked into."""
NAMEDTUPLE = _words("_asdict _fields _make _replace")
JUDGES_KEYS = _words("split reference evaluator suite hidden_tests expected_answer")
"""What the kernel knows of a task and a program is never given."""
JUDGES_WORDS = re.compile(
    r"\bEVOLVENT|\bevolvent(?:_sandbox|_plugins|\.db)\b|(?i:\bpytest\b|\bbwrap\b|\bbubblewrap\b|\bcgroup\b|\bseccomp\b"
    r"|\bgate split\b|\bsealed\b|\bheld[-_ ]out\b|\bhidden tests?\b)"
)
"""Words by which code could tell whether, where and on what it is evaluated."""
HOST_PATHS = re.compile(
    r"(?:^|[\s'\"(=])(?:/(?:proc|sys|etc|dev|home|root|tmp|var|usr|opt|run|mnt|lib|bin)\b|~/)"
)
DUNDER_TEXT = re.compile(r"(?:^|[.{])_{2}[a-z]+_{2}(?:$|[.}!:\[])")
_DUNDER = re.compile(r"__\w+__")
_READ_MODES = frozenset({"r", "rt"})


def reaches(path: str, tree: ast.Module, own: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield (line, what it tries) for each place of a program's file that reaches for what it may not have.

    Args:
        path: of the file.
        tree: the parsed file.
        own: names of the program's own modules.
    """
    modules: dict[str, str] = {}
    documentation = _documentation(tree)
    called = {id(node.func) for node in nodes_of(tree) if isinstance(node, ast.Call)}
    for node in nodes_of(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, reason) for reason in _import(node, modules, own))
    within_os = {
        id(node.value)
        for node in nodes_of(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and modules.get(node.value.id) == "os"
    }
    for node in nodes_of(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name):
            reasons = _name(node, modules, within_os, called)
        elif isinstance(node, ast.Attribute):
            reasons = _attribute(node, modules)
        elif isinstance(node, ast.Call):
            reasons = _call(node, path)
        elif isinstance(node, ast.Subscript):
            reasons = _key(node.slice)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            reasons = _text(node.value)
        elif isinstance(node, ast.Dict | ast.List | ast.Set | ast.Tuple):
            reasons = _table(node)
        elif isinstance(
            node, ast.Global | ast.Nonlocal | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef
        ):
            reasons = _definition(node)
        else:
            continue
        yield from ((line, reason) for reason in reasons)


def _documentation(tree: ast.Module) -> set[int]:
    """Return the ids of texts that are statements of their own: docstrings do nothing."""
    return {id(node.value) for node in nodes_of(tree) if isinstance(node, ast.Expr)}


def _import(node: ast.Import | ast.ImportFrom, modules: dict[str, str], own: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name not in PROGRAM_MODULES | own | {"os.path"}:
                yield f"imports {alias.name!r}, which is not among what a program may use"
            else:
                modules[alias.asname or alias.name.split(".")[0]] = alias.name.split(".")[0]
        return
    module = node.module or ""
    if node.level or module not in PROGRAM_MODULES | own | {"os.path"}:
        yield f"imports from {'.' * node.level + module!r}, which is not among what a program may use"
        return
    for alias in node.names:
        if alias.name == "*" or alias.name.startswith("_"):
            yield f"imports {alias.name!r} from {module!r}; import public names one by one"
        elif module == "os" or (module == "os.path" and alias.name not in PATH_FUNCTIONS):
            yield f"imports {alias.name!r} from {module!r}; of os it may use os.path: {_listed(PATH_FUNCTIONS)}"
        elif module in own:
            if alias.name in sys.stdlib_module_names - PROGRAM_MODULES | {"os"}:
                yield f"imports the module {alias.name!r} by way of {module!r}"
        elif (
            module != "os.path"
            and is_module(module, alias.name)
            and f"{module}.{alias.name}" not in PROGRAM_MODULES
        ):
            yield f"imports the module {alias.name!r} by way of {module!r}"


def _name(node: ast.Name, modules: Mapping[str, str], within_os: set[int], called: set[int]) -> Iterator[str]:
    if node.id == "open":
        if id(node) not in called:
            yield "passes `open` on; it must be called where it stands"
    elif node.id in REFUSED_NAMES:
        yield f"uses {node.id}, by which code runs that nobody has read, or the interpreter is looked into"
    elif _DUNDER.fullmatch(node.id) and node.id not in ALLOWED_DUNDERS | {"__file__", "__all__"}:
        yield f"uses {node.id}"
    elif modules.get(node.id) == "os" and id(node) not in within_os:
        yield f"uses os beyond os.path: {_listed(PATH_FUNCTIONS)}"


def _attribute(node: ast.Attribute, modules: Mapping[str, str]) -> Iterator[str]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if _DUNDER.fullmatch(node.attr):
        if node.attr not in ALLOWED_DUNDERS:
            yield f"uses the special attribute {node.attr}"
    elif node.attr in FRAMES:
        yield f"looks at frames ({node.attr}), where others keep what it may not see"
    elif node.attr in REFUSED_ATTRIBUTES:
        yield f"uses .{node.attr}, by which a program reaches beyond its own files"
    elif node.attr.startswith("_") and owner not in ("self", "cls") and node.attr not in NAMEDTUPLE:
        yield f"uses the private attribute {node.attr} of something that is not its own"
    elif owner in modules and modules[owner] in PROGRAM_MODULES - {"os"}:
        module = modules[owner]
        if is_module(module, node.attr) and f"{module}.{node.attr}" not in PROGRAM_MODULES:
            yield f"reaches the module {node.attr!r} by way of {module!r}"
    elif node.attr in ("os", "sys", "builtins"):
        yield f"reaches the module {node.attr!r} by way of another"
    of_os = isinstance(node.value, ast.Attribute) and modules.get(_root(node)) == "os"
    if of_os and (node.attr not in PATH_FUNCTIONS or getattr(node.value, "attr", "") != "path"):
        yield f"uses os.path.{node.attr}; it may use {_listed(PATH_FUNCTIONS)}"
    if not isinstance(node.ctx, ast.Load) and _root(node) == "ctx":
        yield "changes ctx, through which it asks the host"


def _call(node: ast.Call, path: str) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    direct = isinstance(node.func, ast.Name)
    literals = [
        a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in node.args
    ]
    if name == "open":
        yield from _opened(node, 1 if direct else 0)
    elif direct and name in ("getattr", "hasattr"):
        if len(node.args) < 2 or literals[1] is None or literals[1].startswith("_"):
            yield f"calls {name} with a name that is not written out or not public"
    elif name in ("attrgetter", "methodcaller") and not all(literals[:1]):
        yield f"calls {name} with a name that is not written out"
    elif name == "get" and node.args:
        yield from _key(node.args[0])
    elif name == "call" and path == "task_agent.py" and literals[:1] == ["judge"]:
        yield "asks the judge while it solves"
    if name in ("open", "Path", "PurePath", "read_text", "read_bytes"):
        for text in filter(None, literals):
            if text.startswith(("/", "~")) or ".." in text.split("/"):
                yield f"opens {text[:80]!r}, which is outside of its own folder"


def _opened(node: ast.Call, place: int) -> Iterator[str]:
    """Reading is allowed, with a mode that can be seen."""
    given = [*node.args[place : place + 1], *(k.value for k in node.keywords if k.arg == "mode")]
    unseen = any(isinstance(a, ast.Starred) for a in node.args) or any(
        k.arg in (None, "opener", "file") for k in node.keywords
    )
    if unseen or any(not (isinstance(mode, ast.Constant) and mode.value in _READ_MODES) for mode in given):
        yield "opens a file otherwise than to read it; a program writes no files"


def _key(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and node.value in JUDGES_KEYS:
        yield f"looks for {node.value!r}, which the kernel keeps to itself"


def _text(text: str) -> Iterator[str]:
    if DUNDER_TEXT.search(text):
        yield f"has a text that names a special attribute: {text[:80]!r}"
    found = JUDGES_WORDS.search(text) or HOST_PATHS.search(text)
    if found:
        yield f"has a text by which it could tell where it is evaluated: {found.group(0).strip()!r}"


def _table(node: ast.AST) -> Iterator[str]:
    size = sum(isinstance(child, ast.Constant) for child in ast.walk(node))
    if size > MAX_TABLE:
        yield f"has a literal with {size} constants; a program solves tasks and is no table: at most {MAX_TABLE}"


def _definition(node: ast.AST) -> Iterator[str]:
    name = getattr(node, "name", "")
    if name in REFUSED_NAMES or (_DUNDER.fullmatch(name) and name not in ALLOWED_DUNDERS):
        yield f"defines {name}"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
