"""The learning job: measure, practise, learn, measure again; every finished part is kept."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import Any

from evolvent.practice.plan import FamilyPlan, LearnOptions, plan_families, unit_seed
from evolvent.practice.report import FamilyReport, LearnReport, Paired, SkillOutcome, paired_bootstrap
from evolvent.protocols import Suite
from evolvent.runtime import Runtime
from evolvent.types import (
    AdmissionReport,
    Budget,
    Frozen,
    RunFinished,
    RunStarted,
    SolveResult,
    Task,
    Usage,
)

__all__ = ["LearnJob", "Progress"]


class Progress(Frozen):
    """What just happened in a job."""

    phase: str
    """`before`, `practise`, `learn` or `after`."""
    family: str
    done: int
    """Finished parts of the whole job."""
    total: int
    text: str = ""
    """For people: the newest outcome."""
    cached: bool = False
    """Whether the part was finished by an earlier, interrupted process."""


class LearnJob:
    """One run of `evolvent learn`. Its parts are solves with ids of their own, so it can be resumed."""

    def __init__(
        self,
        runtime: Runtime,
        suite_spec: str,
        options: LearnOptions | None = None,
        *,
        fresh: bool = False,
        listener: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Plan a job, or find the interrupted one that it continues.

        Args:
            runtime: an open runtime.
            suite_spec: for example `reasoning-gym:starter`.
            options: how much of what.
            fresh: start anew even if an unfinished run of the same configuration exists.
            listener: hears of every finished part.

        Raises:
            UnknownName: no such suite or family.
            UsageError: the suite has too few tasks.
        """
        self._runtime = runtime
        self._options = options or LearnOptions()
        self._suite: Suite = runtime.suite(suite_spec)
        self._listener = listener
        self._plans = plan_families(self._suite, self._options)
        self._config: dict[str, Any] = {
            "suite": suite_spec,
            "suite_digest": self._suite.digest(),
            "model": runtime.settings.model,
            "options": self._options.model_dump(),
        }
        row = None if fresh else runtime.runs.unfinished("learn", self._config)
        self.resumed = row is not None
        """Whether an interrupted run goes on."""
        self.run_id = row.id if row else f"learn-{uuid.uuid4().hex[:10]}"
        self.total = sum(len(p.held_out) * 2 + len(p.practise) for p in self._plans)
        """Parts of the whole job."""
        self._done = 0
        self._seconds = 0.0

    def run(self) -> LearnReport:
        """Do what is not done yet, and report."""
        runtime = self._runtime
        runtime.runs.start(self.run_id, "learn", self._suite.name, self._config)
        runtime.ledger.append(
            RunStarted(key=f"started:{self.run_id}", run_id=self.run_id, job="learn", title=self._suite.name)
        )
        before = {plan.family: self._measure(plan, "before") for plan in self._plans}
        practised = {plan.family: self._practise(plan) for plan in self._plans}
        after = {plan.family: self._measure(plan, "after") for plan in self._plans}
        report = self._report(before, practised, after)
        runtime.runs.finish(self.run_id, "finished", report.model_dump(mode="json"))
        runtime.ledger.append(
            RunFinished(
                key=f"finished:{self.run_id}", run_id=self.run_id, status="finished", usage=report.usage
            )
        )
        return report

    def _measure(self, plan: FamilyPlan, phase: str) -> list[SolveResult]:
        """Solve the held-out tasks: one attempt each, nothing is learned from them."""
        return [
            self._part(phase, plan.family, index, task, unit_seed(self._options.seed, "measure", task.id))
            for index, task in enumerate(plan.held_out)
        ]

    def _practise(self, plan: FamilyPlan) -> list[SolveResult]:
        """Try train tasks; the last try is followed by learning from all that the family has to offer."""
        last = len(plan.practise) - 1
        return [
            self._part(
                "learn" if index == last else "practise",
                plan.family,
                index,
                task,
                unit_seed(self._options.seed, "practise", task.id),
                plan,
            )
            for index, task in enumerate(plan.practise)
        ]

    def _part(
        self, phase: str, family: str, index: int, task: Task, seed: int, plan: FamilyPlan | None = None
    ) -> SolveResult:
        run_id = f"{self.run_id}/{phase}/{family}/{index}"
        row = self._runtime.runs.find(run_id)
        cached = row is not None and row.result is not None
        started = time.monotonic()
        self._runtime.runs.start(run_id, "solve", f"{phase}: {family}", {"task_id": task.id}, self.run_id)
        result = self._runtime.solve(
            task,
            budget=Budget(attempts=1, tokens=40_000, seconds=None),
            seed=seed,
            material=plan.material if plan and phase == "learn" else None,
            run_id=run_id,
            can_ask=False,
        )
        self._seconds += result.usage.seconds if cached else time.monotonic() - started
        self._done += 1
        self._listener(
            Progress(
                phase=phase,
                family=family,
                done=self._done,
                total=self.total,
                text=_told(result),
                cached=cached,
            )
        )
        return result

    def _report(
        self,
        before: dict[str, list[SolveResult]],
        practised: dict[str, list[SolveResult]],
        after: dict[str, list[SolveResult]],
    ) -> LearnReport:
        families = tuple(_family(plan, before[plan.family], after[plan.family]) for plan in self._plans)
        first = [r for results in before.values() for r in results]
        second = [r for results in after.values() for r in results]
        every = [*first, *[r for results in practised.values() for r in results], *second]
        learned = [(name, r.learned) for name, results in practised.items() for r in results if r.learned]
        return LearnReport(
            run_id=self.run_id,
            suite=self._suite.name,
            suite_digest=self._config["suite_digest"],
            model=self._config["model"],
            seed=self._options.seed,
            held_out=_paired(_scores(first), _scores(second)),
            tokens=_paired(_tokens(first), _tokens(second)),
            wrongly_applied=sum(f.wrongly_applied for f in families) / len(second),
            families=families,
            skills=tuple(
                SkillOutcome(
                    family=name,
                    name=found.report.name,
                    admitted=found.report.admitted,
                    reason=found.report.reason,
                    cases=_cases(found.report),
                )
                for name, found in learned
                if found.report
            ),
            lessons=sum(found.lesson is not None for _, found in learned),
            usage=sum((r.usage for r in every), Usage()),
            wall_s=round(self._seconds, 2),
        )


