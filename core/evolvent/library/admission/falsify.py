"""falsify: made-up inputs that try to show that the script is no function of its question."""

from __future__ import annotations

from collections.abc import Sequence

from evolvent.library.admission.candidate import Candidate, failed, passed
from evolvent.library.admission.harness import (
    ROW_SECONDS,
    SLOW_ROW_SECONDS,
    Outcome,
    Row,
    call_in_a_row,
    outcome_of,
    same,
)
from evolvent.library.admission.inputs import OTHER_KINDS, constants_of, make_probes
from evolvent.library.admission.policy import AdmissionPolicy
from evolvent.library.admission.special_cases import instrument, read_conditions, watched
from evolvent.library.script import without_main
from evolvent.protocols import FunctionServer
from evolvent.types import CallResult, JsonValue, Limits, StageResult, canonical_json

__all__ = ["Falsify"]

NAME = "falsify"
SLOW_SECONDS, SLOW_PROBES = 1.0, 16
"""What one call may take, and how many are tried, once a row of calls did not end well."""
SLOW_SHARE = 3
"""A slow script makes this part of the calls after that, still well over a hundred, and gets more time for them."""


class Falsify:
    """Properties that hold for every honest skill, checked without knowing the right answers.

    The same question gets the same answer: again, in another order, and after hundreds of other questions in one
    process, whose module is the same after them as before. It does not fail on most neighbours of the questions
    that it answers, nor take too long; answers are of the same type everywhere; they differ from question to
    question; questions that are of no skill's kind get none; and special cases in the code have been seen by a task.
    """

    def __init__(self, functions: FunctionServer, policy: AdmissionPolicy, limits: Limits) -> None:
        self._functions, self._policy, self._limits = functions, policy, limits

    def __call__(self, candidate: Candidate) -> StageResult:
        """Run the stage; keeps the made-up inputs and what came of them for the stages after it."""
        script = without_main(candidate.script)
        asked = [trial.task.prompt for trial in candidate.trials]
        candidate.probes = make_probes(asked, constants_of(script), self._policy.probes)
        calls = self._policy.calls_in_a_row
        row = self._again_and_again(candidate, asked, calls, ROW_SECONDS)
        if isinstance(row, CallResult):
            refused = self._drop_slow(candidate)
            if refused is not None:
                return refused
            calls = -(-calls // SLOW_SHARE)
            row = self._again_and_again(candidate, asked, calls, SLOW_ROW_SECONDS)
        if isinstance(row, CallResult):
            return failed(NAME, f"does not end well when it is asked {calls} times in a row: {row.error}")
        probes = [probe.question for probe in candidate.probes]
        questions = [*asked, *probes, *OTHER_KINDS]
        candidate.answers = row.outcomes[len(asked) : len(asked) + len(probes)]
        order = range(len(questions) - 1, -1, -1)
        backward = call_in_a_row(
            self._functions, candidate.source, questions, order, self._limits, SLOW_ROW_SECONDS
        )
        if isinstance(backward, CallResult):
            return failed(NAME, f"ends its process in another order of questions: {backward.error}")
        alone = [outcome_of(trial.result) for trial in candidate.trials]
        return (
            _remembers(questions, row)
            or _depends_on_order(questions, row.outcomes, backward.outcomes, alone)
            or _answers_anything(row.outcomes[len(asked) + len(probes) :])
            or self._fails(candidate)
            or _changes_type(candidate)
            or _is_constant(candidate)
            or self._is_special(candidate, script, [*asked, *probes])
            or passed(
                NAME,
                f"{len(probes)} made-up inputs and {calls} calls in a row show nothing wrong",
                probes=len(probes),
                answered=sum(outcome.answered for outcome in candidate.answers),
                failed=sum(outcome.kind == "error" for outcome in candidate.answers),
            )
        )

    def _again_and_again(
        self, candidate: Candidate, asked: Sequence[str], calls: int, seconds: float
    ) -> Row | CallResult:
        """Ask every question, then all of them again and again."""
        questions = [*asked, *(probe.question for probe in candidate.probes), *OTHER_KINDS]
        rounds = max(2, -(-calls // len(questions)))
        order = [*range(len(questions))] * rounds
        return call_in_a_row(self._functions, candidate.source, questions, order, self._limits, seconds)

    def _drop_slow(self, candidate: Candidate) -> StageResult | None:
        """Keep the neighbours on which the script ends well; refuse when it does not on too many of them.

        An input on which it runs into a limit gets no answer, which harms nobody.
        """
        quick = self._limits.model_copy(update={"wall_seconds": SLOW_SECONDS})
        near = [probe for probe in candidate.probes if probe.near][:SLOW_PROBES]
        calls = [[probe.question] for probe in near]
        results = self._functions.call_function(candidate.source, "solve", calls, quick) if near else []
        slow = [
            (probe.question, result.error)
            for probe, result in zip(near, results, strict=True)
            if result.outcome in ("limit", "died")
        ]
        if slow and len(slow) > self._policy.max_failed * len(near):
            question, error = min(slow, key=lambda pair: len(pair[0]))
            reason = f"does not end well on {len(slow)} of {len(near)} neighbours of its cases: {error}"
            return failed(NAME, reason, question=question[:500])
        ended = {id(p) for p, r in zip(near, results, strict=True) if r.outcome not in ("limit", "died")}
        candidate.probes = [probe for probe in near if id(probe) in ended]
        return None

    def _fails(self, candidate: Candidate) -> StageResult | None:
        near = [
            (probe.question, outcome)
            for probe, outcome in zip(candidate.probes, candidate.answers, strict=True)
            if probe.near
        ]
        bad = [(question, outcome) for question, outcome in near if outcome.kind == "error"]
        if len(near) < self._policy.min_cases or len(bad) <= self._policy.max_failed * len(near):
            return None
        question, outcome = min(bad, key=lambda pair: len(pair[0]))
        reason = f"fails on {len(bad)} of {len(near)} neighbours of its cases: {outcome.text}"
        return failed(NAME, reason, question=question[:500])

    def _is_special(self, candidate: Candidate, script: str, questions: Sequence[str]) -> StageResult | None:
        """Every special case that can be reached, and every one that waits for one input, has been judged."""
        cases = watched(script)
        if not cases:
            return None
        judged = [trial.task.prompt for trial in candidate.trials if trial.passed is not None]
        results = self._functions.call_function(
            candidate.bundled(instrument(script)),
            "evolvent_conditions",
            [[list[JsonValue](judged)], [list[JsonValue](questions)]],
            self._limits.model_copy(
                update={"wall_seconds": SLOW_ROW_SECONDS, "cpu_seconds": round(SLOW_ROW_SECONDS)}
            ),
        )
        for result in results:
            if not result.ok:
                return failed(NAME, f"its special cases could not be watched: {result.error}")
        seen, reached = (read_conditions(result.value) for result in results)
        missing: list[JsonValue] = []
        for number, case in enumerate(cases):
            for way in case.ways - seen.get(number, frozenset()):
                if way in reached.get(number, frozenset()) or way is case.trigger:
                    missing.append(f"line {case.line}: {case.text} was never {way}")
        if not missing:
            return None
        reason = f"has a special case that no judged task reached: {missing[0]}"
        return failed(NAME, reason, unseen=missing[:10], undecided=True)


def _remembers(questions: Sequence[str], row: Row) -> StageResult | None:
    for step, index, later in row.unlike:
        first = row.outcomes[index]
        if not same(first, later):
            return failed(
                NAME,
                f"gives another answer to the same question at call {step + 1}",
                question=questions[index][:500],
                first=first.text[:200],
                later=later.text[:200],
            )
    if row.changed:
        return failed(
            NAME,
            f"keeps state between calls: {', '.join(map(repr, row.changed))} changed",
            names=list[JsonValue](row.changed),
        )
    return None


def _depends_on_order(
    questions: Sequence[str], one: Sequence[Outcome], other: Sequence[Outcome], alone: Sequence[Outcome]
) -> StageResult | None:
    for index, (here, there) in enumerate(zip(one, other, strict=True)):
        own = alone[index] if index < len(alone) else here
        if not (same(here, there) and same(here, own)):
            return failed(
                NAME,
                "its answer depends on the questions before it",
                question=questions[index][:500],
                answers=list[JsonValue]([here.text[:200], there.text[:200], own.text[:200]]),
            )
    return None


def _answers_anything(outcomes: Sequence[Outcome]) -> StageResult | None:
    answered: list[JsonValue] = [
        question for question, outcome in zip(OTHER_KINDS, outcomes, strict=True) if outcome.answered
    ]
    if not answered:
        return None
    return failed(
        NAME, f"answers questions of no kind that it could know: {answered[0]!r}", answered=answered
    )


def _kind(text: str) -> str:
    if text in ("true", "false"):
        return "a truth value"
    return {'"': "a text", "[": "a list", "{": "an object"}.get(text[:1], "a number")


def _changes_type(candidate: Candidate) -> StageResult | None:
    """Answers to neighbours are of a type that some right answer has."""
    known = {_kind(canonical_json(t.result.value)) for t in candidate.trials if t.passed is True}
    for probe, outcome in zip(candidate.probes, candidate.answers, strict=True):
        if known and probe.near and outcome.answered and _kind(outcome.text) not in known:
            reason = (
                f"answers with {_kind(outcome.text)} where its right answers are {' or '.join(sorted(known))}"
            )
            return failed(NAME, reason, question=probe.question[:500], got=outcome.text[:200])
    return None


def _is_constant(candidate: Candidate) -> StageResult | None:
    """One answer to everything is no evidence that anything was computed."""
    right = {canonical_json(trial.result.value) for trial in candidate.trials if trial.passed is True}
    made = {o.text for p, o in zip(candidate.probes, candidate.answers, strict=True) if p.near and o.answered}
    if len(right) != 1 or not made <= right:
        return None
    reason = "gives one answer to all its cases and their neighbours; tasks with other answers are needed"
    return failed(NAME, reason, answer=next(iter(right))[:200], undecided=True)
