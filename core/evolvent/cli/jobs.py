"""`evolvent submit` and `evolvent jobs`: hand jobs to the daemon, and see what came of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, fail, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from evolvent.daemon.access import JobAccess
    from evolvent.types import Job

__all__ = ["app", "submit"]

app = typer.Typer(help="See, cancel and retry the daemon's jobs.", no_args_is_help=True)

WAIT = typer.Option(
    False, "--wait", help="Wait for its end, and print the answer. Ctrl-C leaves the job where it is."
)


def submit(
    question: str = typer.Argument(help="The question."),
    wait: bool = WAIT,
    priority: int = typer.Option(0, min=0, max=100, help="Higher ones come first."),
    key: str | None = typer.Option(None, help="A second submit with the same key finds the first job."),
    tokens: int = typer.Option(20_000, min=0, help="Model tokens that may be used."),
    seconds: float = typer.Option(600.0, min=0, help="Seconds that it may take."),
    seed: int = typer.Option(0, min=0, help="Seeds the model's sampling."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Hand a question to the daemon. Without one it waits in the queue for the next start."""
    with friendly_errors():
        from evolvent.daemon.access import open_jobs
        from evolvent.settings import Settings
        from evolvent.types import Budget, JobRequest

        budget = Budget(tokens=tokens, seconds=seconds).model_dump(mode="json")
        request = JobRequest(
            payload={"prompt": question, "budget": budget, "seed": seed}, priority=priority, key=key
        )
        jobs = open_jobs(Settings())
        job = jobs.submit(request)
        if wait:
            if jobs.running is None:
                talk().print(f"{job.id} waits for a daemon: evolvent daemon start", markup=False)
            job = _waited(jobs, job)
            _print_end(job, as_json)
            return
        if as_json:
            print_json(job.model_dump(mode="json"))
            return
        out().print(job.id, markup=False)
        where = "the daemon has it" if jobs.running else "no daemon runs; it waits for: evolvent daemon start"
        talk().print(f"{job.state}: {where}", markup=False)


@app.command("list")
def list_(
    state: str | None = typer.Option(None, help="Only in this state: queued, running, waiting, finished, …"),
    kind: str | None = typer.Option(
        None, help="Only of this kind: solve, learn, evolve, consolidate or audit."
    ),
    limit: int = typer.Option(50, min=1, max=1000, help="How many, newest first."),
    as_json: bool = JSON_OPTION,
) -> None:
    """List the daemon's jobs, newest first."""
    with friendly_errors():
        from evolvent.daemon.access import open_jobs
        from evolvent.errors import UnknownName
        from evolvent.settings import Settings
        from evolvent.types import JobState

        if state is not None and state not in list(JobState):
            raise UnknownName("state of jobs", state, JobState)
        wanted = None if state is None else JobState(state)
        found = open_jobs(Settings()).list(wanted, kind, limit)
        if as_json:
            print_json([job.model_dump(mode="json") for job in found])
            return
        rows = [[j.id, j.kind, j.state, j.priority, j.tries, j.created_at[:19], _about(j)] for j in found]
        out().print(table("", ["job", "kind", "state", "priority", "tries", "handed in (UTC)", "what"], rows))


@app.command()
def show(
    job: str = typer.Argument(help="Its id, or a unique beginning of it."),
    wait: bool = WAIT,
    as_json: bool = JSON_OPTION,
) -> None:
    """Show a job with its result."""
    with friendly_errors():
        from evolvent.daemon.access import open_jobs
        from evolvent.settings import Settings

        jobs = open_jobs(Settings())
        found = jobs.get(job)
        if wait:
            _print_end(_waited(jobs, found), as_json)
            return
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        rows = [
            [name, value]
            for name, value in found.model_dump(mode="json").items()
            if value not in (None, "", False, {}) and name not in ("result", "payload", "not_before")
        ]
        out().print(table("", ["", ""], [*rows, ["what", _about(found)]]))
        if found.result is not None:
            out().print(printable(_answer(found)), markup=False)


@app.command()
def cancel(
    job: str = typer.Argument(help="Its id, or a unique beginning of it."), as_json: bool = JSON_OPTION
) -> None:
    """Cancel a job; the sandbox of one that is being done is killed."""
    _change(job, "cancel", as_json)


@app.command()
def retry(
    job: str = typer.Argument(help="Its id, or a unique beginning of it."), as_json: bool = JSON_OPTION
) -> None:
    """Queue a job again that was given up."""
    _change(job, "retry", as_json)


def _change(job: str, how: str, as_json: bool) -> None:
    with friendly_errors():
        from evolvent.daemon.access import open_jobs
        from evolvent.settings import Settings

        jobs = open_jobs(Settings())
        changed: Job = getattr(jobs, how)(jobs.get(job).id)
        if as_json:
            print_json(changed.model_dump(mode="json"))
            return
        asked = ", and is asked to stop" if changed.cancelling else ""
        talk().print(f"{changed.id} is {changed.state}{asked}", markup=False)


def _waited(jobs: JobAccess, job: Job) -> Job:
    """Return a job once it has ended, or waits for a person."""
    from evolvent.types import JobState

    with talk().status(f"waiting for {job.id}"):
        while not (job.state.ended or job.state == JobState.WAITING):
            time.sleep(0.2)
            job = jobs.get(job.id)
    return job


def _print_end(job: Job, as_json: bool) -> None:
    from evolvent.types import JobState

    if as_json:
        print_json(job.model_dump(mode="json"))
    elif job.state == JobState.FINISHED:
        out().print(printable(_answer(job)), markup=False)
    if job.state != JobState.FINISHED:
        fail(f"{job.id} is {job.state}: {job.reason or 'no reason'}", 1)
    status = job.result.get("status") if isinstance(job.result, dict) else None
    if status in ("budget", "error", "failed", "gave_up"):
        fail(f"no answer: {status} ({_detail(job.result)})", 1)


def _detail(result: Any) -> str:
    return str(result.get("detail") or "no detail")


def _answer(job: Job) -> str:
    import json

    result = job.result
    if job.kind == "solve" and isinstance(result, dict):
        result = result.get("answer")
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, indent=2)


def _about(job: Job) -> str:
    """Return what a job is about, in a line."""
    text = str(job.payload.get("prompt") or job.payload.get("suite") or "")
    return " ".join(text.split())[:80] + (f" ({job.reason})" if job.reason else "")
