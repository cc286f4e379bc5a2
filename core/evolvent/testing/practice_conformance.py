"""What curricula, executors, strategies and panels must do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from random import Random
from typing import TYPE_CHECKING, Any

from evolvent.protocols import Curriculum, Panel
from evolvent.types import Event, FamilyProgress, PanelData, Skill, TaskView

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

__all__ = ["check_curriculum", "check_executor", "check_panel", "check_strategy"]


def check_curriculum(curriculum: Callable[[], Curriculum]) -> None:
    """Check a curriculum against its contract: it names families with tasks left, ends, and can be repeated.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    runs = [_practise(curriculum()) for _ in range(2)]
    assert runs[0] == runs[1], f"two runs with one source of chance differ: {runs[0]} and {runs[1]}"
    done = [FamilyProgress(family="a", before=0.0, practised=2, left=0, scores=(0.0, 1.0))]
    chosen = curriculum().next_family(done, Random(0))  # noqa: S311
    assert chosen is None, f"it chose {chosen!r} when no task was left"


def _practise(curriculum: Curriculum) -> list[str]:
    families = [
        FamilyProgress(family=name, before=before, left=3)
        for name, before in (("a", 0.5), ("b", 0.0), ("c", 1.0))
    ]
    rng, order = Random(5), list[str]()  # noqa: S311
    for _ in range(100):
        given = list(families)
        name = curriculum.next_family(families, rng)
        assert families == given, "it changed what it was given"
        if name is None:
            return order
        left = [progress.family for progress in families if progress.left]
        assert name in left, f"it chose {name!r}; with tasks left: {left}"
        order.append(name)
        families = [
            p
            if p.family != name
            else p.model_copy(
                update={"practised": p.practised + 1, "left": p.left - 1, "scores": (*p.scores, 0.5)}
            )
            for p in families
        ]
    raise AssertionError("it did not end")


def check_executor(make: Callable[[int], Executor]) -> None:
    """Check an executor against `concurrent.futures`: order of results, errors kept, nothing after shutdown.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    for workers in (1, 3):
        with make(workers) as executor:
            assert isinstance(executor, Executor), f"it is a {type(executor).__name__}, no Executor"
            futures = [executor.submit(pow, number, 2) for number in range(20)]
            results = [future.result(timeout=10) for future in futures]
            assert results == [number**2 for number in range(20)], f"the results are {results}"
            failed = executor.submit(int, "no number").exception(timeout=10)
            assert isinstance(failed, ValueError), f"an error of the work became {failed!r}"
        try:
            executor.submit(pow, 1, 2)
        except RuntimeError:
            continue
        raise AssertionError("it takes work after its shutdown")


class _Context:
    """A strategy's context whose model and task agent say the same every time."""

    def __init__(self) -> None:
        self.feedback: tuple[str, ...] = ()
        self.seed = 3
        self.asked: list[Any] = []

    @property
    def model(self) -> BaseChatModel:
        from evolvent.testing.scripted_model import ScriptedModel

        def answer(messages: Any) -> str:
            self.asked.append([str(message.content) for message in messages])
            return "42"

        return ScriptedModel(script=answer)

    @property
    def tools(self) -> Sequence[BaseTool]:
        return []

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        self.asked.append([method, params])
        if method == "model.complete":
            return {"text": "42", "value": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        return [] if method.endswith((".search", ".list")) else None

    def task_agent(self, seed: int | None = None) -> Any:
        self.asked.append(["task_agent", seed])
        return "42"


def check_strategy(make: Callable[[], Any]) -> None:
    """Check a strategy against its contract: its answer is JSON, and it asks the same again when it runs again.

    Args:
        make: makes the strategy: an object with `solve`, or a runnable.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    first, second = _asked(make()), _asked(make())
    assert first == second, f"run again, it asked or answered otherwise: {first} and {second}"


def _asked(strategy: Any) -> Any:
    from langchain_core.messages import HumanMessage

    task, ctx = TaskView(id="t-check", prompt="What is 6*7?"), _Context()
    if hasattr(strategy, "solve"):
        answer = strategy.solve(task, ctx)
    else:
        assert hasattr(strategy, "invoke"), (
            f"{type(strategy).__name__} has neither solve(task, ctx) nor invoke"
        )
        given = {"question": task.prompt, "task": task.model_dump(), "feedback": []}
        output = strategy.invoke(
            {**given, "messages": [HumanMessage(task.prompt)]}, {"configurable": {"evolvent": ctx}}
        )
        answer = str(output.get("answer", "")) if isinstance(output, dict) else str(output)
    try:
        text = json.dumps(answer, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"its answer {answer!r:.80} is not JSON: {error}") from error
    return text, ctx.asked


class _EmptyHome:
    def events(self, kind: str | None = None, limit: int = 10_000) -> Sequence[Event]:
        return []

    def skills(self) -> Sequence[Skill]:
        return []


def check_panel(panel: Panel) -> None:
    """Check a panel against its contract: it has a title, and shows an empty home too.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    assert isinstance(panel.title, str), f"its title is {panel.title!r}"
    assert panel.title.strip(), "its title is empty"
    shown = panel.show(_EmptyHome())
    assert isinstance(shown, PanelData), f"show() returned {type(shown).__name__}, not PanelData"
    for row in shown.rows:
        assert len(row) == len(shown.columns), f"a row has {len(row)} cells for {len(shown.columns)} columns"
