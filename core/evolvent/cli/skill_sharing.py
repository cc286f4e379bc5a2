"""`evolvent skills import` and `export`: skills from and for others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from evolvent.library.sources import Source
    from evolvent.runtime import Runtime
    from evolvent.types import Task

__all__ = ["export", "import_"]

MAX_CASES = 200
"""Tasks of a suite that are tried on each imported skill."""


def import_(
    source: str | None = typer.Argument(
        None, help="A folder, an archive, or the URL of a git repository (with #folder and @branch)."
    ),
    agents: bool = typer.Option(
        False, "--agents", help="Import from .agents/skills of this project and of the user instead."
    ),
    names: list[str] | None = typer.Option(
        None, "--name", help="Only this skill; may be given several times."
    ),
    suite: str | None = typer.Option(
        None, help="A suite whose train tasks judge the skills, for example reasoning-gym:gcd."
    ),
    vouch: str | None = typer.Option(
        None, help="Why skills without a script may be used: you have read them, and no test can judge prose."
    ),
    yes: bool = typer.Option(False, "--yes", help="Trust the project's skills without being asked."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Take skills from others through admission, like any proposal. Exit code 1: one was refused."""
    with friendly_errors():
        from evolvent.errors import UsageError
        from evolvent.library.sources import opened
        from evolvent.runtime import Runtime

        if (source is None) != agents:
            raise UsageError("give either a source (a folder, an archive, a git URL) or --agents")
        with Runtime.open() as runtime:
            tasks = _train_tasks(runtime, suite)
            if source is None:
                rows = _from_agents(runtime, names, tasks, vouch, yes)
            else:
                with opened(source) as found:
                    rows = _from_source(runtime, found, names, tasks, vouch)
        if as_json:
            print_json(rows)
        else:
            shown = [[r["name"], r["state"], r["origin"], r["reason"]] for r in rows]
            out().print(table("", ["skill", "state", "from", "why"], shown))
        if not rows:
            talk().print("no folder with a SKILL.md was found", markup=False)
        if not rows or any(row["state"] == "refused" for row in rows):
            raise typer.Exit(1)


def _train_tasks(runtime: Runtime, suite: str | None) -> list[Task]:
    from itertools import islice

    from evolvent.types import Split

    if suite is None:
        return []
    chosen = runtime.suite(suite)
    found = (
        task for family in chosen.families for task in islice(chosen.tasks(Split.TRAIN, family), MAX_CASES)
    )
    return list(found)


def _from_source(
    runtime: Runtime, source: Source, names: list[str] | None, tasks: list[Task], vouch: str | None
) -> list[dict[str, Any]]:
    from evolvent.library.sources import skill_folders

    folders = [f for f in skill_folders(source.folder) if not names or f.name in names]
    return [_take(runtime, folder, source.origin, tasks, vouch) for folder in folders]


def _from_agents(
    runtime: Runtime, names: list[str] | None, tasks: list[Task], vouch: str | None, yes: bool
) -> list[dict[str, Any]]:
    from evolvent.library.discovery import discover

    found = [d for d in discover(Path.cwd(), Path.home()) if not names or d.folder.name in names]
    project = [d for d in found if d.scope == "project"]
    if project and not yes:
        talk().print("This project brings skills, written by whoever wrote the project:", markup=False)
        for skill in project:
            talk().print(printable(f"  {skill.folder.name}"), markup=False)
        typer.confirm("Take them through admission?", abort=True, err=True)
    return [_take(runtime, d.folder, d.origin, tasks, vouch) for d in found]


def _take(
    runtime: Runtime, folder: Path, origin: str, tasks: list[Task], vouch: str | None
) -> dict[str, Any]:
    """Import one skill; one that cannot be is a row like any other, so that the rest goes on."""
    from evolvent.errors import IntegrityError, UsageError
    from evolvent.library.importing import arrive, check_trust
    from evolvent.library.trust import load_trust

    row = {
        "name": folder.name,
        "origin": origin,
        "state": "refused",
        "reason": "",
        "digest": "",
        "signer": "",
    }
    rule = load_trust(runtime.settings.trust_path).rule_for(origin)
    try:
        with tempfile.TemporaryDirectory(prefix="evolvent-import-") as into:
            arrival = arrive(folder, origin, Path(into))
            row["signer"] = check_trust(folder, arrival.skill, origin, rule) or ""
            reason = vouch or ("trust.toml trusts prose of this origin" if rule.prose else None)
            if arrival.skill.script is None and reason:
                report = runtime.admission.vouch(arrival, reason)
            else:
                cases = [*tasks, *arrival.cases]
                report = runtime.admission.consider(arrival.proposal, cases, arrival=arrival)
    except (IntegrityError, UsageError) as error:
        return {**row, "reason": str(error)}
    row |= {"name": report.name, "digest": report.digest, "reason": report.reason}
    if report.admitted:
        row["state"] = runtime.skills.get(report.name).state.value
    return row


def export(
    names: list[str] = typer.Argument(help="The skills."),
    to: Path = typer.Option(..., "--to", help="Folder to write to."),
    sign: bool = typer.Option(False, "--sign", help="Sign with minisign; a key is made on first use."),
    key: Path | None = typer.Option(
        None, "--key", help="Minisign secret key; default: signing.key in the home."
    ),
    force: bool = typer.Option(False, "--force", help="Replace folders that are there."),
) -> None:
    """Write skills as Agent Skills folders, with their tests and evidence, for other agents or another library."""
    with friendly_errors():
        from evolvent.library.exporting import export_skill
        from evolvent.library.signing import public_key, signing_key
        from evolvent.library.store import SkillStore
        from evolvent.settings import Settings
        from evolvent.storage.home import Home

        settings = Settings()
        store = SkillStore(Home(settings.home).skills, repair=False)
        chosen = signing_key(key or settings.signing_key_path) if sign or key else None
        for skill in [store.get(name) for name in dict.fromkeys(names)]:
            folder = export_skill(store, skill.name, to, chosen, force=force)
            talk().print(printable(f"{skill.name} {skill.digest} → {folder}"), markup=False)
        if chosen is not None:
            talk().print(f"signed; whoever trusts it names this key: {public_key(chosen)}", markup=False)
