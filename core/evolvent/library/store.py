"""Skill folders on disk: the truth of the library."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.library.folders import FolderWriter
from evolvent.library.format import draft, read_report, read_skill, skill_files
from evolvent.library.frontmatter import parse_skill_md
from evolvent.types import AdmissionReport, Skill, SkillProposal, SkillState

__all__ = ["SkillStore", "seed_folder"]

_log = logging.getLogger(__name__)
_Names = list[str]
_Skills = list[Skill]


def seed_folder() -> Path | None:
    """Return the folder of the seed skills that ship with Evolvent, or None when they are not installed."""
    spec = importlib.util.find_spec("evolvent_skills")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


class SkillStore:
    """The skills of one home, read once and kept in step with their folders.

    `root/<name>/` holds the skills, `root/../rejected/<name>-<digest8>/` what admission refused, and
    `root/../history/<name>/<digest>/` every version that was replaced. Seed skills are a second, read-only
    root; a skill of the same name in `root` overrides one. One process writes at a time (the home's lock); those
    that read without it give `repair=False`: what looks like an interrupted write may be another's write under way.
    """

    def __init__(
        self, root: Path, *, seeds: Path | Literal["package"] | None = "package", repair: bool = True
    ) -> None:
        self.root = root
        self._repair = repair
        self._seeds = seed_folder() if seeds == "package" else seeds
        self._writer = FolderWriter(root, root.parent / "history")
        self._rejected_root = root.parent / "rejected"
        self._lock = threading.RLock()
        self._skills: dict[str, Skill] = {}
        self._folders: dict[str, Path] = {}
        self._problems: list[str] = []
        self.revision = 0
        """Grows with every change; an index that has seen this number is up to date."""
        self._changes: dict[int, str] = {}
        """Revision -> the skill that it changed; one that is missing changed everything."""
        self.reload()

    def reload(self) -> None:
        """Finish interrupted writes, where this store repairs, and read every folder again."""
        with self._lock:
            recovered = self._writer.recover() if self._repair else []
            self._skills, self._folders, self._problems = {}, {}, [f"recovered: {note}" for note in recovered]
            for folder in (*_folders(self._seeds), *_folders(self.root)):
                self._take(folder)
            self.revision += 1

    def changed_since(self, revision: int) -> set[str] | None:
        """Return the names that changed after a revision, or None when that may be all of them."""
        with self._lock:
            later = range(revision + 1, self.revision + 1)
            if revision < 0 or any(number not in self._changes for number in later):
                return None
            return {self._changes[number] for number in later}

    def find(self, name: str) -> Skill | None:
        """Return one skill, or None."""
        with self._lock:
            return self._skills.get(name)

    def problems(self) -> _Names:
        """Return what is wrong with folders that were skipped, and what was recovered at the last read."""
        return list(self._problems)

    def list(self, state: SkillState | None = None) -> _Skills:
        """Return the skills by name, own and seed; `state` filters them."""
        with self._lock:
            found = [skill for _, skill in sorted(self._skills.items())]
        return [skill for skill in found if state is None or skill.state is state]

    def get(self, name: str) -> Skill:
        """Return one skill.

        Raises:
            UnknownName: there is none of this name; names close ones.
        """
        with self._lock:
            if name not in self._skills:
                raise UnknownName("skill", name, self._skills, "See `evolvent skills list`.")
            return self._skills[name]

    def rejected(self) -> _Skills:
        """Return the proposals that admission refused, with their reasons."""
        found = []
        for folder in _folders(self._rejected_root):
            try:
                found.append(read_skill(folder, any_folder_name=True))
            except IntegrityError as error:
                _log.warning("skipped a rejected proposal: %s", error)
        return found

    def report(self, name: str, digest: str) -> AdmissionReport | None:
        """Return the admission report of this very version, or None when it was never decided."""
        with self._lock:
            skill = self._skills.get(name)
            if skill is not None and skill.digest == digest:
                return read_report(self._folders[name])
            folder = self._rejected_root / f"{name}-{digest[:8]}"
            try:
                report = read_report(folder) if folder.is_dir() else None
            except IntegrityError as error:
                _log.warning(
                    "an unreadable report is ignored, the proposal will be considered again: %s", error
                )
                return None
            return report if report is not None and report.digest == digest else None

    def add(self, skill: Skill, report: AdmissionReport) -> Skill:
        """Write an admitted skill and return it as it now is; the same version twice changes nothing.

        A version that it replaces is kept under `history`.

        Raises:
            UsageError: the report does not admit this very version.
        """
        if not report.admitted or report.digest != skill.digest:
            raise UsageError(
                f"the report on {report.name!r} ({report.digest}, admitted={report.admitted}) does not admit"
                f" {skill.name!r} ({skill.digest}); let admission consider it first"
            )
        with self._lock:
            known = self._skills.get(skill.name)
            if known is not None and known.digest == skill.digest and known.state is SkillState.ACTIVE:
                return known
            active = skill.model_copy(update={"state": SkillState.ACTIVE, "reason": ""})
            self._write(active, skill_files(active, report))
            return self._skills[skill.name]

    def reject(self, proposal: SkillProposal | Skill, report: AdmissionReport) -> Skill:
        """Keep a refused proposal with the report; the same version again overwrites its report."""
        skill = draft(proposal) if isinstance(proposal, SkillProposal) else proposal
        refused = skill.model_copy(update={"state": SkillState.REJECTED, "reason": report.reason})
        with self._lock:
            target = self._rejected_root / f"{skill.name}-{skill.digest[:8]}"
            self._writer.overwrite(target, skill_files(refused, report))
        return refused

    def retire(self, name: str, reason: str) -> Skill:
        """Take a skill out of use; its folder stays, a seed skill gets an overriding one.

        Raises:
            UnknownName: there is none of this name.
            UsageError: the reason is empty.
        """
        if not reason.strip():
            raise UsageError("retiring a skill needs a reason, for example 'wrong on negative numbers'")
        with self._lock:
            skill = self.get(name)
            if skill.state is SkillState.RETIRED:
                return skill
            folder = self._folders[name]
            front, _ = parse_skill_md((folder / "SKILL.md").read_text(encoding="utf-8"))
            retired = skill.model_copy(update={"state": SkillState.RETIRED, "reason": reason.strip()})
            self._write(retired, skill_files(retired, None, front), base=folder)
            return self._skills[name]

    def _write(self, skill: Skill, files: dict[str, str], base: Path | None = None) -> None:
        known = self._skills.get(skill.name)
        own = self._folders.get(skill.name) == self.root / skill.name
        self._writer.replace(
            skill.name,
            files,
            old_digest=known.digest if known is not None and own else "unreadable",
            base=base,
        )
        self._take(self.root / skill.name)
        self.revision += 1
        self._changes[self.revision] = skill.name

    def _take(self, folder: Path) -> None:
        """Read one folder into memory, or note what is wrong with it."""
        try:
            skill = read_skill(folder)
            if skill.state is SkillState.ACTIVE:
                report = read_report(folder)
                if report is None or not report.admitted or report.digest != skill.digest:
                    raise IntegrityError(
                        f"{folder.name}: active without an admission report of this version in"
                        " tests/evidence.json"
                    )
        except IntegrityError as error:
            self._problems.append(f"skipped {error}")
            _log.warning("skipped a skill: %s", error)
            return
        self._skills[skill.name] = skill
        self._folders[skill.name] = folder


def _folders(root: Path | None) -> Iterator[Path]:
    """Yield the skill folders under a root in a fixed order; hidden and private names are not skills."""
    if root is None or not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if not path.name.startswith((".", "_")) and (path.is_dir() or path.is_symlink()):
            yield path
