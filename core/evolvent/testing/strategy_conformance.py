"""What every strategy must do; plugin authors call `check_strategy` in their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolvent.errors import GuestError
from evolvent.protocols import Strategy
from evolvent.testing.contract import asked, other_chance, require, require_json
from evolvent.testing.strategy_context import PATIENCE, AsksForever, FakeStrategyContext
from evolvent.types import JsonValue, TaskView

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

__all__ = ["check_strategy"]

TASK = TaskView(id="t-1", prompt="What is 6 times 7? Answer with the number.", inputs={"unit": "none"})
FEEDBACKS: tuple[tuple[str, ...], ...] = ((), ("The answer 41 is not the expected one.",))


def check_strategy(strategy: Strategy | Runnable[Any, Any]) -> None:
    """Check a strategy, or a LangGraph graph that is one, against its contract.

    With a model, a broker and a task agent that answer at once: it returns a plain JSON answer; called again with
    the same answers it asks the same and answers the same, as the replay of a resumed run needs; it asks the broker
    only what the broker takes; and it ends when the budget is spent, with an answer or a GuestError.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    for feedback in FEEDBACKS:
        where = f"solve() {'after feedback' if feedback else 'at the first try'}"
        first, again = FakeStrategyContext(feedback), FakeStrategyContext(feedback)
        answers = [_solved(strategy, where, ctx, chance) for chance, ctx in enumerate((first, again))]
        require(
            first.asked == again.asked,
            f"{where} asks {_difference(first.asked, again.asked)} when it is called again; it must ask the same "
            "in the same order, because a resumed run replays the answers",
        )
        require(
            answers[0] == answers[1],
            f"{where} answers {answers[0]!r:.80} and then {answers[1]!r:.80}; with the same answers to what it asks "
            "it must answer the same",
        )
    _check_spent(strategy)


def _solved(strategy: Any, where: str, ctx: FakeStrategyContext, chance: int) -> JsonValue:
    with other_chance(chance):
        answer: JsonValue = asked(where, "it must return an answer", lambda: _answer_or_lack(strategy, ctx))
    require(
        not ctx.refused,
        f"{where} makes a request that the broker refuses: {'; '.join(ctx.refused[:1])}",
    )
    require_json(answer, f"the answer of {where}")
    return answer


def _answer_or_lack(strategy: Any, ctx: FakeStrategyContext) -> Any:
    """Return the answer, or which thing of its own (a tool, a skill) it lacks here: nobody can go on without."""
    try:
        return _answer(strategy, ctx)
    except GuestError as error:
        if error.kind != "UnknownName":
            raise
        return f"lacks {error.message}"


def _check_spent(strategy: Any) -> None:
    """Let the budget end at several places; a strategy must not ask for ever."""
    for after in (0, 1, 3):
        ctx = FakeStrategyContext((), requests=after)
        where = f"solve() with a budget that ends after {after} requests"
        try:
            answer = _answer(strategy, ctx)
        except GuestError:
            continue
        except AsksForever as error:
            raise AssertionError(
                f"{where} asks {PATIENCE} times more; it must end when it hears that the budget is spent"
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise AssertionError(
                f"{where} raised {type(error).__name__}: {error!s:.200}; "
                "it must give an answer or let the GuestError pass"
            ) from error
        require_json(answer, f"the answer of {where}")


def _answer(strategy: Any, ctx: FakeStrategyContext) -> Any:
    if callable(getattr(strategy, "solve", None)):
        return strategy.solve(TASK, ctx)
    if not callable(getattr(strategy, "invoke", None)):
        raise TypeError(f"{type(strategy).__name__} has neither solve() nor invoke()")
    from langchain_core.messages import HumanMessage

    given = {
        "question": TASK.prompt,
        "task": TASK,
        "feedback": ctx.feedback,
        "messages": [HumanMessage(TASK.prompt)],
    }
    output = strategy.invoke(given, {"configurable": {"evolvent": ctx}})
    if isinstance(output, dict) and "answer" in output:
        return output["answer"]
    messages = output["messages"] if isinstance(output, dict) else [output]
    return messages[-1].text


def _difference(first: list[str], again: list[str]) -> str:
    for one, other in zip(first, again, strict=False):
        if one != other:
            return f"{other:.120} instead of {one:.120}"
    return f"{len(again)} times instead of {len(first)}"
