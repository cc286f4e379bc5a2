"""`evolvent approvals`: what runs wait for, and answering it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from evolvent.storage import Approvals
    from evolvent.types import ApprovalRequest

__all__ = ["app", "ask_on_terminal", "describe"]

SHOWN = 2000
"""Characters of an argument that are shown."""

app = typer.Typer(help="See what runs wait for, and answer it.", no_args_is_help=True)


@app.command("list")
def list_(
    every: bool = typer.Option(False, "--all", help="Show answered questions too."),
    as_json: bool = JSON_OPTION,
) -> None:
    """List the questions that nobody has answered."""
    with friendly_errors():
        store = _stored()
        found = store.list(pending=not every) if store else []
        if as_json:
            print_json([request.model_dump(mode="json") for request in found])
            return
        rows = [
            [r.id, r.run_id, r.asked_at[:16], r.verdict or "open", "\n".join(describe(r)), r.reason]
            for r in found
        ]
        out().print(table("", ["question", "run", "asked", "verdict", "what", "why"], rows))


@app.command()
def answer(
    question: str = typer.Argument(help="Its id, or a unique beginning of it."),
    approve: bool = typer.Option(..., "--approve/--reject", help="What is decided."),
    reason: str = typer.Option("", help="Why; the agent sees it when it is a rejection."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer a question, and go on with the run that waits for it; where a daemon runs, it does."""
    with friendly_errors():
        from evolvent.cli.solve import begun_with, print_result
        from evolvent.daemon.access import HttpJobs, open_jobs
        from evolvent.settings import Settings

        jobs = open_jobs(Settings())
        if isinstance(jobs, HttpJobs):
            answered = jobs.client.answer(question, "approve" if approve else "reject", reason)
            if as_json:
                print_json(answered.model_dump(mode="json"))
            else:
                talk().print(f"{answered.verdict}: the daemon goes on with {answered.run_id}", markup=False)
            return
        from evolvent.runtime import Runtime

        store = _stored()
        given = begun_with(store.get(question).run_id) if store else {}
        with Runtime.open(**given) as runtime, talk().status("going on"):
            result = runtime.answer(question, "approve" if approve else "reject", reason)
        print_result(result, as_json)


@app.command()
def policy(
    write: bool = typer.Option(False, "--write", help="Write the file with the defaults, to be edited."),
) -> None:
    """Show the policy file for tools: what they may do in each mode."""
    with friendly_errors():
        from evolvent.broker import DEFAULT_POLICY, load_policy
        from evolvent.errors import UsageError
        from evolvent.settings import Settings

        path = Settings().approvals_path.expanduser()
        if write:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(DEFAULT_POLICY)
            except FileExistsError:
                raise UsageError(f"{str(path)!r} is there already; edit it, or delete it first") from None
            talk().print(f"written: {path}", markup=False, soft_wrap=True)
            return
        load_policy(path)
        there = path.exists()
        talk().print(
            f"# {path}" if there else f"# the defaults: there is no {path}", markup=False, soft_wrap=True
        )
        out().print(path.read_text(encoding="utf-8") if there else DEFAULT_POLICY, markup=False, end="")


def describe(request: ApprovalRequest) -> list[str]:
    """Return what is to be decided on: what it touches first, then each argument on lines of its own.

    All of it was written by an agent. JSON keeps a text from looking like another line, and what is cut says so.
    """
    subject = request.subject
    if request.kind != "tool_call":
        return [_shown(f"{request.kind} {key}", value) for key, value in subject.items()]
    touches = subject.get("touches")
    declared = isinstance(touches, list)
    what = ", ".join(map(str, touches)) if isinstance(touches, list) and touches else "nothing"
    head = f"call {subject.get('tool')}, which touches {what if declared else 'what it does not declare'}"
    arguments = subject.get("arguments")
    known = arguments if isinstance(arguments, dict) else {}
    return [
        printable(head),
        *(_shown(name, known[name]) for name in sorted(known, key=lambda n: len(str(known[n])))),
    ]


def _shown(name: str, value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    cut = f" … ({len(text)} characters, {SHOWN} shown)" if len(text) > SHOWN else ""
    return f"  {json.dumps(name)[:100]} = {text[:SHOWN]}{cut}"


def ask_on_terminal(request: ApprovalRequest) -> bool:
    """Ask the person at the terminal."""
    first, *more = describe(request)
    talk().print(f"The agent wants to {first}", markup=False, soft_wrap=True)
    for line in more:
        talk().print(line, markup=False, soft_wrap=True)
    talk().print(f"Asked because: {printable(request.reason)}", markup=False, soft_wrap=True)
    return typer.confirm("Approve?", default=False, err=True)


def _stored() -> Approvals | None:
    from evolvent.settings import Settings
    from evolvent.storage import Approvals, Home, Ledger, open_database

    home = Home(Settings().home)
    if not home.database.exists():
        return None
    engine = open_database(home.database)
    return Approvals(engine, Ledger(engine))
