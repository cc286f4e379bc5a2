"""`evolvent skills rollback|pin|retire|release|audit`: a person decides. Changes hold the home, as a run does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from evolvent.library.retest import CaseOutcome
    from evolvent.protocols import FunctionServer
    from evolvent.settings import Settings
    from evolvent.types import Skill

__all__ = ["audit", "pin", "release", "retire", "rollback", "run_tests"]

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
    """Take a skill out of use; its folder stays. Skills that call it are tested again; those that fail become stale."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.library.composition import dependents
        from evolvent.library.rebinding import retest_dependents
        from evolvent.settings import Settings

        settings = Settings()
        with held_library(settings) as library:
            _say(library.store.retire(name, reason))
            if not dependents(library.store, name):
                return
            with _functions(settings) as functions:
                for found in retest_dependents(library.store, functions, name):
                    _say(library.store.get(found.name))
                    talk().print(printable(f"  it calls {name}: {found.reason}"), markup=False)


def release(
    name: str = NAME, reason: str = typer.Option(..., "--reason", help="Why; kept with the skill.")
) -> None:
    """Let a quarantined skill back into use, on probation: you have looked at it and found it harmless."""
    with friendly_errors():
        from evolvent.errors import UsageError
        from evolvent.held_library import held_library
        from evolvent.settings import Settings
        from evolvent.types import SkillState

        with held_library(Settings()) as library:
            state = library.store.get(name).state
            if state is not SkillState.QUARANTINED:
                raise UsageError(f"{name!r} is {state.value}, not quarantined; there is nothing to release")
            _say(library.store.move(name, SkillState.PROBATION, reason))


def audit(
    unused_days: int = typer.Option(90, min=1, help="Days without use after which a skill is called stale."),
    retest: bool = typer.Option(
        False,
        "--retest",
        help="Run the tests of every skill again: what fails becomes stale, what passes comes back.",
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Reconcile folders, copies, history and ledger; mends what it can. Exit code 1: something is left to do."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        settings = Settings()
        with held_library(settings) as library, contextlib.ExitStack() as closing:
            functions = closing.enter_context(_functions(settings)) if retest else None
            found = library.audit(unused_days, functions)
            checked = len(library.store.list())
        left = [finding for finding in found if not finding.mended]
        if as_json:
            print_json([finding.model_dump(mode="json") for finding in found])
        elif found:
            rows = [[f.kind, f.skill, "mended" if f.mended else "", f.what, f.remedy] for f in found]
            out().print(table("", ["finding", "skill", "", "what", "what to do"], rows))
        talk().print(f"{checked} skills, {len(found)} findings, {len(left)} left to do", markup=False)
        if any(finding.kind != "unproven" for finding in left):
            raise typer.Exit(1)


def run_tests(
    names: list[str] | None = typer.Argument(None, help="The skills; default: all in use."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Run the tests of skills again, in the sandbox. Nothing is moved; exit code 1: a test failed."""
    with friendly_errors():
        from evolvent.library.retest import retest
        from evolvent.library.store import SkillStore
        from evolvent.settings import Settings
        from evolvent.storage.home import Home

        settings = Settings()
        store = SkillStore(Home(settings.home).skills, repair=False)
        skills = [store.get(name) for name in dict.fromkeys(names)] if names else store.usable()
        with _functions(settings) as functions:
            outcomes = {skill.name: retest(store, skill, functions) for skill in skills}
        if as_json:
            print_json({name: [o.model_dump(mode="json") for o in found] for name, found in outcomes.items()})
        else:
            rows = [
                [name, len(found), sum(not o.passed for o in found), _first_failure(found)]
                for name, found in outcomes.items()
            ]
            out().print(table("", ["skill", "tests", "failed", "the first that failed"], rows))
        if any(not o.passed for found in outcomes.values() for o in found):
            raise typer.Exit(1)


@contextlib.contextmanager
def _functions(settings: Settings) -> Iterator[FunctionServer]:
    from evolvent.plugins import PluginHost
    from evolvent.sandboxes import choose_sandbox

    sandbox = choose_sandbox(PluginHost(settings=settings), settings)
    try:
        yield sandbox.forkserver()
    finally:
        sandbox.close()


def _first_failure(found: list[CaseOutcome]) -> str:
    first = next((outcome for outcome in found if not outcome.passed), None)
    if first is None:
        return ""
    return f"{first.question[:120]} → {first.error or first.got!r}, expected {first.expected!r}"


def _say(skill: Skill) -> None:
    pinned = ", pinned" if skill.pinned else ""
    talk().print(printable(f"{skill.name} {skill.digest}: {skill.state.value}{pinned}"), markup=False)
