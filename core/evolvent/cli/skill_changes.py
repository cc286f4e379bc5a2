"""`evolvent skills rollback|pin|retire|audit`: a person decides. Changes hold the home, as a run does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from evolvent.types import Skill

__all__ = ["audit", "pin", "retire", "rollback"]

NAME = typer.Argument(help="The skill's name.")


def rollback(
    name: str = NAME,
    version: str | None = typer.Argument(
        None, help="Beginning of the version's digest; default: the one before the present."
    ),
    reason: str = typer.Option("", "--reason", help="Why; kept with the skill."),
) -> None:
    """Put an earlier version of a skill back; the present one goes to the history."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        with held_library(Settings()) as library:
            _say(library.store.rollback(name, version, reason))


def pin(
    name: str = NAME, off: bool = typer.Option(False, "--off", help="Let go of a pinned version.")
) -> None:
    """Hold on to the present version of a skill: the machine neither replaces, withholds nor retires it."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        with held_library(Settings()) as library:
            _say(library.store.pin(name, not off))


def retire(
    name: str = NAME, reason: str = typer.Option(..., "--reason", help="Why; kept with the skill.")
) -> None:
    """Take a skill out of use; its folder stays, and `rollback` or another admission brings it back."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        with held_library(Settings()) as library:
            _say(library.store.retire(name, reason))


def audit(
    unused_days: int = typer.Option(90, min=1, help="Days without use after which a skill is called stale."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Reconcile folders, copies, history and ledger; mends what it can. Exit code 1: something is left to do."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        with held_library(Settings()) as library:
            found = library.audit(unused_days)
            checked = len(library.store.list())
        left = [finding for finding in found if not finding.mended]
        if as_json:
            print_json([finding.model_dump(mode="json") for finding in found])
        elif found:
            rows = [[f.kind, f.skill, "mended" if f.mended else "", f.what, f.todo] for f in found]
            out().print(table("", ["finding", "skill", "", "what", "what to do"], rows))
        talk().print(f"{checked} skills, {len(found)} findings, {len(left)} left to do", markup=False)
        if any(finding.kind != "unproven" for finding in left):
            raise typer.Exit(1)


def _say(skill: Skill) -> None:
    pinned = ", pinned" if skill.pinned else ""
    talk().print(printable(f"{skill.name} {skill.digest}: {skill.state.value}{pinned}"), markup=False)
