"""Running hostile programs against a sandbox, judged by what a watcher on the host sees."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from evolvent.errors import EvolventError, UsageError
from evolvent.protocols import FunctionServer, Sandbox
from evolvent.testing.programs import Attack, attacks
from evolvent.types import Execution, JsonValue, Limits

__all__ = ["AttackResult", "Bait", "run_attack", "run_attacks"]

COLLECT = ("out", "out/*", "out/*/*")
SLACK_SECONDS = 15.0
"""What a sandbox may take beyond an attack's wall clock, on a busy machine, to end it."""
PROBE = """
def probe():
    import builtins, json, os, resource, signal, sys, time
    left = [os.listdir(folder) for folder in (".", "/tmp", "/dev/shm", "/dev/mqueue") if os.path.isdir(folder)]
    fds = [fd for fd in range(3, 256) if os.path.exists(f"/proc/self/fd/{fd}")]
    return {
        "left": left,
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "modules": sorted(sys.modules), "path": sys.path, "environment": dict(os.environ),
        "builtins": sorted(vars(builtins)), "json": json.dumps({"a": [1, 2.5, None]}),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0), "cpus": len(os.sched_getaffinity(0)),
        "limits": [resource.getrlimit(n) for n in range(16)], "umask": os.umask(0o22), "fds": len(fds),
        "signals": [n for n in range(1, 65) if n not in (32, 33) and not signal.getsignal(n) in (0, None)],
        "cwd": os.getcwd(), "uid": os.getuid() > 0, "trace": sys.gettrace() is None,
    }
"""


@dataclass(frozen=True)
class AttackResult:
    """What came of one attack."""

    attack: Attack
    breaches: tuple[str, ...]
    """What the attack got; empty when it was contained."""
    outcome: str
    """How it ended: the outcome and error of the call, or the limit."""
    seconds: float

    @property
    def contained(self) -> bool:
        """Whether it got nothing."""
        return not self.breaches


class Bait:
    """Everything on the host that an attack would like to reach, and what notices that it did.

    Sockets listen on loopback only; files lie in a folder of their own; the victim is a sleeping process.
    """

    def __enter__(self) -> Bait:
        self._stack = contextlib.ExitStack()
        self.token = secrets.token_hex(12)
        """The secret itself. No attack is told it: whoever returns it has read it on the host."""
        marked = f"evolvent-canary-{self.token}"
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="evolvent-bait-")))
        self.folder.chmod(0o777)  # everyone may write: only the sandbox stands between
        self._canary, self._private = self.folder / "canary.txt", self.folder / "private.txt"
        for path, mode in ((self._canary, 0o666), (self._private, 0o600)):
            path.write_text(marked)
            path.chmod(mode)
        self._sockets = self._listen()
        os.environ["EVOLVENT_CANARY"] = marked
        self._stack.callback(os.environ.pop, "EVOLVENT_CANARY", None)
        command = [sys.executable, "-c", "import time; time.sleep(3600)", marked]
        self._victim = subprocess.Popen(command, env={"CANARY": marked}, cwd="/")
        self._stack.callback(self._victim.wait)
        self._stack.callback(self._victim.kill)
        self._files = self._seen_files()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _listen(self) -> dict[str, socket.socket]:
        self._abstract = f"evolvent-bait-{secrets.token_hex(6)}"
        sockets = {
            "loopback TCP": socket.create_server(("127.0.0.1", 0)),
            "loopback UDP": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "abstract socket": socket.socket(socket.AF_UNIX),
            "socket file": socket.socket(socket.AF_UNIX),
        }
        sockets["loopback UDP"].bind(("127.0.0.1", 0))
        sockets["abstract socket"].bind(f"\0{self._abstract}")
        sockets["socket file"].bind(str(self.folder / "listener.sock"))
        (self.folder / "listener.sock").chmod(0o777)
        for name, listener in sockets.items():
            self._stack.callback(listener.close)
            listener.setblocking(False)
            if name != "loopback UDP":
                listener.listen()
        return sockets

    def told(self) -> dict[str, JsonValue]:
        """Return what an attack is told: where everything is, never the secret itself."""
        return {
            "mark": "evolvent-canary-",
            "canary": str(self._canary),
            "private": str(self._private),
            "folder": str(self.folder),
            "tcp_port": self._sockets["loopback TCP"].getsockname()[1],
            "udp_port": self._sockets["loopback UDP"].getsockname()[1],
            "abstract": self._abstract,
            "socket_file": str(self.folder / "listener.sock"),
            "victim_pid": self._victim.pid,
            "host_pid": os.getpid(),
            "variable": "EVOLVENT_CANARY",
        }

    def disturbed(self) -> list[str]:
        """Return what on the host is no longer as it was."""
        seen = [f"reached the {name}" for name, listener in self._sockets.items() if _was_reached(listener)]
        if self._seen_files() != self._files:
            seen.append("changed files of the host")
            self._files = self._seen_files()
        if self._victim.poll() is not None:
            seen.append("killed a process of the host")
        else:
            stat = Path(f"/proc/{self._victim.pid}/stat").read_text().rpartition(")")[2].split()
            if stat[0] in "Tt" or int(stat[16]) != os.getpriority(os.PRIO_PROCESS, 0):
                seen.append("stopped or slowed down a process of the host")
                os.kill(self._victim.pid, signal.SIGCONT)
        return seen

    def _seen_files(self) -> list[tuple[str, int, str]]:
        return [
            (path.name, path.lstat().st_mode, path.read_text() if path.is_file() else "")
            for path in sorted(self.folder.rglob("*"))
        ]


