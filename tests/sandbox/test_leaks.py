"""What is left on the host: nothing, also when the host dies."""

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evolvent.errors import UsageError
from evolvent.types import Limits
from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.orphans import end_orphans

MARK = b"evolvent_guest"


def guests(descendants_of=None):
    """Return the pids of processes that run the guest, optionally only those below one process."""
    found = set()
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                if MARK in (path / "cmdline").read_bytes():
                    found.add(int(path.name))
    return found if descendants_of is None else {p for p in found if descendants_of in ancestors(p)}


def ancestors(pid):
    line = []
    while pid > 1:
        try:
            pid = int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        line.append(pid)
    return line


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_two_hundred_executions_leave_no_process_and_no_descriptor():
    """In a process of its own: the sandboxes of other tests start and end guests in this one meanwhile."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=execute_two_hundred)
    process.start()
    process.join(120)
    assert process.exitcode == 0


def execute_two_hundred():
    sources = [
        "def f(): return 1",
        "def f(): return 1",
        "import os\ndef f(): os._exit(0)",
        "import os\ndef f():\n    os.fork()\n    open('x', 'w').write('x')",
        "def f(): print('x' * 10**5)",
    ]
    before_guests, before_descriptors = guests(os.getpid()), descriptors()
    with BubblewrapSandbox() as sandbox:
        for n in range(200):
            if n % 4 == 3:
                sandbox.session().close()
            else:
                sandbox.call_function(sources[n % 5], "f", [[]], Limits(wall_seconds=2))
        assert wait_until(lambda: len(guests(os.getpid()) - before_guests) <= 4), (
            "bwrap and guest, two of each"
        )
    gc.collect()
    assert guests(os.getpid()) == before_guests
    assert descriptors() == before_descriptors


def test_a_closed_sandbox_says_so_and_may_be_closed_again():
    sandbox = BubblewrapSandbox()
    session = sandbox.session()
    sandbox.close()
    sandbox.close()
    session.close()
    with pytest.raises(UsageError, match="closed"):
        sandbox.call_function("def f(): return 1", "f", [[]])


def test_an_abandoned_sandbox_takes_its_guests_along():
    before = guests(os.getpid())
    sandbox = BubblewrapSandbox()
    assert guests(os.getpid()) - before
    del sandbox
    gc.collect()
    assert wait_until(lambda: guests(os.getpid()) == before)


@pytest.mark.parametrize("busy", [False, True])
def test_kill_9_of_the_host_leaves_no_guest(busy):
    code = (
        "import sys, threading, time\n"
        "from evolvent_sandbox.bubblewrap import BubblewrapSandbox\n"
        "from evolvent.types import Limits\n"
        "sandbox = BubblewrapSandbox()\n"
        "loop = 'def f():\\n    while True: pass'\n"
        f"if {busy}: threading.Thread(target=sandbox.call_function,"
        " args=(loop, 'f', [[]], Limits(wall_seconds=60, cpu_seconds=60))).start()\n"
        "time.sleep(0.5)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as host:
        assert host.stdout.readline() == b"up\n"
        started = guests(host.pid)
        assert started
        host.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not started & guests()), "guests outlived their host"


@pytest.mark.parametrize(
    ("words", "numbers", "parent", "ended"),
    [
        (["/x/bwrap", "evolvent_guest"], "{pid} 1", ["/sbin/init"], True),
        (["/x/bwrap", "evolvent_guest"], "{pid} 1", ["/x/bwrap"], False),
        (["/x/bwrap", "evolvent_guest"], "{pid}", ["/usr/bin/python3"], False),
        (["/x/bwrap", "flatpak"], "{pid} 1", ["/sbin/init"], False),
        (["/usr/bin/python3", "evolvent_guest"], "{pid} 1", ["/sbin/init"], False),
    ],
    ids=["orphan", "its parent lives", "the outer one", "of another program", "a guest at work"],
)
def test_a_guest_that_was_being_set_up_when_its_host_died_is_ended(tmp_path, words, numbers, parent, ended):
    with subprocess.Popen(["sleep", "60"]) as process:
        for pid, command in ((process.pid, words), (77, parent)):
            (tmp_path / str(pid)).mkdir()
            (tmp_path / str(pid) / "cmdline").write_text("\0".join([*command, ""]))
        status = f"Name:\tbwrap\nPPid:\t77\nNSpid:\t{numbers.format(pid=process.pid)}\n"
        (tmp_path / str(process.pid) / "status").write_text(status)
        assert end_orphans(Path("/x/bwrap"), "evolvent_guest", tmp_path) == [process.pid] * ended
        if not ended:
            process.kill()
        assert process.wait(10) == -signal.SIGKILL
