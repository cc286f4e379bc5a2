"""How many threads torch computes with is one thread's own matter."""

import threading

import numpy as np
import torch

from evolvent.search.quantized import QuantizedRows
from evolvent.search.threads import one_thread


def elsewhere(work):
    """Return what a new thread makes of it."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_only_the_calling_thread_computes_alone():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
        assert elsewhere(torch.get_num_threads) == before, "a thread that begins meanwhile"
    assert torch.get_num_threads() == before
    assert elsewhere(torch.get_num_threads) == before


def test_callers_that_overlap_leave_nothing_behind():
    before = elsewhere(torch.get_num_threads)
    first, second = threading.Event(), threading.Event()

    def outer():
        with one_thread():
            first.set()
            assert second.wait(30)
        return torch.get_num_threads()

    def inner():
        assert first.wait(30)
        with one_thread():
            second.set()
        return torch.get_num_threads()

    found = {}
    threads = [
        threading.Thread(target=lambda work=work: found.update({work.__name__: work()}))
        for work in (outer, inner)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"outer": before, "inner": before}
    assert elsewhere(torch.get_num_threads) == before


def test_a_search_changes_nothing_for_others(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: 1 / 0)
    rows = np.random.default_rng(0).normal(size=(64, 16)).astype(np.float32)
    held = QuantizedRows()
    held.put([(str(n), 1) for n in range(64)], rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert held.near(rows[3], 1)[0][0] == "3"