def _was_reached(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(1)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def run_attacks(sandbox: Sandbox, chosen: Iterable[Attack] | None = None) -> list[AttackResult]:
    """Run attacks, by default all, one after the other.

    Args:
        sandbox: an open sandbox that isolates; it is not closed. Never give one that does not: the attacks
            are real.
        chosen: what `attacks()` returns, or a part of it.
    """
    with Bait() as bait:
        return [run_attack(sandbox, attack, bait) for attack in (attacks() if chosen is None else chosen)]


def run_attack(sandbox: Sandbox, attack: Attack, bait: Bait) -> AttackResult:
    """Run one attack and look for what it got, on the host and in the run that follows it.

    Raises:
        UsageError: the sandbox says of itself that it does not isolate.
    """
    if not sandbox.isolates:
        raise UsageError(f"the {sandbox.name!r} sandbox isolates nothing, and the attacks are real")
    started = time.monotonic()
    server = sandbox.forkserver()
    pristine = _probe(sandbox)
    breaches: list[str] = []
    try:
        claims, outcome, evidence = _RUN[attack.way](sandbox, server, attack, bait)
    except EvolventError as error:
        claims, outcome, evidence = [], f"{type(error).__name__}: {error}"[:300], str(error)
    seconds = time.monotonic() - started
    if not isinstance(claims, list):
        claims = [f"returned {claims!r:.200}"]
    breaches += [str(claim)[:300] for claim in claims]
    if bait.token in f"{claims} {outcome} {evidence}":
        breaches.append("read a secret of the host")
    breaches += bait.disturbed()
    if seconds > attack.limits.wall_seconds + SLACK_SECONDS:
        breaches.append(f"ran for {seconds:.1f} s; its wall clock was {attack.limits.wall_seconds} s")
    after = _probe(server)
    changed = [key for key in pristine if after.get(key) != pristine[key]]
    breaches += [f"left {key} changed: {after.get(key, after)!r:.200}" for key in changed]
    return AttackResult(attack, tuple(breaches), outcome, seconds)


def _probe(server: FunctionServer) -> dict[str, Any]:
    result = server.call_function(PROBE, "probe", [[]], Limits(wall_seconds=30))[0]
    if not isinstance(result.value, dict):
        return {"probe": f"{result.outcome}: {result.error}"}
    return dict(result.value)


def _call(sandbox: Sandbox, server: FunctionServer, attack: Attack, bait: Bait) -> tuple[Any, str, str]:
    result = server.call_function(attack.source, attack.name, [[bait.told()]], attack.limits)[0]
    outcome = f"{result.outcome}: {result.error}" if result.error else result.outcome
    return (result.value if result.ok else []), outcome, result.stdout


def _command(sandbox: Sandbox, server: FunctionServer, attack: Attack, bait: Bait) -> tuple[Any, str, str]:
    tail = f"\nimport json, sys\nprint(json.dumps({attack.name}(json.loads(sys.argv[1]))))\n"
    files = {"main.py": attack.source + tail, **attack.files}
    command = ["python", "main.py", json.dumps(bait.told())]
    encoded = {path: text.encode() for path, text in files.items()}
    done = sandbox.run(command, encoded, attack.limits, collect=COLLECT)
    outcome = f"limit: {done.limit}" if done.limit else f"{done.outcome}: exit code {done.exit_code}"
    said = done.stdout.strip().splitlines()
    try:
        claims = json.loads(said[-1]) if said else []
    except ValueError:
        claims = []
    if not isinstance(claims, list):  # what it printed is no claim of ours
        claims = []
    return [*claims, *_wrong_files(done, attack.limits)], outcome, f"{done.stdout}{done.stderr}{done.files}"


def _wrong_files(done: Execution, limits: Limits) -> list[str]:
    wrong = [
        f"brought back {path!r}"
        for path in done.files
        if path.split("/")[0] != "out" or ".." in path.split("/")
    ]
    if sum(map(len, done.files.values())) > limits.result_bytes:
        wrong.append("brought back more than result_bytes")
    if any(
        name in content.decode("latin-1")
        for content in done.files.values()
        for name in ("root:x:0", "canary-")
    ):
        wrong.append("brought back a file that it did not write")
    return wrong


def _session(sandbox: Sandbox, server: FunctionServer, attack: Attack, bait: Bait) -> tuple[Any, str, str]:
    session = sandbox.session(attack.limits)
    try:
        session.call("load", {"files": {"program.py": attack.source}})
        params: dict[str, JsonValue] = {"module": "program", "function": attack.name, "args": [bait.told()]}
        value = session.call("invoke", params, _refuse)
        return value, "value", ""
    finally:
        session.close()


def _refuse(method: str, params: dict[str, JsonValue]) -> JsonValue:
    raise PermissionError(f"{method} is not offered here")


_RUN = {"call": _call, "command": _command, "session": _session}
