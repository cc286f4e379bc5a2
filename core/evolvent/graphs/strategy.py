"""Solving by a plugin's strategy: plugin code on the host, whose every effect still crosses the broker."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evolvent.broker import Broker, Meter
from evolvent.errors import EvolventError, GuestError, error_text
from evolvent.graphs.draws import SkillDraws
from evolvent.graphs.guest import MAX_SECONDS, GuestOutcome, run_guest
from evolvent.graphs.services import Services
from evolvent.graphs.state import SolveState
from evolvent.plugins import RELAY, Call, TookTooLong
from evolvent.protocols import Strategy
from evolvent.types import JsonValue, TaskView, canonical_json

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

__all__ = ["HostContext", "run_strategy"]


class HostContext:
    """What a strategy may ask for: `evolvent.protocols.StrategyContext`.

    Requests are made in the context of the graph's node, wherever the strategy asks from: a strategy that is a graph
    itself has nodes and interrupts of its own, which are not those of the run.
    """

    def __init__(
        self, ask: Callable[[str, dict[str, JsonValue]], JsonValue], agent: Callable[[int], GuestOutcome], seed: int,
        feedback: Sequence[str],
    ) -> None:  # fmt: skip
        self._node = contextvars.copy_context()
        self._ask, self._agent = ask, agent
        self.seed, self.feedback = seed, tuple(feedback)
        self._asking = threading.RLock()
        self._closed = False
        self.stopped: BaseException | None = None
        """What ends the run until it is resumed, whatever the strategy makes of it: a question, a missing model."""

    def ask(self, method: str, params: dict[str, JsonValue]) -> JsonValue:
        """Make a request of the broker."""
        with self._asking:  # when one request ends the run, those that waited for it are not made
            answer: JsonValue = self._in_node(lambda: self._ask(method, params))
        return answer

    def task_agent(self, seed: int | None = None) -> JsonValue:
        """Run the genome's task agent on the task and return its answer."""
        outcome: GuestOutcome = self._in_node(lambda: self._agent(self.seed if seed is None else seed))
        if outcome.ended != "returned":
            kind = {"gave_up": "GiveUp", "budget": "BudgetSpent"}.get(outcome.ended, "TaskAgentFailed")
            raise GuestError(kind, outcome.detail)
        return outcome.value

    @cached_property
    def model(self) -> BaseChatModel:
        """The run's model."""
        from evolvent.graphs.brokered import BrokeredModel

        return BrokeredModel(ask=self.ask, seed=self.seed)

    @cached_property
    def tools(self) -> Sequence[BaseTool]:
        """The tools that are not denied."""
        from evolvent.graphs.brokered import brokered_tools

        return brokered_tools(self.ask)

    def close(self) -> None:
        """Answer nothing any more: the run went on without the strategy."""
        self._closed = True

    def _in_node(self, work: Callable[[], Any]) -> Any:
        if self._closed or self.stopped is not None:
            raise GuestError("StrategyEnded", "the run went on without this strategy")
        try:
            return self._node.copy().run(work)
        except GuestError:
            raise
        except BaseException as error:
            self.stopped = error
            raise


def run_strategy(
    services: Services,
    broker: Broker,
    meter: Meter,
    state: SolveState,
    seed: int,
    draws: SkillDraws | None = None,
) -> GuestOutcome:
    """Let the strategy of the settings solve the task.

    A strategy that fails is an outcome, not an exception; what the host lacks (a model, a person's answer) raises.
    The agent program that it calls has the draws of the attempt: what is withheld is so for all of it.

    Raises:
        UnknownName: there is no such strategy.
    """
    name = services.settings.strategy
    assert services.strategies is not None
    factory = services.strategies(name)
    task, runs = state.task.view(), iter(range(1, 1000))

    def agent(with_seed: int) -> GuestOutcome:
        session = f"{broker.session_id}/{next(runs)}"
        inner = services.broker(
            state.run_id, session, meter, can_ask=state.can_ask, draws=draws, counts=state.open_book
        )
        context: dict[str, JsonValue] = {"feedback": list(state.feedback), "seed": with_seed}
        outcome = run_guest(
            services, inner, meter, ("task_agent", "solve"), [task.model_dump(mode="json")], context
        )
        broker.steps += inner.steps
        broker.exchanges += inner.exchanges
        return outcome

    ctx = HostContext(broker.handle, agent, seed, state.feedback)
    left = meter.seconds_left()
    seconds = max(1.0, min(MAX_SECONDS, MAX_SECONDS if left is None else left))
    try:
        (outcome,) = RELAY.run([Call(lambda: _solve(factory(services.settings), task, ctx), seconds)])
    finally:
        ctx.close()
    if ctx.stopped is not None:
        raise ctx.stopped
    if outcome.error is not None:
        return _ended(name, outcome.error, meter)
    try:
        canonical_json(outcome.value)
    except (TypeError, ValueError) as error:
        return GuestOutcome(ended="error", detail=f"the answer of strategy {name!r} is not JSON: {error}")
    return GuestOutcome(value=outcome.value)


def _ended(name: str, error: BaseException, meter: Meter) -> GuestOutcome:
    if meter.spent:
        return GuestOutcome(ended="budget", detail=meter.spent)
    if isinstance(error, TookTooLong):
        bounded = meter.budget.seconds is not None
        return GuestOutcome(
            ended="budget" if bounded else "error", detail="seconds" if bounded else str(error)
        )
    if isinstance(error, GuestError) and error.kind == "GiveUp":
        return GuestOutcome(ended="gave_up", detail=error.message)
    if isinstance(error, EvolventError) and not isinstance(error, GuestError):
        raise error
    return GuestOutcome(ended="error", detail=f"strategy {name!r}: {error_text(error)}"[:1000])


def _solve(strategy: Any, task: TaskView, ctx: HostContext) -> Any:
    if isinstance(strategy, Strategy):
        return strategy.solve(task, ctx)
    if not hasattr(strategy, "invoke"):
        raise TypeError(
            f"its factory made a {type(strategy).__name__}; a strategy has solve(task, ctx) or invoke"
        )
    from langchain_core.messages import HumanMessage

    given = {
        "question": task.prompt,
        "task": task.model_dump(mode="json"),
        "feedback": list(ctx.feedback),
        "messages": [HumanMessage(task.prompt), *(HumanMessage(text) for text in ctx.feedback)],
    }
    # In an empty context a graph is a run of its own: it starts anew when the node does, and the journal replays.
    return _answer(contextvars.Context().run(strategy.invoke, given, {"configurable": {"evolvent": ctx}}))


def _answer(output: Any) -> Any:
    """Return the answer in what a runnable put out."""
    if isinstance(output, dict) and "answer" in output:
        return output["answer"]
    if isinstance(output, dict) and output.get("messages"):
        output = output["messages"][-1]
    text = getattr(output, "text", output)
    return str(text) if hasattr(output, "text") else output
