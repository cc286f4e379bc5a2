"""Tools, and ways to solve a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from evolvent.types import JsonValue, TaskView, Touch

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

    from evolvent.settings import Settings

__all__ = ["RegisterTool", "Strategy", "StrategyContext", "StrategyFactory", "ToolFactory"]


ToolFactory = Callable[..., "BaseTool | Sequence[BaseTool]"]


class RegisterTool(Protocol):
    """How a plugin registers tools."""

    def __call__(
        self, name: str, tool: BaseTool | ToolFactory, *, touches: Sequence[Touch | str] | None = None
    ) -> None:
        """Register a LangChain tool, or a factory that is called on first use.

        Args:
            name: by which guests call it.
            tool: a `BaseTool`; or a factory that gets what its parameters name, of `settings` (Settings) and
                `functions` (FunctionServer: runs Python source in the sandbox), and returns one tool, or a sequence
                of tools that guests call as `name.tool`.
            touches: what it touches beside computing its answer, `()` for nothing. A tool's own
                `metadata={"touches": [...]}` goes before it. A tool that declares nothing is denied.
        """
        ...


class StrategyContext(Protocol):
    """What a strategy may ask for; all of it is budgeted, journaled and recorded as if a guest had asked."""

    feedback: tuple[str, ...]
    """What was wrong with earlier attempts."""
    seed: int

    @property
    def model(self) -> BaseChatModel:
        """The run's model."""
        ...

    @property
    def tools(self) -> Sequence[BaseTool]:
        """The tools that the policy file does not deny outright."""
        ...

    def ask(self, method: str, params: dict[str, JsonValue]) -> JsonValue:
        """Make a request of the broker, such as `skills.search`; see the reference of broker requests.

        Raises:
            GuestError: the request was refused or failed.
        """
        ...

    def task_agent(self, seed: int | None = None) -> JsonValue:
        """Run the genome's task agent on the task in its sandbox and return its answer.

        Raises:
            GuestError: it gave up or failed; `kind` is `GiveUp`, `BudgetSpent` or the error's type.
        """
        ...


@runtime_checkable
class Strategy(Protocol):
    """A way to solve a task, in place of the genome's task agent."""

    def solve(self, task: TaskView, ctx: StrategyContext) -> JsonValue:
        """Return an answer. It must ask the same again when it is called again: a resumed run replays it."""
        ...


StrategyFactory = Callable[["Settings"], "Strategy | Runnable[Any, Any]"]
"""A runnable, such as a compiled LangGraph graph, gets `question`, `task`, `feedback` and `messages`, and
`config["configurable"]["evolvent"]` is the StrategyContext; its answer is the `answer` of its output, or the text
of the last message."""
