"""`evolvent learn`: practise a suite, keep the skills that pass, show what that gained."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from evolvent.practice import LearnReport, Paired, Progress

__all__ = ["learn"]


def learn(
    suite: str = typer.Argument(
        help="What to practise, for example reasoning-gym:starter or file:tasks.jsonl."
    ),
    model: str | None = typer.Option(
        None, help="provider:name; default: EVOLVENT_MODEL or the embedded model."
    ),
    seed: int = typer.Option(
        0, min=0, help="The same seed in an empty home gives the same library and numbers."
    ),
    held_out: int = typer.Option(8, min=1, max=1000, help="Held-out tasks a family."),
    practise: int = typer.Option(2, min=1, max=100, help="Train tasks a family that are tried."),
    cases: int = typer.Option(24, min=8, max=500, help="Train tasks a family that decide on admission."),
    trials: int = typer.Option(
        10, min=0, max=500, help="Train tasks a family, at most, that show whether an admitted skill helps."
    ),
    curriculum: str | None = typer.Option(
        None, help="Order of practice; default: EVOLVENT_CURRICULUM or in-order."
    ),
    workers: int | None = typer.Option(None, min=1, max=64, help="Tasks that are measured at once."),
    fresh: bool = typer.Option(
        False, "--fresh", help="Start anew instead of going on with an interrupted run."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Practise a suite's tasks, write skills, verify them, and show before against after."""
    with friendly_errors():
        from evolvent.practice import LearnJob, LearnOptions
        from evolvent.runtime import Runtime

        options = LearnOptions(seed=seed, held_out=held_out, practise=practise, cases=cases, trials=trials)
        given = {"model": model, "curriculum": curriculum, "workers": workers}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        with Runtime.open(**chosen) as runtime, _Live() as live:
            job = LearnJob(runtime, suite, options, fresh=fresh, listener=live.show)
            live.begin(job)
            report = job.run()
        if as_json:
            print_json(report.model_dump(mode="json"))
        else:
            _print(report)


PHASES = {
    "before": "measuring before",
    "practise": "practising",
    "learn": "learning",
    "trial": "trying out",
    "after": "measuring after",
}


class _Live:
    """Progress on stderr: a bar on a terminal, a line for each part elsewhere."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = talk()
        self._bar = Progress(
            TextColumn("{task.description:<42}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> _Live:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, job: object) -> None:
        """Say what runs."""
        from evolvent.practice import LearnJob

        assert isinstance(job, LearnJob)
        how = "going on with the interrupted run" if job.resumed else "run"
        self._console.print(
            f"{how} {job.run_id}: {job.total} parts; Ctrl-C keeps what is finished", markup=False
        )
        self._task = self._bar.add_task("loading the model", total=job.total)

    def show(self, progress: Progress) -> None:
        """Show a finished part."""
        what = f"{PHASES[progress.phase]}: {progress.family}"
        self._bar.update(self._task, completed=progress.done, description=what)
        if progress.phase == "learn" or not self._console.is_terminal:
            text = printable(f"[{progress.done}/{progress.total}] {what}: {progress.text}")
            self._console.print(text[:400], markup=False)


def _print(report: LearnReport) -> None:
    rows = [
        [
            f.family,
            _change(f.score),
            _interval(f.score),
            f"{f.tokens.before:.0f} → {f.tokens.after:.0f}",
            f.wrongly_applied,
        ]
        for f in report.families
    ]
    rows.append(
        [
            "all",
            _change(report.held_out),
            _interval(report.held_out),
            f"{report.tokens.before:.0f} → {report.tokens.after:.0f}",
            f"{report.wrongly_applied:.1%}",
        ]
    )
    console = out()
    columns = ["family", "held-out score", "gain, 95 %", "tokens/task", "wrongly applied"]
    console.print(table(f"{report.suite} with {report.model}, seed {report.seed}", columns, rows))
    decided = [[s.family, s.name, s.state.value, s.reason] for s in report.skills]
    if decided:
        console.print(table("Skills", ["family", "skill", "state", "why it was admitted or not"], decided))
    spent = report.usage
    console.print(
        f"{sum(s.admitted for s in report.skills)} skills admitted, "
        f"{sum(s.state.value == 'active' for s in report.skills)} of them shown to help, "
        f"{sum(not s.admitted for s in report.skills)} rejected, {report.lessons} lessons kept; "
        f"{spent.model_calls} model calls, {spent.tokens} tokens, ${spent.dollars:.2f}, {report.wall_s:.0f} s"
    )
    console.print("\nNext:", style="bold")
    admitted = next((s.name for s in report.skills if s.admitted), None)
    if admitted:
        console.print(f"  evolvent skills show {admitted}", markup=False)
        console.print(f"  evolvent skills trials {admitted}   # does it help?", markup=False)
    question = next((f.example for f in report.families if f.skill), report.families[0].example)
    console.print(f"  evolvent solve {shlex.quote(printable(question.strip()))}", markup=False)
    console.print(
        "  evolvent learn reasoning-gym:chain_sum,word_sorting   # or file:tasks.jsonl, your own",
        markup=False,
    )


def _change(pair: Paired) -> str:
    return f"{pair.before:.2f} → {pair.after:.2f}"


def _interval(pair: Paired) -> str:
    low, high = pair.interval
    return f"{low:+.2f} … {high:+.2f}"
