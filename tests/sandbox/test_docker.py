"""The Docker backend against a real engine: its containers, and what a crash leaves."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest
from tests.sandbox.engine import environment

from evolvent.errors import SandboxLost, SandboxTimeout
from evolvent.types import Limits
from evolvent_sandbox.containers.backend import PYTHON_LABEL, DockerSandbox, find_image
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.containers.reaper import GUEST_LABEL, OWNER_LABEL, owner, reap
from evolvent_sandbox.owners import start_of

pytestmark = pytest.mark.docker
LOOP = "def f():\n    while True: pass"


def ours(engine, label=None):
    """Return the guests that this process started, or those of another owner."""
    wanted = {"label": [GUEST_LABEL, f"{OWNER_LABEL}={label or owner()}"]}
    with engine.asking("list containers") as api:
        return {entry["Id"] for entry in api.containers(all=True, filters=wanted)}


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def container(engine, docker):
    """What the engine says of a guest that a session holds."""
    with docker.session() as session, engine.asking("inspect a container") as api:
        yield api.inspect_container(session._guest.container)


def test_a_container_has_no_network_no_rights_and_nothing_to_write(container):
    host, config = container["HostConfig"], container["Config"]
    assert host["NetworkMode"] == "none"
    assert config["NetworkDisabled"] is True
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    assert not host["Binds"]
    assert not container["Mounts"]
    assert host["IpcMode"] == "none"
    assert host["LogConfig"]["Type"] == "none"
    user, _, group = config["User"].partition(":")
    assert int(user) >= 20_000
    assert user == group
    assert config["Tty"] is False


def test_a_container_has_a_filter_that_allows_only_what_is_listed(container):
    (profile,) = [o for o in container["HostConfig"]["SecurityOpt"] if o.startswith("seccomp=")]
    rules = json.loads(profile.removeprefix("seccomp="))
    assert "no-new-privileges:true" in container["HostConfig"]["SecurityOpt"]
    assert rules["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {n for rule in rules["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for n in rule["names"]}
    refused = {
        "ptrace",
        "io_uring_setup",
        "keyctl",
        "userfaultfd",
        "bpf",
        "perf_event_open",
        "mount",
        "unshare",
    }
    assert not refused & allowed
    unconditional = {n for rule in rules["syscalls"] if not rule.get("args") for n in rule["names"]}
    assert not {"socket", "clone", "ioctl", "prlimit64", "setpriority"} & unconditional


def test_a_container_is_bounded_in_every_resource(container):
    host, limits = container["HostConfig"], Limits()
    assert host["Memory"] == host["MemorySwap"] == limits.total_memory_bytes
    assert host["NanoCpus"] == limits.cpus * 10**9
    assert limits.processes <= host["PidsLimit"] <= limits.processes + 10
    assert {u["Name"] for u in host["Ulimits"]} == {"core", "nofile", "fsize"}
    work = host["Tmpfs"]["/work"]
    assert f"size={limits.scratch_bytes}" in work
    assert f"nr_inodes={limits.files}" in work
    assert "noexec" in work


def test_other_limits_get_a_container_of_their_own(docker):
    limits = Limits(wall_seconds=20, total_memory_bytes=96 * 2**20, files=32, processes=4)
    source = "import os\ndef f():\n    found = os.statvfs('.')\n    return found.f_files"
    assert docker.call_function(source, "f", [[]], limits)[0].value == 32
    source = (
        "import threading, time\ndef f():\n"
        + "    threading.Thread(target=time.sleep, args=(9,)).start()\n" * 9
    )
    result = docker.call_function(source, "f", [[]], limits)[0]
    assert (result.outcome, result.limit) == ("limit", "processes"), result


def test_a_program_that_uses_up_the_memory_is_named_as_such(docker):
    limits = Limits(wall_seconds=30, memory_bytes=512 * 2**20, total_memory_bytes=96 * 2**20)
    source = "def f(): return len(bytearray(300_000_000))"
    result = docker.call_function(source, "f", [[]], limits)[0]
    assert (result.outcome, result.limit) == ("limit", "total_memory_bytes"), result
    done = docker.run(["python", "-c", "len(bytearray(300_000_000))"], None, limits)
    assert (done.outcome, done.limit) == ("limit", "total_memory_bytes"), done
    with docker.session(limits) as session:
        session.call("load", {"files": {"p.py": "def f(ctx): return len(bytearray(300_000_000))"}})
        with pytest.raises(SandboxTimeout) as caught:
            session.call("invoke", {"module": "p", "function": "f", "args": []})
        assert caught.value.limit == "total_memory_bytes"


def test_a_session_that_burns_its_cpu_is_named_as_such(docker):
    with docker.session(Limits(cpu_seconds=1, wall_seconds=30)) as session:
        session.call("load", {"files": {"p.py": "def f(ctx):\n    while True: pass"}})
        with pytest.raises(SandboxTimeout) as caught:
            session.call("invoke", {"module": "p", "function": "f", "args": []})
        assert caught.value.limit == "cpu_seconds"


def test_a_stream_that_nobody_reads_does_not_hold_up_the_end(docker):
    session = docker.session(Limits(wall_seconds=60, cpu_seconds=60))
    flood = (
        "for fd in range(3, 20):\n        try: os.write(fd, b'\\xff' * 4)\n        except OSError: continue\n"
    )
    source = f"import os\ndef f(ctx):\n    {flood}        while True: os.write(fd, b'x' * 65536)"
    session.call("load", {"files": {"p.py": source}})
    session._guest.send(
        b'{"id":99,"method":"invoke","params":{"module":"p","function":"f","args":[],"context":{}}}', 5
    )
    time.sleep(1)
    started = time.monotonic()
    session._guest.kill()
    assert time.monotonic() - started < 30


def test_closing_leaves_no_container(engine):
    before = ours(engine)
    with DockerSandbox(engine=Engine(engine.api, engine.address)) as sandbox:
        sandbox.call_function("def f(): return 1", "f", [[]])
        assert ours(engine) - before
    assert not ours(engine) - before


def test_the_next_start_removes_what_a_crash_left_and_nothing_else(engine, docker):
    code = (
        "import os, sys, threading, time\n"
        "from evolvent.types import Limits\n"
        "from evolvent_sandbox.containers.backend import DockerSandbox\n"
        "from evolvent_sandbox.containers.reaper import owner\n"
        "sandbox = DockerSandbox()\n"
        f"threading.Thread(target=sandbox.call_function, args=({LOOP!r}, 'f', [[]],"
        " Limits(wall_seconds=600, cpu_seconds=600))).start()\n"
        "time.sleep(1.5)\n"
        "print(owner(), flush=True)\n"
        "time.sleep(600)\n"
    )
    with (
        environment(DOCKER_HOST=engine.address),
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as crashing,
    ):
        label = crashing.stdout.readline().strip()
        assert ours(engine, label)
        crashing.send_signal(signal.SIGKILL)
    mine = ours(engine)
    assert mine, "this process has warm guests of its own"
    assert reap(engine) >= 1
    assert not ours(engine, label)
    assert mine <= ours(engine), "the guests of a living process were touched"
    assert docker.call_function("def f(): return 5", "f", [[]])[0].value == 5


@pytest.mark.parametrize(
    ("change", "removed"),
    [
        (lambda m, b, n, p, s: (m, b, n, "4194303", "1"), True),
        (lambda m, b, n, p, s: (m, b, n, p, "1"), True),
        (lambda m, b, n, p, s: (m, "another-boot", n, "1", "1"), True),
        (lambda m, b, n, p, s: (m, b, "another-namespace", "4194303", "1"), False),
        (lambda m, b, n, p, s: ("another-machine", b, n, "4194303", "1"), False),
        (lambda m, b, n, p, s: (m, b, n, p, s), False),
    ],
    ids=["gone", "number-used-again", "earlier-boot", "other-pid-namespace", "other-machine", "alive"],
)
def test_only_owners_that_are_surely_gone_lose_their_guests(engine, change, removed):
    label = ":".join(change(*owner().split(":")))
    image, _ = find_image(engine)
    with engine.asking("create a container") as api:
        container = api.create_container(
            image, ["true"], labels={GUEST_LABEL: "x", OWNER_LABEL: label, "test": "reaper"}
        )["Id"]
    try:
        reap(engine)
        with engine.asking("list containers") as api:
            left = {c["Id"] for c in api.containers(all=True, filters={"label": "test=reaper"})}
        assert (container not in left) == removed
    finally:
        with contextlib.suppress(SandboxLost), engine.asking("remove it") as api:
            api.remove_container(container, force=True)


def test_eight_sessions_at_once_all_get_through(docker):
    values = {}

    def work(n):
        with docker.session() as session:
            session.call("load", {"files": {"p.py": "def f(x, ctx): return sum(range(10**5)) + x"}})
            values[n] = session.call("invoke", {"module": "p", "function": "f", "args": [n]})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == {n: sum(range(10**5)) + n for n in range(8)}


# --- why our guest is the first process of its container ---

FORGER = (
    "import os, sys\n"
    "null = os.open('/dev/null', os.O_RDWR)\n"
    "for fd in (0, 1, 2): os.dup2(null, fd)\n"  # as the guest does before untrusted code runs
    "try: os.write(os.open('/proc/1/fd/1', os.O_WRONLY), b'forged')\n"
    "except OSError: sys.exit(7)\n"
)


@pytest.mark.parametrize("init", [True, False])
def test_an_init_of_the_engine_would_hand_the_pipe_to_the_host_to_everybody(engine, docker, init):
    """With one, process 1 holds the container's stdout, and any process of its user can open it there."""
    image, labels = find_image(engine)
    if not init:
        result = docker.call_function(f"def f():\n    exec({FORGER!r})\n", "f", [[]])[0]
        assert result.error == "SystemExit: 7"
        return
    python = shlex.split(labels[PYTHON_LABEL])
    with engine.asking("run a container") as api:
        config = api.create_host_config(network_mode="none", init=True, cap_drop=["ALL"])
        container = api.create_container(
            image, [*python, "-I", "-c", FORGER], host_config=config, user="20000:20000"
        )["Id"]
        try:
            api.start(container)
            assert api.wait(container, timeout=60)["StatusCode"] == 0
            assert api.logs(container) == b"forged"
        finally:
            api.remove_container(container, force=True)


def test_the_own_start_is_known():
    assert start_of(os.getpid()).isdecimal()
    assert start_of(4194303) == ""
