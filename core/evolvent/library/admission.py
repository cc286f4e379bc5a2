"""Admission: a proposal becomes a skill only by evidence, cheap checks first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pydantic import Field

from evolvent.errors import IntegrityError
from evolvent.library.format import check_proposal, draft
from evolvent.library.hard_coded import known_answers
from evolvent.library.prose_scan import scan_prose
from evolvent.library.router import Router
from evolvent.library.static_scan import scan_script
from evolvent.library.store import SkillStore
from evolvent.library.trials import (
    TRIAL_LIMITS,
    Trial,
    behaviour,
    clipped,
    judge,
    passed_cases,
    shown,
    summarise,
)
from evolvent.protocols import Evaluator, FunctionServer
from evolvent.types import (
    AdmissionReport,
    CallResult,
    Decision,
    Frozen,
    JsonValue,
    Limits,
    Skill,
    SkillCase,
    SkillProposal,
    SkillState,
    StageResult,
    Task,
)

__all__ = ["Admission", "AdmissionPolicy", "Escalate"]

Escalate = Callable[[SkillProposal, Decision], Decision]
"""Asks a person about a proposal that a guard escalated."""


def _approve(_proposal: SkillProposal) -> Decision:
    return Decision(verdict="approve", by="kernel")


class AdmissionPolicy(Frozen):
    """How much evidence is enough.

    A wrong answer costs more than none: when a skill does not answer, the agent falls back to the model.
    """

    min_cases: int = Field(default=8, ge=1)
    """Judged tasks, other than those that the skill was written from, that there must be at least."""
    min_answered: float = Field(default=0.75, ge=0, le=1)
    """Share of the cases that must be answered."""
    max_wrong: int = Field(default=0, ge=0)
    """Cases that may be answered wrongly."""
    max_foreign: int = Field(default=0, ge=0)
    """Questions of other kinds that may be answered."""
    duplicate_inputs: int = Field(default=8, ge=1)
    """Inputs on which a proposal is compared with the skills that are there."""
    kept_cases: int = Field(default=32, ge=1)
    """Cases that are kept with an admitted skill."""


class Admission:
    """Decides on proposals, and writes every decision with its evidence into the store.

    Args:
        store: gets the admitted and the refused.
        router: finds skills that might do the same already.
        functions: the sandbox that runs scripts; it never holds an expected answer.
        evaluators: an evaluator by name.
        policy: how much evidence is enough.
        limits: what one call of a script may use.
        clock: seconds, for the evidence.
        review: asks the guards. The kernel's own checks stand before and after them and are not among them.
    """

    def __init__(
        self,
        store: SkillStore,
        router: Router,
        functions: FunctionServer,
        evaluators: Callable[[str], Evaluator],
        policy: AdmissionPolicy | None = None,
        limits: Limits = TRIAL_LIMITS,
        clock: Callable[[], float] = time.monotonic,
        review: Callable[[SkillProposal], Decision] = _approve,
    ) -> None:
        self._store, self._router, self._functions = store, router, functions
        self._evaluators, self._limits, self._clock = evaluators, limits, clock
        self._review = review
        self.policy = policy or AdmissionPolicy()

    def consider(
        self,
        proposal: SkillProposal,
        cases: Sequence[Task],
        foreign: Sequence[str] = (),
        escalate: Escalate | None = None,
    ) -> AdmissionReport:
        """Take a proposal through all stages until one refuses it; the same content is decided only once.

        Args:
            proposal: what to decide on.
            cases: train tasks; those in `proposal.sources` and those that nobody can judge are left out.
            foreign: questions of other kinds, on which the script must say that it is not applicable.
            escalate: asks a person where a guard wants one; without it such a proposal stays undecided.

        Raises:
            SandboxLost: the sandbox itself failed; nothing was decided.
            MissingPrerequisite: the sandbox or the embedder cannot run here; nothing was decided.
        """
        skill = draft(proposal)
        decided = self._decided(skill)
        if decided is not None:
            return decided
        usable = [task for task in cases if task.evaluator and task.id not in proposal.sources]
        stages: list[StageResult] = []
        kept: tuple[SkillCase, ...] = ()
        checks: list[Callable[[], StageResult]] = [
            lambda: _format(proposal),
            lambda: _static(skill, cases),
            lambda: self._guards(proposal, escalate),
        ]
        for check in checks:
            stages.append(check())
            if not stages[-1].passed:
                return self._refuse(skill, stages)
        trials: list[Trial] = []
        stages.append(self._tests(skill, usable, foreign, trials))
        if stages[-1].passed:
            kept = passed_cases(trials, self.policy.kept_cases)
            stages.append(self._duplicate(skill, trials))
        if stages[-1].passed and not (last := _static(draft(proposal), cases)).passed:
            stages.append(last)
        if not stages[-1].passed:
            return self._refuse(skill, stages)
        report = AdmissionReport(name=skill.name, digest=skill.digest, admitted=True, stages=tuple(stages))
        self._store.add(skill.model_copy(update={"cases": kept}), report)
        return report

    def _decided(self, skill: Skill) -> AdmissionReport | None:
        """Return the standing decision on this very content.

        A refusal for want of cases does not stand: with more cases there is something to decide.
        """
        report = self._store.report(skill.name, skill.digest)
        if report is None or (not report.admitted and report.stages[-1].evidence.get("undecided")):
            return None
        if report.admitted:
            known = self._store.get(skill.name)
            if known.digest == skill.digest and known.state is SkillState.RETIRED:
                reason = f"this very version was retired: {known.reason}"
                stages = (*report.stages, StageResult(stage="duplicate", passed=False, reason=reason))
                return report.model_copy(update={"admitted": False, "stages": stages})
        return report

    def _refuse(self, skill: Skill, stages: Sequence[StageResult]) -> AdmissionReport:
        report = AdmissionReport(name=skill.name, digest=skill.digest, admitted=False, stages=tuple(stages))
        self._store.reject(skill, report)
        return report

    def _guards(self, proposal: SkillProposal, escalate: Escalate | None) -> StageResult:
        decision = self._review(proposal)
        if decision.verdict == "escalate" and escalate is None:
            reason = f"{decision.by} wants a person to decide: {decision.reason}"
            return _failed("guards", reason, undecided=True)
        if decision.verdict == "escalate" and escalate is not None:
            decision = escalate(proposal, decision)
        if decision.verdict != "approve":
            return _failed("guards", f"{decision.by}: {decision.reason}", by=decision.by)
        return StageResult(stage="guards", passed=True, reason=decision.reason, evidence={"by": decision.by})

    def _tests(
        self, skill: Skill, tasks: Sequence[Task], foreign: Sequence[str], trials: list[Trial]
    ) -> StageResult:
        """Run the script on every case and on foreign questions; fills `trials`."""
        policy = self.policy
        if skill.script is None:
            return _failed("tests", "no executable evidence: a skill without a script cannot be tested yet")
        if len(tasks) < policy.min_cases:
            reason = f"{len(tasks)} cases other than its sources; at least {policy.min_cases} are needed"
            return _failed("tests", reason, cases=len(tasks), undecided=True)
        started = self._clock()
        results = self._call(skill.script, [task.prompt for task in tasks])
        trials += judge(tasks, results, self._evaluators, self._functions)
        summary = summarise(trials)
        evidence: dict[str, JsonValue] = {
            **summary.model_dump(),
            "seconds": round(self._clock() - started, 3),
            "failing": shown(trials),
        }
        if summary.wrong > policy.max_wrong:
            return _failed("tests", f"{summary.wrong} of {summary.cases} cases answered wrongly", **evidence)
        if summary.answered_share < policy.min_answered:
            reason = (
                f"{summary.right + summary.wrong} of {summary.cases} cases answered"
                f" ({summary.not_applicable} not applicable, {summary.failed} failed);"
                f" at least {policy.min_answered:.0%} are needed"
            )
            return _failed("tests", reason, **evidence)
        answered = self._answered_foreign(skill.script, foreign)
        evidence |= {"foreign": len(foreign), "foreign_answered": len(answered)}
        if len(answered) > policy.max_foreign:
            evidence["failing"] = answered[:5]
            reason = f"answers questions that are not of its kind: {len(answered)} of {len(foreign)}"
            return _failed("tests", reason, **evidence)
        reason = f"{summary.right} of {summary.cases} cases right"
        return StageResult(stage="tests", passed=True, reason=reason, evidence=evidence)

    def _answered_foreign(self, script: str, foreign: Sequence[str]) -> list[JsonValue]:
        results = self._call(script, foreign) if foreign else []
        return [
            {"question": question[:500], "got": clipped(result.value), "expected": None, "error": ""}
            for question, result in zip(foreign, results, strict=True)
            if result.ok and result.value is not None
        ]

    def _duplicate(self, skill: Skill, trials: Sequence[Trial]) -> StageResult:
        """Compare with active skills that the router would offer for the same questions."""
        first = trials[: self.policy.duplicate_inputs]
        questions = [trial.task.prompt for trial in first]
        own = behaviour([trial.result for trial in first])
        names = {hit.name for question in questions for hit in self._router.search(question) if hit.callable}
        compared: list[JsonValue] = []
        for name in sorted(names):
            other = self._store.get(name)
            if other.script is None or other.digest == skill.digest:
                continue
            compared.append(name)
            if behaviour(self._call(other.script, questions)) == own:
                reason = f"does the same as the active skill {name!r} on {len(questions)} inputs"
                return _failed("duplicate", reason, compared=compared, twin=name)
        lost = self._lost_cases(skill)
        if lost:
            reason = f"would replace {skill.name!r}, but no longer passes {len(lost)} of its tests"
            return _failed("duplicate", reason, compared=compared, failing=lost[:5])
        summary = summarise(trials)
        reason = f"new behaviour; {summary.right} of {summary.cases} cases right, {summary.wrong} wrong"
        return StageResult(stage="duplicate", passed=True, reason=reason, evidence={"compared": compared})

    def _lost_cases(self, skill: Skill) -> list[JsonValue]:
        """Return the tests that the active skill of this name answers, and the new version otherwise."""
        old = next((s for s in self._store.usable() if s.name == skill.name), None)
        if old is None or old.script is None or skill.script is None or not old.cases:
            return []
        questions = [case.question for case in old.cases]
        before, after = self._call(old.script, questions), self._call(skill.script, questions)
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

    def _call(self, script: str, questions: Sequence[str]) -> list[CallResult]:
        return self._functions.call_function(
            script, "solve", [[question] for question in questions], self._limits
        )


def _format(proposal: SkillProposal) -> StageResult:
    try:
        check_proposal(proposal)
    except IntegrityError as error:
        return _failed("format", str(error))
    return StageResult(stage="format", passed=True)


def _static(skill: Skill, cases: Sequence[Task]) -> StageResult:
    reasons = scan_prose(skill.description, skill.body)
    if skill.script is not None:
        reasons += scan_script(skill.script, known_answers(cases))
    if reasons:
        return _failed("static", "; ".join(reasons[:3]), reasons=list[JsonValue](reasons))
    return StageResult(stage="static", passed=True)


def _failed(stage: str, reason: str, **evidence: JsonValue) -> StageResult:
    return StageResult(stage=stage, passed=False, reason=reason, evidence=evidence)
