"""tests: judged tasks other than those that the skill was written from, and questions of other kinds."""

from __future__ import annotations

from collections.abc import Callable

from evolvent.library.admission.candidate import Candidate, failed
from evolvent.library.admission.policy import AdmissionPolicy
from evolvent.library.judging import clipped, judge, shown, summarise
from evolvent.protocols import Evaluator, FunctionServer
from evolvent.types import JsonValue, Limits, StageResult

__all__ = ["Tests"]


class Tests:
    """Runs the script on every case in a process of its own, and judges the answers on the host."""

    __test__ = False  # pytest takes classes of this name for tests

    def __init__(
        self,
        functions: FunctionServer,
        evaluators: Callable[[str], Evaluator],
        policy: AdmissionPolicy,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._functions, self._evaluators = functions, evaluators
        self._policy, self._limits, self._clock = policy, limits, clock

    def __call__(self, candidate: Candidate) -> StageResult:
        """Run the stage; keeps what the script answered in `candidate.trials`."""
        policy, tasks = self._policy, candidate.tasks
        if candidate.skill.script is None:
            return failed("tests", "no executable evidence: a skill without a script cannot be tested yet")
        if len(tasks) < policy.min_cases:
            reason = f"{len(tasks)} cases other than its sources; at least {policy.min_cases} are needed"
            return failed("tests", reason, cases=len(tasks), undecided=True)
        started = self._clock()
        calls = [[task.prompt] for task in tasks]
        results = self._functions.call_function(candidate.source, "solve", calls, self._limits)
        candidate.trials = judge(tasks, results, self._evaluators, self._functions)
        summary = summarise(candidate.trials)
        evidence: dict[str, JsonValue] = {
            **summary.model_dump(),
            "seconds": round(self._clock() - started, 3),
            "failing": shown(candidate.trials),
        }
        if summary.wrong > policy.max_wrong:
            return failed("tests", f"{summary.wrong} of {summary.cases} cases answered wrongly", **evidence)
        if summary.answered_share < policy.min_answered:
            reason = (
                f"{summary.right + summary.wrong} of {summary.cases} cases answered"
                f" ({summary.not_applicable} not applicable, {summary.failed} failed);"
                f" at least {policy.min_answered:.0%} are needed"
            )
            return failed("tests", reason, **evidence)
        answered = self._answered_foreign(candidate)
        evidence |= {"foreign": len(candidate.foreign), "foreign_answered": len(answered)}
        if len(answered) > policy.max_foreign:
            evidence["failing"] = answered[:5]
            reason = (
                f"answers questions that are not of its kind: {len(answered)} of {len(candidate.foreign)}"
            )
            return failed("tests", reason, **evidence)
        reason = f"{summary.right} of {summary.cases} cases right"
        return StageResult(stage="tests", passed=True, reason=reason, evidence=evidence)

    def _answered_foreign(self, candidate: Candidate) -> list[JsonValue]:
        if not candidate.foreign:
            return []
        calls = [[question] for question in candidate.foreign]
        results = self._functions.call_function(candidate.source, "solve", calls, self._limits)
        return [
            {"question": question[:500], "got": clipped(result.value), "expected": None, "error": ""}
            for question, result in zip(candidate.foreign, results, strict=True)
            if result.ok and result.value is not None
        ]
