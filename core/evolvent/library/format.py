"""Skills as Agent Skills folders: exactly the standard's format, with what is ours under `metadata`.

    <name>/SKILL.md             front matter and body
    <name>/scripts/solve.py     solve(question) -> answer, or None when not applicable
    <name>/tests/cases.json     [{question, expected, task_id}, ...]
    <name>/tests/evidence.json  the AdmissionReport
    <name>/tests/lifecycle.json [SkillMove, ...], oldest first: how the version came to its state
    <name>/references/, assets/ whatever else the author ships

The format is specified at https://agentskills.io/specification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from evolvent.errors import IntegrityError
from evolvent.library.contents import check_tree, further_files
from evolvent.library.frontmatter import Front, parse_skill_md, render_skill_md
from evolvent.library.script import SCRIPT_PATH, standalone, usage_note
from evolvent.types import AdmissionReport, Skill, SkillCase, SkillMove, SkillProposal, SkillState, digest

__all__ = [
    "DIGEST_KEY",
    "ENTRY_KEY",
    "ORIGIN_KEY",
    "PIN_KEY",
    "REASON_KEY",
    "SOURCES_KEY",
    "STATE_KEY",
    "TOOLS_KEY",
    "check_proposal",
    "draft",
    "read_cases",
    "read_moves",
    "read_report",
    "read_skill",
    "skill_digest",
    "skill_files",
]

STATE_KEY = "evolvent-state"
DIGEST_KEY = "evolvent-digest"
ENTRY_KEY = "evolvent-entry"
REASON_KEY = "evolvent-reason"
SOURCES_KEY = "evolvent-sources"
PIN_KEY = "evolvent-pinned"
ORIGIN_KEY = "evolvent-origin"
"""Where an imported skill came from."""
TOOLS_KEY = "evolvent-tools"
"""Tools that the skills which it calls ask for: it asks for them too."""

CASES_PATH = "tests/cases.json"
EVIDENCE_PATH = "tests/evidence.json"
LIFECYCLE_PATH = "tests/lifecycle.json"
MAX_BYTES: Mapping[str, int] = {
    "SKILL.md": 256 * 1024,
    SCRIPT_PATH: 400 * 1024,
    CASES_PATH: 4 * 1024 * 1024,
    EVIDENCE_PATH: 4 * 1024 * 1024,
    LIFECYCLE_PATH: 4 * 1024 * 1024,
}
MAX_DESCRIPTION = 1024
MAX_COMPATIBILITY = 500
_Item = TypeVar("_Item")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CASES = TypeAdapter(tuple[SkillCase, ...])
_MOVES = TypeAdapter(tuple[SkillMove, ...])


def skill_digest(
    name: str,
    description: str,
    body: str,
    script: str | None,
    allowed_tools: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> str:
    """Return the content hash that is a skill's version.

    Args:
        name: of the front matter.
        description: of the front matter.
        body: of SKILL.md.
        script: the entry script.
        allowed_tools: what it may do is part of what was admitted.
        files: further files, as path to content hash.
    """
    content: dict[str, Any] = {"name": name, "description": description, "body": body, "script": script}
    if allowed_tools:
        content["allowed-tools"] = list(allowed_tools)
    if files:
        content["files"] = dict(files)
    return digest(content)


def draft(proposal: SkillProposal) -> Skill:
    """Return a proposal as the skill that it would become: normalised text, standalone script, digest.

    Nothing of it is trusted yet: it is a candidate until admission has decided.
    """
    script = None if proposal.script is None else standalone(proposal.script)
    body = proposal.body.replace("\r\n", "\n").strip()
    if script is not None:
        body = usage_note(body)
    description = proposal.description.strip()
    return Skill(
        name=proposal.name,
        description=description,
        body=body,
        script=script,
        state=SkillState.CANDIDATE,
        digest=skill_digest(proposal.name, description, body, script),
        metadata={SOURCES_KEY: json.dumps(sorted(proposal.sources))} if proposal.sources else {},
        reason="not admitted yet",
    )


def check_proposal(proposal: SkillProposal) -> None:
    """Check that a proposal's draft can be written as a folder and read back unchanged.

    Raises:
        IntegrityError: it cannot; says why.
    """
    skill = draft(proposal)
    text = skill_files(skill)["SKILL.md"]
    for relative, content in (("SKILL.md", text), (SCRIPT_PATH, skill.script or "")):
        size = len(content.encode())
        if size > MAX_BYTES[relative]:
            raise IntegrityError(f"{relative}: {size} bytes; allowed: {MAX_BYTES[relative]}")
    front, body = parse_skill_md(text)
    name, description = _checked_front(front, "SKILL.md")
    if (name, description, body) != (skill.name, skill.description, skill.body) or not proposal.body.strip():
        raise IntegrityError(
            "SKILL.md: body or description is empty, or holds characters that do not survive"
        )


def skill_files(
    skill: Skill,
    report: AdmissionReport | None = None,
    front: Front | None = None,
    moves: Sequence[SkillMove] = (),
) -> dict[str, str]:
    """Return the folder of a skill as relative path -> text.

    Args:
        skill: what to write.
        report: becomes `tests/evidence.json`.
        front: front matter to start from, so that a rewrite keeps licence, compatibility and allowed tools.
        moves: becomes `tests/lifecycle.json`.
    """
    metadata = {**skill.metadata, STATE_KEY: skill.state.value, DIGEST_KEY: skill.digest}
    metadata.pop(REASON_KEY, None)
    metadata.pop(PIN_KEY, None)
    if skill.pinned:
        metadata[PIN_KEY] = "true"
    if skill.script is not None:
        metadata[ENTRY_KEY] = f"{SCRIPT_PATH}:solve"
    if skill.reason and skill.state is not SkillState.ACTIVE:
        metadata[REASON_KEY] = skill.reason
    own = {
        "license": skill.license,
        "compatibility": skill.compatibility,
        "allowed-tools": " ".join(skill.allowed_tools),
    }
    header: Front = {
        **{key: text for key, text in own.items() if text},
        **(front or {}),
        "name": skill.name,
        "description": skill.description,
        "metadata": metadata,
    }
    if TOOLS_KEY in metadata:
        stated = str(header.get("allowed-tools", "")).split()
        header["allowed-tools"] = " ".join(sorted({*stated, *metadata[TOOLS_KEY].split()}))
    files = {"SKILL.md": render_skill_md(header, skill.body)}
    if skill.script is not None:
        files[SCRIPT_PATH] = skill.script
    if skill.cases:
        files[CASES_PATH] = _pretty([case.model_dump(mode="json") for case in skill.cases])
    if report is not None:
        files[EVIDENCE_PATH] = _pretty(report.model_dump(mode="json"))
    if moves:
        files[LIFECYCLE_PATH] = _pretty([move.model_dump(mode="json") for move in moves])
    return files


def read_skill(folder: Path, *, any_folder_name: bool = False) -> Skill:
    """Read a skill from its folder.

    Args:
        folder: the skill's folder.
        any_folder_name: do not require that the folder has the skill's name (rejected and old versions).

    Raises:
        IntegrityError: something in the folder is not as the format wants it; says which file and why.
    """
    check_tree(folder)
    where = f"{folder.name}/SKILL.md"
    front, body = parse_skill_md(_read(folder, "SKILL.md"), where)
    name, description = _checked_front(front, where)
    if not any_folder_name and folder.name != name:
        raise IntegrityError(f"{where}: the name {name!r} must be the folder's name {folder.name!r}")
    script = _read(folder, SCRIPT_PATH) if (folder / SCRIPT_PATH).exists() else None
    metadata = front.get("metadata") or {}
    assert isinstance(metadata, dict)
    tools = tuple(str(front.get("allowed-tools", "")).split())
    files = further_files(folder)
    # Those that it needs only for the skills that it calls are theirs: they may change without it.
    own = [tool for tool in tools if tool not in metadata.get(TOOLS_KEY, "").split()]
    content = skill_digest(name, description, body, script, own, files)
    stated = metadata.get(DIGEST_KEY, content)
    if stated != content:
        raise IntegrityError(
            f"{folder.name}: the content has digest {content}, but {where} states {stated}: it was changed"
            " after its admission; restore it, or propose the change as a new version"
        )
    try:
        state = SkillState(metadata.get(STATE_KEY, SkillState.CANDIDATE.value))
    except ValueError:
        allowed = ", ".join(item.value for item in SkillState)
        raise IntegrityError(f"{where}: {STATE_KEY} is {metadata[STATE_KEY]!r}; allowed: {allowed}") from None
    default_reason = (
        "" if state is SkillState.ACTIVE or STATE_KEY in metadata else "never went through admission"
    )
    return Skill(
        name=name,
        description=description,
        body=body,
        script=script,
        state=state,
        digest=content,
        metadata=metadata,
        cases=read_cases(folder),
        reason=metadata.get(REASON_KEY, default_reason),
        license=str(front.get("license", "")),
        compatibility=str(front.get("compatibility", "")),
        allowed_tools=tools,
        files=files,
        pinned=metadata.get(PIN_KEY) == "true",
    )


def read_report(folder: Path) -> AdmissionReport | None:
    """Read `tests/evidence.json`, or return None when there is none.

    Raises:
        IntegrityError: it is not an AdmissionReport.
    """
    if not (folder / EVIDENCE_PATH).exists():
        return None
    try:
        return AdmissionReport.model_validate_json(_read(folder, EVIDENCE_PATH))
    except ValidationError as error:
        raise IntegrityError(f"{folder.name}/{EVIDENCE_PATH}: {_first_line(error)}") from error


def read_cases(folder: Path) -> tuple[SkillCase, ...]:
    """Read `tests/cases.json`; without one there are none.

    Raises:
        IntegrityError: it holds something else.
    """
    return _read_list(folder, CASES_PATH, _CASES)


def read_moves(folder: Path) -> tuple[SkillMove, ...]:
    """Read `tests/lifecycle.json`; without one nothing is known.

    Raises:
        IntegrityError: it holds something else.
    """
    return _read_list(folder, LIFECYCLE_PATH, _MOVES)


def _checked_front(front: Front, where: str) -> tuple[str, str]:
    """Return name and description after checking every standard key."""
    for key in ("name", "description"):
        if not str(front.get(key, "")).strip():
            raise IntegrityError(f"{where}: {key} is missing or empty")
    name, description = str(front["name"]).strip(), str(front["description"]).strip()
    if len(name) > 64 or not _NAME.fullmatch(name):
        raise IntegrityError(
            f"{where}: name is {name!r}; allowed: at most 64 of a-z, 0-9 and single hyphens between them"
        )
    for key, text, limit in (
        ("description", str(front["description"]), MAX_DESCRIPTION),
        ("compatibility", str(front.get("compatibility", "")), MAX_COMPATIBILITY),
    ):
        if len(text) > limit:
            raise IntegrityError(f"{where}: {key} has {len(text)} characters; allowed: {limit}")
    return name, description


def _read_list(folder: Path, relative: str, kind: TypeAdapter[tuple[_Item, ...]]) -> tuple[_Item, ...]:
    if not (folder / relative).exists():
        return ()
    try:
        return kind.validate_json(_read(folder, relative))
    except ValidationError as error:
        raise IntegrityError(f"{folder.name}/{relative}: {_first_line(error)}") from error


def _read(folder: Path, relative: str) -> str:
    path, where = folder / relative, f"{folder.name}/{relative}"
    try:
        size = path.stat().st_size
        if size > MAX_BYTES[relative]:
            raise IntegrityError(f"{where}: {size} bytes; allowed: {MAX_BYTES[relative]}")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{where}: not UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise IntegrityError(f"{where}: cannot be read: {error.strerror}") from error


def _pretty(value: Sequence[Any] | Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _first_line(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
