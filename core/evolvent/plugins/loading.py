"""Importing one plugin: checked against our version, bounded in time, its output kept off ours."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
from importlib.metadata import Distribution, EntryPoint, version
from typing import Any, NamedTuple

from evolvent.errors import PluginError, error_text
from evolvent.plugins.relay import RELAY, Call, TookTooLong, Worker

__all__ = ["Package", "import_plugin", "package_of"]

OURS = "evolvent"


class Package(NamedTuple):
    """What its metadata say of a package."""

    name: str
    version: str
    requires: tuple[str, ...]


def package_of(entry: EntryPoint) -> Package | None:
    """Return the package that brought an entry point, where that is known."""
    return None if entry.dist is None else _read_package(entry.dist)


@functools.lru_cache(maxsize=256)
def _read_package(distribution: Distribution) -> Package:
    """Read the few headers that count; parsing all of an e-mail-like file takes longer than importing a plugin."""
    found: dict[str, list[str]] = {}
    for line in (distribution.read_text("METADATA") or "").splitlines():
        if not line:
            break
        key, _, value = line.partition(": ")
        found.setdefault(key.lower(), []).append(value)
    if "name" not in found or "version" not in found:
        return Package(
            distribution.metadata["Name"], distribution.version, tuple(distribution.requires or ())
        )
    return Package(found["name"][0], found["version"][0], tuple(found.get("requires-dist", ())))


@functools.cache
def _our_version() -> str:
    return version(OURS)


def import_plugin(entry: EntryPoint, seconds: float) -> tuple[Any, tuple[str, ...], float]:
    """Return what an entry point names, remarks on how it behaved, and the milliseconds that it took.

    Args:
        entry: of the plugin.
        seconds: after which an import that hangs is given up; its thread cannot be ended and goes on.

    Raises:
        PluginError: it needs another version of Evolvent, cannot be imported, or takes too long.
    """
    package = package_of(entry)
    if package is not None and package.name != OURS:
        _check_version(entry.name, package)
    threads, output = set(threading.enumerate()), io.StringIO()
    with contextlib.redirect_stdout(output):
        (outcome,) = RELAY.run([Call(entry.load, seconds)])
    if isinstance(outcome.error, TookTooLong):
        raise PluginError(entry.name, f"its import {outcome.error} (EVOLVENT_PLUGIN_SECONDS)")
    if outcome.error is not None:
        error = outcome.error
        raise PluginError(entry.name, f"could not be imported: {error_text(error)}") from error
    remarks = []
    if printed := output.getvalue():
        remarks.append(f"printed {len(printed)} characters when it was imported, first: {printed[:60]!r}")
    new = [t for t in threading.enumerate() if t not in threads and not isinstance(t, Worker)]
    if new:
        remarks.append(f"started {len(new)} thread(s) when it was imported: {new[0].name}")
    return outcome.value, tuple(remarks), outcome.seconds * 1000


def _check_version(name: str, package: Package) -> None:
    """Check that a package's requirements allow this version of Evolvent.

    Raises:
        PluginError: they do not.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    ours = _our_version()
    for text in package.requires:
        if not text.lower().startswith(OURS):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.name.lower() != OURS or (requirement.marker and not requirement.marker.evaluate()):
            continue
        if not requirement.specifier.contains(ours, prereleases=True):
            raise PluginError(name, f"its package {package.name} needs {requirement}; this is {OURS} {ours}")
