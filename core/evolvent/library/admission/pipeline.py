"""The order of the stages, and what becomes of their outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from evolvent.errors import UsageError
from evolvent.library.admission.candidate import Candidate, Escalate, Stage
from evolvent.library.admission.duplicate import Duplicate
from evolvent.library.admission.falsify import Falsify
from evolvent.library.admission.guards import Guards
from evolvent.library.admission.looks import Planted, Static, check_files, check_format
from evolvent.library.admission.policy import AdmissionPolicy
from evolvent.library.admission.repeat import Repeat
from evolvent.library.admission.replacement import Replacement
from evolvent.library.admission.support import Support
from evolvent.library.admission.tests import Tests
from evolvent.library.composition import vendored
from evolvent.library.format import draft
from evolvent.library.importing import Arrival, drafted
from evolvent.library.judging import TRIAL_LIMITS, passed_cases
from evolvent.library.router import Router
from evolvent.library.store import SkillStore
from evolvent.protocols import Evaluator, FunctionServer
from evolvent.storage.bait import Watch
from evolvent.types import (
    AdmissionReport,
    Decision,
    Limits,
    Skill,
    SkillCase,
    SkillProposal,
    SkillState,
    StageResult,
    Task,
)

__all__ = ["Admission"]


def _approve(_proposal: SkillProposal) -> Decision:
    return Decision(verdict="approve", by="kernel")


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
        watch: looks for texts that nobody may know.
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
        watch: Watch | None = None,
    ) -> None:
        self._store = store
        self.policy = policy = policy or AdmissionPolicy()
        replacement = Replacement(store, functions, evaluators, policy, limits)
        self._static = static = Static(store)
        self._before_tests: list[Stage] = [
            *([] if watch is None else [Planted(watch)]),
            check_format,
            static,
            Support(store),
            Guards(review),
        ]
        self._stages: list[Stage] = [
            *self._before_tests,
            Tests(functions, evaluators, policy, limits, clock),
            Falsify(functions, policy, limits),
            Repeat(functions, limits),
            Duplicate(store, router, functions, policy, limits, replacement),
        ]

    def consider(
        self,
        proposal: SkillProposal,
        cases: Sequence[Task],
        foreign: Sequence[str] = (),
        escalate: Escalate | None = None,
        arrival: Arrival | None = None,
    ) -> AdmissionReport:
        """Take a proposal through all stages until one refuses it; the same content is decided only once.

        A proposal that answers all that a skill of another name answers, and more, is considered as a new version
        of that skill; the report then has that skill's name.

        Args:
            proposal: what to decide on.
            cases: train tasks; those in `proposal.sources` and those that nobody can judge are left out.
            foreign: questions of other kinds, on which the script must say that it is not applicable.
            escalate: asks a person where a guard wants one; without it such a proposal stays undecided.
            arrival: the foreign skill that the proposal was made from; all its files are looked at and kept.

        Raises:
            SandboxLost: the sandbox itself failed; nothing was decided.
            MissingPrerequisite: the sandbox or the embedder cannot run here; nothing was decided.
        """
        report = self._consider(proposal, cases, foreign, escalate, arrival)
        heir = _heir(report)
        if heir is None:
            return report
        merged = self._consider(proposal.model_copy(update={"name": heir}), cases, foreign, escalate, arrival)
        return merged if merged.admitted else report

    def _consider(
        self,
        proposal: SkillProposal,
        cases: Sequence[Task],
        foreign: Sequence[str],
        escalate: Escalate | None,
        arrival: Arrival | None,
    ) -> AdmissionReport:
        skill = draft(proposal) if arrival is None else drafted(arrival, proposal)
        decided = self._decided(skill)
        if decided is not None:
            return decided
        tasks = [task for task in cases if task.evaluator and task.id not in proposal.sources]
        candidate = Candidate(proposal, skill, list(cases), tasks, list(foreign), escalate)
        stages: list[StageResult] = []
        if arrival is not None:
            stages.append(check_files(arrival))
            if not stages[-1].passed:
                return self._refuse(skill, stages)
        for stage in self._stages:
            result = stage(candidate)
            if result is None:
                continue
            stages.append(result)
            if not result.passed:
                return self._refuse(skill, stages)
        # Whatever the stages in between saw or were told, the kernel's own look has the last word.
        last = self._static(Candidate(proposal, draft(proposal), list(cases), tasks, list(foreign)))
        if not last.passed:
            return self._refuse(skill, [*stages, last])
        report = AdmissionReport(name=skill.name, digest=skill.digest, admitted=True, stages=tuple(stages))
        kept = passed_cases(candidate.trials, self.policy.kept_cases)
        admitted = candidate.skill.model_copy(update={"cases": self._with_old(skill.name, kept)})
        files: dict[str, str | bytes] = {} if arrival is None else arrival.further()
        self._store.add(admitted, report, {**files, **vendored(candidate.parts)})
        return report

    def vouch(self, arrival: Arrival, reason: str, escalate: Escalate | None = None) -> AdmissionReport:
        """Admit a foreign skill without a script on a person's word: no test can judge prose, trials in use will.

        Its form and words are looked at, and the guards are asked, as with any other.

        Args:
            arrival: the skill.
            reason: the person's.
            escalate: asks a person where a guard wants one.

        Raises:
            UsageError: it has a script, or there is no reason.
        """
        if arrival.skill.script is not None or not reason.strip():
            raise UsageError(
                "a person may vouch, with a reason, only for a skill without a script; a script is tested"
            )
        proposal = arrival.proposal
        skill = drafted(arrival, proposal)
        candidate = Candidate(proposal, skill, [], [], [], escalate)
        stages: list[StageResult] = []
        looks: list[Stage] = [lambda _: check_files(arrival), *self._before_tests]
        for stage in looks:
            result = stage(candidate)
            if result is None:
                continue
            stages.append(result)
            if not result.passed:
                return self._refuse(skill, stages)
        stages.append(StageResult(stage="vouched", passed=True, reason=f"a person vouches: {reason.strip()}"))
        report = AdmissionReport(name=skill.name, digest=skill.digest, admitted=True, stages=tuple(stages))
        self._store.add(skill, report, arrival.further())
        return report

    def _with_old(self, name: str, kept: tuple[SkillCase, ...]) -> tuple[SkillCase, ...]:
        """Return new tests and those of the version that is replaced: it passes them too."""
        old = next((skill for skill in self._store.usable() if skill.name == name), None)
        asked = {case.question for case in kept}
        before = [case for case in (old.cases if old else ()) if case.question not in asked]
        return (*kept, *before[: self.policy.kept_cases])

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


def _heir(report: AdmissionReport) -> str | None:
    """Return the name of the skill in whose place a refused proposal belongs, where it is one that supersedes it."""
    merge = report.stages[-1].evidence.get("merge")
    if report.admitted or not isinstance(merge, dict) or merge.get("supersedes") is not True:
        return None
    return str(merge["into"])
