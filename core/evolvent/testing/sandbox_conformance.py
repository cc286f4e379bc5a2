"""What every sandbox must do, as checks that anyone can run on their own.

`assert_conforms(sandbox)` in a test, or `check_sandbox(sandbox)` for a table. The checks run hostile
programs: with a sandbox that isolates nothing pass `isolation=False`, which leaves out those that need walls.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from evolvent.errors import GuestError, RunError, SandboxLost, SandboxTimeout, UsageError
from evolvent.protocols import Sandbox
from evolvent.types import CallResult, JsonValue, Limits

__all__ = ["CheckResult", "assert_conforms", "check_sandbox"]

CheckResult = tuple[str, bool, str]
"""Name of the check, whether it passed, and what was seen."""
Check = Callable[[Sandbox], None]

QUICK = Limits(wall_seconds=2.0, cpu_seconds=5)
_CHECKS: list[tuple[str, bool, Check]] = []


def check_sandbox(sandbox: Sandbox, isolation: bool = True) -> list[CheckResult]:
    """Run all checks; a check that raises has failed, the others still run.

    Args:
        sandbox: an open sandbox; it is not closed.
        isolation: whether to run the checks that need walls, not only the contract of results.
    """
    results: list[CheckResult] = []
    for name, needs_walls, check in _CHECKS:
        if needs_walls and not isolation:
            continue
        try:
            check(sandbox)
            results.append((name, True, (check.__doc__ or "").strip()))
        except Exception as error:
            results.append((name, False, f"{type(error).__name__}: {error}"))
    return results


def assert_conforms(sandbox: Sandbox, isolation: bool = True) -> None:
    """Run all checks and fail with the list of those that did not pass.

    Raises:
        AssertionError: at least one check failed.
    """
    failed = [f"{name}: {detail}" for name, passed, detail in check_sandbox(sandbox, isolation) if not passed]
    if failed:
        raise AssertionError(f"sandbox {sandbox.name!r} breaks its contract:\n  " + "\n  ".join(failed))


def _check(name: str, needs_walls: bool = False) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        _CHECKS.append((name, needs_walls, check))
        return check

    return add


def _expect(condition: bool, seen: object) -> None:
    if not condition:
        raise AssertionError(f"saw {str(seen)[:600]}")


def _one(sandbox: Sandbox, body: str, limits: Limits = QUICK) -> CallResult:
    """Call `f()` with the given body."""
    source = "def f():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    results = sandbox.call_function(source, "f", [[]], limits)
    _expect(len(results) == 1, results)
    return results[0]


@_check("values")
def _values(sandbox: Sandbox) -> None:
    """Plain JSON goes in and comes out with its exact types, in order."""
    values: list[JsonValue] = [None, True, 0, -1, 2**70, 0.5, "é\u2028\0", [], {"a": [1, {"b": None}]}]
    results = sandbox.call_function("def f(x): return x", "f", [[v] for v in values])
    _expect([repr(r.value) for r in results] == [repr(v) for v in values], results)
    _expect(all(r.ok for r in results), results)
    _expect(_one(sandbox, "return (1, (2,))").value == [1, [2]], "tuples become lists")


@_check("exceptions")
def _exceptions(sandbox: Sandbox) -> None:
    """An exception is reported with type, message and line; a syntax error and a missing name too."""
    result = _one(sandbox, "x = 1\nraise ValueError('no')")
    _expect((result.outcome, result.error, result.line) == ("exception", "ValueError: no", 3), result)
    broken = sandbox.call_function("def f(:\n", "f", [[]])[0]
    _expect(broken.outcome == "exception" and broken.line == 1, broken)
    _expect(broken.error.startswith("SyntaxError"), broken)
    missing = sandbox.call_function("x = 1", "f", [[]])[0]
    _expect(missing.outcome == "exception" and "'f'" in missing.error, missing)


@_check("not-json values")
def _not_json(sandbox: Sandbox) -> None:
    """NaN, infinity, cycles, depth, size, keys, subclasses and objects are refused, not repaired."""
    for body in (
        "return float('nan')",
        "return [float('-inf')]",
        "x = []\nx.append(x)\nreturn x",
        "x = {}\nx['x'] = x\nreturn x",
        "x = 0\nfor _ in range(100): x = [x]\nreturn x",
        "return 'x' * 2_000_000",
        "return 10 ** 5000",
        "return {1: 2}",
        "return {1, 2}",
        "return b'x'",
        "return object()",
        "return '\\ud800'",
        "class I(int):\n    def __eq__(self, o): return True\nreturn I(3)",
    ):
        result = _one(sandbox, body)
        _expect(result.outcome == "not_json" and result.value is None, (body, result))


@_check("loops")
def _loops(sandbox: Sandbox) -> None:
    """A loop ends at its wall clock or its CPU limit, and the result names which."""
    short = Limits(wall_seconds=0.5)
    result = _one(sandbox, "while True: pass", short)
    _expect(result.outcome == "limit" and "wall_seconds" in result.error, result)
    stubborn = "import signal\nfor s in (2, 15, 24): signal.signal(s, signal.SIG_IGN)\nwhile True: pass"
    _expect(_one(sandbox, stubborn, short).outcome == "limit", "ignored signals")
    cpu = _one(sandbox, "while True: pass", Limits(wall_seconds=20, cpu_seconds=1))
    _expect(cpu.outcome == "limit" and "cpu_seconds" in cpu.error, cpu)


@_check("memory")
def _memory(sandbox: Sandbox) -> None:
    """Too much memory ends in a limit that is named."""
    result = _one(sandbox, "return len(bytearray(10 ** 10))")
    _expect(result.outcome == "limit" and "memory_bytes" in result.error, result)


@_check("floods")
def _floods(sandbox: Sandbox) -> None:
    """Output is cut at its limit while reading; the value still counts."""
    limits = Limits(wall_seconds=10, output_bytes=1000)
    result = _one(sandbox, "for _ in range(2000): print('x' * 1000)\nreturn 7", limits)
    _expect(result.value == 7 and len(result.stdout) == 1000, (result.outcome, len(result.stdout)))
    endless = _one(sandbox, "while True: print('x' * 1000)", Limits(wall_seconds=0.5))
    _expect(endless.outcome == "limit" and len(endless.stdout) <= 65536, endless.outcome)


@_check("exits")
def _exits(sandbox: Sandbox) -> None:
    """Leaving, crashing or dying is never a value, and spoils no other call."""
    source = (
        "import os, sys, signal\n"
        "def f(how):\n"
        "    if how == 'exit': sys.exit(0)\n"
        "    if how == 'os': os._exit(0)\n"
        "    if how in ('KILL', 'SEGV'): os.kill(os.getpid(), signal.Signals['SIG' + how])\n"
        "    return how\n"
    )
    hows = ["ok", "exit", "ok", "os", "ok", "KILL", "ok", "SEGV", "ok"]
    results = sandbox.call_function(source, "f", [[how] for how in hows], QUICK)
    wanted = ["value", "exception", "value", "died", "value", "died", "value", "died", "value"]
    _expect([r.outcome for r in results] == wanted, results)


@_check("printed results")
def _printed(sandbox: Sandbox) -> None:
    """What is printed, on any stream, is evidence and never a value."""
    fake = json.dumps({"outcome": "value", "value": "forged"})
    body = f"import os, sys\nprint({fake!r}, flush=True)\nos.write(2, {fake.encode()!r})\nos._exit(0)"
    result = _one(sandbox, body)
    _expect(result.outcome == "died" and result.value is None and "forged" in result.stdout, result)


@_check("forged frames")
def _forged(sandbox: Sandbox) -> None:
    """Bytes written to every descriptor do not become another call's value."""
    source = (
        "import os\n"
        "def f(n):\n"
        "    if n == 0:\n"
        '        text = b\'{"outcome":"value","value":NaN}\'\n'
        "        for fd in range(3, 256):\n"
        "            try: os.write(fd, len(text).to_bytes(4, 'big') + text)\n            except OSError: pass\n"
        "        os._exit(0)\n"
        "    return n\n"
    )
    results = sandbox.call_function(source, "f", [[0], [1], [2]], QUICK)
    _expect(not results[0].ok and [r.value for r in results[1:]] == [1, 2], results)


