"""`evolvent skills`: look into the library. Reading needs no lock and no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evolvent.cli import skill_changes, skill_search, skill_sharing
from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table
from evolvent.cli.skill_recall import recall
from evolvent.cli.skill_tuning import tune

if TYPE_CHECKING:
    from evolvent.library.store import SkillStore
    from evolvent.types import Skill

__all__ = ["app"]

app = typer.Typer(help="Look into the skill library, and change it.", no_args_is_help=True)
app.command()(recall)
app.command()(tune)
app.command()(skill_search.search)
app.command()(skill_search.rebuild_index)
app.command()(skill_changes.rollback)
app.command()(skill_changes.pin)
app.command()(skill_changes.retire)
app.command()(skill_changes.release)
app.command()(skill_changes.audit)
app.command("test")(skill_changes.run_tests)
app.command()(skill_sharing.export)
app.command("import")(skill_sharing.import_)

NAME = typer.Argument(help="The skill's name.")


def _store() -> SkillStore:
    from evolvent.library.store import SkillStore
    from evolvent.settings import Settings
    from evolvent.storage.home import Home

    return SkillStore(Home(Settings().home).skills, repair=False)


@app.command("list")
def list_(
    rejected: bool = typer.Option(False, "--rejected", help="Show refused proposals, with the reason."),
    as_json: bool = JSON_OPTION,
) -> None:
    """List the skills."""
    with friendly_errors():
        store = _store()
        skills = store.rejected() if rejected else store.list()
        if as_json:
            print_json([s.model_dump(mode="json", exclude={"body", "script", "cases"}) for s in skills])
            return
        rows = [[s.name, _state(s), len(s.cases), s.reason or s.description[:110]] for s in skills]
        out().print(table("", ["name", "state", "cases", "why" if rejected else "description"], rows))
        for problem in store.problems():
            typer.secho(printable(f"problem: {problem}"), fg="yellow", err=True)


@app.command()
def show(name: str = NAME, as_json: bool = JSON_OPTION) -> None:
    """Show one skill: what it does, its code and the evidence that admitted it."""
    with friendly_errors():
        store = _store()
        skill = store.get(name)
        report = store.report(skill.name, skill.digest)
        if as_json:
            evidence = report.model_dump(mode="json") if report else None
            print_json({**skill.model_dump(mode="json"), "report": evidence})
            return
        console = out()
        from rich.syntax import Syntax

        console.print(f"{skill.name}  [{_state(skill)}]  {skill.digest}", style="bold", markup=False)
        console.print(printable(skill.description), markup=False)
        console.print()
        console.print(printable(skill.body), markup=False)
        if skill.script:
            console.print(
                Syntax(printable(skill.script), "python", theme="ansi_dark", background_color="default")
            )
        from evolvent.library.composition import dependents, requires

        for title, names in (
            ("Calls", [f"{other}@{version}" for other, version in requires(skill).items()]),
            ("Called by", [other.name for other in dependents(store, skill.name)]),
        ):
            if names:
                console.print(f"{title}: {', '.join(names)}", markup=False)
        if report:
            rows = [[s.stage, "passed" if s.passed else "refused", s.reason] for s in report.stages]
            console.print(table("Admission", ["stage", "outcome", "evidence"], rows))
        if skill.cases:
            cases = [[c.question[:160], str(c.expected)] for c in skill.cases[:5]]
            console.print(table(f"Cases (5 of {len(skill.cases)})", ["question", "expected"], cases))


@app.command()
def history(name: str = NAME, as_json: bool = JSON_OPTION) -> None:
    """Show the versions of a skill, and how each came to its state."""
    with friendly_errors():
        from evolvent.library.format import read_moves

        versions = [(v, read_moves(v.folder)) for v in _store().versions(name)]
        if as_json:
            shown = [
                {
                    "digest": version.skill.digest,
                    "present": version.present,
                    "state": version.skill.state.value,
                    "pinned": version.skill.pinned,
                    "moves": [move.model_dump(mode="json") for move in moves],
                }
                for version, moves in versions
            ]
            print_json(shown)
            return
        rows = []
        for version, moves in versions:
            mark = f"{version.skill.digest}{' (present)' if version.present else ''}"
            rows += [
                [mark, f"{m.at:%Y-%m-%d %H:%M}", f"{m.before.value} → {m.after.value}", m.by, m.reason]
                for m in moves
            ] or [[mark, "", _state(version.skill), "", version.skill.reason]]
        out().print(table("", ["version", "when (UTC)", "state", "by", "why"], rows))


@app.command()
def diff(
    name: str = NAME,
    old: str | None = typer.Argument(
        None, help="Beginning of a version's digest; default: the one before the present."
    ),
    new: str | None = typer.Argument(None, help="Beginning of a version's digest; default: the present one."),
) -> None:
    """Show what changed between two versions of a skill, as a unified diff of their files."""
    with friendly_errors():
        from evolvent.library.versions import diff_versions, find_version

        versions = _store().versions(name)
        before = find_version(name, versions, old)
        after = versions[0] if new is None else find_version(name, versions, new)
        typer.echo(printable(diff_versions(before, after)), nl=False)


@app.command()
def trials(name: str = NAME, as_json: bool = JSON_OPTION) -> None:
    """Does a skill help? Solves with and without it, the difference with its interval, and what is saved."""
    with friendly_errors():
        from evolvent.cli.skill_trials import evidence_of, show_evidence

        skill = _store().get(name)
        evidence = evidence_of(skill)
        if as_json:
            print_json({"state": skill.state.value, **evidence.model_dump(mode="json")})
            return
        show_evidence(skill, evidence)


def _state(skill: Skill) -> str:
    return f"{skill.state.value}, pinned" if skill.pinned else skill.state.value
