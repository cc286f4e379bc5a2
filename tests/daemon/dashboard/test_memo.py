"""What many ask for at once is made once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from evolvent.daemon.api.memo import Memo


def test_it_is_made_anew_after_its_time() -> None:
    now, made = [0.0], iter(range(9))
    memo = Memo(clock=lambda: now[0])
    assert [memo.get("a", 0.5, lambda: next(made)) for _ in range(3)] == [0, 0, 0]
    now[0] = 0.5
    assert memo.get("a", 0.5, lambda: next(made)) == 1
    assert memo.get("b", 0.5, lambda: next(made)) == 2


def test_its_age_counts_from_where_its_making_began() -> None:
    now = [0.0]
    memo = Memo(clock=lambda: now[0])

    def slow() -> float:
        now[0] += 1.0
        return now[0]

    assert memo.get("a", 0.5, slow) == 1.0
    assert memo.get("a", 0.5, slow) == 2.0


def test_many_who_ask_at_once_wait_for_one() -> None:
    made, all_here = [], threading.Barrier(20)
    memo = Memo()

    def make() -> int:
        time.sleep(0.05)
        made.append(1)
        return len(made)

    def ask(_: int) -> int:
        all_here.wait()
        return memo.get("a", 60.0, make)

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(20))) == {1}


def test_one_that_fails_is_tried_again() -> None:
    memo = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.get("a", 60.0, lambda: 1 // 0)
    assert memo.get("a", 60.0, lambda: 7) == 7
