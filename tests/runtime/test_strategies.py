"""Strategies of plugins: classes, runnables and LangGraph graphs as they are, all behind the broker."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from evolvent import Budget, Runtime, Settings, Task, hookimpl
from evolvent.errors import ModelCallError, UnknownName
from evolvent.plugins import PluginHost
from evolvent.testing import ScriptedModel


def opened(strategy: Any, script: Any = (), tools: Any = None, **settings: Any) -> Runtime:
    """Open a runtime that solves by this strategy."""
    given = Settings(strategy="theirs", **settings)
    host = PluginHost(settings=given)
    hooks: dict[str, Any] = {
        "register_strategies": lambda register: register("theirs", lambda settings: strategy)
    }
    if tools is not None:
        hooks["register_tools"] = lambda register: register(tools.name, tools, touches=("network",))
    host.add(SimpleNamespace(**{name: hookimpl(hook) for name, hook in hooks.items()}), "theirs")
    return Runtime(given, plugins=host, model=ScriptedModel(script=script if script else ["unscripted"]))


class Vote:
    """Asks the model thrice and takes the majority."""

    def solve(self, task: Any, ctx: Any) -> Any:
        answers = [
            ctx.model.invoke([("system", "Answer."), ("human", task.prompt)], seed=seed).text
            for seed in range(3)
        ]
        return max(answers, key=answers.count)


def test_a_strategy_asks_the_model_through_the_broker() -> None:
    with opened(Vote(), script=["41", "42", "42"]) as runtime:
        result = runtime.solve("What is 6*7?")
    assert (result.status, result.answer) == ("answered", "42")
    assert [step.method for step in result.attempts[0].trajectory] == ["model.complete"] * 3
    assert result.usage.model_calls == 3


def test_a_budget_bounds_a_strategy() -> None:
    with opened(Vote(), script=["1", "2", "3"]) as runtime:
        result = runtime.solve("What is 6*7?", budget=Budget(requests=2))
    assert (result.status, result.detail) == ("budget", "requests")


class Agent:
    """Lets the genome's task agent answer, twice."""

    def solve(self, task: Any, ctx: Any) -> Any:
        return [ctx.task_agent(), ctx.task_agent(seed=5)]


def test_a_strategy_can_use_the_genomes_task_agent() -> None:
    with opened(Agent(), script=["41", "42"]) as runtime:
        result = runtime.solve("What is 6*7?")
    assert result.answer == ["41", "42"]


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def chat_graph() -> Any:
    """Return an ordinary LangGraph graph that knows nothing of Evolvent but where the model is."""

    def think(state: State, config: RunnableConfig) -> Any:
        ctx = config["configurable"]["evolvent"]
        return {"messages": [ctx.model.invoke(state["messages"])]}

    def shout(state: State) -> Any:
        return {"messages": [AIMessage(state["messages"][-1].text.upper())]}

    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_node("shout", shout)
    graph.add_edge(START, "think")
    graph.add_edge("think", "shout")
    graph.add_edge("shout", END)
    return graph.compile()


def test_a_langgraph_graph_solves_as_it_is() -> None:
    with opened(chat_graph(), script=["forty-two"]) as runtime:
        result = runtime.solve(Task(prompt="What is 6*7?", evaluator="exact", reference="FORTY-TWO"))
    assert (result.status, result.answer) == ("solved", "FORTY-TWO")


def test_feedback_of_a_failed_attempt_reaches_the_graph() -> None:
    with opened(chat_graph(), script=["one", "two"]) as runtime:
        result = runtime.solve(Task(prompt="What is 1+1?", evaluator="exact", reference="TWO"))
    assert [attempt.status for attempt in result.attempts] == ["failed", "solved"]


@pytest.mark.parametrize(
    ("output", "answer"),
    [("plain", "plain"), ({"answer": [1]}, [1]), (AIMessage("said"), "said"), (7, 7), ({"x": 1}, {"x": 1})],
)
def test_runnables_answer_in_several_ways(output: Any, answer: Any) -> None:
    with opened(RunnableLambda(lambda given: output)) as runtime:
        assert runtime.solve("?").answer == answer


def test_a_strategy_calls_tools_with_policy_and_person_also_inside_a_graph() -> None:
    sent: list[str] = []

    @tool
    def send(text: str) -> str:
        """Send a text."""
        sent.append(text)
        return f"sent {text}"

    thought: list[int] = []

    def think(state: State, config: RunnableConfig) -> Any:
        thought.append(1)
        (post,) = [t for t in config["configurable"]["evolvent"].tools if t.name == "send"]
        return {"messages": [AIMessage(post.invoke({"text": state["messages"][0].text}))]}

    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_edge(START, "think")
    with opened(graph.compile(), tools=send) as runtime:
        waiting = runtime.solve("hello")
        assert (waiting.status, sent) == ("waiting", [])
        done = runtime.answer(waiting.pending[0].id, "approve")
    assert (done.answer, sent, len(thought)) == ("sent hello", ["hello"], 2)


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def solve(self, task: Any, ctx: Any) -> Any:
        raise self.error


class Slow:
    def solve(self, task: Any, ctx: Any) -> Any:
        time.sleep(30)


@pytest.mark.parametrize(
    ("strategy", "status", "says"),
    [
        (Failing(ValueError("no idea")), "error", "strategy 'theirs': ValueError: no idea"),
        (Failing(SystemExit(3)), "error", "SystemExit"),
        (SimpleNamespace(solve=lambda task, ctx: {1, 2}), "error", "is not JSON"),
        (SimpleNamespace(), "error", "a strategy has solve(task, ctx) or invoke"),
    ],
)
def test_a_strategy_that_fails_is_an_outcome(strategy: Any, status: str, says: str) -> None:
    with opened(strategy) as runtime:
        result = runtime.solve("?")
    assert result.status == status
    assert says in result.detail


def test_a_strategy_that_hangs_is_left_behind_when_the_budget_ends() -> None:
    started = time.monotonic()
    with opened(Slow()) as runtime:
        result = runtime.solve("?", budget=Budget(seconds=1))
    assert (result.status, result.detail) == ("budget", "seconds")
    assert time.monotonic() - started < 20


class Greedy:
    """Swallows every error."""

    def solve(self, task: Any, ctx: Any) -> Any:
        try:
            return ctx.model.invoke("hello").text
        except Exception:
            return "an answer in spite of it"


def test_a_model_that_is_down_ends_the_run_whatever_the_strategy_makes_of_it() -> None:
    with opened(Greedy(), script=[ConnectionError("down")], model_retries=0) as runtime:
        with pytest.raises(ModelCallError):
            runtime.solve("?", run_id="r-down")
        assert runtime.runs.get("r-down").status == "running"


def test_an_unknown_strategy_is_named_when_the_runtime_opens() -> None:
    given = Settings(strategy="thiers")
    host = PluginHost(settings=given)
    registers = hookimpl(lambda register: register("theirs", lambda settings: None))
    host.add(SimpleNamespace(register_strategies=registers), "theirs")
    with pytest.raises(UnknownName, match="unknown strategy 'thiers'; did you mean 'theirs'"):
        Runtime(given, plugins=host, model=ScriptedModel(script=[]))
