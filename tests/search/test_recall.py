"""Recall against proven use, and the alarm when nothing is offered."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from evolvent.search.recall import Retrievals
from evolvent.storage import Ledger, open_database


@pytest.fixture
def ledger(tmp_path):
    engine = open_database(tmp_path / "e.db")
    yield Ledger(engine)
    engine.dispose()


@pytest.fixture
def log(ledger):
    return Retrievals(ledger._engine, ledger, alarm_after=3)


@pytest.fixture
def keep(log):
    count = iter(range(10_000))

    def keep(offered=(), proven=(), library=5, judged=True, query=None):
        n = next(count)
        query = query or f"question {n}"
        log.keep(f"r#{n:05}", f"r{n}", query, offered=offered, library=library, judged=judged, proven=proven)

    return keep


def alarms(ledger):
    return [event for event in ledger.events() if event.kind == "retrieval.alarm"]


def test_recall_and_rank_follow_from_what_proved_right(log, keep):
    keep(["a", "b", "c"], ["a"])
    keep(["a", "b", "c"], ["c"])
    keep(["a", "b"], ["z"])
    keep(["a"], [])
    keep(["a"], ["a"], judged=False)
    report = log.report()
    assert (report.judged, report.offered, report.proven) == (4, 4, 3)
    assert report.recall == pytest.approx({1: 1 / 3, 3: 2 / 3, 5: 2 / 3})
    assert report.mrr == pytest.approx((1 + 1 / 3) / 3)


def test_only_the_window_counts(log, keep):
    keep(["a"], ["a"])
    keep(["b"], ["c"])
    assert log.report(window=1).recall[5] == 0.0


def test_the_same_attempt_counts_once(log):
    for _ in range(2):
        log.keep("x#1", "x", "q", offered=["a"], library=1, judged=True, proven=["a"])
    assert log.report().judged == 1


def test_the_alarm_is_raised_once_a_streak_and_ends_by_itself(log, ledger, keep):
    keep()
    keep()
    assert not log.alarming()
    keep()
    keep()
    assert log.alarming()
    assert len(alarms(ledger)) == 1
    keep(["a"])
    assert not log.alarming()
    for _ in range(3):
        keep()
    assert len(alarms(ledger)) == 2


def test_an_empty_library_is_no_alarm(log, ledger, keep):
    for _ in range(10):
        keep(library=0)
    assert not log.alarming()
    assert alarms(ledger) == []


def test_labelled_questions_are_those_with_proof_each_once(log, keep):
    keep(["a"], ["a"], query="one")
    keep(["a"], [], query="two")
    keep(["b"], ["b"], query="one")
    assert [(item.query, item.right) for item in log.labelled()] == [("one", ("b",))]


def test_questions_that_no_offer_helped_are_those_without_any_proof_each_once(log, keep):
    keep(["a"], [], query="never")
    keep(["b"], [], query="sometimes")
    keep(["a"], ["a"], query="sometimes")
    keep([], [], query="nothing offered")
    keep(["a", "c"], [], query="never")
    keep(["a"], [], judged=False, query="not judged")
    keep(["a"], [], library=0, query="no library")
    assert [(item.query, item.right) for item in log.unhelped()] == [("never", ())]


def test_a_proof_before_the_time_counts_against_being_unhelped(log, keep):
    keep(["a"], ["a"], query="one")
    then = datetime.now(UTC) + timedelta(milliseconds=5)
    time.sleep(0.01)
    keep(["a"], [], query="one")
    keep(["a"], [], query="two")
    assert [item.query for item in log.unhelped(since=then)] == ["two"]
