"""What is done when a library is opened and a folder is not what it was."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from evolvent.errors import IntegrityError
from evolvent.library.folders import FolderWriter
from evolvent.library.format import read_moves, read_report, read_skill
from evolvent.library.mirror import Mirror
from evolvent.types import Skill

__all__ = ["checked", "heal", "without_mended"]

_log = logging.getLogger(__name__)


def checked(folder: Path, *, any_folder_name: bool = False) -> Skill:
    """Read a skill with all that belongs to it.

    Args:
        folder: the skill's folder.
        any_folder_name: do not require that the folder has the skill's name.

    Raises:
        IntegrityError: a file is not as the format wants it, or the skill is in use without a report that admits this
            version.
    """
    try:
        skill = read_skill(folder, any_folder_name=any_folder_name)
        read_moves(folder)
        report = read_report(folder) if skill.state.usable else None
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{folder.name}: cannot be read: {type(error).__name__}: {error}") from error
    if skill.state.usable and (report is None or not report.admitted or report.digest != skill.digest):
        raise IntegrityError(
            f"{folder.name}: {skill.state.value} without an admission report of this version in tests/evidence.json"
        )
    return skill


def heal(
    root: Path,
    writer: FolderWriter,
    mirror: Mirror,
    folders: Mapping[str, Path],
    take: Callable[[Path], bool],
) -> list[str]:
    """Put copies in place of own folders that are gone or not what was admitted; copy what has no copy.

    Args:
        root: the library.
        writer: writes its folders.
        mirror: their copies.
        folders: name -> folder of what could be read.
        take: reads a folder into the library.

    Returns:
        What was repaired, and what could not be.
    """
    notes = []
    mirrored = mirror.names()
    for name in sorted(mirrored):
        if folders.get(name) == root / name:
            continue
        try:
            notes.append(_put_back(root / name, writer, mirror, take))
        except (IntegrityError, OSError) as error:
            notes.append(f"{name}: its copy cannot take its place: {error}")
    for name, folder in dict(folders).items():
        if name not in mirrored and folder == root / name:
            try:
                mirror.keep(name, folder)
            except OSError as error:
                notes.append(f"{name}: cannot be copied to mirror/: {error}")
    for note in notes:
        _log.warning("%s", note)
    return notes


def _put_back(target: Path, writer: FolderWriter, mirror: Mirror, take: Callable[[Path], bool]) -> str:
    files = mirror.files(target.name)
    if files is None:
        return f"{target.name}: its copy under mirror/ cannot be read"
    with tempfile.TemporaryDirectory() as trial:
        for relative, content in files.items():
            path = Path(trial, target.name, relative)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        checked(Path(trial, target.name))
    what = "was gone"
    if target.exists() or target.is_symlink():
        aside = mirror.set_aside(target)
        what = f"was not what had been admitted and is kept as damaged/{aside.name}"
    writer.replace(target.name, files, old_digest="unreadable")
    take(target)
    return f"repaired: {target.name}: its folder {what}; its copy was put back"


def without_mended(problems: Sequence[str], skills: Mapping[str, Skill]) -> list[str]:
    """Leave out what was wrong with folders that are mended by now."""
    mended = {problem.split(":")[1].strip() for problem in problems if problem.startswith("repaired:")}
    begins = tuple(f"skipped {name}{mark}" for name in mended & skills.keys() for mark in ":/")
    return [problem for problem in problems if not begins or not problem.startswith(begins)]
