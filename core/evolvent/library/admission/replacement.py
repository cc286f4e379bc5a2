"""The edit rule: a new version replaces the present one only when it loses nothing and is better."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evolvent.library.admission.candidate import Candidate, failed
from evolvent.library.admission.policy import AdmissionPolicy
from evolvent.library.betting import paired_e_value
from evolvent.library.composition import runnable
from evolvent.library.judging import Trial, behaviour, clipped, judge
from evolvent.library.script import without_main
from evolvent.library.store import SkillStore
from evolvent.protocols import Evaluator, FunctionServer
from evolvent.types import CallResult, JsonValue, Limits, Skill, StageResult

__all__ = ["Replacement"]

NAME = "duplicate"
CHEAPER = 0.8
"""A script of at most this share of the other's length, or of its seconds, is cheaper."""
MEASURABLE_SECONDS = 0.05
"""Below it the seconds of all cases together are noise of the machine."""


class Replacement:
    """Compares a proposal with the skill in use that it would replace."""

    def __init__(
        self,
        store: SkillStore,
        functions: FunctionServer,
        evaluators: Callable[[str], Evaluator],
        policy: AdmissionPolicy,
        limits: Limits,
    ) -> None:
        self._store, self._functions, self._evaluators = store, functions, evaluators
        self._policy, self._limits = policy, limits

    def __call__(self, candidate: Candidate) -> StageResult | None:
        """Return why the proposal may not replace the skill of its name; None when it may, or there is none."""
        name = candidate.skill.name
        old = self._store.find(name)
        if old is not None and old.pinned and old.digest != candidate.skill.digest:
            return failed(
                NAME, f"{name!r} is pinned at version {old.digest}; a person must let go of it first"
            )
        if old is None or not old.state.usable or old.script is None:
            return None
        source = runnable(self._store, old)
        lost = self._lost_cases(source, old, candidate)
        if lost:
            reason = f"would replace {name!r}, but no longer passes {len(lost)} of its tests"
            return failed(NAME, reason, failing=lost[:5])
        return self._paired(source, old, candidate)

    def _lost_cases(self, script: str, old: Skill, candidate: Candidate) -> list[JsonValue]:
        """Return the tests that the present version answers, and the new one otherwise."""
        questions = [case.question for case in old.cases]
        before, after = self._call(script, questions), self._call(candidate.source, questions)
        return [
            {
                "question": q[:500],
                "got": clipped(new.value),
                "expected": clipped(was.value),
                "error": new.error,
            }
            for q, was, new in zip(questions, before, after, strict=True)
            if was.ok and was.value is not None and behaviour([was]) != behaviour([new])
        ]

    def _paired(self, source: str, old: Skill, candidate: Candidate) -> StageResult | None:
        tasks = [trial.task for trial in candidate.trials]
        results = self._call(source, [task.prompt for task in tasks])
        present = judge(tasks, results, self._evaluators, self._functions)
        differences = [_score(new) - _score(old) for new, old in zip(candidate.trials, present, strict=True)]
        value = paired_e_value(differences, self._policy.alpha)
        better, worse = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
        if value >= 1 / self._policy.alpha or (better and not worse):
            return None
        if not better and not worse and self._cheaper(str(old.script), results, candidate):
            return None
        reason = (
            f"would replace {old.name!r}, but is not shown to be better: {better} of {len(tasks)} cases better,"
            f" {worse} worse, evidence {value:.3g} of {1 / self._policy.alpha:.3g}; nor is it cheaper"
        )
        twin: dict[str, JsonValue] = {} if better or worse else {"twin": old.name}
        undecided: dict[str, JsonValue] = {"undecided": True} if better else {}
        return failed(NAME, reason, e_value=value, better=better, worse=worse, **twin, **undecided)

    def _cheaper(self, script: str, results: Sequence[CallResult], candidate: Candidate) -> bool:
        new, old = len(without_main(candidate.script)), len(without_main(script))
        if new <= CHEAPER * old:
            return True
        before = sum(result.seconds for result in results)
        after = sum(trial.result.seconds for trial in candidate.trials)
        return before > MEASURABLE_SECONDS * len(results) and after <= CHEAPER * before

    def _call(self, script: str, questions: Sequence[str]) -> list[CallResult]:
        if not questions:
            return []
        return self._functions.call_function(script, "solve", [[q] for q in questions], self._limits)


def _score(trial: Trial) -> float:
    """1 for right, 0 for wrong, and in between for no answer: the agent then asks the model."""
    return 0.5 if trial.passed is None else float(trial.passed)
