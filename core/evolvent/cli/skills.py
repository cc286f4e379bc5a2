"""`evolvent skills`: look into the library. Reading needs no lock and no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table

if TYPE_CHECKING:
    from evolvent.library.store import SkillStore

__all__ = ["app"]

app = typer.Typer(help="Look into the skill library.", no_args_is_help=True)


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
        rows = [[s.name, s.state.value, len(s.cases), s.reason or s.description[:110]] for s in skills]
        out().print(table("", ["name", "state", "cases", "why" if rejected else "description"], rows))
        for problem in store.problems():
            typer.secho(printable(f"problem: {problem}"), fg="yellow", err=True)


@app.command()
def show(name: str = typer.Argument(help="The skill's name."), as_json: bool = JSON_OPTION) -> None:
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

        console.print(f"{skill.name}  [{skill.state.value}]  {skill.digest}", style="bold", markup=False)
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
