"""A StrategyContext that answers at once, for tests of strategies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import PrivateAttr, ValidationError

from evolvent.broker.requests import REQUESTS
from evolvent.errors import GuestError
from evolvent.testing.scripted_model import ScriptedModel
from evolvent.types import JsonValue

__all__ = ["PATIENCE", "AsksForever", "FakeStrategyContext"]

PATIENCE = 200
"""Requests after the end of the budget that are refused with words; the next one ends the strategy."""
ANSWERS: dict[str, JsonValue] = {
    "model.complete": {"text": "42", "usage": {"input_tokens": 10, "output_tokens": 1}},
    "skills.search": [],
    "skills.context": {"text": "", "skills": []},
    "memory.search": [],
    "log": None,
}


class AsksForever(BaseException):
    """A strategy goes on asking after it was told that its budget is spent; no `except Exception` holds it."""


class FakeStrategyContext:
    """Answers `42` to the model's questions and as task agent, and keeps what was asked.

    `skills.search` and `memory.search` find nothing; `run_python` returns null for each call; other requests are
    refused as the broker refuses what it does not know.
    """

    def __init__(self, feedback: tuple[str, ...] = (), seed: int = 5, requests: int = 1_000) -> None:
        self.feedback = feedback
        self.seed = seed
        self.asked: list[str] = []
        """Everything that was asked, in order, as text."""
        self.refused: list[str] = []
        """Requests that no broker takes."""
        self._left = requests
        self.model: BaseChatModel = _Model(script=lambda messages: "42").watched_by(self)
        self.tools: Sequence[BaseTool] = (
            StructuredTool.from_function(self._double, name="double", description="Double a number."),
        )

    def ask(self, method: str, params: dict[str, JsonValue]) -> JsonValue:
        """Answer a request of the broker.

        Raises:
            GuestError: it is none, or the budget is spent.
        """
        self.note(method, params)
        model = REQUESTS.get(method)
        try:
            if model is None:
                raise ValueError(f"unknown method {method!r}; known: {', '.join(REQUESTS)}")
            model.model_validate(params)
        except (ValidationError, ValueError) as error:
            self.refused.append(f"{method}: {' '.join(str(error).split())[:200]}")
            raise GuestError("BadRequest", self.refused[-1]) from error
        if method == "run_python":
            return [{"outcome": "value", "value": None} for _ in params["calls"]]  # type: ignore[union-attr]
        if method == "budget":
            return {"requests": self._left}
        if method in ANSWERS:
            return ANSWERS[method]
        raise GuestError("UnknownName", f"{method}: there is none of this name")

    def task_agent(self, seed: int | None = None) -> JsonValue:
        """Answer as the genome's task agent.

        Raises:
            GuestError: the budget is spent.
        """
        self.note("task_agent", {"seed": seed})
        return "42"

    def note(self, what: str, params: Any) -> None:
        """Keep a request, and charge it.

        Raises:
            GuestError: the budget is spent.
            AsksForever: that was said often enough.
        """
        self.asked.append(f"{what} {json.dumps(params, sort_keys=True, default=repr)}")
        self._left -= 1
        if self._left < -PATIENCE:
            raise AsksForever(f"{PATIENCE} requests after the end of the budget")
        if self._left < 0:
            raise GuestError("BudgetSpent", "the budget of requests is spent")

    def _double(self, number: float) -> float:
        self.note("tools.call", {"double": number})
        return 2 * number


class _Model(ScriptedModel):
    """The scripted model, whose calls count as requests and which takes tools without calling them."""

    _context: Any = PrivateAttr(default=None)

    def watched_by(self, context: FakeStrategyContext) -> _Model:
        self._context = context
        return self

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tool_names=sorted(getattr(tool, "name", str(tool)) for tool in tools))

    def _answer(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> str:
        asked = {"messages": [[m.type, str(m.text)] for m in messages], "stop": stop, **kwargs}
        self._context.note("model", asked)
        return super()._answer(messages, stop, kwargs)
