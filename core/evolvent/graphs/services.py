"""What the nodes of a graph work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    Toolbox,
    ToolPolicy,
)
from evolvent.broker.requests import (
    BudgetRequest,
    CompleteRequest,
    LogRequest,
    MemorySearchRequest,
    RunPythonRequest,
    SkillReadRequest,
    SkillRunRequest,
    SkillSearchRequest,
    ToolCallRequest,
    ToolListRequest,
)
from evolvent.errors import IntegrityError, UsageError
from evolvent.graphs.approver import Approver
from evolvent.library import Admission, Router, SkillStore
from evolvent.library.composition import runnable
from evolvent.memory import Lessons
from evolvent.plugins import NodeSurround
from evolvent.protocols import Evaluator, Sandbox, StrategyFactory
from evolvent.settings import Settings
from evolvent.storage import Approvals, Effects, Journal, Ledger, Runs
from evolvent.types import Decision, JsonValue, Limits, ToolCall, Usage

__all__ = ["Services"]


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
    lessons: Lessons
    admission: Admission
    sandbox: Sandbox
    evaluators: Callable[[str], Evaluator]
    model: Callable[[], ModelCaller]
    """Makes the model's caller on first use: loading a model takes seconds."""
    genome: Mapping[str, str]
    """The agent program: relative path to text."""
    approvals: Approvals
    effects: Effects
    tools: OfferedTools = field(default_factory=OfferedTools)
    """Tools of plugins."""
    tool_policy: ToolPolicy = field(default_factory=ToolPolicy)
    review_tool_call: Callable[[ToolCall], Decision] = _approve
    """Asks the guards."""
    around: Callable[[], NodeSurround | None] = lambda: None
    """What plugins do around a node."""
    strategies: Callable[[str], StrategyFactory] | None = None
    """A strategy's factory by name."""

    def broker(
        self,
        run_id: str,
        session_id: str,
        meter: Meter,
        granted: Mapping[str, SessionTool] | None = None,
        *,
        can_ask: bool = True,
    ) -> Broker:
        """Return the broker of one guest session.

        Args:
            run_id: the run.
            session_id: names its journal.
            meter: its budget.
            granted: tools of the kernel for this session only.
            can_ask: whether the run may wait for a person's decision.
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
            "skills.search": self._search_skills,
            "skills.read": self._read_skill,
            "skills.run": self._run_skill,
            "memory.search": self._search_memory,
            "run_python": self._run_python,
            "tools.list": lambda request: _list_tools(request, toolbox),
            "tools.call": lambda request: _call_tool(request, toolbox),
            "budget": lambda _request: _budget(_request, meter),
            "log": _log,
        }
        broker = Broker(
            run_id, capabilities, meter, Journal(self.engine, self.ledger, session_id), self.ledger
        )
        toolbox.place, toolbox.diverged = (lambda: broker.place), (lambda: broker.diverged)
        return broker

    def _complete(self, request: CompleteRequest, meter: Meter) -> Answered:
        return self.model().complete(request, meter.tokens_left())

    def _search_skills(self, request: SkillSearchRequest) -> Answered:
        hits = self.router.search(request.query, request.limit)
        return [hit.model_dump(mode="json") for hit in hits], Usage()

    def _read_skill(self, request: SkillReadRequest) -> Answered:
        skill = self.skills.get(request.name)
        shown = {
            "name": skill.name,
            "description": skill.description,
            "body": skill.body,
            "script": skill.script,
        }
        return dict[str, JsonValue](shown), Usage()

    def _run_skill(self, request: SkillRunRequest) -> Answered:
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
        return {
            "applicable": applicable,
            "answer": call.value if applicable else None,
            "error": "" if call.ok else (call.error or call.outcome),
        }, Usage()

    def _search_memory(self, request: MemorySearchRequest) -> Answered:
        found = self.lessons.search(request.query, request.limit)
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
