"""`evolvent runs`: what was run, with which outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table

if TYPE_CHECKING:
    from evolvent.storage import Ledger, Runs

__all__ = ["app"]

app = typer.Typer(help="Look at runs.", no_args_is_help=True)


def _records() -> tuple[Runs, Ledger]:
    from evolvent.settings import Settings
    from evolvent.storage import Home, Ledger, Runs, open_database

    home = Home(Settings().home)
    home.create()
    engine = open_database(home.database)
    return Runs(engine), Ledger(engine)


@app.command("list")
def list_(
    limit: int = typer.Option(20, min=1, max=1000, help="How many, newest first."),
    as_json: bool = JSON_OPTION,
) -> None:
    """List runs, newest first."""
    with friendly_errors():
        runs, _ = _records()
        rows = runs.list(limit)
        if as_json:
            print_json(
                [
                    {
                        "id": r.id,
                        "job": r.job,
                        "status": r.status,
                        "title": r.title,
                        "created_at": r.created_at,
                    }
                    for r in rows
                ]
            )
            return
        shown = [[r.id, r.job, r.status, r.created_at[:19].replace("T", " "), r.title[:80]] for r in rows]
        out().print(table("", ["run", "job", "status", "started (UTC)", "what"], shown))


@app.command()
def show(
    run_id: str = typer.Argument(help="The run's id, or its beginning."),
    episode: int | None = typer.Option(None, min=1, help="Show this attempt in full: 1 for the first."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Show one run: its result, its attempts and what the guest asked the broker."""
    with friendly_errors():
        runs, ledger = _records()
        run = runs.get(run_id)
        attempts = runs.attempts(run.id)
        if episode is not None:
            from evolvent.cli.memory import print_episode
            from evolvent.memory.episodes import Episodes

            print_episode(Episodes(runs.engine).get(f"{run.id}#{episode}"), as_json)
            return
        parts = runs.list(10_000, parent_id=run.id)
        if as_json:
            print_json(
                {
                    "id": run.id,
                    "job": run.job,
                    "status": run.status,
                    "title": run.title,
                    "config": run.config,
                    "result": run.result,
                    "attempts": [a.model_dump(mode="json") for a in attempts],
                    "parts": [{"id": p.id, "status": p.status, "title": p.title} for p in reversed(parts)],
                    "events": [e.model_dump(mode="json") for e in ledger.events(run.id)],
                }
            )
            return
        console = out()
        console.print(f"{run.id}  {run.job}  {run.status}", style="bold", markup=False)
        console.print(printable(run.title), markup=False)
        for attempt in attempts:
            score = f", score {attempt.verdict.score:.2f}" if attempt.verdict else ""
            console.print(
                printable(f"\nattempt {attempt.number}: {attempt.status}{score}; answer: {attempt.answer!r}"),
                markup=False,
            )
            rows: list[list[Any]] = [
                [s.method, "yes" if s.ok else "no", s.usage.tokens or "", s.summary]
                for s in attempt.trajectory
            ]
            console.print(table("", ["request", "ok", "tokens", "what"], rows))
        if parts:
            rows = [[p.id, p.status, p.title] for p in reversed(parts)]
            console.print(table("Parts", ["run", "status", "what"], rows))
        if run.status == "running":
            command = (
                "evolvent learn … (the same command)"
                if run.job == "learn"
                else f"evolvent solve --resume {run.id}"
            )
            console.print(f"\nThis run is not finished. Go on with: {command}", markup=False)
