"""The memory of all processes together: bounded by a control group, or watched."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from evolvent.errors import SandboxTimeout
from evolvent.types import Limits
from evolvent_sandbox import cgroups
from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.cgroups import Cgroup, CgroupParent, find_parent
from evolvent_sandbox.owners import start_of
from evolvent_sandbox.watcher import MemoryWatcher, tree_memory

TIGHT = Limits(wall_seconds=20, memory_bytes=512 * 2**20, total_memory_bytes=96 * 2**20)
GREEDY = "def f(*_): return len(bytearray(300_000_000))"
MANY = (
    "import os, time\n"
    "def f():\n"
    "    for _ in range(6):\n"
    "        if os.fork() == 0:\n"
    "            kept = bytearray(60_000_000)\n"
    "            time.sleep(30)\n"
    "    time.sleep(2)\n"
    "    return sum(os.waitpid(-1, os.WNOHANG)[0] > 0 for _ in range(6))\n"
)


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture(params=["control group", "watcher"])
def sandbox(request, bubblewrap, watched_bubblewrap):
    if request.param == "watcher":
        return watched_bubblewrap
    if "watched" in bubblewrap.describe()["memory"]:
        pytest.skip("no control group can be written here")
    return bubblewrap


def test_a_call_that_holds_too_much_is_ended_and_the_limit_named(sandbox):
    result = sandbox.call_function(GREEDY, "f", [[]], TIGHT)[0]
    assert (result.outcome, result.limit) == ("limit", "total_memory_bytes"), result
    assert str(TIGHT.total_memory_bytes) in result.error


def test_the_next_call_of_the_batch_gets_what_it_needs(sandbox):
    source = "def f(n): return len(bytearray(n))"
    results = sandbox.call_function(source, "f", [[300_000_000], [1000]], TIGHT)
    assert [result.outcome for result in results] == ["limit", "value"]


def test_processes_that_are_too_large_only_together_do_not_stay(sandbox):
    result = sandbox.call_function(MANY, "f", [[]], TIGHT)[0]
    assert result.limit == "total_memory_bytes" or result.value >= 4, result


def test_a_command_that_holds_too_much_is_ended_and_the_limit_named(sandbox):
    done = sandbox.run(["python", "-c", GREEDY + "\nf()"], None, TIGHT)
    assert (done.outcome, done.limit, done.exit_code) == ("limit", "total_memory_bytes", None), done


def test_a_session_that_holds_too_much_is_ended_and_the_limit_named(sandbox):
    with sandbox.session(TIGHT) as session:
        session.call("load", {"files": {"p.py": GREEDY}})
        with pytest.raises(SandboxTimeout) as caught:
            session.call("invoke", {"module": "p", "function": "f", "args": []})
        assert caught.value.limit == "total_memory_bytes"


def test_killing_itself_is_not_taken_for_a_lack_of_memory(sandbox):
    result = sandbox.call_function("import os\ndef f(): os.kill(os.getpid(), 9)", "f", [[]], TIGHT)[0]
    assert (result.outcome, result.limit) == ("died", None), result


def test_files_in_the_scratch_folder_count(bubblewrap):
    if "watched" in bubblewrap.describe()["memory"]:
        pytest.skip("no control group can be written here")
    limits = Limits(
        wall_seconds=20, total_memory_bytes=64 * 2**20, scratch_bytes=256 * 2**20, file_bytes=2**28
    )
    source = "def f():\n    with open('a', 'wb') as a:\n        for _ in range(120): a.write(bytes(10**6))"
    result = bubblewrap.call_function(source, "f", [[]], limits)[0]
    assert result.limit == "total_memory_bytes", result


# --- control groups ---


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def mountinfo(*mounts):
    return "".join(
        f"30 20 0:{n} {root} {at} rw - {kind} {kind} {options}\n"
        for n, (root, at, kind, options) in enumerate(mounts)
    )


def test_without_control_groups_there_is_no_parent(tmp_path):
    assert find_parent(tmp_path) is None
    write(tmp_path / "self/cgroup", "0::/\n")
    write(tmp_path / "self/mountinfo", mountinfo(("/", tmp_path / "none", "cgroup2", "rw")))
    assert find_parent(tmp_path) is None


def candidates(tmp_path):
    return [(c.version, str(c.folder.relative_to(tmp_path))) for c in cgroups._candidates(tmp_path)]


def test_own_group_and_those_above_are_tried_nearest_first(tmp_path):
    mount = tmp_path / "fs"
    (mount / "user/session").mkdir(parents=True)
    write(mount / "cgroup.controllers", "cpu memory pids\n")
    write(tmp_path / "self/cgroup", "0::/user/session\n")
    write(tmp_path / "self/mountinfo", mountinfo(("/", mount, "cgroup2", "rw")))
    assert candidates(tmp_path) == [(2, "fs/user/session"), (2, "fs/user"), (2, "fs")]


def test_a_hierarchy_without_the_memory_controller_is_no_candidate(tmp_path):
    mount = tmp_path / "fs"
    write(mount / "cgroup.controllers", "cpu pids\n")
    write(tmp_path / "self/cgroup", "0::/\n4:cpu:/\n")
    write(
        tmp_path / "self/mountinfo",
        mountinfo(("/", mount, "cgroup2", "rw"), ("/", mount, "cgroup", "rw,cpu")),
    )
    assert candidates(tmp_path) == []


def test_the_path_inside_a_container_is_taken_relative_to_what_is_mounted(tmp_path):
    mount = tmp_path / "memory"
    (mount / "below").mkdir(parents=True)
    write(tmp_path / "self/cgroup", "4:memory:/docker/abc/below\n")
    write(tmp_path / "self/mountinfo", mountinfo(("/docker/abc", mount, "cgroup", "rw,memory")))
    assert candidates(tmp_path) == [(1, "memory/below"), (1, "memory")]


def test_a_group_that_lies_outside_the_mount_leaves_the_mount_itself(tmp_path):
    mount = tmp_path / "memory"
    mount.mkdir()
    write(tmp_path / "self/cgroup", "4:memory:/elsewhere\n")
    write(tmp_path / "self/mountinfo", mountinfo(("/", mount, "cgroup", "rw,memory")))
    assert candidates(tmp_path) == [(1, "memory")]


def test_version_2_is_usable_only_where_the_controller_is_handed_down(tmp_path):
    folder = tmp_path / "group"
    folder.mkdir()
    write(folder / "cgroup.subtree_control", "cpu\n")
    usable = cgroups._usable(CgroupParent(folder, 2))
    assert (folder / "cgroup.subtree_control").read_text() == "+memory"
    assert usable is not None, "a plain folder takes every write"
    (folder / "cgroup.subtree_control").unlink()
    (folder / "cgroup.subtree_control").mkdir()
    assert cgroups._usable(CgroupParent(folder, 2)) is None


@pytest.mark.parametrize(("version", "name"), [(1, "memory.oom_control"), (2, "memory.events")])
def test_kills_are_read_from_the_kernels_count(tmp_path, version, name):
    group = Cgroup(tmp_path, version)
    assert group.kills() == 0
    write(tmp_path / name, "low 0\noom 7\noom_kill_disable 0\noom_kill 3\noom_group_kill 0\n")
    assert group.kills() == 3


def test_sweeping_removes_only_empty_groups_of_owners_that_are_gone(tmp_path):
    here = os.stat("/proc/self/ns/pid").st_ino
    ours = f"evolvent-{here}-{os.getpid()}-{start_of(os.getpid())}-0"
    elsewhere = f"evolvent-{here + 1}-4194303-123-0"
    for name in (
        ours,
        f"evolvent-{here}-4194303-123-0",
        f"evolvent-{here}-{os.getpid()}-1-0",
        f"evolvent-{here}-4194303-1-1/child",
        "other",
        elsewhere,
    ):
        (tmp_path / name).mkdir(parents=True)
    CgroupParent(tmp_path, 1).sweep()
    assert {path.name for path in tmp_path.iterdir()} == {
        ours,
        f"evolvent-{here}-4194303-1-1",
        "other",
        elsewhere,
    }


def test_a_closed_sandbox_leaves_no_group(bubblewrap):
    parent = bubblewrap._cgroups
    if parent is None:
        pytest.skip("no control group can be written here")

    def groups():
        return set(parent.folder.glob(f"evolvent-*-{os.getpid()}-*"))

    before = groups()
    with BubblewrapSandbox() as sandbox:
        assert wait_until(lambda: len(groups() - before) >= 2)
        sandbox.call_function("def f(): return 1", "f", [[]])
        mine = groups() - before
    assert wait_until(lambda: not mine & groups())


# --- the watcher ---


def tree(*sizes):
    """Start a process with children that each hold so many megabytes."""
    code = (
        "import os, sys, time\n"
        "for size in map(int, sys.argv[1:]):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(size * 2**20)\n"
        "        time.sleep(60)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    words = [sys.executable, "-c", code, *map(str, sizes)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)


@pytest.fixture
def trees():
    started = []

    def start(*sizes):
        started.append(tree(*sizes))
        assert started[-1].stdout.readline() == b"up\n"
        return started[-1]

    yield start
    for process in started:
        os.killpg(process.pid, 9)
        process.wait()
        process.stdout.close()


def test_the_memory_of_all_processes_is_added_up(trees):
    alone, together = trees(), trees(50, 60)
    assert tree_memory(alone.pid) < 40 * 2**20
    assert wait_until(lambda: tree_memory(together.pid) > 110 * 2**20)
    assert tree_memory(together.pid) < 250 * 2**20


def test_a_process_that_is_gone_holds_nothing():
    assert tree_memory(4194303) == 0


def test_the_watcher_ends_what_passes_its_bound_and_nothing_else(trees):
    ended = []
    large, small, forgotten = trees(120), trees(), trees(120)
    watcher = MemoryWatcher()
    for process in (large, small, forgotten):
        watcher.watch(process.pid, 10**12, lambda limit: ended.append("too early"))
    watcher.forget(forgotten.pid)
    watcher.watch(small.pid, 80 * 2**20, lambda limit: ended.append("small"))
    watcher.watch(large.pid, 80 * 2**20, lambda limit: ended.append(limit))
    assert wait_until(lambda: ended)
    time.sleep(0.2)
    watcher.close()
    assert ended == ["total_memory_bytes"]


def test_the_watchers_thread_ends_with_it():
    watcher = MemoryWatcher()
    watcher.watch(os.getpid(), 10**15, print)
    thread = watcher._state.thread
    assert thread.is_alive()
    del watcher
    gc.collect()
    assert wait_until(lambda: not thread.is_alive())
    assert thread not in threading.enumerate()


def test_the_own_start_is_known_and_that_of_nobody_is_empty():
    assert start_of(os.getpid()).isdecimal()
    assert start_of(4194303) == ""
    assert start_of(1, Path("/nowhere")) == ""
