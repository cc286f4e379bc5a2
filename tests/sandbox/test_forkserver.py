"""Guests that serve many sources: used again only when nothing at all was left in them."""

import os
import signal
import threading
import time

import pytest

from evolvent.errors import UsageError
from evolvent.types import Limits
from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.forkserver import ForkServer

QUICK = Limits(wall_seconds=5)
PID = "import os\ndef f(*_): return os.getpid()"


@pytest.fixture
def served(bubblewrap):
    """A forkserver of its own, and the guests that it took."""
    taken, given_up = [], []

    def take(limits):
        taken.append(bubblewrap._take(limits))
        return taken[-1]

    def discard(guest):
        given_up.append(guest)
        bubblewrap._pool.discard(guest)

    server = ForkServer(take, discard, QUICK)
    server.taken, server.given_up = taken, given_up
    yield server
    server.close()


def call(server, source, *args, limits=None):
    return server.call_function(source, "f", [list(args)], limits)[0]


def test_one_guest_serves_many_sources(served):
    for number in range(20):
        assert call(served, f"def f(x): return x * {number}", 3).value == 3 * number
    assert len(served.taken) == 1


@pytest.mark.parametrize(
    "body",
    [
        "open('left', 'w').close()",
        "os.mkdir('/dev/shm/x')",
        "open('gone', 'w').close(); os.remove('gone')",
        "os.chmod('.', 0o750)",
        "os.chmod('.', 0)",
        "os.utime('.', (1, 1))",
        "os.setxattr('.', 'user.mark', b'1')",
        "os._exit(0)",
        "os.kill(os.getpid(), 9)",
        "[].append(bytearray(10**10))",
        "time.sleep(60)",
    ],
)
def test_a_guest_is_given_up_after_a_call_that_left_touched_or_broke_something(served, body):
    source = f"import os, time\ndef f():\n    {body}"
    try:
        os.setxattr("/dev/shm", "user.evolvent", b"1")
        os.removexattr("/dev/shm", "user.evolvent")
    except OSError:
        if "setxattr" in body:
            pytest.skip("this kernel has no attributes of users on a tmpfs")
    call(served, source, limits=Limits(wall_seconds=0.5))
    assert call(served, PID, limits=Limits(wall_seconds=0.5)).ok
    assert len(served.taken) == 2
    assert len(served.given_up) == 1


def test_a_call_that_closes_the_folder_spoils_no_other_call_of_its_batch(served, bubblewrap):
    source = "import os\ndef f(n):\n    if n == 1: os.chmod('.', 0)\n    return [n, os.listdir('.') if n != 1 else []]"
    for server in (served, bubblewrap):
        results = server.call_function(source, "f", [[0], [1], [2]])
        assert [result.value for result in results] == [[0, []], [1, []], [2, []]]


def test_an_exception_costs_no_guest(served):
    for _ in range(3):
        assert call(served, "def f(): return 1 / 0").outcome == "exception"
    assert len(served.taken) == 1


def test_a_guest_is_replaced_after_so_many_calls(bubblewrap):
    taken = []

    def take(limits):
        taken.append(1)
        return bubblewrap._take(limits)

    server = ForkServer(take, bubblewrap._pool.discard, QUICK, max_calls=3)
    for _ in range(7):
        assert call(server, PID).ok
    assert len(taken) == 3
    never = ForkServer(take, bubblewrap._pool.discard, QUICK, max_calls=0)
    for _ in range(2):
        assert call(never, PID).ok
    assert len(taken) == 5


def test_limits_that_a_guest_keeps_are_not_shared(served):
    for limits in (QUICK, Limits(scratch_bytes=2**20), Limits(total_memory_bytes=2**28), QUICK):
        assert call(served, PID, limits=limits).ok
    assert len(served.taken) == 3


def test_a_guest_that_ended_meanwhile_is_not_blamed_on_the_next_program(served):
    assert call(served, PID).ok
    (guest,) = served._idle
    os.kill(guest.first_pid, signal.SIGKILL)
    while guest.is_quiet():
        time.sleep(0.01)
    assert call(served, PID).ok
    assert len(served.taken) == 2


def test_threads_get_guests_of_their_own_and_right_answers(served):
    values = {}

    def work(number):
        for turn in range(10):
            values[number, turn] = call(served, "def f(a, b): return [a, b]", number, turn).value

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == {(n, t): [n, t] for n in range(4) for t in range(10)}
    assert len(served.taken) <= 4


SEARCH = """
import ctypes, re, sys

def f(mine):
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # its own memory may be read again
    print("printed-" + mine)
    word = re.compile(rb"secret-[0-9]{4}")
    found, ranges = set(), 0
    for line in open("/proc/self/maps"):
        bounds, rights, *_ = line.split()
        if "r" not in rights or "[v" in line:
            continue
        low, high = (int(x, 16) for x in bounds.split("-"))
        with open("/proc/self/mem", "rb") as memory:
            memory.seek(low)
            found |= set(word.findall(memory.read(high - low)))
            ranges += 1
    frame = sys._getframe()
    while frame is not None:
        found |= set(word.findall(repr(frame.f_locals).encode()))
        frame = frame.f_back
    return [ranges > 10, sorted({x.decode()[-4:] for x in found}), mine]
"""


def test_no_call_finds_anything_of_another_in_its_memory(served, bubblewrap):
    limits = Limits(wall_seconds=20, cpu_seconds=20)
    for server in (served, bubblewrap):
        mine = ["secret-1111", "secret-2222", "secret-3333"]
        results = server.call_function(SEARCH, "f", [[text] for text in mine], limits)
        assert [r.value for r in results] == [[True, [text[-4:]], text] for text in mine], results
    other = call(served, SEARCH + "# another source", "secret-4444", limits=limits)
    assert other.value == [True, ["4444"], "secret-4444"]
    assert len(served.taken) == 1, "it was the same guest all along"


def test_after_close_the_error_says_so():
    sandbox = BubblewrapSandbox()
    server = sandbox.forkserver()
    assert call(server, PID).ok
    sandbox.close()
    with pytest.raises(UsageError, match="closed"):
        call(server, PID)
