"""One attempt of an agent program at one task, judged on the host: what archives are measured by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from evolvent.broker import Meter
from evolvent.errors import UsageError
from evolvent.graphs.guest import run_guest
from evolvent.graphs.services import Services
from evolvent.types import Evaluation, JsonValue, Split, Task, Usage, Verdict, digest

__all__ = ["mean_of", "try_task"]

SHOWN = 2_000
"""Characters of a wrong answer and of feedback that are kept for the meta agent."""


def try_task(
    services: Services,
    files: Mapping[str, str],
    variant: str,
    task: Task,
    *,
    run_id: str,
    session_id: str,
    seed: int,
    meter: Meter,
    watched: bool = True,
) -> Evaluation:
    """Let a program try a task once.

    Nothing is learned from it and nothing of it counts for skills or lessons. What the program does wrong, its
    crashes and spent budgets included, is a score of 0.

    Args:
        services: the runtime's.
        files: the program.
        variant: its id.
        task: a task of a suite, with its split and evaluator.
        run_id: the run.
        session_id: names the journal: an attempt that was interrupted hears the same answers again.
        seed: of the model's sampling.
        meter: counts what the attempt uses against its budget, broken off or not.
        watched: look for what was planted on the host in the answer too; nobody is shown one that holds it.

    Raises:
        ModelCallError: the model did not answer.
        MissingPrerequisite: the model must be fetched first.
    """
    if task.evaluator is None or task.split is None:
        raise UsageError(f"the task {task.id!r} cannot measure anything: it needs an evaluator and a split")
    broker = services.broker(run_id, session_id, meter, can_ask=False, counts=False)
    outcome = run_guest(
        replace(services, genome=files),
        broker,
        meter,
        ("task_agent", "solve"),
        [task.view().model_dump(mode="json")],
        {"feedback": [], "seed": seed},
    )
    if outcome.ended == "returned":
        evaluator = services.evaluators(task.evaluator)
        verdict = evaluator.evaluate(task, outcome.value, services.sandbox.forkserver())
    else:
        why = f"There was no answer ({outcome.ended}: {outcome.detail})."
        verdict = Verdict(score=0.0, passed=False, feedback=why, evaluator=task.evaluator)
    told = task.split is Split.TRAIN and not verdict.passed
    leaked = watched and services.watch.found([outcome.value, verdict.feedback], run_id, session_id)
    return Evaluation(
        variant=variant,
        split=task.split,
        task_id=task.id,
        score=verdict.score,
        passed=verdict.passed,
        status="solved" if verdict.passed else "failed" if outcome.ended == "returned" else outcome.ended,
        usage=meter.usage,
        answer=_short(outcome.value) if told and not leaked else None,
        feedback=("It did not pass." if leaked else _feedback(verdict)) if told else "",
        answered=digest([outcome.ended, outcome.value]) if task.split is Split.TRAIN else "",
    )


def mean_of(tries: Sequence[Evaluation]) -> Evaluation:
    """Return several tries of one program at one task as one evaluation: the mean score, passed by more than half."""
    first = tries[0]
    if len(tries) == 1:
        return first
    passed = 2 * sum(one.passed for one in tries) > len(tries)
    return first.model_copy(
        update={
            "score": fmean(one.score for one in tries),
            "passed": passed,
            "status": next(one.status for one in tries if one.passed == passed),
            "usage": sum((one.usage for one in tries), Usage()),
        }
    )


def _short(answer: JsonValue) -> JsonValue:
    return answer[:SHOWN] if isinstance(answer, str) else str(answer)[:SHOWN] if answer is not None else None


def _feedback(verdict: Verdict) -> str:
    expected = "" if verdict.expected is None else f" Expected: {verdict.expected!r}"
    return f"{verdict.feedback}{expected}"[:SHOWN] or "It did not pass."