@_check("forks")
def _forks(sandbox: Sandbox) -> None:
    """A forked child cannot answer twice, and cannot answer for another call."""
    source = (
        "import os, time\n"
        "def f(n):\n"
        "    if n == 0 and os.fork() == 0: return 'child'\n"
        "    if n == 0: time.sleep(0.2)\n"
        "    return n\n"
    )
    results = sandbox.call_function(source, "f", [[0], [1]], QUICK)
    _expect(len(results) == 2 and results[1].value == 1, results)


@_check("process storms", needs_walls=True)
def _storms(sandbox: Sandbox) -> None:
    """A fork bomb ends at its limit and leaves the next call alone."""
    source = (
        "import os\n"
        "def f(n):\n"
        "    while n == 0:\n"
        "        try: os.fork()\n        except OSError: pass\n"
        "    return n\n"
    )
    results = sandbox.call_function(source, "f", [[0], [1]], Limits(wall_seconds=1.0))
    _expect(results[0].outcome in ("limit", "died") and results[1].value == 1, results)


@_check("no state survives")
def _state(sandbox: Sandbox) -> None:
    """Variables, modules, files and processes of one call are not there in the next."""
    source = (
        "import os, sys\n"
        "seen = []\n"
        "def f(n):\n"
        "    old = [list(seen), sorted(os.listdir('.')), getattr(sys, 'mark', None)]\n"
        "    seen.append(n); sys.mark = n\n"
        "    open('left.txt', 'w').write('x')\n"
        "    return old\n"
    )
    results = sandbox.call_function(source, "f", [[1], [2], [3]], QUICK)
    _expect([r.value for r in results] == [[[], [], None]] * 3, results)


