"""Skills from others: nothing that they say of themselves counts, they go through admission like any proposal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from evolvent.errors import IntegrityError, UsageError
from evolvent.library.contents import check_tree, walk_files
from evolvent.library.evals import read_evals
from evolvent.library.format import ORIGIN_KEY, draft, read_cases, read_skill, skill_digest
from evolvent.library.frontmatter import parse_skill_md, render_skill_md
from evolvent.library.signing import signer_of
from evolvent.library.trust import TrustRule
from evolvent.types import Skill, SkillProposal, Task

__all__ = ["Arrival", "arrive", "check_trust", "drafted"]

EXACT = "exact"
_NOT_TAKEN = ("tests/", "evals/", "scripts/skills/")


class Arrival(NamedTuple):
    """A foreign skill, copied without what it says of its own life."""

    skill: Skill
    folder: Path
    cases: tuple[Task, ...]
    """Its own test questions, as tasks: they show that it does what it says, not that this is right."""

    @property
    def proposal(self) -> SkillProposal:
        """The skill as admission takes it.

        Raises:
            UsageError: it is longer than a skill may be.
        """
        skill = self.skill
        try:
            return SkillProposal(
                name=skill.name, description=skill.description, body=skill.body, script=skill.script
            )
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            raise UsageError(f"{skill.name!r}: {fault['loc'][0]}: {fault['msg']}") from error

    def further(self) -> dict[str, str | bytes]:
        """Return the files that are neither SKILL.md, nor the entry script, nor tests: relative path to content."""
        return {relative: (self.folder / relative).read_bytes() for relative in self.skill.files}


def drafted(arrival: Arrival, proposal: SkillProposal) -> Skill:
    """Return a foreign skill as the one that it would become here: a draft with its files, tools and origin."""
    skill, foreign = draft(proposal), arrival.skill
    version = skill_digest(
        skill.name, skill.description, skill.body, skill.script, foreign.allowed_tools, foreign.files
    )
    return skill.model_copy(
        update={
            "digest": version,
            "metadata": {**foreign.metadata, **skill.metadata},
            "license": foreign.license,
            "compatibility": foreign.compatibility,
            "allowed_tools": foreign.allowed_tools,
            "files": foreign.files,
        }
    )


def arrive(folder: Path, origin: str, into: Path) -> Arrival:
    """Copy a foreign skill's folder and read it.

    State, evidence and everything else that another Evolvent wrote under `metadata` is left behind; its test questions
    are read, but not copied: those that it passes here are written anew.

    Args:
        folder: the skill as it came.
        origin: where from; kept in its metadata.
        into: an empty folder of ours.

    Raises:
        IntegrityError: it is no Agent Skills folder; says which file and why.
    """
    check_tree(folder)
    copy = into / folder.name
    for relative in walk_files(folder):
        if not relative.startswith(_NOT_TAKEN):
            path = copy / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / relative, path)
    try:
        text = (copy / "SKILL.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{folder.name}/SKILL.md: cannot be read: {error}") from error
    front, body = parse_skill_md(text, f"{folder.name}/SKILL.md")
    metadata = front.get("metadata") or {}
    assert isinstance(metadata, dict)
    kept = {key: value for key, value in metadata.items() if not key.startswith("evolvent-")}
    front["metadata"] = {**kept, ORIGIN_KEY: origin}
    (copy / "SKILL.md").write_text(render_skill_md(front, body), encoding="utf-8")
    cases = {case.question: case for case in (*read_cases(folder), *read_evals(folder))}
    tasks = tuple(
        Task(prompt=case.question, evaluator=EXACT, reference=case.expected) for case in cases.values()
    )
    return Arrival(read_skill(copy), copy, tasks)


def check_trust(folder: Path, skill: Skill, origin: str, rule: TrustRule) -> str | None:
    """Return the key that signed a foreign skill, where a rule wants one.

    Raises:
        UsageError: the rule refuses the origin, wants a signature that is not there, or the skill names tools that
            skills of this origin may not use.
        IntegrityError: the signature is not of these files, or of no trusted key.
    """
    if rule.refuse:
        raise UsageError(f"trust.toml refuses skills from {origin!r} (rule {rule.match!r})")
    signer = signer_of(folder, list(rule.keys)) if rule.keys else None
    if rule.keys and signer is None:
        raise UsageError(
            f"{skill.name!r} is not signed; trust.toml wants one of {len(rule.keys)} keys for {rule.match!r}"
        )
    # Other clients write arguments in brackets behind a tool's name: Bash(git:*).
    wanted = {tool.partition("(")[0] for tool in skill.allowed_tools}
    if wanted - set(rule.tools):
        refused = ", ".join(sorted(wanted - set(rule.tools)))
        allowed = ", ".join(rule.tools) or "none"
        raise UsageError(
            f"{skill.name!r} wants the tools {refused}; allowed for {rule.match!r} in trust.toml: {allowed}"
        )
    return signer
