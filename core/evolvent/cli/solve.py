"""`evolvent solve`: answer one question with the library."""

from __future__ import annotations

from typing import Any

import typer

from evolvent.cli.output import JSON_OPTION, fail, friendly_errors, out, print_json, printable, talk

__all__ = ["solve"]


def solve(
    question: str = typer.Argument("", help="The question; leave it out with --resume."),
    model: str | None = typer.Option(
        None, help="provider:name; default: EVOLVENT_MODEL or the embedded model."
    ),
    tokens: int = typer.Option(20_000, min=0, help="Model tokens that may be used."),
    seconds: float = typer.Option(600.0, min=0, help="Seconds that it may take."),
    seed: int = typer.Option(0, min=0, help="Seeds the model's sampling."),
    resume: str | None = typer.Option(None, help="Go on with this interrupted run."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer one question with the library, and with the model where no skill fits."""
    with friendly_errors():
        from evolvent.errors import UsageError
        from evolvent.runtime import Runtime
        from evolvent.types import Budget, SolveResult

        if bool(question.strip()) == bool(resume):
            raise UsageError('give either a question, as in evolvent solve "What is 6*7?", or --resume RUN')
        chosen: dict[str, Any] = {"model": model} if model else {}
        with Runtime.open(**chosen) as runtime, talk().status("solving"):
            if resume:
                result = runtime.resume(resume)
            else:
                events = runtime.stream(question, budget=Budget(tokens=tokens, seconds=seconds), seed=seed)
                result = next(item for item in events if isinstance(item, SolveResult))
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        answer = result.answer if isinstance(result.answer, str) else repr(result.answer)
        if result.status in ("answered", "solved"):
            out().print(printable(answer), markup=False)
        by = f"by skill {', '.join(result.skills_used)}" if result.skills_used else "by the model"
        talk().print(
            f"{result.status} {by}; {result.usage.tokens} tokens, {result.usage.seconds:.1f} s; run {result.run_id}",
            markup=False,
        )
    if result.status not in ("answered", "solved"):
        fail(f"no answer: {result.status} ({result.detail or 'no detail'})", 1)
