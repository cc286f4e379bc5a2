"""LangChain's model and tools for plugin code, answered by the broker of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool
from pydantic import Field

__all__ = ["BrokeredModel", "BrokeredTool", "brokered_tools"]

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class BrokeredModel(BaseChatModel):
    """The run's model: what it is asked is budgeted, journaled and recorded. Text only: it calls no tools."""

    ask: Callable[..., Any] = Field(exclude=True)
    seed: int = 0
    temperature: float | None = None
    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return "evolvent-brokered"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        params: dict[str, Any] = {
            "messages": [{"role": _ROLES.get(m.type, "user"), "content": str(m.text)} for m in messages],
            "seed": options.get("seed", self.seed),
            "temperature": options.get("temperature", self.temperature),
            "max_tokens": options.get("max_tokens", self.max_tokens),
            "stop": stop,
        }
        form = options.get("response_format")
        if isinstance(form, dict) and form.get("type") == "json_schema":
            params["schema"] = form["json_schema"]["schema"]
        answer = self.ask(
            "model.complete", {key: value for key, value in params.items() if value is not None}
        )
        used = answer["usage"]
        counted = {**used, "total_tokens": used["input_tokens"] + used["output_tokens"]}
        message = AIMessage(content=answer["text"], usage_metadata=counted)
        return ChatResult(generations=[ChatGeneration(message=message)])


class BrokeredTool(BaseTool):
    """A tool of the run: policy file, guards and approvals hold for whoever calls it."""

    ask: Callable[..., Any] = Field(exclude=True)
    called: str
    """Its name at the broker; LangChain names have no dots."""

    def _run(self, **arguments: Any) -> Any:
        return self.ask("tools.call", {"name": self.called, "arguments": arguments})


def brokered_tools(ask: Callable[..., Any]) -> list[BrokeredTool]:
    """Return the tools that a run may call; dots in names become `__`, as models' interfaces want it."""
    return [
        BrokeredTool(
            name=tool["name"].replace(".", "__"),
            called=tool["name"],
            description=tool["description"],
            args_schema=tool["parameters"],
            ask=ask,
        )
        for tool in ask("tools.list", {})
    ]
