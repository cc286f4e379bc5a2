"""repeat: the same questions in a sandbox that differs in all that an answer may not depend on."""

from __future__ import annotations

from evolvent.library.admission.candidate import Candidate, failed, passed
from evolvent.library.admission.harness import SLOW_ROW_SECONDS, call_in_a_row, outcome_of, same
from evolvent.protocols import FunctionServer, VariableServer
from evolvent.types import CallResult, JsonValue, Limits, StageResult, Variation

__all__ = ["VARIATION", "Repeat"]

VARIATION = Variation(
    hash_seed=1_000_003,
    hostname="elsewhere",
    clock_seconds=3 * 365.25 * 86_400 + 17 * 3_600,
    time_zone="XST-13:45",
    locale="tr_TR.UTF-8",
)
"""Another order of sets, another name, three years and some hours later, on the far side of the world."""


class Repeat:
    """Another clock, host name, time zone, locale, hash seed and order: the answers must be the same."""

    def __init__(self, functions: FunctionServer, limits: Limits) -> None:
        self._functions, self._limits = functions, limits

    def __call__(self, candidate: Candidate) -> StageResult:
        """Run the stage."""
        asked = [trial.task.prompt for trial in candidate.trials]
        questions = [*asked, *(probe.question for probe in candidate.probes)]
        expected = [*(outcome_of(trial.result) for trial in candidate.trials), *candidate.answers]
        varies = isinstance(self._functions, VariableServer)
        elsewhere = (
            self._functions.varied(VARIATION)
            if isinstance(self._functions, VariableServer)
            else self._functions
        )
        row = call_in_a_row(
            elsewhere,
            candidate.source,
            questions,
            range(len(questions) - 1, -1, -1),
            self._limits,
            SLOW_ROW_SECONDS,
        )
        if isinstance(row, CallResult):
            return failed("repeat", f"does not end well in another sandbox: {row.error}")
        alone = elsewhere.call_function(
            candidate.source, "solve", [[question] for question in reversed(asked)], self._limits
        )
        again = [*row.outcomes, *(outcome_of(result) for result in reversed(alone))]
        for question, one, other in zip(
            [*questions, *asked], [*expected, *expected[: len(asked)]], again, strict=True
        ):
            if not same(one, other):
                return failed(
                    "repeat",
                    "answers otherwise with another clock, time zone, host name, order of sets and of questions",
                    question=question[:500],
                    first=one.text[:200],
                    again=other.text[:200],
                )
        reason = f"{len(questions)} inputs give the same in another sandbox"
        varied = list[JsonValue](sorted(VARIATION.model_dump()) if varies else [])
        if not varies:
            reason += "; this one cannot vary its clock, name, zone or hash seed"
        return passed("repeat", reason, inputs=len(questions), varied=varied)