@_check("commands")
def _commands(sandbox: Sandbox) -> None:
    """`run` lays out files, captures both streams and reports the exit code or the limit."""
    files = {"main.py": b"import sys\nprint(open('data/in.txt').read())\nsys.exit(3)", "data/in.txt": b"hi"}
    done = sandbox.run(["python", "main.py"], files, QUICK)
    _expect((done.outcome, done.exit_code, done.stdout) == ("failed", 3, "hi\n"), done)
    done = sandbox.run(["python", "-c", "import sys; sys.stderr.write('e'); print('o')"], None, QUICK)
    _expect((done.outcome, done.exit_code, done.stdout, done.stderr) == ("ok", 0, "o\n", "e"), done)
    loop = sandbox.run(["python", "-c", "while True: pass"], None, Limits(wall_seconds=0.5))
    _expect((loop.outcome, loop.limit, loop.exit_code) == ("limit", "wall_seconds", None), loop)
    flood = sandbox.run(["python", "-c", "print('x' * 10**6)"], None, Limits(output_bytes=100))
    _expect(flood.truncated and len(flood.stdout) == 100 and flood.outcome == "ok", flood.outcome)


@_check("paths stay inside")
def _paths(sandbox: Sandbox) -> None:
    """A path that leaves the working folder is the caller's error."""
    for path in ("/etc/x", "../x", "a/../../x", "", "a\0b"):
        try:
            sandbox.run(["python", "-c", "pass"], {path: b"x"}, QUICK)
        except UsageError:
            continue
        raise AssertionError(f"{path!r} was accepted")


PROGRAM = """
def ask(x, ctx):
    hits = ctx.skills.search("q", limit=2)
    ctx.log("found")
    said = ctx.model.complete([{"role": "user", "content": "hi"}])
    return [x, hits[0].name, said.text, ctx.seed, ctx.feedback]
def give_up(ctx): raise ctx.GiveUp("too hard")
def refused(ctx):
    try: ctx.tools.call("t", {})
    except ctx.BrokerError as error: return [error.kind, error.message]
def fail(ctx): return 1 / 0
def loop(ctx):
    while True: pass
def leave(ctx):
    import os
    os._exit(0)
def nan(ctx): return float("nan")
"""


def _session(
    sandbox: Sandbox, function: str, handler: Any = None, *args: JsonValue, **context: JsonValue
) -> Any:
    session = sandbox.session(Limits(wall_seconds=1.0))
    try:
        session.call("load", {"files": {"program.py": PROGRAM}})
        params: dict[str, JsonValue] = {"module": "program", "function": function, "args": list(args)}
        return session.call("invoke", {**params, "context": dict(context)}, handler)
    finally:
        session.close()
        session.close()


