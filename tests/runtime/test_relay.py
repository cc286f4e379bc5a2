"""Calls on a thread that can be left behind."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time

from evolvent.plugins.relay import Call, Relay, TookTooLong


def test_calls_are_made_in_order_and_each_has_its_outcome() -> None:
    order: list[int] = []
    calls = [
        Call(lambda: order.append(1) or "one", 5),
        Call(lambda: 1 / 0, 5),
        Call(lambda: sys.exit(3), 5),
        Call(lambda: order.append(2) or "two", 5),
    ]
    first, second, third, fourth = Relay().run(calls)
    assert (first.value, fourth.value, order) == ("one", "two", [1, 2])
    assert isinstance(second.error, ZeroDivisionError)
    assert isinstance(third.error, SystemExit)
    assert Relay().run([]) == []


def test_a_call_that_hangs_is_left_and_the_rest_is_made() -> None:
    ever, relay = threading.Event(), Relay()
    late: list[str] = []

    def hangs() -> None:
        ever.wait()
        late.append("after all")

    started = time.monotonic()
    first, second, third = relay.run([Call(lambda: 1, 5), Call(hangs, 0.1), Call(lambda: 3, 5)])
    assert time.monotonic() - started < 3
    assert (first.value, third.value) == (1, 3)
    assert isinstance(second.error, TookTooLong)
    ever.set()
    deadline = time.monotonic() + 5
    while not late and time.monotonic() < deadline:
        time.sleep(0.01)
    assert late == ["after all"]
    assert [outcome.value for outcome in relay.run([Call(lambda: 4, 5)])] == [4], "what came late is dropped"


def test_a_short_limit_after_a_slow_call_with_a_long_one_is_kept() -> None:
    ever = threading.Event()
    started = time.monotonic()
    slow, hanging = Relay().run([Call(lambda: time.sleep(0.2), 30), Call(ever.wait, 0.1)])
    assert time.monotonic() - started < 10, "the limit of the first call is not that of the second"
    assert slow.error is None
    assert isinstance(hanging.error, TookTooLong)
    ever.set()


def test_what_is_enough_ends_the_calls() -> None:
    outcomes = Relay().run([Call(lambda n=n: n, 5) for n in range(9)], until=lambda value: value == 3)
    assert [outcome.value for outcome in outcomes] == [0, 1, 2, 3]


def test_context_variables_are_carried_over() -> None:
    variable = contextvars.ContextVar("variable", default="no")
    variable.set("yes")
    assert Relay().run([Call(variable.get, 5)])[0].value == "yes"


def test_one_thread_serves_many_calls_and_several_serve_callers_at_once() -> None:
    relay = Relay()
    names = {relay.run([Call(threading.get_ident, 5)])[0].value for _ in range(50)}
    assert len(names) == 1
    barrier = threading.Barrier(4)
    callers = [
        threading.Thread(target=lambda: relay.run([Call(lambda: barrier.wait(5), 5)])) for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(5)
    assert not barrier.broken


def test_a_call_may_make_calls_itself() -> None:
    relay = Relay()
    inner = [Call(lambda: 5, 5)]
    assert relay.run([Call(lambda: relay.run(inner)[0].value, 5)])[0].value == 5


def test_it_works_in_a_child_after_a_fork() -> None:
    relay = Relay()
    relay.run([Call(lambda: 1, 5)])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if relay.run([Call(lambda: 2, 5)])[0].value == 2 else 1
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended == (child, 0)