def _family(plan: FamilyPlan, before: list[SolveResult], after: list[SolveResult]) -> FamilyReport:
    used = Counter(skill for result in after for skill in result.skills_used)
    return FamilyReport(
        family=plan.family,
        example=plan.practise[0].prompt,
        tasks=len(after),
        score=_paired(_scores(before), _scores(after)),
        tokens=_paired(_tokens(before), _tokens(after)),
        skill=used.most_common(1)[0][0] if used else None,
        wrongly_applied=sum(bool(r.skills_used) and r.status == "failed" for r in after),
    )


def _paired(before: list[float], after: list[float]) -> Paired:
    return Paired(before=fmean(before), after=fmean(after), interval=paired_bootstrap(before, after))


def _scores(results: list[SolveResult]) -> list[float]:
    return [r.verdict.score if r.verdict else 0.0 for r in results]


def _tokens(results: list[SolveResult]) -> list[float]:
    return [float(r.usage.tokens) for r in results]


def _cases(report: AdmissionReport) -> int:
    for stage in report.stages:
        if stage.stage == "tests":
            return int(str(stage.evidence.get("cases", 0)))
    return 0


def _told(result: SolveResult) -> str:
    """Return the outcome of a part in a few words."""
    if result.learned is None:
        by = f" by {', '.join(result.skills_used)}" if result.skills_used else ""
        return f"{result.status}{by}"
    report = result.learned.report
    if report is not None:
        return f"{'admitted' if report.admitted else 'rejected'} {report.name} ({report.reason})"
    return result.learned.detail or "kept a lesson"
