"""`evolvent memory`: what is remembered. Reading needs no lock, and only `search` needs the embedder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from evolvent.memory import LessonStore
    from evolvent.types import Episode, Lesson

__all__ = ["app", "print_episode"]

SHOWN = 2000
"""Characters of a value that are shown; `--json` shows all."""

app = typer.Typer(help="See what is remembered of attempts, and forget it.", no_args_is_help=True)


def _engine() -> Engine:
    from evolvent.settings import Settings
    from evolvent.storage import Home, open_database

    home = Home(Settings().home)
    home.create()
    return open_database(home.database)


def _store() -> LessonStore:
    from evolvent.memory import LessonStore
    from evolvent.storage import Ledger

    engine = _engine()
    return LessonStore(engine, Ledger(engine))


@contextmanager
def _writing() -> Iterator[LessonStore]:
    """Be the home's one writer."""
    from evolvent.settings import Settings
    from evolvent.storage import Home

    settings = Settings()
    home = Home(settings.home)
    home.acquire(settings.lock_wait)
    try:
        yield _store()
    finally:
        home.release()


@app.command("list")
def list_(
    state: str | None = typer.Option(
        None, help="Only this state: active, unproven, superseded, expired or forgotten."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """List the lessons, oldest first."""
    with friendly_errors():
        wanted = None if state is None else _state(state)
        _print_lessons(_store().all(wanted), as_json)


@app.command()
def show(
    what: str = typer.Argument(
        help="A lesson's id or its beginning (l-…), or the id of an attempt, whose episode is shown (r-…#1)."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Show a lesson with its evidence, or an episode in full."""
    with friendly_errors():
        if "#" in what:
            from evolvent.memory import Episodes

            print_episode(Episodes(_engine()).get(what), as_json)
            return
        store = _store()
        lesson = store.get(what)
        uses = store.uses(lesson.id)
        if as_json:
            print_json({**_data(lesson), "judged_uses": uses})
            return
        console = out()
        console.print(f"{lesson.id}  [{lesson.state.value}]  {lesson.kind}", style="bold", markup=False)
        console.print(printable(lesson.text), markup=False)
        rows = [[name, value] for name, value in _facts(lesson).items() if value]
        console.print(table("", ["", ""], rows))
        if uses:
            shown = [[use["attempt_id"], "passed" if use["success"] else "failed", use["at"]] for use in uses]
            console.print(table("Given to", ["attempt", "outcome", "when (UTC)"], shown))


@app.command()
def search(
    query: str = typer.Argument(help="A situation, such as a task's prompt."),
    limit: int = typer.Option(5, min=1, max=100, help="How many, best first."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Show what an attempt at such a task would be given. Uses the lessons' index, so it takes the home's lock."""
    with friendly_errors():
        from evolvent.runtime import Runtime

        with Runtime.open() as runtime, talk().status("searching"):
            found = runtime.lessons.search(query, limit)
        _print_lessons(found, as_json)


@app.command()
def forget(
    lesson: str = typer.Argument(help="Its id, or a unique beginning of it."),
    reason: str = typer.Option(..., help="Why; it stays with the lesson."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Take a lesson out of use for good. Its row and its history stay."""
    with friendly_errors():
        from evolvent.errors import UsageError

        if not reason.strip():
            raise UsageError("the reason is empty; say why with --reason")
        with _writing() as store:
            forgotten = store.forget(lesson, reason.strip())
        if as_json:
            print_json(_data(forgotten))
            return
        talk().print(f"forgotten: {forgotten.id} {printable(forgotten.text)[:100]}", markup=False)


@app.command()
def consolidate(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Merge lessons that say the same, and let go of those that do not help. Nothing is deleted."""
    with friendly_errors():
        from evolvent.memory import consolidate as do
        from evolvent.memory import plan

        if dry_run:
            store = _store()
            steps = plan(store.all(), store.clock())
        else:
            with _writing() as store:
                steps = do(store)
        if as_json:
            print_json([step.model_dump(mode="json") for step in steps])
            return
        rows = [[step.action, step.lesson_id, step.into, step.reason] for step in steps]
        out().print(table("", ["action", "lesson", "into", "why"], rows))
        talk().print(f"{len(steps)} {'would be done' if dry_run else 'done'}", markup=False)


def print_episode(episode: Episode, as_json: bool) -> None:
    """Print an attempt with all that it asked and heard."""
    if as_json:
        print_json(episode.model_dump(mode="json"))
        return
    attempt, console = episode.attempt, out()
    score = f", score {attempt.verdict.score:.2f}" if attempt.verdict else ""
    console.print(f"{attempt.id}  {attempt.status}{score}", style="bold", markup=False)
    console.print(printable(attempt.task.prompt), markup=False)
    for exchange in episode.exchanges:
        console.print(
            f"\n{exchange.session_id} {exchange.sequence}  {exchange.method}", style="bold", markup=False
        )
        console.print(_shown("asked", exchange.params), markup=False)
        heard = ("refused", exchange.error) if exchange.error else ("heard", exchange.result)
        console.print(_shown(*heard), markup=False)
    console.print(_shown("\nanswer", attempt.answer), markup=False)
    for line in episode.cut:
        typer.secho(f"not kept whole: {printable(line)}", fg="yellow", err=True)


def _shown(name: str, value: object) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    cut = f" … ({len(text)} characters, {SHOWN} shown; --json shows all)" if len(text) > SHOWN else ""
    return f"{name}: {printable(text[:SHOWN])}{cut}"


def _print_lessons(lessons: list[Lesson], as_json: bool) -> None:
    if as_json:
        print_json([_data(lesson) for lesson in lessons])
        return
    rows = [
        [k.id, k.state.value, k.kind, f"{k.utility:.2f} ({k.successes} of {k.uses})", k.text[:160], k.reason]
        for k in lessons
    ]
    out().print(table("", ["lesson", "state", "kind", "utility", "text", "why"], rows))


def _data(lesson: Lesson) -> dict[str, Any]:
    return {**lesson.model_dump(mode="json"), "utility": round(lesson.utility, 4)}


def _facts(lesson: Lesson) -> dict[str, str]:
    origin = lesson.provenance
    return {
        "why": lesson.reason,
        "about": lesson.situation[:SHOWN],
        "when": "; ".join(lesson.conditions),
        "subject": lesson.subject,
        "utility": f"{lesson.utility:.2f}: {lesson.successes} of {lesson.uses} judged uses passed",
        "learned from": ", ".join(lesson.sources),
        "judged by": origin.evaluator if origin.judged else "",
        "taint": ", ".join(origin.taint),
        "confirmed by": ", ".join(origin.confirmed_by),
        "expires": lesson.expires_at.isoformat() if lesson.expires_at else "",
        "probed by": lesson.probing,
        "took the place of": ", ".join(lesson.supersedes),
        "its place took": lesson.superseded_by,
        "since": lesson.created_at.isoformat(timespec="seconds"),
    }


def _state(name: str) -> Any:
    from evolvent.errors import UnknownName
    from evolvent.types import LessonState

    try:
        return LessonState(name)
    except ValueError:
        raise UnknownName("state of lessons", name, [state.value for state in LessonState]) from None