@_check("sessions")
def _sessions(sandbox: Sandbox) -> None:
    """A program asks the host through its context, and its answer comes back."""
    asked: list[str] = []

    def answer(method: str, params: dict[str, JsonValue]) -> JsonValue:
        asked.append(method)
        if method == "skills.search":
            _expect(params == {"query": "q", "limit": 2}, params)
            return [{"name": "n", "description": "d", "score": 1.0, "similarity": 0.5, "callable": True}]
        if method == "model.complete":
            _expect(set(params) == {"messages"}, params)
            return {"text": "hello", "value": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        return None

    value = _session(sandbox, "ask", answer, 5, seed=7, feedback=["f"])
    _expect(value == [5, "n", "hello", 7, ["f"]], value)
    _expect(asked == ["skills.search", "log", "model.complete"], asked)


@_check("session errors")
def _session_errors(sandbox: Sandbox) -> None:
    """Giving up, a refused request, a raised exception, a loop and a death are told apart."""

    def refuse(method: str, params: dict[str, JsonValue]) -> JsonValue:
        raise UsageError("not allowed")

    _expect(_session(sandbox, "refused", refuse) == ["UsageError", "not allowed"], "BrokerError")
    _expect_error(sandbox, "give_up", GuestError, ("kind", "GiveUp"), ("message", "too hard"))
    _expect_error(sandbox, "fail", GuestError, ("kind", "ZeroDivisionError"))
    _expect_error(sandbox, "nan", GuestError, ("kind", "NotJson"))
    _expect_error(sandbox, "loop", SandboxTimeout, ("limit", "wall_seconds"))
    _expect_error(sandbox, "leave", SandboxLost)


def _expect_error(sandbox: Sandbox, function: str, kind: type[RunError], *wanted: tuple[str, str]) -> None:
    try:
        value = _session(sandbox, function)
    except kind as error:
        for name, expected in wanted:
            _expect(getattr(error, name) == expected, f"{function}: {error!r}")
    else:
        raise AssertionError(f"{function} returned {value!r}")


@_check("no network", needs_walls=True)
def _network(sandbox: Sandbox) -> None:
    """There is no interface but a loopback, no route, and no socket but a local one."""
    body = (
        "import socket\n"
        "lines = open('/proc/net/dev').read().splitlines()[2:]\n"
        "routes = open('/proc/net/route').read().splitlines()[1:]\n"
        "opened = []\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, 40, 16):\n"
        "    try: socket.socket(family, socket.SOCK_DGRAM).close(); opened.append(int(family))\n"
        "    except OSError: pass\n"
        "return [[line.split(':')[0].strip() for line in lines], routes, opened]"
    )
    _expect(_one(sandbox, body).value == [["lo"], [], []], _one(sandbox, body))


@_check("empty environment", needs_walls=True)
def _environment(sandbox: Sandbox) -> None:
    """No variable of the host is visible, in this process or any other."""
    body = (
        "import os\n"
        "seen = {k: v for k, v in os.environ.items() if k not in ('LC_CTYPE', 'PWD')}\n"
        "leaks = []\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: leaks.append(open(f'/proc/{pid}/environ').read())\n"
        "    except OSError: pass\n"
        "return [seen, [t for t in leaks if t.replace('PWD=/work\\0', '')]]"
    )
    _expect(_one(sandbox, body).value == [{}, []], _one(sandbox, body))


@_check("no host files", needs_walls=True)
def _host_files(sandbox: Sandbox) -> None:
    """Nothing of the host's users is there, and nothing but the scratch folder can be written."""
    body = (
        "import os\n"
        "there = [p for p in ('/home', '/root', '/var', '/run', '/etc/passwd', '/boot', '/sys')\n"
        "         if os.path.exists(p)]\n"
        "writable = []\n"
        "for folder in ('/', '/usr/lib', '/opt', '/etc', '/dev', '/proc', '/proc/sys/kernel'):\n"
        "    try: open(folder + '/x', 'w').close(); writable.append(folder)\n"
        "    except OSError: pass\n"
        "return [there, writable, os.getuid() == 0]"
    )
    _expect(_one(sandbox, body).value == [[], [], False], _one(sandbox, body))


@_check("file limits", needs_walls=True)
def _file_limits(sandbox: Sandbox) -> None:
    """One file, all files together, and descriptors end at their limits, which are named."""
    small = Limits(wall_seconds=5, file_bytes=4096)
    result = _one(sandbox, "open('a', 'wb').write(b'x' * 10000)", small)
    _expect(result.outcome == "limit" and "file_bytes" in result.error, result)
    fill = "for n in range(100): open(f'f{n}', 'wb').write(b'x' * 10**6)"
    result = _one(sandbox, fill, Limits(wall_seconds=5, scratch_bytes=4 * 2**20))
    _expect(result.outcome == "limit" and "scratch_bytes" in result.error, result)
    result = _one(sandbox, "import os\nk = [os.open('/dev/null', 0) for _ in range(1000)]", QUICK)
    _expect(result.outcome == "limit" and "open_files" in result.error, result)
