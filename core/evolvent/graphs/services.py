"""What the nodes of a graph work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evolvent.broker import Answered, Broker, Capability, Meter, ModelCaller
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
)
from evolvent.errors import UnknownName, UsageError
from evolvent.library import Admission, Router, SkillStore
from evolvent.memory import Lessons
from evolvent.protocols import Evaluator, Sandbox
from evolvent.storage import Journal, Ledger, Runs
from evolvent.types import JsonValue, Limits, SkillState, Usage

__all__ = ["Services", "Tool"]

Tool = Callable[[dict[str, JsonValue]], JsonValue]
"""A tool that the host grants to a session."""


@dataclass
class Services:
    """Stores, sandbox, model and genome of one runtime."""

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
    tools: Mapping[str, Tool] = field(default_factory=dict)
    """Tools that every guest may call."""

    def broker(
        self, run_id: str, session_id: str, meter: Meter, tools: Mapping[str, Tool] | None = None
    ) -> Broker:
        """Return the broker of one guest session."""
        granted = {**self.tools, **(tools or {})}
        capabilities: dict[str, Capability] = {
            "model.complete": lambda request: self._complete(request, meter),
            "skills.search": self._search_skills,
            "skills.read": self._read_skill,
            "skills.run": self._run_skill,
            "memory.search": self._search_memory,
            "run_python": self._run_python,
            "tools.call": lambda request: _call_tool(request, granted),
            "budget": lambda _request: _budget(_request, meter),
            "log": _log,
        }
        return Broker(run_id, capabilities, meter, Journal(self.engine, self.ledger, session_id), self.ledger)

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
        if skill.state is not SkillState.ACTIVE or skill.script is None:
            raise UsageError(
                f"the skill {skill.name!r} cannot be run: it has no script, or is {skill.state.value}"
            )
        (call,) = self.sandbox.forkserver().call_function(
            skill.script, "solve", [[request.question]], Limits(wall_seconds=5.0, cpu_seconds=5)
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


def _call_tool(request: ToolCallRequest, granted: Mapping[str, Tool]) -> Answered:
    if request.name not in granted:
        raise UnknownName("tool", request.name, granted)
    return granted[request.name](request.arguments), Usage()


def _budget(_request: BudgetRequest, meter: Meter) -> Answered:
    return dict[str, JsonValue](meter.left()), Usage()


def _log(request: LogRequest) -> Answered:
    return None, Usage()
