"""`evolvent daemon`: start, see and end the daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from evolvent.types import DaemonStatus, DayBudget

__all__ = ["app"]

app = typer.Typer(
    help="Start, see and end the daemon, which does jobs and practises in idle time.", no_args_is_help=True
)


@app.command()
def start(
    foreground: bool = typer.Option(
        False, "--foreground", help="Stay in this terminal, until Ctrl-C or SIGTERM."
    ),
    model: str | None = typer.Option(
        None, help="provider:name; default: EVOLVENT_MODEL or the embedded model."
    ),
    host: str | None = typer.Option(
        None, help="Address to listen on; default: EVOLVENT_DAEMON_HOST or loopback."
    ),
    port: int | None = typer.Option(None, min=0, max=65535, help="Port to listen on; 0: any free one."),
    slots: int | None = typer.Option(None, min=1, max=64, help="Jobs at once."),
    idle: bool = typer.Option(
        True, "--idle/--no-idle", help="Whether it practises and evolves when no job waits."
    ),
) -> None:
    """Start the daemon of this home."""
    given = {"model": model, "daemon_host": host, "daemon_port": port, "daemon_slots": slots}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with friendly_errors():
        from evolvent.settings import Settings

        if foreground:
            from evolvent.daemon.process import serve

            settings = Settings(mode="daemon", **chosen)
            clean = serve(settings, background=idle, ready=lambda place: _ready(place.pid, place.url))
            if not clean:
                _leave_threads()
            return
        from evolvent.daemon.launch import launch
        from evolvent.daemon.place import find
        from evolvent.errors import HomeBusy
        from evolvent.storage import Home

        settings = Settings(**chosen)
        there = find(Home(settings.home))
        if there is not None:
            raise HomeBusy(
                f"the daemon runs already: process {there.pid} at {there.url}; see `evolvent daemon status`"
            )
        words = [("--model", model), ("--host", host), ("--port", port), ("--slots", slots)]
        arguments = [str(word) for pair in words if pair[1] is not None for word in pair]
        with talk().status("starting"):
            place = launch(settings, [*arguments, *([] if idle else ["--no-idle"])])
        _ready(place.pid, place.url)


@app.command()
def status(as_json: bool = JSON_OPTION) -> None:
    """Show what the daemon does. Exit code 1: none runs."""
    with friendly_errors():
        from evolvent.daemon.access import open_jobs
        from evolvent.settings import Settings
        from evolvent.types import JobState

        jobs = open_jobs(Settings())
        found = jobs.status()
        if as_json:
            print_json(None if found is None else found.model_dump(mode="json"))
        elif found is None:
            waiting = len(jobs.list(JobState.QUEUED, None, 1000))
            talk().print(
                f"no daemon runs; {waiting} jobs wait. Start it with: evolvent daemon start", markup=False
            )
        else:
            _print(found, jobs.running.url if jobs.running else "")
    if found is None:
        raise typer.Exit(1)


@app.command()
def stop() -> None:
    """End the daemon. What it is doing goes on where it was with the next start."""
    with friendly_errors():
        from evolvent.daemon.launch import end
        from evolvent.settings import Settings

        with talk().status("waiting for its jobs to stop"):
            place = end(Settings())
        talk().print("no daemon runs" if place is None else f"ended: process {place.pid}", markup=False)


@app.command()
def logs(
    lines: int = typer.Option(50, "--lines", "-n", min=0, help="How many, the newest."),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on with new lines, until Ctrl-C."),
    job: str | None = typer.Option(None, help="Only what is about this job, or this run."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Show the log of this home, which the daemon writes as JSON lines."""
    with friendly_errors():
        from evolvent.cli.log_lines import LogFiles, shown
        from evolvent.settings import Settings
        from evolvent.storage import Home

        files = LogFiles(Home(Settings().home).logs, job)
        if not files.exist() and not follow:
            talk().print(f"nothing was logged yet: there is no {files.path}", markup=False, soft_wrap=True)
        for line in files.newest(lines):
            typer.echo(shown(line, as_json))
        while follow:
            time.sleep(0.3)
            for line in files.further():
                typer.echo(shown(line, as_json))


@app.command()
def unit(
    system: bool = typer.Option(False, "--system", help="For the whole machine in place of this user."),
) -> None:
    """Print a systemd unit for this installation and home."""
    with friendly_errors():
        from evolvent.daemon.packaging import unit_file
        from evolvent.settings import Settings

        typer.echo(unit_file(Settings(), system=system), nl=False)


@app.command()
def compose() -> None:
    """Print a docker compose file."""
    with friendly_errors():
        from evolvent.daemon.packaging import compose_file
        from evolvent.settings import Settings

        typer.echo(compose_file(Settings()), nl=False)


def _ready(pid: int, url: str) -> None:
    talk().print(f"the daemon takes jobs: process {pid} at {url}", markup=False, soft_wrap=True)


def _leave_threads() -> None:
    """End without waiting for what does not stop: its jobs were given back."""
    import os
    import sys

    sys.stderr.flush()
    os._exit(0)


def _print(found: DaemonStatus, url: str) -> None:
    console = out()
    why = f" ({found.why_paused})" if found.why_paused else ""
    rows = [
        ["daemon", f"{found.state}{why}; process {found.pid} at {url}, version {found.version}"],
        ["since", f"{found.started_at} UTC"],
        ["model", found.model],
        ["idle time", found.idle or "used for practice and evolution"],
        ["jobs", ", ".join(f"{count} {state}" for state, count in found.jobs.items() if count) or "none"],
        *(["doing", f"{job.id} {job.kind}, try {job.tries}"] for job in found.current),
        *([f"{b.name.replace('_', ' ')} today", _used(b)] for b in found.budgets),
    ]
    rows.append(["last backup", f"{found.last_backup} UTC" if found.last_backup else "none"])
    if found.last_error:
        rows.append(["last error", found.last_error])
    console.print(table("", ["", ""], rows))


def _used(budget: DayBudget) -> str:
    return f"{budget.used:.6g}" + ("" if budget.limit is None else f" of {budget.limit:.6g}")
