"""Skills as folders for others: any client of the Agent Skills format takes them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evolvent.errors import UsageError
from evolvent.library.contents import walk_files
from evolvent.library.evals import EVALS_PATH, evals_json
from evolvent.library.signing import sign_folder
from evolvent.library.store import SkillStore

if TYPE_CHECKING:
    import minisign

__all__ = ["export_skill"]


def export_skill(
    store: SkillStore, name: str, to: Path, key: minisign.SecretKey | None = None, *, force: bool = False
) -> Path:
    """Write a skill with its tests and its life to `to/name`, and return that folder.

    Its test questions are written as `evals/evals.json` too, unless it has one. The folder appears whole or not at all.

    Args:
        store: the library.
        name: of the skill.
        to: the folder to write to; made when it is not there.
        key: signs the files, beside the folder.
        force: replace what is there.

    Raises:
        UnknownName: there is none of this name.
        UsageError: there is something in the place already.
    """
    skill, source = store.get(name), store.folder(name)
    to.mkdir(parents=True, exist_ok=True)
    target = to / name
    if target.exists() and not force:
        raise UsageError(f"{name!r} is there already; give another folder, or --force to replace it")
    with tempfile.TemporaryDirectory(dir=to, prefix=".export-") as part:
        made = Path(part) / name
        for relative in walk_files(source):
            path = made / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / relative, path)
        if skill.cases and not (made / EVALS_PATH).exists():
            (made / EVALS_PATH).parent.mkdir(exist_ok=True)
            (made / EVALS_PATH).write_text(evals_json(name, skill.cases), encoding="utf-8")
        if target.exists():
            target.rename(Path(part) / "replaced")
        made.rename(target)
    for ending in (".sha256", ".sha256.minisig"):
        target.with_name(f"{name}{ending}").unlink(missing_ok=True)
    if key is not None:
        sign_folder(target, key)
    return target
