"""Renders the reference pages from the code. `python tests/meta/reference.py` writes them anew."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

from evolvent import errors, hookspecs, settings
from evolvent.broker import REQUESTS
from evolvent.cli import app
from evolvent.daemon.api import openapi_document
from evolvent.plugins.specs import HOOKS

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
NOTE = "<!-- Rendered from the code by tests/meta/reference.py: change the code, then run that script. -->\n"


def cli() -> str:
    """Every command with its arguments and options."""
    lines = ["# Command line", "", NOTE]
    lines += ["Data goes to stdout, talk to stderr. Exit codes: see [errors](errors.md).", ""]
    for path, command in _commands(typer.main.get_command(app), ("evolvent",)):
        lines += [f"## {' '.join(path)}", "", (command.help or "").strip(), ""]
        rows = [row for parameter in command.params if (row := _parameter(parameter))]
        if rows:
            lines += ["| argument | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in sorted(children.items()):
        yield from _commands(child, (*path, name))


def _parameter(parameter: Any) -> str:
    if parameter.name in ("help", "install_completion", "show_completion"):
        return ""
    names = (
        ", ".join(f"`{name}`" for name in parameter.opts)
        if parameter.param_type_name == "option"
        else (f"`{parameter.name.upper()}`")
    )
    default = parameter.default
    shown = (
        ""
        if default in (None, "", False) or callable(default) or repr(default).startswith("Sentinel")
        else f"`{default}`"
    )
    return f"| {names} | {getattr(parameter, 'help', '') or ''} | {shown} |"


def settings_page() -> str:
    """Each setting with its environment variable."""
    docs = _attribute_docs(settings)
    lines = ["# Settings", "", NOTE, "Each is a keyword of `Runtime.open` and an environment variable.", ""]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in settings.Settings.model_fields.items():
        default = "the platform's user data folder" if field.default_factory else f"`{field.default!r}`"
        lines.append(f"| `EVOLVENT_{name.upper()}` | {default} | {docs[name]} |")
    return "\n".join([*lines, ""])


def _attribute_docs(module: ModuleType) -> dict[str, str]:
    """Return the string below each annotated attribute of a module's classes."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        body = node.body if isinstance(node, ast.ClassDef) else []
        for first, second in pairwise(body):
            if isinstance(first, ast.AnnAssign) and isinstance(second, ast.Expr):
                found[ast.unparse(first.target)] = " ".join(str(ast.literal_eval(second.value)).split())
    return found


def hooks() -> str:
    """All hooks in a table, and what holds for each of them."""
    version = ".".join(map(str, hookspecs.HOOKS_VERSION))
    lines = ["# Hooks", "", NOTE]
    lines += [
        "Implement them with `@evolvent.hookimpl` in a module behind an entry point of the group `evolvent`. "
        f"This is version {version} of the hooks.",
        "",
        "- They are called with keywords: take the parameters that you need, by name, in any order.",
        "- `@hookimpl(tryfirst=True)` and `trylast=True` order implementations; else plugins are called by name.",
        "- What you are given and could change is a copy of your own.",
        "- A call may take `EVOLVENT_HOOK_SECONDS`, or what your module declares: "
        '`manifest = PluginManifest(hooks_version=(1, 0), seconds={"review_skill": 30})`.',
        "- A hook that is misspelt, or takes a parameter that there is not, keeps the plugin from being loaded.",
        "",
        "| hook | what for |",
        "|---|---|",
    ]
    for name, function in HOOKS.items():
        about = (inspect.getdoc(function) or "").splitlines()[0]
        lines.append(f"| [`{name}`](hooks/{name}.md) | {about} |")
    return "\n".join([*lines, ""])


WHEN_IT_FAILS = {
    "register_": "The plugin is left out and named with the reason; what it registered so far is dropped.",
    "review_": "A guard that raises, takes too long or returns something else has rejected, every time: it is never "
    "switched off by itself. One that can no longer be loaded goes on rejecting until it is disabled.",
    "": "It is reported as a `plugin.failed` event and on stderr with the command that takes the plugin out. After "
    "`EVOLVENT_HOOK_FAILURES` failures the hook is not called any more in this process (`plugin.disabled`).",
}


