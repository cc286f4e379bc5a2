"""Skill folders on disk: the truth of the library."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.library.contents import folders_in, seed_folder
from evolvent.library.folders import ASIDE, FolderWriter
from evolvent.library.format import draft, read_moves, read_report, read_skill, skill_files
from evolvent.library.frontmatter import parse_skill_md
from evolvent.library.healing import checked, heal, without_mended
from evolvent.library.lifecycle import MoveListener, check_move
from evolvent.library.mirror import Mirror
from evolvent.library.readings import readings
from evolvent.library.shelf import Shelf
from evolvent.library.versions import Version, find_version, read_versions
from evolvent.types import (
    AdmissionReport,
    JsonValue,
    Mover,
    Skill,
    SkillMove,
    SkillProposal,
    SkillState,
)

__all__ = ["SkillStore", "seed_folder"]

_log = logging.getLogger(__name__)
_Names = list[str]
_Skills = list[Skill]
_Versions = list[Version]


class SkillStore:
    """The skills of one home, read once and kept in step with their folders.

    `root/<name>/` holds the skills, `root/../rejected/<name>-<digest8>/` what admission refused,
    `root/../history/<name>/<digest>/` every version that was replaced, and `root/../mirror/` a second copy of each
    skill, which takes the place of a folder that is damaged or gone. Seed skills are a second, read-only
    root; a skill of the same name in `root` overrides one. One process writes at a time (the home's lock); those
    that read without it give `repair=False`: what looks like an interrupted write may be another's write under way.
    """

    def __init__(
        self,
        root: Path,
        *,
        seeds: Path | Literal["package"] | None = "package",
        repair: bool = True,
        listener: MoveListener | None = None,
    ) -> None:
        self.root = root
        self._repair = repair
        self._listener = listener
        self._seeds = seed_folder() if seeds == "package" else seeds
        self._history = root.parent / "history"
        self._writer = FolderWriter(root, self._history)
        self._mirror = Mirror(root.parent / "mirror", root.parent / "damaged")
        self._rejected_root = root.parent / "rejected"
        self._lock = threading.RLock()
        self._skills = Shelf()
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
            self._skills, self._folders = Shelf(), {}
            self._problems = [f"recovered: {note}" for note in recovered]
            if self._repair:
                self._mirror.recover(self.root)
            folders = [*folders_in(self._seeds), *folders_in(self.root)]
            with readings(self.root.parent / "skills.cache", checked, len(folders), self._repair) as read:
                for folder in folders:
                    self._take(folder, read)
            if self._repair:
                self._problems += heal(self.root, self._writer, self._mirror, self._folders, self._take)
                self._problems = without_mended(self._problems, self._skills)
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
        return [skill for skill in self.each() if state is None or skill.state is state]

    def each(self) -> Iterator[Skill]:
        """Yield the skills by name, one at a time: a large library is never whole in memory."""
        with self._lock:
            names = sorted(self._skills)
        for name in names:
            skill = self.find(name)
            if skill is not None:
                yield skill

    def usable(self) -> _Skills:
        """Return the skills that are offered to agents, by name."""
        return [skill for skill in self.each() if skill.state.usable]

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
        found: dict[tuple[str, str], Skill] = {}
        for folder in folders_in(self._rejected_root):
            try:
                skill = read_skill(folder, any_folder_name=True)
                found.setdefault((skill.name, skill.digest), skill)
            except IntegrityError as error:
                _log.warning("skipped a rejected proposal: %s", error)
        return list(found.values())

    def report(self, name: str, digest: str) -> AdmissionReport | None:
        """Return the admission report of this very version, or None when it was never decided."""
        with self._lock:
            skill = self._skills.get(name)
            if skill is not None and skill.digest == digest:
                return read_report(self._folders[name])
            folder = self._rejected_root / f"{name}-{digest[:8]}"
            if not folder.is_dir():  # a kill between two renames leaves the one that was to be replaced
                folder = folder.with_name(f"{folder.name}{ASIDE}")
            try:
                report = read_report(folder) if folder.is_dir() else None
            except IntegrityError as error:
                _log.warning(
                    "an unreadable report is ignored, the proposal will be considered again: %s", error
                )
                return None
            return report if report is not None and report.digest == digest else None

    def add(
        self, skill: Skill, report: AdmissionReport, files: Mapping[str, str | bytes] | None = None
    ) -> Skill:
        """Write an admitted skill, on probation, and return it as it now is; a version that is in use stays as it is.

        A version that it replaces is kept under `history`. `files` are further files of its folder.

        Raises:
            UsageError: the report does not admit this very version, or a person pinned the present one.
        """
        if not report.admitted or report.digest != skill.digest:
            raise UsageError(
                f"the report on {report.name!r} ({report.digest}, admitted={report.admitted}) does not admit"
                f" {skill.name!r} ({skill.digest}); let admission consider it first"
            )
        with self._lock:
            known = self._skills.get(skill.name)
            if known is not None and known.digest == skill.digest and known.state.usable:
                return known
            if known is not None and known.pinned:
                raise UsageError(
                    f"{skill.name!r} is pinned at version {known.digest}; let go of it with"
                    f" `evolvent skills pin {skill.name} --off`"
                )
            move = SkillMove(
                before=SkillState.CANDIDATE,
                after=SkillState.PROBATION,
                by="admission",
                reason=report.reason or "passed admission",
                evidence={} if known is None else {"replaces": known.digest},
            )
            return self._moved(skill, move, report, files=files)

    def reject(self, proposal: SkillProposal | Skill, report: AdmissionReport) -> Skill:
        """Keep a refused proposal with the report; the same version again overwrites its report."""
        skill = draft(proposal) if isinstance(proposal, SkillProposal) else proposal
        refused = skill.model_copy(update={"state": SkillState.REJECTED, "reason": report.reason})
        with self._lock:
            target = self._rejected_root / f"{skill.name}-{skill.digest[:8]}"
            self._writer.overwrite(target, skill_files(refused, report))
        return refused

    def move(
        self,
        name: str,
        after: SkillState,
        reason: str,
        by: Mover = "person",
        evidence: dict[str, JsonValue] | None = None,
    ) -> Skill:
        """Move a skill to another state and return it as it now is; a move to where it is changes nothing.

        A seed skill gets a folder of its own that overrides it.

        Raises:
            UnknownName: there is none of this name.
            UsageError: there is no such move, there is no reason, or a machine moves what a person pinned.
            IntegrityError: the folder is not what was read; it was changed by hand.
        """
        with self._lock:
            skill = self.get(name)
            if skill.state is after:
                return skill
            check_move(name, skill.state, after, reason, by)
            if skill.pinned and by != "person" and after is not SkillState.QUARANTINED:
                raise UsageError(f"{name!r} is pinned; only a person moves it to {after.value}")
            move = SkillMove(
                before=skill.state, after=after, by=by, reason=reason.strip(), evidence=evidence or {}
            )
            return self._moved(self._unchanged(skill), move)

    def retire(self, name: str, reason: str, by: Mover = "person") -> Skill:
        """Take a skill out of use; see `move`."""
        return self.move(name, SkillState.RETIRED, reason, by)

    def pin(self, name: str, pinned: bool = True) -> Skill:
        """Hold on to the present version of a skill, or let go of it.

        Raises:
            UnknownName: there is none of this name.
            IntegrityError: the folder is not what was read; it was changed by hand.
        """
        with self._lock:
            skill = self.get(name)
            if skill.pinned is pinned:
                return skill
            return self._rewritten(self._unchanged(skill).model_copy(update={"pinned": pinned}))

    def note(
        self, name: str, metadata: Mapping[str, str], files: Mapping[str, str | bytes] | None = None
    ) -> Skill:
        """Write something about the present version into its metadata, and further files into its folder.

        Raises:
            UnknownName: there is none of this name.
            IntegrityError: the folder is not what was read; it was changed by hand.
        """
        with self._lock:
            skill = self._unchanged(self.get(name))
            return self._rewritten(
                skill.model_copy(update={"metadata": {**skill.metadata, **metadata}}), files=files
            )

    def moves(self, name: str) -> tuple[SkillMove, ...]:
        """Return how the present version of a skill came to its state, oldest first.

        Raises:
            UnknownName: there is none of this name.
        """
        with self._lock:
            self.get(name)
            return read_moves(self._folders[name])

    def versions(self, name: str) -> _Versions:
        """Return all versions of a skill that are kept, the present one first, then the newest.

        Raises:
            UnknownName: there is none of this name.
        """
        with self._lock:
            present = Version(self.get(name), self._folders[name], present=True)
            return [present, *read_versions(self._history / name, self._problems)]

    def rollback(self, name: str, version: str | None = None, reason: str = "") -> Skill:
        """Put an earlier version back in place of the present one, which goes to the history.

        Args:
            name: the skill's name.
            version: beginning of the version's digest; default: the one before the present.
            reason: why.

        Raises:
            UnknownName: there is no such skill or version.
            UsageError: there is no earlier version, or the beginning fits several.
        """
        with self._lock:
            found = find_version(name, self.versions(name), version)
            if found.present:
                return found.skill
            usable = found.skill.state.usable
            move = SkillMove(
                before=found.skill.state,
                after=found.skill.state if usable else SkillState.PROBATION,
                by="person",
                reason=reason.strip() or "put back",
                evidence={"replaces": self.get(name).digest},
            )
            kept = found.skill.model_copy(update={"pinned": self.get(name).pinned})
            return self._moved(kept, move, base=found.folder)

    def folder(self, name: str) -> Path:
        """Return the folder that a skill was read from.

        Raises:
            UnknownName: there is none of this name.
        """
        with self._lock:
            self.get(name)
            return self._folders[name]

    def _unchanged(self, skill: Skill) -> Skill:
        """Read a skill's folder again before it is rewritten, so that nobody's edit is lost."""
        fresh = read_skill(self._folders[skill.name])
        if fresh.digest != skill.digest:
            raise IntegrityError(
                f"{skill.name}: its folder holds version {fresh.digest}, but {skill.digest} was read before: it was"
                " changed meanwhile; see `evolvent skills audit`"
            )
        return fresh

    def _moved(
        self,
        skill: Skill,
        move: SkillMove,
        report: AdmissionReport | None = None,
        base: Path | None = None,
        files: Mapping[str, str | bytes] | None = None,
    ) -> Skill:
        """Write a skill in its new state; `base` is its folder, where it has one already."""
        known = self._skills.get(skill.name)
        if base is None and report is None and known is not None:
            base = self._folders[skill.name]
        moves = (*(read_moves(base) if base is not None else ()), move)
        reason = "" if move.after is SkillState.ACTIVE else move.reason
        moved = self._rewritten(
            skill.model_copy(update={"state": move.after, "reason": reason}), report, base, moves, files
        )
        if self._listener is not None:
            self._listener(moved, move, len(moves))
        return moved

    def _rewritten(
        self,
        skill: Skill,
        report: AdmissionReport | None = None,
        base: Path | None = None,
        moves: tuple[SkillMove, ...] = (),
        files: Mapping[str, str | bytes] | None = None,
    ) -> Skill:
        if base is None and report is None:
            base = self._folders[skill.name]
        front = None
        if base is not None:
            front, _ = parse_skill_md((base / "SKILL.md").read_text(encoding="utf-8"))
        all_files: dict[str, str | bytes] = {**(files or {}), **skill_files(skill, report, front, moves)}
        self._write(skill, all_files, base)
        return self._skills[skill.name]

    def _write(self, skill: Skill, files: Mapping[str, str | bytes], base: Path | None) -> None:
        own = self._folders.get(skill.name) == self.root / skill.name
        old = self._skills[skill.name].digest if own else "unreadable"
        same = base is not None and base == self.root / skill.name

        def before(part: Path) -> None:
            checked(part, any_folder_name=True)  # what could not be read back is not written
            self._mirror.prepare(skill.name, part)

        self._writer.replace(skill.name, files, old_digest=None if same else old, base=base, before=before)
        self._mirror.commit(skill.name)
        self._take(self.root / skill.name)
        self.revision += 1
        self._changes[self.revision] = skill.name

    def _take(self, folder: Path, read: Callable[[Path], Skill] = checked) -> bool:
        """Read one folder into memory, or note what is wrong with it; returns whether it could be read."""
        try:
            skill = read(folder)
        except IntegrityError as error:
            self._problems.append(f"skipped {error}")
            _log.warning("skipped a skill: %s", error)
            return False
        self._skills[skill.name] = skill
        self._folders[skill.name] = folder
        return True
