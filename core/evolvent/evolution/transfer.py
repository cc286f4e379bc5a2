"""A lineage as one file, to be tried elsewhere: programs with their ancestors, and the skills beside them."""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from evolvent.errors import IntegrityError, UsageError
from evolvent.evolution.archive import Archive
from evolvent.evolution.surface import check_surface, read_genome
from evolvent.library.exporting import export_skill
from evolvent.library.sources import opened
from evolvent.library.store import SkillStore
from evolvent.storage.archive import ArchiveTables, StoredVariant
from evolvent.storage.genomes import GenomeStore
from evolvent.types import Frozen

__all__ = ["Imported", "export_lineage", "import_lineage"]

LINEAGE = "lineage.json"
FORMAT = 1


class _Member(Frozen):
    id: str = Field(pattern=r"^[0-9a-f]{40}$")
    parents: tuple[str, ...]
    operator: str
    message: str
    told: dict[str, Any] = Field(default_factory=dict)
    """What it was measured to do where it comes from: for people, it decides nothing here."""


class _Lineage(Frozen):
    format: int
    tip: str
    variants: tuple[_Member, ...]
    """Parents before children."""


class Imported(NamedTuple):
    """What came of an import."""

    tip: str
    """The variant that was exported."""
    added: int
    known: int
    """Variants that were here already."""


def export_lineage(archive: Archive, variant: str, to: Path, skills: SkillStore | None = None) -> int:
    """Write a variant and all its ancestors into a new file; return how many variants it holds.

    Skills lie in it as Agent Skills folders, so that `evolvent skills import FILE` takes them through admission.

    Args:
        archive: where it is.
        variant: its id.
        to: ends with `.tar.gz`; appears whole or not at all.
        skills: a library whose usable skills are taken along.

    Raises:
        UsageError: the file is there already, or has another ending.
        IntegrityError: a program is damaged.
    """
    if not to.name.endswith((".tar.gz", ".tgz")):
        raise UsageError(f"{to.name!r} must end with .tar.gz")
    if not to.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {str(to.parent)!r}")
    if to.exists():
        raise UsageError(f"{str(to)!r} is there already; give a new file")
    line = _ancestry(archive, variant)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".export-") as part:
        root = Path(part) / "lineage"
        for name in line:
            for path, text in archive.genomes.files(name).items():
                target = root / "programs" / name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8", newline="")
        members = tuple(_member(archive, name) for name in line)
        told = _Lineage(format=FORMAT, tip=variant, variants=members)
        (root / LINEAGE).write_text(told.model_dump_json(indent=2), encoding="utf-8")
        for skill in skills.list() if skills else ():
            if skill.state.usable and skills:
                export_skill(skills, skill.name, root / "skills")
        packed = Path(part) / "packed"
        with tarfile.open(packed, "w:gz") as file:
            file.add(root, "lineage", filter=_anonymous)
        os.replace(packed, to)
    return len(line)


def import_lineage(tables: ArchiveTables, genomes: GenomeStore, file: Path) -> Imported:
    """Take the programs of an exported lineage into an archive.

    An id is the hash of files, parents and message, so what was changed on the way is found out. Scores stay behind:
    they were made with another library, perhaps another model, and do not compare.

    Raises:
        UsageError: it is no exported lineage.
        IntegrityError: a program is not what its id says, or breaks the rules for programs.
    """
    if not file.is_file():
        raise UsageError(f"there is no file {str(file)!r}")
    with opened(str(file)) as source:
        found = next(iter(sorted(source.folder.rglob(LINEAGE))), None)
        if found is None:
            raise UsageError(f"{file.name!r} holds no {LINEAGE}; `evolvent archive export` writes such files")
        try:
            lineage = _Lineage.model_validate_json(found.read_text(encoding="utf-8"))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            raise UsageError(f"{LINEAGE} cannot be used: {fault['loc']}: {fault['msg']}") from error
        if lineage.format != FORMAT:
            raise UsageError(f"{LINEAGE} has format {lineage.format}; this version reads format {FORMAT}")
        programs = {m.id: _checked(found.parent / "programs" / m.id, m) for m in lineage.variants}
    _prove(lineage, programs)
    stored = {v.id: v for v in tables.variants()}
    new: list[StoredVariant] = []
    depth = {v.id: v.generation for v in stored.values()}
    for member in lineage.variants:
        if member.id in stored:
            continue
        made = genomes.add(programs[member.id], member.parents, member.message)
        depth[made] = 1 + max((depth[parent] for parent in member.parents), default=-1)
        new.append(
            StoredVariant(
                made,
                genomes.tree(made),
                member.parents,
                depth[made],
                "import",
                member.operator,
                member.message,
            )
        )
    tables.add_variants(new)
    return Imported(lineage.tip, len(new), len(lineage.variants) - len(new))


def _prove(lineage: _Lineage, programs: dict[str, dict[str, str]]) -> None:
    """Make all programs in a repository that is thrown away, and compare the ids.

    Raises:
        IntegrityError: one is another program than its id says, or comes before a parent.
    """
    with tempfile.TemporaryDirectory(prefix="evolvent-import-") as folder:
        trial = GenomeStore(Path(folder) / "trial.git", durable=False)
        try:
            for member in lineage.variants:
                missing = [parent for parent in member.parents if not trial.contains(parent)]
                if missing:
                    raise IntegrityError(
                        f"{member.id[:10]} comes before its parent {missing[0][:10]} in {LINEAGE}"
                    )
                made = trial.add(programs[member.id], member.parents, member.message)
                if made != member.id:
                    raise IntegrityError(
                        f"the program {member.id[:10]} was changed on the way: it is {made[:10]} now"
                    )
        finally:
            trial.close()


def _ancestry(archive: Archive, variant: str) -> list[str]:
    """Return a variant and all its ancestors, parents before children."""
    found: dict[str, int] = {}
    pending = [variant]
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = archive.stored(name).generation
            pending += archive.stored(name).parents
    return sorted(found, key=lambda name: (found[name], name))


def _member(archive: Archive, name: str) -> _Member:
    seen, stored = archive.variant(name), archive.stored(name)
    told = {"trials": seen.trials, "score": seen.score, "generation": stored.generation}
    return _Member(
        id=name,
        parents=stored.parents,
        operator=stored.operator,
        message=archive.genomes.message(name),
        told=told,
    )


def _checked(folder: Path, member: _Member) -> dict[str, str]:
    files = read_genome(folder)
    faults = check_surface(files)
    if faults:
        raise IntegrityError(f"the program {member.id[:10]} breaks the rules: {'; '.join(faults)[:500]}")
    return files


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who packed it, and when."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info
