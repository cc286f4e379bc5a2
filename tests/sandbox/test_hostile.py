"""Programs that want out; oracles on the host say whether they got anywhere."""

import contextlib
import os
import socket
import threading
import time

import pytest

from evolvent.errors import GuestError, SandboxLost, SandboxTimeout, UsageError
from evolvent.types import Limits
from evolvent_sandbox.bubblewrap import BubblewrapSandbox

QUICK = Limits(wall_seconds=2)


def test_a_listener_on_the_hosts_loopback_sees_nobody(bubblewrap):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        port = listener.getsockname()[1]
        source = f"import socket\ndef f(): socket.create_connection(('127.0.0.1', {port}), 1)"
        result = bubblewrap.call_function(source, "f", [[]], QUICK)[0]
        assert result.outcome == "exception"
        assert "PermissionError" in result.error
        with pytest.raises(TimeoutError):
            listener.accept()


def test_an_abstract_socket_of_the_host_cannot_be_reached(bubblewrap):
    name = f"\0evolvent-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        source = f"import socket\ndef f(): socket.socket(socket.AF_UNIX).connect({name!r})"
        result = bubblewrap.call_function(source, "f", [[]], QUICK)[0]
        assert "ConnectionRefusedError" in result.error


def test_a_secret_of_the_host_is_nowhere_inside(bubblewrap, tmp_path, monkeypatch):
    secret = f"canary-{os.urandom(8).hex()}"
    monkeypatch.setenv("EVOLVENT_TEST_SECRET", secret)
    canary = tmp_path / "canary.txt"
    canary.write_text(secret)
    canary.chmod(0o644)
    source = (
        "import glob, os\n"
        "def f(half):\n"
        "    found = []\n"
        "    for pattern in ('/proc/*/environ', '/proc/*/cmdline', '/proc/self/mountinfo', '/etc/*', '/srv/*'):\n"
        "        for path in glob.glob(pattern):\n"
        "            try: text = open(path, 'rb').read()\n"
        "            except OSError: continue\n"
        "            if half in text.decode('latin-1'): found.append(path)\n"
        "    return [found, os.path.exists(" + repr(str(canary)) + ")]\n"
    )
    assert bubblewrap.call_function(source, "f", [[secret[7:]]], QUICK)[0].value == [[], False]


def test_every_guest_orders_sets_alike_so_that_runs_can_be_repeated(bubblewrap):
    source = "def f(): return list({str(n) for n in range(50)})"
    first, second = (bubblewrap.call_function(source, "f", [[]])[0] for _ in range(2))
    assert first.value == second.value


def test_only_the_standard_descriptors_and_the_reply_are_open(run_inside):
    body = (
        "import os\nseen = []\n"
        "for fd in range(3, 64):\n"
        "    try: os.fstat(fd); seen.append(fd)\n"
        "    except OSError: pass\n"
        "return len(seen)"
    )
    assert run_inside(body) == 1


def test_the_watching_process_cannot_be_read_signalled_or_slowed_down(run_inside):
    body = (
        "import os, resource, signal\n"
        "seen = []\n"
        "for path in ('/proc/1/mem', '/proc/1/environ', '/proc/1/maps'):\n"
        "    try: open(path, 'rb').read(1); seen.append(path)\n"
        "    except OSError: pass\n"
        "for work in (lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)),\n"
        "             lambda: os.setpriority(os.PRIO_PROCESS, 1, 19), lambda: os.sched_setaffinity(1, {0})):\n"
        "    try: work(); seen.append('changed')\n"
        "    except PermissionError: pass\n"
        "for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM): os.kill(1, number)\n"
        "return seen"
    )
    assert run_inside(body) == []


def test_a_call_that_signals_its_watcher_spoils_no_other_call(bubblewrap):
    source = (
        "import os, signal\n"
        "def f(n):\n"
        "    for number in range(1, 65) if n == 1 else ():\n"
        "        try: os.kill(1, number)\n"
        "        except OSError: pass\n"
        "    return n\n"
    )
    results = bubblewrap.call_function(source, "f", [[0], [1], [2]], QUICK)
    assert [r.value for r in results] == [0, 1, 2]


