"""falsify: made-up inputs that try to show that the script is no function of its question."""

from __future__ import annotations

from collections.abc import Sequence

from evolvent.library.admission.candidate import Candidate, failed, passed
from evolvent.library.admission.harness import Outcome, Row, call_in_a_row, outcome_of, same
from evolvent.library.admission.inputs import OTHER_KINDS, constants_of, make_probes
from evolvent.library.admission.policy import AdmissionPolicy
from evolvent.library.admission.special_cases import instrument, watched
from evolvent.library.script import without_main
from evolvent.protocols import FunctionServer
from evolvent.types import CallResult, JsonValue, Limits, StageResult, canonical_json

__all__ = ["Falsify"]

NAME = "falsify"


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
        probes = [probe.question for probe in candidate.probes]
        questions = [*asked, *probes, *OTHER_KINDS]
        row = self._row(script, questions, self._order(len(questions)))
        if isinstance(row, CallResult):
            return self._slow(script, asked, probes, row)
        candidate.answers = row.outcomes[len(asked) : len(asked) + len(probes)]
        backward = self._row(script, questions, range(len(questions) - 1, -1, -1))
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
            or self._is_special(candidate, script)
            or passed(
                NAME,
                f"{len(probes)} made-up inputs and {self._policy.calls_in_a_row} calls in a row show nothing wrong",
                probes=len(probes),
                answered=sum(outcome.answered for outcome in candidate.answers),
                failed=sum(outcome.kind == "error" for outcome in candidate.answers),
            )
        )

    def _row(self, script: str, questions: Sequence[str], order: Sequence[int]) -> Row | CallResult:
        return call_in_a_row(self._functions, script, questions, order, self._limits)

    def _order(self, count: int) -> list[int]:
        """Every question, then all of them again and again, and a last time."""
        rounds = max(2, -(-self._policy.calls_in_a_row // count))
        return [*range(count)] * rounds

    def _slow(self, script: str, asked: Sequence[str], probes: Sequence[str], row: CallResult) -> StageResult:
        """Say which question ended the process, or took too long, by asking each in a process of its own."""
        quick = self._limits.model_copy(update={"wall_seconds": 1.0})
        longest = 2 * max(map(len, asked), default=0) + 100
        for question in probes:
            if len(question) > longest:
                continue
            (result,) = self._functions.call_function(script, "solve", [[question]], quick)
            if result.outcome in ("limit", "died"):
                reason = f"does not end well on an input of {len(question)} characters: {result.error}"
                return failed(NAME, reason, question=question[:500])
        return failed(
            NAME, f"does not end well when it is asked {self._policy.calls_in_a_row} times: {row.error}"
        )

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

    def _is_special(self, candidate: Candidate, script: str) -> StageResult | None:
        cases = watched(script)
        if not cases:
            return None
        judged = [trial.task.prompt for trial in candidate.trials if trial.passed is not None]
        (result,) = self._functions.call_function(
            instrument(script), "evolvent_conditions", [[judged]], self._limits
        )
        if not result.ok or not isinstance(result.value, list):
            return failed(NAME, f"its special cases could not be watched: {result.error}")
        rows = [row for row in result.value if isinstance(row, list) and len(row) == 2]
        seen = {row[0]: row[1] for row in rows}
        missing: list[JsonValue] = []
        for number, case in enumerate(cases):
            ways = seen.get(number, [])
            unseen = {True, False} - set(ways if isinstance(ways, list) else []) - case.silent  # type: ignore[arg-type]  # booleans
            if unseen:
                missing.append(
                    f"line {case.line}: {case.text} was never {' or '.join(map(str, sorted(unseen)))}"
                )
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
                answers=[here.text[:200], there.text[:200], own.text[:200]],
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
