"""The evolution job: one generation after the other, resumable, within its budgets."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import Any, Literal

from evolvent.errors import IntegrityError, UsageError
from evolvent.evolution.gate import compare
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.freezing import Halted, freeze
from evolvent.graphs.progress import Measuring, Progress
from evolvent.graphs.purse import OutOfBudget
from evolvent.practice.packing import Packing
from evolvent.runtime import Runtime
from evolvent.storage.home import room_on
from evolvent.storage.journal import forget_sessions
from evolvent.types import (
    ApprovalRequest,
    Candidate,
    EvolveOptions,
    EvolveReport,
    Frozen,
    NodeFinished,
    RunFinished,
    RunStarted,
    Spent,
    Split,
    VariantPromoted,
)

__all__ = ["EvolveJob", "Generation"]

EvolveStatus = Literal["finished", "budget", "frozen", "waiting", "paused"]
Ended = tuple[EvolveStatus, Spent | str]
"""How a run ended, and why."""
LATER = {
    "approve",
    "day_dollars",
    "day_seconds",
    "day_tokens",
    "generation_dollars",
    "generation_seconds",
    "generation_tokens",
    "generations",
    "max_dollars",
    "max_seconds",
    "max_tokens",
}
"""Options that a run may go on with differently: more generations, a larger budget."""
PACK_EVERY = 500
"""Generations after which the repository of agent programs is packed."""


class Generation(Frozen):
    """What came of one generation."""

    number: int
    candidates: tuple[Candidate, ...]
    promoted: str = ""
    variants: int
    """In the archive now."""
    best: float
    """The highest mean train score in the archive."""


class EvolveJob:
    """One run of `evolvent evolve`. A run that was interrupted goes on where it was."""

    def __init__(
        self,
        runtime: Runtime,
        suite: str,
        options: EvolveOptions | None = None,
        *,
        fresh: bool = False,
        run_id: str | None = None,
        wait_for_model: bool = False,
        listener: Callable[[Generation], None] = lambda _: None,
        progress: Callable[[Measuring], None] | None = None,
    ) -> None:
        """Plan a run, or find the interrupted one that it continues.

        Args:
            runtime: an open runtime.
            suite: for example `reasoning-gym:starter`.
            options: how much of what.
            fresh: start anew even if an unfinished run of the same configuration exists; the archive stays.
            run_id: name of the run, which is begun or gone on with; default: that of such an unfinished run, or a new
                one.
            wait_for_model: whether `run` raises `ModelCallError` where the model goes down within a generation, to go
                on there later; else the candidates that need it fail, which is held against nobody.
            listener: hears of every finished generation.
            progress: hears of every task that a program was measured on, from whichever thread did it.

        Raises:
            UnknownName: no such suite, policy, operator or executor.
            UsageError: evolution is frozen, or the suite has too few tasks.
            IntegrityError: the suite is not what it was when the run began.
        """
        self._runtime, self._suite, self._listener = runtime, suite, listener
        self.options = options or EvolveOptions()
        self._services = runtime.evolution
        self._refuse_frozen()
        self._config: dict[str, Any] = {
            "suite": suite,
            "model": runtime.settings.model,
            "options": self.options.model_dump(mode="json", exclude=LATER),
        }
        if run_id is not None:
            row = run_id if runtime.runs.find(run_id) else None
        else:
            row = None if fresh else self._unfinished()
        self.resumed = row is not None
        """Whether an interrupted run goes on."""
        self.run_id = run_id or row or f"evolve-{uuid.uuid4().hex[:10]}"
        self.campaign: Campaign = self._services.campaign(self.run_id, suite, self.options)
        self.campaign.waits_for_model = wait_for_model
        self.campaign.progress = Progress(progress) if progress else None
        try:
            self._check_suite()
        except IntegrityError:
            self.campaign.close()
            raise

    def run(self, at_most: int | None = None) -> EvolveReport:
        """Do the generations that are not done yet, and report.

        Args:
            at_most: generations to do now; with more left, the report's status is `paused` and the run can go on.

        Raises:
            RunStopped: the run was asked to stop; it can go on.
            MissingPrerequisite: the model must be fetched first.
            PluginError: a policy cannot be used.
        """
        runtime, started = self._runtime, time.monotonic()
        config = {
            **self._config,
            "context": self.campaign.context,
            "suite_digest": self.campaign.suite.digest(),
        }
        runtime.runs.start(self.run_id, "evolve", self._suite, config)
        runtime.ledger.append(
            RunStarted(key=f"started:{self.run_id}", run_id=self.run_id, job="evolve", title=self._suite)
        )
        try:
            with runtime.memory.paused(), room_on(runtime.home):
                status, detail = self._stopped() or self._worked(at_most)
        finally:
            self.campaign.close()
        runtime.services.genome = self._services.genomes.files(self.campaign.incumbent())
        report = self._report(status, detail, time.monotonic() - started)
        if status == "waiting":
            runtime.runs.wait(self.run_id)
            return report
        if status == "finished":
            runtime.runs.finish(self.run_id, "finished", report.model_dump(mode="json"))
            runtime.ledger.append(
                RunFinished(
                    key=f"finished:{self.run_id}", run_id=self.run_id, status="finished", usage=report.usage
                )
            )
        return report

    def pending(self) -> list[ApprovalRequest]:
        """Return the questions that the run waits for."""
        return self._runtime.approvals.list(self.run_id)

    def _worked(self, at_most: int | None) -> Ended:
        """Measure the active program, run what is missing; say how it ended and why."""
        try:
            self._first_measured()
            with Packing(self._services.genomes.path) as packing:
                return self._generations(at_most, packing)
        except OutOfBudget as error:
            return "budget", error.spent
        except Halted as error:
            return "frozen", str(error)

    def _first_measured(self) -> None:
        started = time.monotonic()
        self.campaign.measure(self.campaign.incumbent(), self.campaign.tasks[Split.TRAIN])
        self._runtime.ledger.append(
            NodeFinished(
                key=f"node:{self.run_id}:0:measure",
                run_id=self.run_id,
                node="measure",
                seconds=time.monotonic() - started,
            )
        )

    def _generations(self, at_most: int | None, packing: Packing) -> Ended:
        left = at_most
        graph, checkpoints = self._runtime.evolve_graph, self._runtime.checkpoints
        done = self._done()
        for number in range(1, self.options.generations + 1):
            if number in done:
                continue
            stopped = self._stopped()
            if stopped:
                return stopped
            if left is not None:
                if not left:
                    return "paused", f"generation {number} is next"
                left -= 1
            thread: Any = {"configurable": {"thread_id": f"{self.run_id}/{number}"}}
            begun = bool(graph.get_state(thread).next)
            state = EvolveState(
                run_id=self.run_id, suite=self._suite, options=self.options, generation=number
            )
            values = graph.invoke(None if begun else state, thread, durability="sync")
            if values.pop("__interrupt__", None):
                return "waiting", "a person must decide first; see `evolvent approvals list`"
            ended = EvolveState.model_validate(values)
            checkpoints.delete_thread(f"{self.run_id}/{number}")
            forget_sessions(self._services.tables.engine, f"{self.run_id}/")
            if number % PACK_EVERY == 0:
                packing.begin()
            self._tell(ended)
        stopped = self._stopped()
        return stopped if stopped and stopped[0] == "frozen" else ("finished", "")

    def _stopped(self) -> Ended | None:
        changed = self.campaign.changed_judge()
        if changed:
            freeze(self.campaign, f"the judge changed while it was at work: {changed}", {})
        frozen = self._services.tables.frozen()
        if frozen is not None:
            return "frozen", frozen.reason
        spent = self.campaign.purse.empty()
        return ("budget", spent) if spent else None

    def _done(self) -> set[int]:
        """Return the numbers of the generations that are over."""
        keys = self._runtime.ledger.keys(f"node:{self.run_id}:", ":promote")
        return {int(key.split(":")[2]) for key in keys}

    def _tell(self, state: EvolveState) -> None:
        archive = self.campaign.archive
        best = archive.best()
        self._listener(
            Generation(
                number=state.generation,
                candidates=state.candidates,
                promoted=state.promoted,
                variants=len(archive),
                best=archive.variant(best).score if best else 0.0,
            )
        )

    def _refuse_frozen(self) -> None:
        frozen = self._services.tables.frozen()
        if frozen is not None:
            raise UsageError(
                f"evolution is frozen since {frozen.created_at[:16]}: {frozen.reason}. Look at it with `evolvent "
                "archive show`, then allow it again with: evolvent archive unfreeze --because 'what you found'"
            )

    def _unfinished(self) -> str | None:
        """Return the id of the newest unfinished run that was begun with this configuration."""
        for row in self._runtime.runs.unfinished_of("evolve"):
            if {key: row.config.get(key) for key in self._config} == self._config:
                return row.id
        return None

    def _check_suite(self) -> None:
        row = self._runtime.runs.find(self.run_id)
        if row is None:
            return
        known, now = row.config.get("suite_digest"), self.campaign.suite.digest()
        if known != now:
            raise IntegrityError(
                f"the suite {self._suite!r} has changed since {self.run_id} began (digest {known}, now {now}): its old "
                "scores do not compare. Begin a new run on the same archive with --fresh"
            )
        if row.config.get("context") != self.campaign.context:
            raise IntegrityError(
                f"what scores depend on has changed since {self.run_id} began: an evaluator, the skills or the "
                "lessons. Its old scores do not compare. Begin a new run on the same archive with --fresh"
            )

    def _report(self, status: EvolveStatus, detail: Spent | str, seconds: float) -> EvolveReport:
        archive, tables = self.campaign.archive, self._services.tables
        rows = tables.candidates(self.run_id)
        promotions = [
            event
            for event in self._runtime.ledger.events(self.run_id, "variant.promoted")
            if isinstance(event, VariantPromoted)
        ]
        active = self.campaign.incumbent()
        first = promotions[0].before if promotions else active
        pairs = {split: self._pair(first, active, split) for split in (Split.TRAIN, Split.GATE, Split.SEALED)}
        return EvolveReport(
            run_id=self.run_id,
            status=status,
            detail=str(detail),
            budget=detail if isinstance(detail, Spent) else None,
            suite=self._suite,
            model=self._config["model"],
            generations=sum(number <= self.options.generations for number in self._done()),
            candidates=len(rows),
            accepted=sum(row.status == "accepted" for row in rows),
            rejected=dict(Counter(row.stage for row in rows if row.status == "rejected")),
            failed=sum(row.status == "failed" for row in rows),
            variants=len(archive),
            first=first,
            active=active,
            train=pairs[Split.TRAIN][0],
            gate=pairs[Split.GATE][0],
            gate_interval=pairs[Split.GATE][1],
            sealed=pairs[Split.SEALED][0],
            sealed_interval=pairs[Split.SEALED][1],
            usage=self.campaign.purse.spent,
            seconds=round(seconds, 2),
        )

    def _pair(
        self, first: str, active: str, split: Split
    ) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
        """Return the mean scores of both programs on what both were measured on, and the interval of the gain."""
        ones, others = (self.campaign.archive.scores(v, split) for v in (first, active))
        both = sorted(ones.keys() & others.keys())
        if not both:
            return None, None
        before, after = [ones[task] for task in both], [others[task] for task in both]
        found = compare(after, before)
        return (fmean(before), fmean(after)), (found.low, found.high)