def test_daemons_of_a_call_are_gone_before_the_next(bubblewrap):
    source = (
        "import os, time\n"
        "def f(n):\n"
        "    pids = [p for p in os.listdir('/proc') if p.isdigit()]\n"
        "    if n == 0:\n"
        "        for _ in range(5):\n"
        "            if os.fork() == 0:\n"
        "                os.setsid()\n"
        "                if os.fork() == 0: time.sleep(600)\n"
        "                os._exit(0)\n"
        "        time.sleep(0.1)\n"
        "    return len(pids)\n"
    )
    assert [r.value for r in bubblewrap.call_function(source, "f", [[0], [1]], QUICK)] == [3, 3]


@pytest.mark.parametrize(
    ("trick", "outcome"),
    [
        ("builtins.type = lambda *a: int", "value"),
        ("json.dumps = json.JSONEncoder.encode = lambda *a, **k: '1'", "value"),
        ("sys.excepthook = lambda *a: None; raise SystemExit(0)", "exception"),
        ("atexit.register(print, 'PASS'); os._exit(0)", "died"),
        ("threading.Thread(target=time.sleep, args=(600,)).start()", "value"),
        ("sys.setrecursionlimit(10**6); exec('f = lambda: f()\\nf()')", "exception"),
    ],
)
def test_tricks_with_the_own_process_change_nothing_for_the_next_call(bubblewrap, trick, outcome):
    source = (
        "import atexit, builtins, json, os, sys, threading, time\n"
        "def f(n):\n"
        f"    if n == 0:\n        {trick}\n"
        "    return n + 100\n"
    )
    first, second = bubblewrap.call_function(source, "f", [[0], [1]], QUICK)
    if "recursion" in trick:
        assert first.outcome in ("exception", "died", "limit")
    else:
        assert first.outcome in (outcome, "not_json"), first
    assert second.value == 101


def test_a_source_that_floods_the_reply_pipe_gets_no_value(bubblewrap):
    source = (
        "import os\n"
        "def f():\n"
        "    for fd in range(3, 20):\n"
        "        try:\n"
        "            os.write(fd, b'\\xff\\xff\\xff\\xff')\n"
        "            while True: os.write(fd, b'x' * 65536)\n"
        "        except OSError: pass\n"
    )
    result = bubblewrap.call_function(source, "f", [[]], QUICK)[0]
    assert result.outcome in ("not_json", "died")


def test_a_source_that_cannot_be_compiled_or_never_ends_compiling_is_an_entry(bubblewrap):
    for source in ("(" * 5000, "x = " + "-" * 100_000 + "1", "\0", "def f(): return 9**9**9"):
        result = bubblewrap.call_function(source, "f", [[]], Limits(wall_seconds=1))[0]
        assert result.outcome in ("exception", "limit", "died"), result


def test_the_pipe_of_a_guest_has_a_low_number_however_many_files_the_host_has_open(bubblewrap):
    program = "import os\ndef f(ctx): return [fd for fd in range(3, 4096) if _open(fd)]\n"
    program += "def _open(fd):\n    try: return bool(os.fstat(fd))\n    except OSError: return False\n"
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(open(os.devnull, "rb"))
        with BubblewrapSandbox() as sandbox, sandbox.session(QUICK) as session:
            session.call("load", {"files": {"p.py": program}})
            assert session.call("invoke", {"module": "p", "function": "f", "args": []}) == [3]


def test_a_guest_that_writes_rubbish_on_its_pipe_is_lost(bubblewrap):
    program = (
        "import os\n"
        "def f(data, ctx):\n"
        "    for fd in range(3, 64):\n"
        "        try: os.write(fd, data.encode('latin-1'))\n"
        "        except OSError: pass\n"
        "    return 1\n"
    )
    for data in ("\xff\xff\xff\xff", "\0\0\0\x02{]", '\0\0\0\x11{"id":1,"id":123}', "\0\0\0\x02[]"):
        with bubblewrap.session(QUICK) as session:
            session.call("load", {"files": {"p.py": program}})
            with pytest.raises(SandboxLost):
                session.call("invoke", {"module": "p", "function": "f", "args": [data]})
            with pytest.raises(SandboxLost, match="closed"):
                session.call("load", {"files": {}})


