"""What the nodes of a graph work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evolvent.broker import (
    Answered,
    Broker,
    Capability,
    Meter,
    ModelCaller,
    OfferedTools,
    SessionTool,
    Stops,
    Toolbox,
    ToolPolicy,
)
from evolvent.broker.requests import (
    BudgetRequest,
    CompleteRequest,
    LogRequest,
    MemorySearchRequest,
    RunPythonRequest,
    SkillContextRequest,
    SkillReadRequest,
    SkillRunRequest,
    SkillSearchRequest,
    ToolCallRequest,
    ToolListRequest,
)
from evolvent.errors import EvolventError, IntegrityError, UsageError
from evolvent.graphs.approver import Approver
from evolvent.graphs.draws import SkillDraws
from evolvent.library import Admission, Router, SkillFilter, SkillReview, SkillStore
from evolvent.library.composition import runnable
from evolvent.library.disclosure import disclose
from evolvent.memory import Memory, TaintPolicy
from evolvent.plugins import NodeSurround
from evolvent.protocols import Evaluator, Sandbox, StrategyFactory
from evolvent.search.recall import Retrievals
from evolvent.settings import Settings
from evolvent.storage import Approvals, Effects, Journal, Ledger, Runs, SkillTrials
from evolvent.storage.bait import Watch
from evolvent.types import Decision, JsonValue, Limits, SkillHit, ToolCall, Touch, Usage

__all__ = ["Services"]

ORIGIN_KEY = "evolvent-origin"
"""Where a skill says that it was imported from."""
OWN_ORIGINS = frozenset({"own", "seed"})


def _approve(_subject: object) -> Decision:
    return Decision(verdict="approve", by="kernel")


@dataclass
class Services:
    """Stores, sandbox, model and genome of one runtime."""

    settings: Settings
    engine: Any
    ledger: Ledger
    runs: Runs
    skills: SkillStore
    router: Router
    memory: Memory
    retrievals: Retrievals
    admission: Admission
    sandbox: Sandbox
    evaluators: Callable[[str], Evaluator]
    model: Callable[[], ModelCaller]
    """Makes the model's caller on first use: loading a model takes seconds."""
    genome: Mapping[str, str]
    """The agent program: relative path to text."""
    trials: SkillTrials
    skill_review: SkillReview
    """Moves skills by their trials."""
    approvals: Approvals
    effects: Effects
    watch: Watch
    """Looks for texts that no program may know."""
    tools: OfferedTools = field(default_factory=OfferedTools)
    """Tools of plugins."""
    tool_policy: ToolPolicy = field(default_factory=ToolPolicy)
    review_tool_call: Callable[[ToolCall], Decision] = _approve
    """Asks the guards."""
    around: Callable[[], NodeSurround | None] = lambda: None
    """What plugins do around a node."""
    strategies: Callable[[str], StrategyFactory] | None = None
    """A strategy's factory by name."""
    stops: Stops = field(default_factory=Stops)
    """Which runs are asked to stop."""

    def broker(
        self,
        run_id: str,
        session_id: str,
        meter: Meter,
        granted: Mapping[str, SessionTool] | None = None,
        *,
        can_ask: bool = True,
        draws: SkillDraws | None = None,
        counts: bool = True,
    ) -> Broker:
        """Return the broker of one guest session.

        Args:
            run_id: the run.
            session_id: names its journal.
            meter: its budget.
            granted: tools of the kernel for this session only.
            can_ask: whether the run may wait for a person's decision.
            draws: withholds skills at random; without it every skill that applies is given, and nothing recorded.
            counts: whether what is recalled counts as used; not where a task only measures.
        """
        toolbox = Toolbox(
            offered=self.tools,
            policy=self.tool_policy,
            review=self.review_tool_call,
            ask=Approver(self.approvals, run_id, session_id, can_ask=can_ask),
            effects=self.effects,
            run_id=run_id,
            mode=self.settings.mode,
            seconds=self.settings.tool_seconds,
            granted=granted or {},
        )
        capabilities: dict[str, Capability] = {
            "model.complete": lambda request: self._complete(request, meter),
            "skills.search": lambda request: self._search_skills(request, draws),
            "skills.context": lambda request: self._skill_context(request, draws),
            "skills.read": lambda request: self._read_skill(request, draws),
            "skills.run": lambda request: self._run_skill(request, draws),
            "memory.search": lambda request: self._search_memory(request, session_id if counts else ""),
            "run_python": self._run_python,
            "tools.list": lambda request: _list_tools(request, toolbox),
            "tools.call": lambda request: _call_tool(request, toolbox),
            "budget": lambda _request: _budget(_request, meter),
            "log": _log,
        }
        broker = Broker(
            run_id,
            capabilities,
            meter,
            Journal(self.engine, self.ledger, session_id),
            self.ledger,
            self.watch,
            lambda: self.stops.check(run_id),
            lambda: self.model().ref,
        )
        toolbox.place, toolbox.diverged = (lambda: broker.place), (lambda: broker.diverged)
        return broker

    def taint_policy(self) -> TaintPolicy:
        """Return whose words may be learned from unchecked."""
        return TaintPolicy(trusted_tool=self._is_trusted, foreign_skill=self._is_foreign)

    def _is_trusted(self, name: str) -> bool:
        """Tell whether a tool's answers are this machine's own: it says what it touches, and that is no network."""
        try:
            tool = self.tools.get(name)
        except Exception:  # whatever a plugin's factory raises: nothing is known of the tool
            return False
        foreign = bool(getattr(tool.tool, "foreign", False))
        return tool.touches is not None and Touch.NETWORK not in tool.touches and not foreign

    def _is_foreign(self, name: str) -> bool:
        try:
            return self.skills.get(name).metadata.get(ORIGIN_KEY, "own") not in OWN_ORIGINS
        except EvolventError:
            return True

    def _complete(self, request: CompleteRequest, meter: Meter) -> Answered:
        return self.model().complete(request, meter.tokens_left())

    def _search_skills(self, request: SkillSearchRequest, draws: SkillDraws | None) -> Answered:
        hits = self._offered(self.router.search(request.query, request.limit), draws)
        return [hit.model_dump(mode="json") for hit in hits], Usage()

    def _skill_context(self, request: SkillContextRequest, draws: SkillDraws | None) -> Answered:
        where = None if request.callable is None else SkillFilter(callable=request.callable)
        hits = self._offered(self.router.search(request.query, where=where), draws)
        shown = disclose([self.skills.get(hit.name) for hit in hits], request.tokens)
        levels: list[JsonValue] = [{"name": name, "level": level} for name, level in shown.levels.items()]
        return {"text": shown.text, "skills": levels}, Usage()

    def _offered(self, hits: Sequence[SkillHit], draws: SkillDraws | None) -> list[SkillHit]:
        """Return what an attempt hears of: a skill without a script applies when it is found, so it is drawn here."""
        return [
            hit for hit in hits if draws is None or hit.callable or draws.gives(self.skills.get(hit.name))
        ]

    def _read_skill(self, request: SkillReadRequest, draws: SkillDraws | None) -> Answered:
        skill = self.skills.get(request.name)
        if not skill.state.usable:
            raise UsageError(f"the skill {skill.name!r} is {skill.state.value}; it is not offered to agents")
        # Who reads a script may run it by other means, so reading one is using it.
        if draws is not None and not draws.gives(skill):
            raise UsageError(f"the skill {skill.name!r} does not apply here")
        shown = {
            "name": skill.name,
            "description": skill.description,
            "body": skill.body,
            "script": skill.script,
        }
        return dict[str, JsonValue](shown), Usage()

    def _run_skill(self, request: SkillRunRequest, draws: SkillDraws | None) -> Answered:
        skill = self.skills.get(request.name)
        if not skill.state.usable or skill.script is None:
            raise UsageError(
                f"the skill {skill.name!r} cannot be run: it has no script, or is {skill.state.value}"
            )
        try:
            source = runnable(self.skills, skill)
        except IntegrityError as error:
            raise UsageError(f"the skill {skill.name!r} cannot be run: {error}") from None
        (call,) = self.sandbox.forkserver().call_function(
            source,
            "solve",
            [[request.question]],
            Limits(wall_seconds=5.0, cpu_seconds=5),
        )
        applicable = call.ok and call.value is not None
        if applicable and draws is not None:
            # A skill that is withheld looks to the guest like one that does not apply.
            applicable = draws.gives(skill)
        return {
            "applicable": applicable,
            "answer": call.value if applicable else None,
            "error": "" if call.ok else (call.error or call.outcome),
        }, Usage()

    def _search_memory(self, request: MemorySearchRequest, session_id: str) -> Answered:
        found = self.memory.lessons.search(request.query, request.limit, session_id)
        return [{"text": lesson.text, "situation": lesson.situation} for lesson in found], Usage()

    def _run_python(self, request: RunPythonRequest) -> Answered:
        seconds = request.wall_seconds or 5.0
        results = self.sandbox.forkserver().call_function(
            request.source,
            request.function,
            request.calls,
            Limits(wall_seconds=seconds, cpu_seconds=max(1, round(seconds))),
        )
        # Seconds differ from run to run; a guest that could see them could not be replayed.
        return [result.model_dump(mode="json", exclude={"seconds"}) for result in results], Usage()


def _list_tools(_request: ToolListRequest, toolbox: Toolbox) -> Answered:
    return toolbox.list(), Usage()


def _call_tool(request: ToolCallRequest, toolbox: Toolbox) -> Answered:
    return toolbox.call(request), Usage()


def _budget(_request: BudgetRequest, meter: Meter) -> Answered:
    return dict[str, JsonValue](meter.left()), Usage()


def _log(request: LogRequest) -> Answered:
    return None, Usage()
