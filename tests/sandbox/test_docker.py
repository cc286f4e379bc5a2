"""The Docker backend against a real engine: its containers, what a crash leaves, and every way to lack it."""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.sandbox.engine import PrivateEngine, can_start, environment

from evolvent.errors import MissingPrerequisite, SandboxLost, SandboxTimeout, UsageError
from evolvent.plugins import PluginHost
from evolvent.sandboxes import choose_sandbox
from evolvent.settings import Settings
from evolvent.types import Limits
from evolvent_sandbox.containers.backend import PYTHON_LABEL, DockerSandbox, find_image
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.containers.image import build_image
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


# --- what can be missing ---


def test_without_any_engine_the_error_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr("evolvent_sandbox.containers.engine.DEFAULT_SOCKET", tmp_path / "docker.sock")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with pytest.raises(MissingPrerequisite, match="needs a Docker engine") as caught:
        DockerSandbox()
    assert caught.value.command == "apt-get install docker.io"


def test_an_engine_that_is_not_running_is_said_to_be_so(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(MissingPrerequisite, match="no Docker engine answers at unix://") as caught:
        DockerSandbox()
    assert "EVOLVENT_SANDBOX=bubblewrap" in caught.value.command


def answering(reply):
    """Return a loopback server that gives each caller the same bytes, or says nothing."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                caller, _ = server.accept()
                if reply is not None:
                    caller.recv(65536)
                    caller.sendall(reply)
                    caller.close()

    threading.Thread(target=serve, daemon=True).start()
    return server


def test_an_engine_that_accepts_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("evolvent_sandbox.containers.engine.PING_SECONDS", 0.5)
    with answering(None) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(MissingPrerequisite, match="no Docker engine answers"):
            DockerSandbox()


@pytest.mark.parametrize(("version", "message"), [("1.30", "1.40"), ("nonsense", "no Docker engine answers")])
def test_an_engine_that_is_too_old_or_none_is_refused(monkeypatch, version, message):
    body = json.dumps({"ApiVersion": version}).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with answering(reply + body) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(MissingPrerequisite, match=message):
            DockerSandbox()


@pytest.fixture
def empty_engine(tmp_path):
    if not can_start():
        pytest.skip("only root can start dockerd")
    engine = PrivateEngine(tmp_path).start()
    yield engine
    engine.stop()


def test_without_its_image_docker_names_the_command_and_auto_takes_bubblewrap(empty_engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", empty_engine.address)
    with pytest.raises(MissingPrerequisite, match="has not been built") as caught:
        DockerSandbox()
    assert caught.value.command == "evolvent sandbox build"
    with contextlib.closing(choose_sandbox(PluginHost(), Settings(sandbox="auto"))) as sandbox:
        assert sandbox.name == "bubblewrap"


def test_with_engine_and_image_auto_takes_docker(engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    with contextlib.closing(choose_sandbox(PluginHost(), Settings(sandbox="auto"))) as sandbox:
        assert sandbox.name == "docker"
        assert sandbox.call_function("def f(): return 2", "f", [[]])[0].value == 2


def test_an_image_of_another_version_is_said_to_be_one(engine, monkeypatch):
    monkeypatch.setattr("evolvent_sandbox.containers.backend.guest_hash", lambda: "of-another-version")
    with pytest.raises(MissingPrerequisite, match="built for another version"):
        DockerSandbox(engine=Engine(engine.api, engine.address))


@pytest.fixture
def dying_engine(tmp_path):
    """An engine with the image, to be killed."""
    if not can_start():
        pytest.skip("only root can start dockerd")
    engine = PrivateEngine(tmp_path).start()
    with contextlib.closing(engine.connect()) as connection:
        build_image(connection, "interpreter")
    yield engine
    engine.clear_away()


def use_every_warm_guest(sandbox):
    for _ in range(4):
        sandbox.call_function("def f(): return 1", "f", [[]])


@pytest.mark.slow
def test_an_engine_that_dies_is_named_and_never_taken_for_the_programs_fault(dying_engine):
    sandbox = DockerSandbox(engine=dying_engine.connect())
    session = sandbox.session(Limits(wall_seconds=60, cpu_seconds=60))
    session.call("load", {"files": {"p.py": "import time\ndef f(ctx): time.sleep(60)"}})
    threading.Timer(1.0, dying_engine.kill).start()
    with pytest.raises(SandboxLost, match="Docker engine could not"):
        sandbox.call_function(LOOP, "f", [[]], Limits(wall_seconds=30, cpu_seconds=30))
    with pytest.raises(SandboxLost, match="Docker engine could not"):
        session.call("invoke", {"module": "p", "function": "f", "args": []})
    with pytest.raises((SandboxLost, MissingPrerequisite), match="Docker engine"):
        use_every_warm_guest(sandbox)
    started = time.monotonic()
    sandbox.close()
    assert time.monotonic() - started < 60


# --- bubblewrap inside a container, which is where namespaces are forbidden and control groups read-only ---

INSIDE = (
    "from evolvent.errors import MissingPrerequisite\n"
    "from evolvent_sandbox.bubblewrap import BubblewrapSandbox\n"
    "try:\n"
    "    with BubblewrapSandbox() as sandbox:\n"
    "        print(sandbox.call_function('def f(): return 41 + 1', 'f', [[]])[0].value)\n"
    "        print(sandbox.describe()['memory'])\n"
    "        print(sandbox.describe()['start'])\n"
    "except MissingPrerequisite as error: print('missing:', error.what, error.command)\n"
)
CHECKED = (
    "import os\n"  # the bait must not be in process 1: there is one of that number in every guest
    "if (child := os.fork()): raise SystemExit(os.waitpid(child, 0)[1] != 0)\n"
    "from evolvent.testing.attack_range import Bait, run_attack\n"
    "from evolvent.testing.programs import attacks\n"
    "from evolvent.testing.sandbox_checks import CHECKS\n"
    "from evolvent_sandbox.bubblewrap import BubblewrapSandbox\n"
    "with BubblewrapSandbox() as sandbox, Bait() as bait:\n"
    "    for _, _, check in CHECKS: check(sandbox)\n"
    "    for attack in attacks():\n"
    "        if attack.category != 'resources':\n"
    "            result = run_attack(sandbox, attack, bait)\n"
    "            assert result.contained, (attack.name, result.breaches)\n"
    "print('all contained')\n"
)


def run_in_a_container(engine, *security, program=INSIDE, user="0:0", seconds=60, **more):
    """Run a program with this Python in a container of the sandbox's image; return what it printed."""
    image, _ = find_image(engine)
    scratch = "/scratch"
    places = {"/usr", sys.prefix, sys.base_prefix, str(Path(__file__).parents[2])}
    with engine.asking("run a container") as api:
        config = api.create_host_config(
            network_mode="none",
            binds=[f"{p}:{p}:ro" for p in places],
            security_opt=list(security),
            tmpfs={scratch: "mode=1777,exec"},
        )
        config.update(more)
        container = api.create_container(
            image,
            [sys.executable, "-c", program],
            host_config=config,
            environment={
                "HOME": scratch,
                "TMPDIR": scratch,
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
            user=user,
        )["Id"]
        try:
            api.start(container)
            api.wait(container, timeout=seconds)
            return api.logs(container).decode()
        finally:
            api.remove_container(container, force=True)


def test_where_namespaces_are_forbidden_the_error_says_how_to_allow_them(engine):
    said = run_in_a_container(engine)
    assert "missing: bubblewrap may not make namespaces here" in said
    assert "--security-opt seccomp=unconfined" in said


@pytest.mark.parametrize("user", ["0:0", "10001:10001"])
def test_with_the_options_of_the_error_it_works_and_memory_is_watched(engine, user):
    said = run_in_a_container(engine, "seccomp=unconfined", "apparmor=unconfined", user=user).splitlines()
    assert said[0] == "42", said
    assert "watched by a thread" in said[1]
    assert "guests have an empty one" in said[2]


def test_with_the_whole_of_proc_guests_get_one_and_are_forked(engine):
    said = run_in_a_container(  # the empty lists are what the client makes of systempaths=unconfined
        engine, "seccomp=unconfined", "apparmor=unconfined", MaskedPaths=[], ReadonlyPaths=[]
    ).splitlines()
    assert said[0] == "42", said
    assert "forked from one warm process" in said[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_a_proc_the_contract_holds_and_attacks_are_contained(engine):
    options = ("seccomp=unconfined", "apparmor=unconfined", "no-new-privileges:true")
    said = run_in_a_container(
        engine, *options, program=CHECKED, user="10001:10001", seconds=500, CapDrop=["ALL"]
    )
    assert said.splitlines()[-1] == "all contained", said


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


# --- building ---


def test_a_folder_without_python_is_no_image(engine, tmp_path):
    (tmp_path / "etc").mkdir()
    with pytest.raises(UsageError, match="holds no Python"):
        build_image(engine, str(tmp_path))


def test_an_unknown_source_is_looked_for_as_an_image_and_the_error_says_so(engine):
    with pytest.raises(MissingPrerequisite, match="'no-such-thing-here:1' cannot be fetched"):
        build_image(engine, "no-such-thing-here:1")


def test_an_image_with_python_can_be_built_from(engine):
    image, _ = find_image(engine)
    built = build_image(engine, image)
    with DockerSandbox(engine=Engine(engine.api, engine.address), image=built.id) as sandbox:
        assert sandbox.call_function("def f(): return 3", "f", [[]])[0].value == 3


def test_an_image_that_does_not_work_is_removed(engine, tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    program = tmp_path / "usr/bin/python3.11"
    program.write_text("no program")
    program.chmod(0o755)
    with engine.asking("list images") as api:
        before = {image["Id"] for image in api.images()}
    with pytest.raises(SandboxLost, match="does not work and was removed"):
        build_image(engine, str(tmp_path))
    with engine.asking("list images") as api:
        assert {image["Id"] for image in api.images()} == before


def test_the_image_holds_no_program_that_runs_with_its_owners_rights(docker):
    source = (
        "import os\n"
        "def f():\n"
        "    found = []\n"
        "    for top, folders, files in os.walk('/'):\n"
        "        folders[:] = [f for f in folders if os.path.join(top, f) not in ('/proc', '/sys')]\n"
        "        found += [p for n in files if (p := os.path.join(top, n)) and os.lstat(p).st_mode & 0o6000]\n"
        "    return found\n"
    )
    assert docker.call_function(source, "f", [[]], Limits(wall_seconds=60))[0].value == []


def test_the_same_files_make_the_same_tag(engine):
    first = build_image(engine, "interpreter")
    assert build_image(engine, "interpreter").tag == first.tag


def test_a_full_disk_stops_the_build_with_a_clear_error(engine, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        code = (
            "from evolvent_sandbox.containers.engine import Engine\n"
            "from evolvent_sandbox.containers.image import build_image\n"
            "build_image(Engine.connect(), 'interpreter')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(small), "DOCKER_HOST": engine.address},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "MissingPrerequisite" in done.stderr
        assert "make space in" in done.stderr
        assert list(small.iterdir()) == [], "nothing half-written stays"
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_own_start_is_known():
    assert start_of(os.getpid()).isdecimal()
    assert start_of(4194303) == ""