def test_a_session_that_burns_cpu_or_memory_names_the_limit(bubblewrap):
    program = "def cpu(ctx):\n    while True: pass\ndef memory(ctx): return len(bytearray(10**10))\n"
    for function, limits, name in (
        ("cpu", Limits(cpu_seconds=1, wall_seconds=20), "cpu_seconds"),
        ("cpu", Limits(wall_seconds=0.5), "wall_seconds"),
        ("memory", QUICK, "memory_bytes"),
    ):
        with bubblewrap.session(limits) as session:
            session.call("load", {"files": {"p.py": program}})
            with pytest.raises(SandboxTimeout) as caught:
                session.call("invoke", {"module": "p", "function": function, "args": []})
            assert caught.value.limit == name


def test_the_clock_of_a_session_stands_while_the_host_answers(bubblewrap):
    with bubblewrap.session(Limits(wall_seconds=0.5)) as session:
        session.call("load", {"files": {"p.py": "def f(ctx): return ctx.tools.call('slow', {})"}})
        invocation = {"module": "p", "function": "f", "args": []}
        assert session.call("invoke", invocation, lambda method, params: time.sleep(0.8) or "done") == "done"


def test_an_error_of_a_session_names_type_message_and_line_and_leaves_it_usable(bubblewrap):
    with bubblewrap.session(QUICK) as session:
        session.call("load", {"files": {"p.py": "def f(ctx):\n    return {}['x']\ndef g(ctx): return 1"}})
        with pytest.raises(GuestError, match=r"KeyError: 'x' \(line 2 of the program\)"):
            session.call("invoke", {"module": "p", "function": "f", "args": []})
        assert session.call("invoke", {"module": "p", "function": "g", "args": []}) == 1


@pytest.mark.parametrize("path", ["../x.py", "/etc/x.py", "a/../../x", "", ".", "a//b"])
def test_a_session_refuses_files_outside_the_working_folder(bubblewrap, path):
    with bubblewrap.session() as session, pytest.raises(UsageError, match="working folder"):
        session.call("load", {"files": {path: "x"}})


def test_arguments_that_are_not_json_are_the_callers_error(bubblewrap):
    for args in ([float("nan")], [object()], [{1, 2}]):
        with pytest.raises(UsageError, match="not plain JSON"):
            bubblewrap.call_function("def f(x): return x", "f", [args])


def test_sessions_in_several_threads_do_not_disturb_each_other(bubblewrap):
    values = {}

    def work(n):
        with bubblewrap.session() as session:
            session.call(
                "load", {"files": {"p.py": "def f(x, ctx): return ctx.tools.call('echo', {'x': x})"}}
            )
            for round_ in range(5):
                invocation = {"module": "p", "function": "f", "args": [n * 100 + round_]}
                values[n, round_] = session.call(
                    "invoke", invocation, lambda method, params: params["arguments"]["x"]
                )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == {(n, r): n * 100 + r for n in range(6) for r in range(5)}


def test_a_session_gains_no_time_by_asking_and_not_reading_the_answer(bubblewrap):
    program = (
        "import time\n"
        "def f(ctx):\n"
        "    ask = ctx._request.__self__\n"
        "    n = 0\n"
        "    while True:\n"
        "        n += 1\n"
        '        ask._rpc.write(\'{"id":%d,"method":"tools.call","params":{}}\' % n)\n'
        "        time.sleep(0.3)\n"
    )
    started = time.monotonic()
    with bubblewrap.session(Limits(wall_seconds=1, cpu_seconds=30)) as session:
        session.call("load", {"files": {"p.py": program}})
        with pytest.raises(SandboxTimeout) as caught:
            session.call("invoke", {"module": "p", "function": "f", "args": []}, lambda *_: "x" * 500_000)
    assert caught.value.limit == "wall_seconds"
    assert time.monotonic() - started < 20
