"""`evolvent skills rollback|pin|retire`: a person decides. Changes hold the home, as a run does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import friendly_errors, printable, talk

if TYPE_CHECKING:
    from evolvent.types import Skill

__all__ = ["pin", "retire", "rollback"]

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

        with held_library(Settings()) as store:
            _say(store.rollback(name, version, reason))


def pin(
    name: str = NAME, off: bool = typer.Option(False, "--off", help="Let go of a pinned version.")
) -> None:
    """Hold on to the present version of a skill: the machine neither replaces, withholds nor retires it."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        with held_library(Settings()) as store:
            _say(store.pin(name, not off))


def retire(
    name: str = NAME, reason: str = typer.Option(..., "--reason", help="Why; kept with the skill.")
) -> None:
    """Take a skill out of use; its folder stays, and `rollback` or another admission brings it back."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        with held_library(Settings()) as store:
            _say(store.retire(name, reason))


def _say(skill: Skill) -> None:
    pinned = ", pinned" if skill.pinned else ""
    talk().print(printable(f"{skill.name} {skill.digest}: {skill.state.value}{pinned}"), markup=False)
