"""What a runtime leaves behind when it is closed: nothing that grows with their number."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from evolvent.plugins import observers
from evolvent.settings import Settings
from evolvent_plugins.embeddings import register_embedders

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from tests.conftest import Open


def _embedder() -> Embeddings:
    made = {}
    register_embedders(lambda name, factory: made.update({name: factory}))
    (factory,) = made.values()
    embedder: Embeddings = factory(Settings())
    return embedder


def test_runtimes_that_are_open_at_a_time_share_one_embedder() -> None:
    first = _embedder()
    assert _embedder() is first


def test_an_embedder_is_freed_with_its_last_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolvent_plugins.embeddings._shared", weakref.WeakValueDictionary())
    left = weakref.ref(_embedder())
    gc.collect()
    assert left() is None


def test_the_thread_that_tells_observers_ends_when_there_is_nothing_to_tell(
    open_runtime: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observers, "IDLE_SECONDS", 0.05)
    before = {thread for thread in threading.enumerate() if thread.name == "evolvent-observers"}
    runtime = open_runtime({"": "42"})
    runtime.solve("What is six times seven?")
    runtime.close()
    for thread in threading.enumerate():
        if thread.name == "evolvent-observers" and thread not in before:
            thread.join(timeout=10)
            assert not thread.is_alive()


def test_events_are_told_in_order_over_many_ends_of_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "IDLE_SECONDS", 0.0)  # it ends between any two events
    told: list[int] = []
    telling = observers.Observers(told.append)  # type: ignore[arg-type]
    for number in range(2_000):
        telling.put(number)  # type: ignore[arg-type]
    telling.flush()
    assert told == list(range(2_000))