def hook(name: str) -> str:
    """One hook: signature, contract, what happens when it fails, and an example that the tests run."""
    function = HOOKS[name]
    signature = inspect.signature(function)
    about, _, rest = (inspect.getdoc(function) or "").partition("\n")
    lines = [f"# {name}", "", NOTE, about, "", *rest.strip().splitlines(), ""]
    lines += ["| parameter | type |", "|---|---|"]
    lines += [f"| `{p.name}` | `{_shown(p.annotation)}` |" for p in signature.parameters.values()]
    lines += ["", f"Returns: `{_shown(signature.return_annotation)}`", ""]
    options = function.evolvent_spec  # type: ignore[attr-defined]
    if options["firstresult"]:
        lines += ["The first answer that is not None ends the asking.", ""]
    kind = next(kind for kind in WHEN_IT_FAILS if name.startswith(kind))
    lines += [f"**When it fails.** {WHEN_IT_FAILS[kind]}", "", "## Example", ""]
    example = (FOLDER.parent / "examples" / "hooks" / f"{name}.py").read_text()
    title, _, code = example.partition("\n\n")
    lines += [title.strip('"'), "", "```python", code.strip(), "```", ""]
    return "\n".join(lines)


def _shown(annotation: Any) -> str:
    return str(annotation).strip("'").replace("|", "or")


def broker() -> str:
    """Each request that a guest may make."""
    lines = ["# Broker requests", "", NOTE]
    lines += ["What a guest may ask for. Unknown methods and unknown fields are refused.", ""]
    for method, model in REQUESTS.items():
        text = (inspect.getdoc(model) or "").split(": ", 1)[-1]
        lines += [f"## {method}", "", text[0].upper() + text[1:], ""]
        if model.model_fields:
            lines += ["| field | type | required |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            kind = str(field.annotation).replace("typing.", "").replace("evolvent.broker.requests.", "")
            kind = kind.replace("<class '", "").replace("'>", "").replace("|", "or")
            lines.append(f"| `{field.alias or name}` | {kind} | {'yes' if field.is_required() else 'no'} |")
        lines += [""]
    return "\n".join(lines)


def errors_page() -> str:
    """Each error with what it means, and the exit codes."""
    lines = ["# Errors", "", NOTE, "All are in `evolvent.errors` and derive from `EvolventError`.", ""]
    lines += ["| error | base | meaning |", "|---|---|---|"]
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not inspect.isclass(kind):
            continue
        lines.append(
            f"| `{name}` | `{kind.__base__.__name__}` | {(inspect.getdoc(kind) or '').splitlines()[0]} |"
        )
    lines += ["", "| exit code | meaning |", "|---|---|", "| 0 | done |", "| 1 | the run failed |"]
    lines += [
        "| 2 | something given cannot be used |",
        "| 3 | something is missing; the message names the command |",
    ]
    return "\n".join([*lines, "| 130 | interrupted; what was finished is kept |", ""])


def http_api() -> str:
    """Each route of the daemon's HTTP API, with the scope that it needs."""
    lines = ["# HTTP API", "", NOTE]
    lines += [
        "The daemon serves it under `/api/v1`; [openapi.json](openapi.json) is its OpenAPI 3.1 document. "
        "[Use the API](../how-to/use-the-api.md) says how to begin.",
        "",
    ]
    groups: dict[str, list[str]] = {}
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            needed = [scope for need in operation.get("security", []) for scope in need["HTTPBearer"]]
            about = operation["description"].replace("\n", " ").replace("|", "or")
            row = f"| `{method.upper()} {path.removeprefix('/api/v1')}` | {', '.join(needed) or 'none'} | {about} |"
            groups.setdefault(operation["tags"][0], []).append(row)
    for name, rows in sorted(groups.items()):
        lines += [f"## {name}", "", "| route | scope | what it does |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def openapi() -> str:
    """The OpenAPI document, without the version of Evolvent: that alone is no change of the API."""
    document = openapi_document()
    document["info"].pop("version")
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli,
    "settings.md": settings_page,
    "hooks.md": hooks,
    "broker.md": broker,
    "errors.md": errors_page,
    "http-api.md": http_api,
    "openapi.json": openapi,
    **{f"hooks/{name}.md": partial(hook, name) for name in HOOKS},
}


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "hooks").mkdir(exist_ok=True)
    for name, render in PAGES.items():
        (FOLDER / name).write_text(render())


if __name__ == "__main__":
    main()
