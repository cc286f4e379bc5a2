"""What every sandbox must do, isolating or not: values, errors, limits of a process, sessions."""

from __future__ import annotations

import json
from typing import Any

from evolvent.errors import GuestError, RunError, SandboxLost, SandboxTimeout, UsageError
from evolvent.protocols import Sandbox, VariableServer
from evolvent.testing.sandbox_checks import QUICK, check, expect, one
from evolvent.types import JsonValue, Limits, Variation

__all__: list[str] = []


@check("values")
def _values(sandbox: Sandbox) -> None:
    """Plain JSON goes in and comes out with its exact types, in order."""
    values: list[JsonValue] = [None, True, 0, -1, 2**70, 0.5, "é\u2028\0", [], {"a": [1, {"b": None}]}]
    results = sandbox.call_function("def f(x): return x", "f", [[v] for v in values])
    expect([repr(r.value) for r in results] == [repr(v) for v in values], results)
    expect(all(r.ok for r in results), results)
    expect(one(sandbox, "return (1, (2,))").value == [1, [2]], "tuples become lists")


@check("exceptions")
def _exceptions(sandbox: Sandbox) -> None:
    """An exception is reported with type, message and line; a syntax error and a missing name too."""
    result = one(sandbox, "x = 1\nraise ValueError('no')")
    expect((result.outcome, result.error, result.line) == ("exception", "ValueError: no", 3), result)
    broken = sandbox.call_function("def f(:\n", "f", [[]])[0]
    expect(broken.outcome == "exception" and broken.line == 1, broken)
    expect(broken.error.startswith("SyntaxError"), broken)
    missing = sandbox.call_function("x = 1", "f", [[]])[0]
    expect(missing.outcome == "exception" and "'f'" in missing.error, missing)


@check("not-json values")
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
        result = one(sandbox, body)
        expect(result.outcome == "not_json" and result.value is None, (body, result))


@check("loops")
def _loops(sandbox: Sandbox) -> None:
    """A loop ends at its wall clock or its CPU limit, and the result names which."""
    short = Limits(wall_seconds=0.5)
    result = one(sandbox, "while True: pass", short)
    expect(result.outcome == "limit" and "wall_seconds" in result.error, result)
    stubborn = "import signal\nfor s in (2, 15, 24): signal.signal(s, signal.SIG_IGN)\nwhile True: pass"
    expect(one(sandbox, stubborn, short).outcome == "limit", "ignored signals")
    cpu = one(sandbox, "while True: pass", Limits(wall_seconds=20, cpu_seconds=1))
    expect(cpu.outcome == "limit" and "cpu_seconds" in cpu.error, cpu)


@check("memory")
def _memory(sandbox: Sandbox) -> None:
    """Too much memory ends in a limit that is named."""
    result = one(sandbox, "return len(bytearray(10 ** 10))")
    expect(result.outcome == "limit" and "memory_bytes" in result.error, result)


@check("floods")
def _floods(sandbox: Sandbox) -> None:
    """Output is cut at its limit while reading; the value still counts."""
    limits = Limits(wall_seconds=10, output_bytes=1000)
    result = one(sandbox, "for _ in range(2000): print('x' * 1000)\nreturn 7", limits)
    expect(result.value == 7 and len(result.stdout) == 1000, (result.outcome, len(result.stdout)))
    endless = one(sandbox, "while True: print('x' * 1000)", Limits(wall_seconds=0.5))
    expect(endless.outcome == "limit" and len(endless.stdout) <= 65536, endless.outcome)


@check("exits")
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
    expect([r.outcome for r in results] == wanted, results)


@check("printed results")
def _printed(sandbox: Sandbox) -> None:
    """What is printed, on any stream, is evidence and never a value."""
    fake = json.dumps({"outcome": "value", "value": "forged"})
    body = f"import os, sys\nprint({fake!r}, flush=True)\nos.write(2, {fake.encode()!r})\nos._exit(0)"
    result = one(sandbox, body)
    expect(result.outcome == "died" and result.value is None and "forged" in result.stdout, result)


@check("forged frames")
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
    expect(not results[0].ok and [r.value for r in results[1:]] == [1, 2], results)


@check("forks")
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
    expect(len(results) == 2 and results[1].value == 1, results)


@check("no state survives")
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
    expect([r.value for r in results] == [[[], [], None]] * 3, results)


@check("commands")
def _commands(sandbox: Sandbox) -> None:
    """`run` lays out files, captures both streams and reports the exit code or the limit."""
    files = {"main.py": b"import sys\nprint(open('data/in.txt').read())\nsys.exit(3)", "data/in.txt": b"hi"}
    done = sandbox.run(["python", "main.py"], files, QUICK)
    expect((done.outcome, done.exit_code, done.stdout) == ("failed", 3, "hi\n"), done)
    done = sandbox.run(["python", "-c", "import sys; sys.stderr.write('e'); print('o')"], None, QUICK)
    expect((done.outcome, done.exit_code, done.stdout, done.stderr) == ("ok", 0, "o\n", "e"), done)
    loop = sandbox.run(["python", "-c", "while True: pass"], None, Limits(wall_seconds=0.5))
    expect((loop.outcome, loop.limit, loop.exit_code) == ("limit", "wall_seconds", None), loop)
    flood = sandbox.run(["python", "-c", "print('x' * 10**6)"], None, Limits(output_bytes=100))
    expect(flood.truncated and len(flood.stdout) == 100 and flood.outcome == "ok", flood.outcome)


