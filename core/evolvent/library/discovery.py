"""Skills that lie where agents look for them: `.agents/skills` of the project and of the user.

Nothing of them is used as it lies there: `evolvent skills import --agents` takes them through admission, and asks
before it takes those of a project, since whoever wrote the project wrote them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from evolvent.library.sources import skill_folders

__all__ = ["Discovered", "discover"]

FOLDER = Path(".agents", "skills")


class Discovered(NamedTuple):
    """A skill folder and whose it is."""

    folder: Path
    scope: Literal["project", "user"]
    origin: str


def discover(start: Path, home: Path) -> list[Discovered]:
    """Return the skills of the project around a folder and of the user, by name; the project's override the user's.

    Args:
        start: where the person is; the project is the nearest folder from there up that has `.agents/skills`, up to the
            root of its git repository, and below the user's home.
        home: the user's home folder.
    """
    found = {folder.name: Discovered(folder, "user", "user:.agents") for folder in _skills(home)}
    project = _project(start.absolute(), home.absolute())
    if project is not None:
        origin = f"project:{project.name}"
        found |= {folder.name: Discovered(folder, "project", origin) for folder in _skills(project)}
    return [found[name] for name in sorted(found)]


def _skills(root: Path) -> list[Path]:
    folder = root / FOLDER
    return skill_folders(folder) if folder.is_dir() else []


def _project(start: Path, home: Path) -> Path | None:
    for folder in (start, *start.parents):
        if folder == home:
            return None
        if (folder / FOLDER).is_dir():
            return folder
        if (folder / ".git").exists():
            return None
    return None
