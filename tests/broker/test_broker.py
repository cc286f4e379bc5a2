"""The boundary: validation, budget, journal, ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from evolvent.broker import REQUESTS, Answered, Broker, Meter
from evolvent.errors import GuestError, ModelCallError
from evolvent.storage import Journal, Ledger, open_database
from evolvent.types import BrokerAnswered, Budget, ReplayDiverged, Usage


class World:
    """A broker whose capabilities count how often they are asked."""

    def __init__(self, engine: Engine, budget: Budget | None = None) -> None:
        self.engine, self.ledger, self.asked = engine, Ledger(engine), list[str]()
        self.meter = Meter(budget or Budget())
        capabilities: dict[str, Any] = {
            "log": lambda request: self._did("log", None),
            "model.complete": lambda request: self._did(
                "model", {"text": "hi"}, Usage(input_tokens=7, output_tokens=3)
            ),
            "skills.read": self._fail,
        }
        self.broker = Broker(
            "run", capabilities, self.meter, Journal(engine, self.ledger, "run#1"), self.ledger
        )

    def _did(self, what: str, value: Any, usage: Usage | None = None) -> Answered:
        self.asked.append(what)
        return value, usage or Usage()

    def _fail(self, request: Any) -> Answered:
        self.asked.append("read")
        raise ModelCallError("the service is down")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "e.db")


ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


def test_an_answer_is_journaled_charged_and_in_the_ledger(engine: Engine) -> None:
    world = World(engine)
    assert world.broker.handle("model.complete", ASK) == {"text": "hi"}
    assert world.meter.usage.tokens == 10
    (event,) = world.ledger.events("run")
    assert isinstance(event, BrokerAnswered)
    assert (event.method, event.ok, event.usage.output_tokens) == ("model.complete", True, 3)


def test_a_restarted_session_hears_the_same_without_paying_again(engine: Engine) -> None:
    first, again = World(engine), World(engine)
    answers = [first.broker.handle("model.complete", ASK), first.broker.handle("log", {"text": "x"})]
    again = World(engine)
    assert [again.broker.handle("model.complete", ASK), again.broker.handle("log", {"text": "x"})] == answers
    assert again.asked == []
    assert again.meter.usage.tokens == 10
    assert len(list(again.ledger.events("run"))) == 2


def test_a_session_that_asks_something_else_leaves_its_journal_there(engine: Engine) -> None:
    first = World(engine)
    first.broker.handle("log", {"text": "a"})
    first.broker.handle("log", {"text": "b"})
    again = World(engine)
    again.broker.handle("log", {"text": "other"})
    again.broker.handle("log", {"text": "b"})
    assert again.asked == ["log", "log"]
    assert sum(isinstance(e, ReplayDiverged) for e in again.ledger.events("run")) == 1


@pytest.mark.parametrize(
    ("method", "params", "kind", "words"),
    [
        ("files.read", {}, "UnknownName", "files.read"),
        ("model.complete", {}, "UsageError", "messages"),
        ("model.complete", {"messages": [{"role": "root", "content": ""}]}, "UsageError", "role"),
        ("model.complete", {**ASK, "temperature": "hot"}, "UsageError", "temperature"),
        ("log", {"text": "x", "extra": 1}, "UsageError", "extra"),
        ("log", {"text": "x" * 20_000}, "UsageError", "at most"),
    ],
)
def test_a_malformed_request_is_refused_in_words(
    engine: Engine, method: str, params: dict[str, Any], kind: str, words: str
) -> None:
    world = World(engine)
    with pytest.raises(GuestError, match=words) as caught:
        world.broker.handle(method, params)
    assert caught.value.kind == kind
    assert world.asked == []


def test_a_spent_budget_refuses_before_anything_is_done(engine: Engine) -> None:
    world = World(engine, Budget(tokens=10))
    world.broker.handle("model.complete", ASK)
    with pytest.raises(GuestError, match="tokens") as caught:
        world.broker.handle("model.complete", ASK)
    assert caught.value.kind == "BudgetSpent"
    assert world.meter.spent == "tokens"
    assert world.asked == ["model"]


def test_the_number_of_requests_is_bounded(engine: Engine) -> None:
    world = World(engine, Budget(requests=3))
    for _ in range(3):
        world.broker.handle("log", {"text": "x"})
    with pytest.raises(GuestError, match="requests"):
        world.broker.handle("log", {"text": "x"})
    assert world.meter.spent == "requests"


def test_a_failure_that_may_pass_is_not_journaled(engine: Engine) -> None:
    world = World(engine)
    with pytest.raises(ModelCallError, match="service is down"):
        world.broker.handle("skills.read", {"name": "x"})
    again = World(engine)
    with pytest.raises(ModelCallError):
        again.broker.handle("skills.read", {"name": "x"})
    assert again.asked == ["read"]


def test_every_method_has_a_closed_request_model() -> None:
    assert all(model.model_config.get("extra") == "forbid" for model in REQUESTS.values())
