"""Running a script on questions in the sandbox, and judging what came back on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evolvent.protocols import Evaluator, FunctionServer
from evolvent.types import CallResult, Frozen, JsonValue, Limits, SkillCase, Task, canonical_json

__all__ = ["TRIAL_LIMITS", "Trial", "TrialSummary", "behaviour", "judge", "summarise"]

TRIAL_LIMITS = Limits(wall_seconds=5.0, cpu_seconds=5)
"""What one call of a proposed script may use; skills replace a model call, so they must be quick."""
SHOWN = 5
SHOWN_CHARS = 500


class Trial(NamedTuple):
    """One task, what the script returned for it, and whether it was right; None: it did not answer."""

    task: Task
    result: CallResult
    passed: bool | None
    expected: JsonValue

    @property
    def wrong(self) -> bool:
        """Whether it answered, and wrongly."""
        return self.passed is False


class TrialSummary(Frozen):
    """Counts over all trials."""

    cases: int
    right: int
    wrong: int
    not_applicable: int
    failed: int
    """The script raised, ran into a limit or returned no JSON; nobody gets a wrong answer from that."""

    @property
    def answered_share(self) -> float:
        """Share of the cases that were answered, rightly or wrongly."""
        return (self.right + self.wrong) / self.cases if self.cases else 0.0


def judge(
    tasks: Sequence[Task],
    results: Sequence[CallResult],
    evaluators: Callable[[str], Evaluator],
    functions: FunctionServer,
) -> list[Trial]:
    """Judge the result of each task with the task's own evaluator; nothing expected leaves the host."""
    trials = []
    for task, result in zip(tasks, results, strict=True):
        if not result.ok or result.value is None or task.evaluator is None:
            trials.append(Trial(task, result, None, None))
            continue
        verdict = evaluators(task.evaluator).evaluate(task, result.value, functions)
        expected = verdict.expected if verdict.expected is not None else task.reference
        trials.append(Trial(task, result, verdict.passed, expected))
    return trials


def summarise(trials: Sequence[Trial]) -> TrialSummary:
    """Count the outcomes."""
    return TrialSummary(
        cases=len(trials),
        right=sum(trial.passed is True for trial in trials),
        wrong=sum(trial.wrong for trial in trials),
        not_applicable=sum(trial.passed is None and trial.result.ok for trial in trials),
        failed=sum(not trial.result.ok for trial in trials),
    )


def shown(trials: Sequence[Trial]) -> list[JsonValue]:
    """Return the first trials that went wrong, and then those without an answer, as evidence."""
    bad = sorted((trial for trial in trials if trial.passed is not True), key=lambda trial: not trial.wrong)
    return [
        {
            "task_id": trial.task.id,
            "question": trial.task.prompt[:SHOWN_CHARS],
            "got": clipped(trial.result.value),
            "expected": clipped(trial.expected),
            "error": trial.result.error if not trial.result.ok else "" if trial.wrong else "not applicable",
        }
        for trial in bad[:SHOWN]
    ]


def passed_cases(trials: Sequence[Trial], limit: int) -> tuple[SkillCase, ...]:
    """Return the first cases that were answered rightly, as tests that ship with the skill."""
    right = [trial for trial in trials if trial.passed is True][:limit]
    return tuple(
        SkillCase(
            question=trial.task.prompt,
            expected=trial.expected if trial.expected is not None else trial.result.value,
            task_id=trial.task.id,
            answer=trial.result.value if trial.expected not in (None, trial.result.value) else None,
        )
        for trial in right
    )


def behaviour(results: Sequence[CallResult]) -> tuple[str, ...]:
    """Return what a script does on some inputs in a form that compares."""
    return tuple(canonical_json(result.value) if result.ok else "" for result in results)


def clipped(value: JsonValue) -> JsonValue:
    """Return a value that is short enough for a report."""
    text = value if isinstance(value, str) else canonical_json(value)
    return value if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