@check("paths stay inside")
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


@check("sessions")
def _sessions(sandbox: Sandbox) -> None:
    """A program asks the host through its context, and its answer comes back."""
    asked: list[str] = []

    def answer(method: str, params: dict[str, JsonValue]) -> JsonValue:
        asked.append(method)
        if method == "skills.search":
            expect(params == {"query": "q", "limit": 2}, params)
            return [{"name": "n", "description": "d", "score": 1.0, "similarity": 0.5, "callable": True}]
        if method == "model.complete":
            expect(set(params) == {"messages"}, params)
            return {"text": "hello", "value": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        return None

    value = _session(sandbox, "ask", answer, 5, seed=7, feedback=["f"])
    expect(value == [5, "n", "hello", 7, ["f"]], value)
    expect(asked == ["skills.search", "log", "model.complete"], asked)


@check("session errors")
def _session_errors(sandbox: Sandbox) -> None:
    """Giving up, a refused request, a raised exception, a loop and a death are told apart."""

    def refuse(method: str, params: dict[str, JsonValue]) -> JsonValue:
        raise UsageError("not allowed")

    expect(_session(sandbox, "refused", refuse) == ["UsageError", "not allowed"], "BrokerError")
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
            expect(getattr(error, name) == expected, f"{function}: {error!r}")
    else:
        raise AssertionError(f"{function} returned {value!r}")


@check("forkserver")
def _forkserver(sandbox: Sandbox) -> None:
    """The function server for throughput serves one source after the other, and none sees anything of another."""
    server = sandbox.forkserver()
    source = (
        "import builtins, os, sys\n"
        "def f(n):\n"
        "    old = [getattr(builtins, 'mark', None), getattr(os, 'mark', None), os.listdir('.')]\n"
        "    builtins.mark = os.mark = n\n"
        "    if n % 3 == 0: open('left', 'w').close()\n"
        "    if n % 5 == 0: os._exit(0)\n"
        "    return old\n"
    )
    home = server.call_function(source, "f", [[1]], QUICK)[0].value
    for n in range(2, 12):
        result = server.call_function(f"# {n}\n{source}", "f", [[n]], QUICK)[0]
        expect(result.outcome == ("value" if n % 5 else "died"), result)
        expect(result.value == (home if n % 5 else None), result)


@check("surroundings")
def _surroundings(sandbox: Sandbox) -> None:
    """A sandbox that can vary what surrounds a call does: hashes, name, clock and zone; the next call is as before."""
    if not isinstance(sandbox, VariableServer):
        return
    source = (
        "import datetime, os, time\n"
        "def f():\n"
        "    now, old = datetime.datetime.now(datetime.timezone.utc), datetime.datetime(1970, 1, 1)\n"
        "    return [hash('x'), os.uname().nodename, time.time(), now.timestamp(),\n"
        "        datetime.date.today().toordinal(), datetime.datetime.fromtimestamp(0).hour,\n"
        "        isinstance(old, datetime.datetime), isinstance(old.date(), datetime.date)]\n"
    )
    days = 400.0
    changed = Variation(
        hash_seed=7,
        hostname="elsewhere",
        clock_seconds=days * 86_400,
        time_zone="XST-5",
        locale="tr_TR.UTF-8",
    )
    before = sandbox.call_function(source, "f", [[]], QUICK)[0]
    varied = sandbox.varied(changed).call_function(source, "f", [[], []], QUICK)
    after = sandbox.call_function(source, "f", [[]], QUICK)[0]
    expect(all(result.ok for result in (before, after, *varied)), (before, varied, after))
    first, last = before.value, after.value
    for result in varied:
        seen = result.value
        if not (isinstance(seen, list) and isinstance(first, list) and isinstance(last, list)):
            raise AssertionError(f"saw {seen!r}")
        numbers = [[float(str(row[i])) for row in (first, seen, last)] for i in (2, 3, 4)]
        expect(seen[0] != first[0] and first[0] == last[0], "the hash seed")
        expect(seen[1] == "elsewhere" or not sandbox.isolates, f"the host name: {seen[1]!r}")
        expect(all(abs(there - here - days * 86_400) < 120 for here, there, _ in numbers[:2]), numbers)
        expect(days - 1 <= numbers[2][1] - numbers[2][0] <= days + 1, numbers[2])
        expect(all(abs(back - here) < 120 for here, _, back in numbers[:2]), numbers)
        expect(seen[5] == 5, f"the time zone: {seen[5]!r}")
        expect(seen[6] is True and seen[7] is True, "real dates are still dates")
