"""The learning job: measure, practise, learn, measure again; every finished part is kept."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

from evolvent.graphs import Material
from evolvent.graphs.seeds import unit_seed
from evolvent.practice.choosing import Chooser
from evolvent.practice.plan import FamilyPlan, LearnOptions, plan_families
from evolvent.practice.report import FamilyReport, LearnReport, Paired, SkillOutcome, paired_bootstrap
from evolvent.protocols import Suite
from evolvent.runtime import Runtime
from evolvent.types import (
    AdmissionReport,
    Budget,
    FamilyProgress,
    Frozen,
    RunFinished,
    RunStarted,
    SkillState,
    SolveResult,
    Task,
    Usage,
)

__all__ = ["LearnJob", "Progress"]


class Progress(Frozen):
    """What just happened in a job."""

    phase: str
    """`before`, `practise`, `learn`, `trial` or `after`."""
    family: str
    done: int
    """Finished parts of the whole job."""
    total: int
    text: str = ""
    """For people: the newest outcome."""
    cached: bool = False
    """Whether the part was finished by an earlier, interrupted process."""


@dataclass(frozen=True)
class _Part:
    """One solve of a job."""

    phase: str
    family: str
    index: int
    task: Task
    seed: int
    material: Material | None = None


class _Solved(NamedTuple):
    result: SolveResult
    cached: bool
    seconds: float


class LearnJob:
    """One run of `evolvent learn`. Its parts are solves with ids of their own, so it can be resumed."""

    def __init__(
        self,
        runtime: Runtime,
        suite_spec: str,
        options: LearnOptions | None = None,
        *,
        fresh: bool = False,
        run_id: str | None = None,
        listener: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Plan a job, or find the interrupted one that it continues.

        Args:
            runtime: an open runtime.
            suite_spec: for example `reasoning-gym:starter`.
            options: how much of what.
            fresh: start anew even if an unfinished run of the same configuration exists.
            run_id: name of the run, which is begun or gone on with; default: that of such an unfinished run, or a new
                one.
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
            "curriculum": runtime.settings.curriculum,
            "strategy": runtime.settings.strategy,
        }
        if run_id is not None:
            row = runtime.runs.find(run_id)
        else:
            row = None if fresh else runtime.runs.unfinished("learn", self._config)
        self.resumed = row is not None
        """Whether an interrupted run goes on."""
        self.run_id = run_id or (row.id if row else f"learn-{uuid.uuid4().hex[:10]}")
        self.total = sum(len(p.held_out) * 2 + len(p.practise) + len(p.trials) for p in self._plans)
        """Parts of the whole job; it shrinks where fewer trials are needed than planned."""
        self._done = 0
        self._seconds = 0.0

    def run(self) -> LearnReport:
        """Do what is not done yet, and report."""
        with self._runtime.memory.paused():
            return self._run()

    def _run(self) -> LearnReport:
        runtime = self._runtime
        runtime.runs.start(self.run_id, "learn", self._suite.name, self._config)
        runtime.ledger.append(
            RunStarted(key=f"started:{self.run_id}", run_id=self.run_id, job="learn", title=self._suite.name)
        )
        before = {plan.family: self._measure(plan, "before") for plan in self._plans}
        practised = self._practise(before)
        tried = [result for plan in self._plans for result in self._try_out(plan, practised[plan.family])]
        after = {plan.family: self._measure(plan, "after") for plan in self._plans}
        report = self._report(before, practised, tried, after)
        runtime.runs.finish(self.run_id, "finished", report.model_dump(mode="json"))
        runtime.ledger.append(
            RunFinished(
                key=f"finished:{self.run_id}", run_id=self.run_id, status="finished", usage=report.usage
            )
        )
        return report

    def _measure(self, plan: FamilyPlan, phase: str) -> list[SolveResult]:
        """Solve the held-out tasks: one attempt each, nothing is learned from them."""
        parts = [
            _Part(phase, plan.family, index, task, unit_seed(self._options.seed, "measure", task.id))
            for index, task in enumerate(plan.held_out)
        ]
        settings = self._runtime.settings
        if settings.workers == 1:
            return [self._count(part, self._solve(part)) for part in parts]
        make = self._runtime.plugins.executors.get(settings.executor)
        counted, started = self._seconds, time.monotonic()
        with make(settings, settings.workers) as executor:
            solving = [executor.submit(copy_context().run, self._solve, part) for part in parts]
            results = [self._count(part, f.result()) for part, f in zip(parts, solving, strict=True)]
        earlier = sum(f.result().seconds for f in solving if f.result().cached)
        self._seconds = counted + earlier + time.monotonic() - started
        return results

    def _practise(self, before: dict[str, list[SolveResult]]) -> dict[str, list[SolveResult]]:
        """Try train tasks in the curriculum's order; a family's last try is followed by learning from all it has.

        Raises:
            PluginError: the curriculum raised, or named a family that has no tasks left.
        """
        plans = {plan.family: plan for plan in self._plans}
        practised: dict[str, list[SolveResult]] = {family: [] for family in plans}
        chooser = Chooser(self._runtime.plugins, self._runtime.settings, self._options.seed)
        while True:
            family = chooser.next([_progress(plans[f], before[f], practised[f]) for f in plans])
            if family is None:
                return practised
            plan, index = plans[family], len(practised[family])
            task = plan.practise[index]
            last = index == len(plan.practise) - 1
            part = _Part(
                "learn" if last else "practise",
                family,
                index,
                task,
                unit_seed(self._options.seed, "practise", task.id),
                plan.material if last else None,
            )
            practised[family].append(self._count(part, self._solve(part)))
            if last:
                # Here and not beside the solves: the same seed must lead to the same memory.
                key = f"consolidated:{self.run_id}/{family}"
                self._runtime.memory.consolidate(run_id=self.run_id, key=key)

    def _try_out(self, plan: FamilyPlan, practised: list[SolveResult]) -> list[SolveResult]:
        """Solve further train tasks with or without the family's new skill, until its probation has ended."""
        reports = [r.learned.report for r in practised if r.learned and r.learned.report]
        name = next((report.name for report in reports if report.admitted), None)
        tried: list[SolveResult] = []
        for index, task in enumerate(plan.trials):
            part = _Part("trial", plan.family, index, task, unit_seed(self._options.seed, "trial", task.id))
            if name is None or not (self._finished(part) or self._on_probation(name)):
                self.total -= len(plan.trials) - index
                break
            tried.append(self._count(part, self._solve(part)))
        return tried

    def _on_probation(self, name: str) -> bool:
        skills = self._runtime.skills.list(SkillState.PROBATION)
        return any(skill.name == name for skill in skills)

    def _finished(self, part: _Part) -> bool:
        row = self._runtime.runs.find(self._part_id(part))
        return row is not None and row.result is not None

    def _part_id(self, part: _Part) -> str:
        return f"{self.run_id}/{part.phase}/{part.family}/{part.index}"

    def _solve(self, part: _Part) -> _Solved:
        """Do one part, or return what an earlier process made of it; may run in several threads at once."""
        run_id = self._part_id(part)
        cached = self._finished(part)
        started = time.monotonic()
        self._runtime.runs.start(
            run_id, "solve", f"{part.phase}: {part.family}", {"task_id": part.task.id}, self.run_id
        )
        result = self._runtime.solve(
            part.task,
            budget=Budget(attempts=1, tokens=40_000, seconds=None),
            seed=part.seed,
            material=part.material,
            run_id=run_id,
            can_ask=False,
            trials=part.phase == "trial",
        )
        return _Solved(result, cached, result.usage.seconds if cached else time.monotonic() - started)

    def _count(self, part: _Part, solved: _Solved) -> SolveResult:
        """Count a finished part and tell the listener."""
        self._seconds += solved.seconds
        self._done += 1
        self._listener(
            Progress(
                phase=part.phase,
                family=part.family,
                done=self._done,
                total=self.total,
                text=_told(solved.result),
                cached=solved.cached,
            )
        )
        return solved.result

    def _report(
        self,
        before: dict[str, list[SolveResult]],
        practised: dict[str, list[SolveResult]],
        tried: list[SolveResult],
        after: dict[str, list[SolveResult]],
    ) -> LearnReport:
        families = tuple(_family(plan, before[plan.family], after[plan.family]) for plan in self._plans)
        first = [r for results in before.values() for r in results]
        second = [r for results in after.values() for r in results]
        every = [*first, *[r for results in practised.values() for r in results], *tried, *second]
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
                    state=self._state(found.report),
                )
                for name, found in learned
                if found.report
            ),
            lessons=sum(found.lesson is not None for _, found in learned),
            usage=sum((r.usage for r in every), Usage()),
            wall_s=round(self._seconds, 2),
        )

    def _state(self, report: AdmissionReport) -> SkillState:
        """Return where a proposal is now."""
        if not report.admitted:
            return SkillState.REJECTED
        versions = self._runtime.skills.versions(report.name)
        return next(v.skill.state for v in versions if v.skill.digest == report.digest)


def _progress(plan: FamilyPlan, before: list[SolveResult], practised: list[SolveResult]) -> FamilyProgress:
    return FamilyProgress(
        family=plan.family,
        before=fmean(_scores(before)),
        practised=len(practised),
        left=len(plan.practise) - len(practised),
        scores=tuple(_scores(practised)),
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
    if result.attempts[-1].skills_withheld:
        return f"{result.status} without {', '.join(result.attempts[-1].skills_withheld)}"
    if result.learned is None:
        by = f" by {', '.join(result.skills_used)}" if result.skills_used else ""
        return f"{result.status}{by}"
    report = result.learned.report
    if report is not None:
        return f"{'admitted' if report.admitted else 'rejected'} {report.name} ({report.reason})"
    return result.learned.detail or "kept a lesson"
