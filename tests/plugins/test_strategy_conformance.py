"""`check_strategy` passes good strategies, LangGraph graphs included, and catches wrong ones."""

import math
import random
import time
import uuid
from contextlib import suppress

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from evolvent.errors import GuestError
from evolvent.testing import check_strategy


class AsksTheModel:
    def solve(self, task, ctx):
        text = ctx.model.invoke([HumanMessage("\n".join([task.prompt, *ctx.feedback]))]).text
        return int(text)


class Votes:
    def solve(self, task, ctx):
        answers = []
        for n in range(3):
            try:
                answers.append(str(ctx.task_agent(seed=ctx.seed + n)))
            except GuestError:
                break
        return max(answers, key=answers.count) if answers else None


class UsesEverything:
    def solve(self, task, ctx):
        ctx.ask("log", {"text": "begin"})
        hits = ctx.ask("skills.search", {"query": task.prompt})
        done = ctx.ask("run_python", {"source": "def f(): return 1", "function": "f", "calls": [[]]})
        doubled = ctx.tools[0].invoke({"number": 21})
        model = ctx.model.bind_tools(ctx.tools)
        return {"hits": hits, "done": done, "doubled": doubled, "text": model.invoke(task.prompt).text}


def graph(node):
    built = StateGraph(MessagesState)
    built.add_node("ask", node)
    built.add_edge(START, "ask")
    built.add_edge("ask", END)
    return built.compile()


def ask_model(state, config):
    return {"messages": [config["configurable"]["evolvent"].model.invoke(state["messages"])]}


@pytest.mark.parametrize("good", [AsksTheModel, Votes, UsesEverything, lambda: graph(ask_model)])
def test_a_good_strategy_conforms_in_less_than_two_seconds(good):
    started = time.perf_counter()
    check_strategy(good())
    assert time.perf_counter() - started < 2


def test_a_graph_that_asks_otherwise_is_caught():
    def ask_randomly(state, config):
        question = f"{state['messages'][-1].text} {uuid.uuid4()}"
        return {"messages": [config["configurable"]["evolvent"].model.invoke(question)]}

    with pytest.raises(AssertionError, match="it must ask the same in the same order"):
        check_strategy(graph(ask_randomly))


class Chance:
    def solve(self, task, ctx):
        return ctx.task_agent(seed=random.randrange(10**6))


class Grows:
    def __init__(self):
        self.seen = []

    def solve(self, task, ctx):
        self.seen.append(task.id)
        return [ctx.task_agent() for _ in self.seen]


class Remembers:
    def __init__(self):
        self.calls = 0

    def solve(self, task, ctx):
        self.calls += 1
        return [ctx.task_agent(), self.calls]


class NotJson:
    def solve(self, task, ctx):
        return {"answer": (1, 2)}


class NotFinite:
    def solve(self, task, ctx):
        return math.nan


class Raises:
    def solve(self, task, ctx):
        return ctx.feedback[0]


class Persists:
    def solve(self, task, ctx):
        while True:
            try:
                return ctx.task_agent()
            except GuestError:
                continue


class BreaksWithoutBudget:
    def solve(self, task, ctx):
        answer = None
        with suppress(GuestError):
            answer = ctx.task_agent()
        return answer.strip()


class AsksWhatIsNotThere:
    def solve(self, task, ctx):
        with suppress(GuestError):
            ctx.ask("files.read", {"path": "notes"})
        return 42


class AsksWrongly:
    def solve(self, task, ctx):
        try:
            return ctx.ask("skills.search", {"text": task.prompt})
        except GuestError:
            return 42


class NoStrategy:
    pass


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Chance, "it must ask the same in the same order"),
        (Grows, "asks 2 times instead of 1"),
        (Remembers, "it must answer the same"),
        (NotJson, "must be plain JSON"),
        (NotFinite, "must be plain JSON"),
        (Raises, "at the first try raised IndexError"),
        (Persists, "must end when it hears that the budget is spent"),
        (BreaksWithoutBudget, "raised AttributeError.*or let the GuestError pass"),
        (AsksWhatIsNotThere, "the broker refuses: files.read"),
        (AsksWrongly, "the broker refuses: skills.search"),
        (NoStrategy, "neither solve"),
    ],
)
def test_a_wrong_strategy_is_caught_in_words(wrong, words):
    with pytest.raises(AssertionError, match=words) as caught:
        check_strategy(wrong())
    assert "\n" not in str(caught.value)
