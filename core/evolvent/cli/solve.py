"""`evolvent solve`: answer one question with the library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import typer

from evolvent.cli.approvals import ask_on_terminal, describe
from evolvent.cli.output import JSON_OPTION, fail, friendly_errors, out, print_json, printable, talk

if TYPE_CHECKING:
    from evolvent.types import SolveResult

__all__ = ["begun_with", "print_result", "solve"]


def solve(
    question: str = typer.Argument("", help="The question; leave it out with --resume."),
    model: str | None = typer.Option(
        None, help="provider:name; default: EVOLVENT_MODEL or the embedded model."
    ),
    tokens: int = typer.Option(20_000, min=0, help="Model tokens that may be used."),
    seconds: float = typer.Option(600.0, min=0, help="Seconds that it may take."),
    seed: int = typer.Option(0, min=0, help="Seeds the model's sampling."),
    strategy: str | None = typer.Option(
        None, help="How to solve: genome, or the name of a plugin's strategy."
    ),
    resume: str | None = typer.Option(None, help="Go on with this interrupted run."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer one question with the library, and with the model where no skill fits."""
    with friendly_errors():
        from evolvent.errors import UsageError
        from evolvent.runtime import Runtime
        from evolvent.types import Budget

        if bool(question.strip()) == bool(resume):
            raise UsageError('give either a question, as in evolvent solve "What is 6*7?", or --resume RUN')
        given = {"model": model, "strategy": strategy}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value}
        if resume:
            chosen = {**begun_with(resume), **chosen}
        with Runtime.open(**chosen) as runtime:
            with talk().status("solving"):
                if resume:
                    result = runtime.resume(resume)
                else:
                    budget = Budget(tokens=tokens, seconds=seconds)
                    result = runtime.solve(question, budget=budget, seed=seed)
            while result.pending and sys.stdin.isatty():
                asked = result.pending[0]
                verdict: Literal["approve", "reject"] = "approve" if ask_on_terminal(asked) else "reject"
                with talk().status("going on"):
                    result = runtime.answer(asked.id, verdict)
        print_result(result, as_json)


def begun_with(run_id: str) -> dict[str, Any]:
    """Return the model and the strategy that a run began with, so that it goes on with them."""
    from evolvent.settings import Settings
    from evolvent.storage import Home, Runs, open_database

    home = Home(Settings().home)
    if not home.database.exists():
        return {}
    row = Runs(open_database(home.database)).find(run_id)
    config = row.config if row is not None else {}
    return {name: config[name] for name in ("model", "strategy") if name in config}


def print_result(result: SolveResult, as_json: bool) -> None:
    """Print what a solve came to; leaves with 1 when there is no answer."""
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        answer = result.answer if isinstance(result.answer, str) else repr(result.answer)
        if result.status in ("answered", "solved"):
            out().print(printable(answer), markup=False)
        by = " by the model" if result.usage.model_calls else ""
        if result.skills_used:
            by = f" by skill {', '.join(result.skills_used)}"
        talk().print(
            f"{result.status}{by}; {result.usage.tokens} tokens, {result.usage.seconds:.1f} s; run {result.run_id}",
            markup=False,
        )
    for request in result.pending:
        talk().print("waits for you: " + "\n".join(describe(request)), markup=False, soft_wrap=True)
        talk().print(f"  evolvent approvals answer {request.id} --approve   # or --reject", markup=False)
    if result.status not in ("answered", "solved"):
        fail(f"no answer: {result.status} ({result.detail or 'no detail'})", 1)
