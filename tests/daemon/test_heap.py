"""What the daemon frees goes back to the machine. Each in a process of its own, whose memory nobody else uses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.daemon.conftest import Home

from evolvent.daemon import Daemon
from evolvent.daemon.heap import ARENAS, Heap

THREADS = """
import ctypes, gc, json, sys, tempfile, threading
from bench.from_outside import resident
from evolvent.daemon import Daemon
from evolvent.daemon.heap import Heap
import os

def in_threads(function, count):
    threads = [threading.Thread(target=function) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""
FREES = """
kept = []
def work():
    many = [bytearray(4000) for _ in range(2_000)]
    barrier.wait()
    kept.append(many[-1])  # the last of a heap holds all that is below it
barrier = threading.Barrier(8)
in_threads(work, 8)
before = resident(os.getpid())
Heap().give_back()
print(json.dumps([before, resident(os.getpid())]))
"""
SHARES = """
if sys.argv[1] == "share":
    Heap().share()
barrier = threading.Barrier(20)
def work():
    many = bytearray(4000)
    barrier.wait()
in_threads(work, 20)
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(json.dumps(file.read().decode().count("<heap nr=")))
"""
SETTLES = """
class Ring:
    pass
Heap().settle()
frozen = gc.get_freeze_count()
ring = Ring()
ring.itself = ring
gone = []
import weakref
weakref.finalize(ring, gone.append, 1)
gc.disable()
del ring
Heap().give_back()
print(json.dumps([frozen, gone]))
"""


def said(script: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", THREADS + script, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_what_threads_freed_is_given_back() -> None:
    before, after = said(FREES)
    assert before - after > 40e6, "of 64 MB that were freed"


def test_threads_share_few_heaps() -> None:
    assert said(SHARES, "share") <= ARENAS < said(SHARES, "not")


def test_what_is_there_at_the_start_is_passed_over_and_what_comes_later_is_collected() -> None:
    frozen, gone = said(SETTLES)
    assert frozen > 10_000
    assert gone == [1]


def test_it_is_given_back_now_and_then() -> None:
    clock, given = [0.0], []
    heap = Heap(every=30.0, clock=lambda: clock[0])
    heap.give_back = lambda: given.append(clock[0])  # type: ignore[method-assign]
    for second in range(100):
        clock[0] = float(second)
        heap.tick()
    assert given == [30.0, 60.0, 90.0]


def test_the_daemon_of_a_process_does_so_and_one_in_another_program_leaves_it_alone(home: Home) -> None:
    given: list[int] = []
    heap = Heap(every=0.0)
    heap.give_back = lambda: given.append(1)  # type: ignore[method-assign]
    runtime = home.daemon(start=False).runtime
    Daemon(runtime)._watch.tick()
    assert given == []
    Daemon(runtime, heap=heap)._watch.tick()
    assert given == [1]
