"""duplicate: a twin of a skill in use is refused, and what is more than a twin is merged into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evolvent.errors import IntegrityError
from evolvent.library.admission.candidate import Candidate, failed, passed
from evolvent.library.admission.harness import Outcome, Row, call_in_a_row, outcome_of, same
from evolvent.library.admission.policy import AdmissionPolicy
from evolvent.library.composition import runnable
from evolvent.library.judging import summarise
from evolvent.library.router import Router
from evolvent.library.store import SkillStore
from evolvent.protocols import FunctionServer
from evolvent.types import JsonValue, Limits, Skill, StageResult

__all__ = ["Duplicate"]

NAME = "duplicate"
SHOWN = 3
MAX_OLD_CASES = 16
"""Questions of the other skill's own tests on which the two are compared as well."""


class _Comparison(NamedTuple):
    """What two scripts made of the same questions."""

    judged_equal: bool
    """They do the same on the first judged inputs, errors and silence included."""
    gains: list[str]
    """Judged questions that only the new one answers."""
    losses: list[str]
    """Questions that only the other one answers."""
    agree: int
    differ: list[tuple[str, str, str]]
    """Question, new answer, other answer."""


class Duplicate:
    """Compares with skills in use that the router offers for the same questions, or whose texts are near."""

    def __init__(
        self,
        store: SkillStore,
        router: Router,
        functions: FunctionServer,
        policy: AdmissionPolicy,
        limits: Limits,
        replace: Callable[[Candidate], StageResult | None],
    ) -> None:
        """Keep what it works with.

        Args:
            store: the skills.
            router: finds those that may do the same.
            functions: the sandbox.
            policy: how many inputs to compare on.
            limits: of one call.
            replace: the edit rule, for a proposal that has the name of a skill in use; None: nothing against it.
        """
        self._store, self._router, self._functions = store, router, functions
        self._policy, self._limits, self._replace = policy, limits, replace

    def __call__(self, candidate: Candidate) -> StageResult:
        """Run the stage."""
        names, near = self._rivals(candidate)
        compared: list[JsonValue] = []
        for name in sorted(names):
            other = self._store.get(name)
            if other.script is None or other.digest == candidate.skill.digest:
                continue
            compared.append(name)
            if name == candidate.skill.name:
                continue  # the edit rule compares with it
            try:
                source = runnable(self._store, other)
            except IntegrityError:
                continue  # what it calls is gone: it cannot answer anything
            seen = self._compare(candidate, other, source)
            refused = self._verdict(other, seen, near.get(name, 0.0) >= self._policy.near)
            if refused is not None:
                return refused.model_copy(update={"evidence": {"compared": compared, **refused.evidence}})
        refused = self._replace(candidate)
        if refused is not None:
            return refused.model_copy(update={"evidence": {"compared": compared, **refused.evidence}})
        summary = summarise(candidate.trials)
        reason = f"new behaviour; {summary.right} of {summary.cases} cases right, {summary.wrong} wrong"
        return passed(NAME, reason, compared=compared)

    def _rivals(self, candidate: Candidate) -> tuple[set[str], dict[str, float]]:
        """Return the skills to compare with, and how near the text of some is to the proposal's."""
        questions = [trial.task.prompt for trial in candidate.trials[: self._policy.duplicate_inputs]]
        names = {hit.name for question in questions for hit in self._router.search(question) if hit.callable}
        skill = candidate.skill
        text = f"{skill.name.replace('-', ' ')}\n{skill.description}\n{skill.body}"
        near = {hit.name: hit.similarity for hit in self._router.search(text) if hit.callable}
        return names | near.keys(), near

    def _compare(self, candidate: Candidate, other: Skill, source: str) -> _Comparison:
        """Run the other skill on the proposal's inputs, and both on the other's own cases."""
        trials = candidate.trials
        asked = [trial.task.prompt for trial in trials]
        probes = [probe.question for probe in candidate.probes]
        own = [case.question for case in other.cases[:MAX_OLD_CASES] if case.question not in asked]
        theirs = self._call(source, [*asked, *probes, *own])
        mine = [
            *(outcome_of(trial.result) for trial in trials),
            *candidate.answers,
            *self._call(candidate.source, own),
        ]
        first = min(self._policy.duplicate_inputs, len(trials))
        equal = all(same(*pair) for pair in zip(mine[:first], theirs[:first], strict=True))
        gains, losses, agree = [], [], 0
        differ: list[tuple[str, str, str]] = []
        rows = zip([*asked, *probes, *own], mine, theirs, strict=True)
        for number, (question, new, old) in enumerate(rows):
            if new.answered and old.answered:
                agree += new == old
                if new != old:
                    differ.append((question, new.text, old.text))
            elif new.answered and number < len(trials):
                gains.append(question)
            elif old.answered:
                losses.append(question)
        return _Comparison(equal, gains, losses, agree, differ)

    def _verdict(self, other: Skill, seen: _Comparison, near: bool) -> StageResult | None:
        """Decide on one skill of another name; None when both can live."""
        count = min(self._policy.duplicate_inputs, self._policy.min_cases)
        inputs = self._policy.duplicate_inputs
        merge: dict[str, JsonValue] = {
            "into": other.name,
            "gains": list[JsonValue]([q[:200] for q in seen.gains[:SHOWN]]),
            "losses": list[JsonValue]([q[:200] for q in seen.losses[:SHOWN]]),
            "differs": [list[JsonValue]([part[:200] for part in row]) for row in seen.differ[:SHOWN]],
        }
        if seen.judged_equal and not seen.differ and not seen.gains:
            reason = f"does the same as the active skill {other.name!r} on {inputs} inputs"
            return failed(NAME, reason, twin=other.name, merge=merge)
        alike = seen.agree >= count and seen.agree >= len(seen.differ)
        if alike and seen.differ:
            question = min(seen.differ, key=lambda row: len(row[0]))[0]
            reason = (
                f"is a copy of {other.name!r} that differs from it on {len(seen.differ)} of"
                f" {seen.agree + len(seen.differ)} inputs, for example {question[:80]!r}; propose it as a new version"
                f" of {other.name!r}"
            )
            return failed(NAME, reason, merge=merge)
        if alike and not seen.gains:
            reason = f"answers only what the active skill {other.name!r} answers already"
            return failed(NAME, reason, twin=other.name, merge=merge)
        if alike and not seen.losses:
            reason = f"answers all that {other.name!r} answers, and more: it belongs into its place"
            return failed(NAME, reason, merge={**merge, "supersedes": True})
        if near and (seen.agree or seen.differ):
            reason = (
                f"its text is that of {other.name!r}, and so are some of the questions that it answers; propose it as a"
                f" new version of {other.name!r}"
            )
            return failed(NAME, reason, merge=merge)
        return None

    def _call(self, script: str, questions: Sequence[str]) -> list[Outcome]:
        """Ask all in one process; where that does not end well, each in its own."""
        if not questions:
            return []
        row = call_in_a_row(self._functions, script, questions, range(len(questions)), self._limits)
        if isinstance(row, Row):
            return row.outcomes
        calls = [[question] for question in questions]
        return [
            outcome_of(result)
            for result in self._functions.call_function(script, "solve", calls, self._limits)
        ]
