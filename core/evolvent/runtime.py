"""The object that a person embeds: it wires settings, plugins, stores and graphs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from langgraph.types import Command

from evolvent.broker import ModelCaller, OfferedTools, load_policy
from evolvent.chat_models import check_model, open_model
from evolvent.errors import UnknownName, UsageError
from evolvent.graphs import STATE_TYPES, Material, Services, SolveState, build_solve_graph
from evolvent.graphs.approver import resume_value
from evolvent.graphs.campaign import EvolveServices
from evolvent.graphs.evolve import build_evolve_graph
from evolvent.graphs.evolve_state import EvolveState
from evolvent.growing import load_genome, open_evolution, settle_active
from evolvent.library import Admission, Router, SkillReview, SkillStore
from evolvent.library.lifecycle import into
from evolvent.logs import log_events, log_to
from evolvent.memory import Memory
from evolvent.plugins import PluginHost
from evolvent.protocols import Sandbox, Suite
from evolvent.sandbox_outcomes import Outcomes, counted
from evolvent.sandboxes import choose_sandbox
from evolvent.search import VectorIndex
from evolvent.search.config import ConfigFile
from evolvent.search.recall import Retrievals
from evolvent.search.shared import Once
from evolvent.settings import Settings
from evolvent.storage import Approvals, Effects, Home, Ledger, Runs, SkillTrials, open_database
from evolvent.storage.bait import Watch, read_bait
from evolvent.storage.checkpoints import open_checkpoints
from evolvent.storage.home import room_on
from evolvent.types import Budget, Event, RunStarted, SolveResult, Task

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph

__all__ = ["Runtime"]

_log = logging.getLogger(__name__)


class Runtime:
    """An open home with its model, library, memory and sandbox. Use it as a context manager."""

    def __init__(
        self, settings: Settings, plugins: PluginHost | None = None, model: BaseChatModel | None = None
    ) -> None:
        """Open a home; `Runtime.open` is the usual way.

        Args:
            settings: how everything is set up.
            plugins: default: those that are installed.
            model: a chat model to use in place of the one that the settings name.

        Raises:
            HomeBusy: another process writes to this home.
            MissingPrerequisite: no usable sandbox.
            UnknownName: the settings name a model provider, sandbox or embedder that nobody registered.
        """
        self.settings = settings
        self.plugins = plugins or PluginHost(settings=settings)
        self.home = Home(settings.home)
        self._model = model
        self._closing = contextlib.ExitStack()
        if model is None:
            check_model(self.plugins, settings)
        make_embedder = self.plugins.embedders.get(settings.embedder)
        self.home.acquire(settings.lock_wait)
        self._closing.callback(self.home.release)
        try:
            self._open(lambda: make_embedder(settings))
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, *, chat_model: BaseChatModel | None = None, **settings: Any) -> Self:
        """Open a runtime.

        Args:
            chat_model: a LangChain chat model object; else `model="provider:name"` or the setting is used.
            settings: any field of `Settings`.
        """
        return cls(Settings(**settings), model=chat_model)

    def _open(self, make_embedder: Callable[[], Embeddings]) -> None:
        settings, home = self.settings, self.home
        engine = open_database(home.database)
        self._closing.callback(engine.dispose)
        self.ledger = Ledger(engine)
        self.ledger.listen(self.plugins.notify)
        self._closing.callback(log_to(home.logs, settings.log_mb, settings.log_files))
        self.ledger.listen(log_events())
        self.plugins.report_to(self.ledger.append)
        self._closing.callback(self.plugins.flush)
        self.runs = Runs(engine)
        self.sandbox_outcomes = Outcomes()
        self.sandbox: Sandbox = counted(choose_sandbox(self.plugins, settings), self.sandbox_outcomes)
        self._closing.callback(self.sandbox.close)
        self.skills = SkillStore(home.skills, listener=into(self.ledger))
        self.trials = SkillTrials(engine)
        embedder = self._embedder = Once(make_embedder)
        indexes = [
            VectorIndex(home.chroma, kind, embedder, settings.embedder) for kind in ("skills", "lessons")
        ]
        for index in indexes:
            self._closing.callback(index.close)
        self.retrieval = ConfigFile(home.path)
        review = SkillReview(self.skills, self.trials)
        self.router = Router(
            self.skills,
            indexes[0],
            settings.router_threshold,
            config=self.retrieval.load(),
            utility=review.utility,
        )
        if self.retrieval.problem:
            _log.warning("%s", self.retrieval.problem)
        self.memory = Memory(engine, indexes[1], self.ledger, settings)
        self._closing.callback(self.memory.close)
        self.lessons = self.memory.lessons
        evaluators = self.plugins.evaluators.get
        watch = Watch(read_bait(home.path), self.ledger.append)
        self.admission = Admission(
            self.skills,
            self.router,
            self.sandbox,
            evaluators,
            review=self.plugins.review_skill,
            watch=watch,
        )
        self.checkpoints = open_checkpoints(home.checkpoints, (*STATE_TYPES, EvolveState))
        self._closing.callback(self.checkpoints.conn.close)
        self.approvals = Approvals(engine, self.ledger)
        settle_active(self.ledger, home.genomes)
        self.services = Services(
            settings=settings,
            engine=engine,
            ledger=self.ledger,
            runs=self.runs,
            skills=self.skills,
            router=self.router,
            memory=self.memory,
            retrievals=Retrievals(engine, self.ledger, settings.retrieval_alarm),
            admission=self.admission,
            sandbox=self.sandbox,
            evaluators=evaluators,
            trials=self.trials,
            skill_review=review,
            model=lambda: self._caller,
            genome=load_genome(home.genomes, settings.genome),
            approvals=self.approvals,
            watch=watch,
            effects=Effects(engine),
            tools=OfferedTools(
                self.plugins.tools.items, settings.tool_seconds, settings=settings, functions=self.sandbox
            ),
            tool_policy=load_policy(settings.approvals_path),
            review_tool_call=self.plugins.review_tool_call,
            around=self.plugins.around,
            strategies=self.plugins.strategies.get,
        )
        if settings.strategy != "genome":
            self.plugins.strategies.get(settings.strategy)

    @cached_property
    def solve_graph(self) -> CompiledStateGraph[SolveState, None, SolveState, SolveState]:
        """The compiled LangGraph graph, with this runtime's checkpointer; input and output: `SolveState`."""
        return build_solve_graph(self.services, self.checkpoints)

    @cached_property
    def evolution(self) -> EvolveServices:
        """The archive of agent programs and what evolves it."""
        return open_evolution(self.services, self.plugins, self.home.path, self.home.genomes, self._embedder)

    @cached_property
    def evolve_graph(self) -> CompiledStateGraph[EvolveState, None, EvolveState, EvolveState]:
        """The compiled LangGraph graph of one generation; input and output: `EvolveState`."""
        return build_evolve_graph(self.evolution, self.checkpoints)

    def solve(
        self,
        task: Task | str,
        *,
        budget: Budget | None = None,
        seed: int = 0,
        material: Material | None = None,
        run_id: str | None = None,
        can_ask: bool = True,
        trials: bool = True,
    ) -> SolveResult:
        """Solve one task and learn from it where that is allowed.

        Args:
            task: what to solve; a text becomes a task that nobody can judge.
            budget: bounds; a spent one is a result with `status="budget"`.
            seed: seeds the model's sampling.
            material: lets the meta agent write a skill; curricula give it.
            run_id: the run's identity. A run that was interrupted goes on, and a finished one returns its result.
            can_ask: whether the run may wait for a person; the result then has `status="waiting"` and what is
                `pending`. Where it may not, what needs a person is refused.

            trials: whether skills may be withheld at random to learn whether they help; see the setting `trials`.

        Raises:
            ModelCallError: the model did not answer; the run can be resumed.
            MissingPrerequisite: the model must be fetched first.
            UnknownName: the task's evaluator is not registered.
        """
        return self._run(self._initial(task, budget, seed, material, run_id, can_ask, trials))

    async def asolve(self, task: Task | str, **options: Any) -> SolveResult:
        """Solve one task without blocking the event loop; the options are those of `solve`."""
        return await asyncio.to_thread(self.solve, task, **options)

    def stream(self, task: Task | str, **options: Any) -> Iterator[Event | SolveResult]:
        """Solve one task and yield its events as they happen, then the result; options as for `solve`."""
        initial = self._initial(task, **{"run_id": None, **options})
        pending: queue.SimpleQueue[Event | SolveResult | BaseException] = queue.SimpleQueue()

        def hear(event: Event) -> None:
            if event.run_id == initial.run_id:
                pending.put(event)

        def work() -> None:
            try:
                pending.put(self._run(initial))
            except BaseException as error:  # raised again in the caller's thread
                pending.put(error)

        stop = self.ledger.listen(hear)
        worker = threading.Thread(target=work, name="evolvent-stream")
        worker.start()
        try:
            while True:
                item = pending.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                if isinstance(item, SolveResult):
                    return
        finally:
            worker.join()
            stop()

    async def astream(self, task: Task | str, **options: Any) -> AsyncIterator[Event | SolveResult]:
        """Solve one task and yield its events without blocking the event loop; see `stream`."""
        events = self.stream(task, **options)
        while (item := await asyncio.to_thread(next, events, None)) is not None:
            yield item

    def resume(self, run_id: str) -> SolveResult:
        """Go on with an interrupted solve at the node where it was.

        Raises:
            UnknownName: no run has this id, or it never wrote a checkpoint.
        """
        row = self.runs.get(run_id)
        if row.result is not None and row.job == "solve":
            return SolveResult.model_validate(row.result)
        return self._go_on(row.id, None)

    def answer(self, approval_id: str, verdict: Literal["approve", "reject"], words: str = "") -> SolveResult:
        """Answer a question that a run waits for, and go on with the run.

        Args:
            approval_id: of the question, or a unique beginning of it; `SolveResult.pending` has it.
            verdict: what is decided.
            words: why; the agent sees them when it is a rejection.

        Raises:
            UnknownName: nothing was asked under this id.
            UsageError: it was answered otherwise before.
        """
        request = self.approvals.answer(self.approvals.get(approval_id).id, verdict, words)
        row = self.runs.get(request.run_id)
        if row.result is not None and row.job == "solve":
            return SolveResult.model_validate(row.result)
        return self._go_on(request.run_id, Command(resume=resume_value(request)))

    def _go_on(self, run_id: str, given: Command[Any] | None) -> SolveResult:
        if not self.solve_graph.get_state(_thread(run_id)).values:
            raise UnknownName(
                "interrupted solve", run_id, [], "It wrote no checkpoint; solve the task again."
            )
        with room_on(self.home):
            return self._finished(self.solve_graph.invoke(given, _thread(run_id), durability="sync"))

    def suite(self, spec: str) -> Suite:
        """Return a suite, such as `reasoning-gym:starter`.

        Raises:
            UnknownName: there is no such suite or family.
        """
        suite: Suite = self.plugins.suite(spec)
        return suite

    def close(self) -> None:
        """Free everything. May be called twice."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _initial(
        self,
        task: Task | str,
        budget: Budget | None = None,
        seed: int = 0,
        material: Material | None = None,
        run_id: str | None = None,
        can_ask: bool = True,
        trials: bool = True,
    ) -> SolveState:
        if isinstance(task, str):
            if not task.strip():
                raise UsageError("the question is empty; give a text")
            task = Task(prompt=task)
        if task.evaluator is not None:
            self.plugins.evaluators.get(task.evaluator)
        return SolveState(
            run_id=run_id or f"r-{uuid.uuid4().hex[:12]}",
            task=task,
            budget=budget or Budget(),
            seed=seed,
            material=material,
            can_ask=can_ask,
            trials=trials,
        )

    def _run(self, initial: SolveState) -> SolveResult:
        with room_on(self.home):
            return self._run_or_go_on(initial)

    def _run_or_go_on(self, initial: SolveState) -> SolveResult:
        row = self.runs.find(initial.run_id)
        if row is not None and row.result is not None:
            return SolveResult.model_validate(row.result)
        thread = _thread(initial.run_id)
        if row is not None and self.solve_graph.get_state(thread).next:
            return self._finished(self.solve_graph.invoke(None, thread, durability="sync"))
        self.ledger.append(
            RunStarted(
                key=f"started:{initial.run_id}",
                run_id=initial.run_id,
                job="solve",
                title=" ".join(initial.task.prompt.split())[:200],
            )
        )
        return self._finished(self.solve_graph.invoke(initial, thread, durability="sync"))

    def _finished(self, values: dict[str, Any]) -> SolveResult:
        waits = values.pop("__interrupt__", None)
        state = SolveState.model_validate(values)
        if state.result is not None:
            return state.result
        if not waits:
            raise UsageError("the graph ended without a result; was it interrupted by a node of a plugin?")
        self.runs.wait(state.run_id)
        return SolveResult(
            run_id=state.run_id,
            task_id=state.task.id,
            status="waiting",
            detail="a person must decide first",
            usage=state.usage,
            attempts=state.attempts,
            pending=tuple(self.approvals.list(state.run_id)),
        )

    @cached_property
    def _caller(self) -> ModelCaller:
        """The model, loaded on first use."""
        if self._model is not None:
            given = f"given:{type(self._model).__name__}"
            return ModelCaller(self._model, given, self.settings.model_retries, price=self.plugins.price)
        return open_model(self.plugins, self.settings, self._closing)


def _thread(run_id: str) -> Any:
    return {"configurable": {"thread_id": run_id}}
