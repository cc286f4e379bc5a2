"""What the built-in backends share: one protocol over a pool of single-use guests."""

from __future__ import annotations

import shutil
import subprocess
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from evolvent.errors import MissingPrerequisite, SandboxGone, SandboxLost, SandboxTimeout
from evolvent.types import CallResult, Execution, JsonValue, Limits, Variation
from evolvent_sandbox.commands import Command
from evolvent_sandbox.exchange import wait_ready
from evolvent_sandbox.forkserver import MAX_CALLS, ForkServer
from evolvent_sandbox.guests import Guest, Shape
from evolvent_sandbox.interpreter import Interpreter
from evolvent_sandbox.pool import GuestPool
from evolvent_sandbox.session import GuestSession
from evolvent_sandbox.staging import Staging, content_hash

__all__ = [
    "ENVIRONMENT",
    "GUEST_PACKAGE",
    "GuestSandbox",
    "boot_command",
    "environment",
    "stage_guest",
    "zygote_command",
]

GUEST_PACKAGE = "evolvent_guest"
PYTHON_FLAGS = ("-P", "-s", "-S", "-B", "-X", "utf8")
"""Isolated mode but for the environment, which holds nothing but `ENVIRONMENT`."""
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""Sets are ordered alike in every guest, so that a run can be repeated. The guest clears it when it starts."""
WARM_GUESTS = 2
WORKERS = 2
ATTEMPTS = 3
Given = TypeVar("Given")


class GuestSandbox(ABC):
    """A sandbox made of guests; a backend says in `_launch` how one is started."""

    name = "guest"
    isolates = True
    _reuse_calls = MAX_CALLS
    """After how many calls the forkserver replaces a guest."""

    def __init__(
        self, limits: Limits | None = None, warm_guests: int = WARM_GUESTS, workers: int = WORKERS
    ) -> None:
        """Start the first guests.

        Args:
            limits: used where a call gives none.
            warm_guests: guests to keep ready.
            workers: threads that start and kill guests.

        Raises:
            MissingPrerequisite: a guest cannot be started on this machine.
        """
        self.limits = limits or Limits()
        self._pool = GuestPool(_weakly(self._launch), warm_guests, self._shape(self.limits), workers)
        take = _weakly(self._take)
        self._forkserver = ForkServer(take, self._pool.discard, self.limits, self._reuse_calls)
        self._fresh = ForkServer(take, self._pool.discard, self.limits, max_calls=0)
        try:
            self._pool.give_back(self._take(self.limits))
        except SandboxLost as lost:
            self._pool.close()
            raise MissingPrerequisite(
                f"the {self.name!r} sandbox cannot start a guest: {lost}", "evolvent doctor"
            ) from None
        except BaseException:
            self._pool.close()
            raise

    @abstractmethod
    def _launch(self, shape: Shape) -> Guest:
        """Start a guest."""

    @abstractmethod
    def _python(self) -> list[str]:
        """Return the words that start Python inside."""

    def _shape(self, limits: Limits, variation: Variation | None = None) -> Shape:
        """Return what a guest must be started with; what `Guest.bound` sets may be left out."""
        return Shape.of(limits, variation)

    def _explain(self, lost: SandboxLost) -> SandboxLost | MissingPrerequisite:
        """Return the error to raise for a guest that did not start."""
        return lost

    def _take(self, limits: Limits, variation: Variation | None = None) -> Guest:
        """Return an unused guest that has reported.

        Raises:
            MissingPrerequisite: a guest cannot be started on this machine.
            SandboxLost: guests start and die.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                guest = self._pool.take(self._shape(limits, variation))
            except OSError as error:
                raise SandboxLost(f"no process can be started: {error}") from error
            except SandboxLost as lost:  # the zygote may just have ended; the next try starts another
                if attempt == ATTEMPTS:
                    raise self._explain(lost) from None
                continue
            try:
                if not guest.ready:
                    wait_ready(guest)
                if not guest.is_quiet():
                    raise SandboxLost("the guest ended while nobody used it")
                guest.bound(limits)
                return guest
            except (SandboxLost, SandboxTimeout, OSError) as error:
                self._pool.discard(guest)
                if attempt == ATTEMPTS:
                    raise self._explain(SandboxLost(str(error))) from None
        raise AssertionError("unreachable")

    def run(
        self,
        command: Sequence[str],
        files: Mapping[str, bytes] | None = None,
        limits: Limits | None = None,
        collect: Sequence[str] = (),
    ) -> Execution:
        """Run one command to its end in a fresh sandbox; see `evolvent.protocols.Sandbox.run`.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
            UsageError: the command is empty, or a path in `files` or `collect` leaves the working folder.
            SandboxLost: the sandbox itself failed.
        """
        limits = limits or self.limits
        python = [*self._python(), "-I", "-B", "-X", "utf8"]
        for attempt in range(1, ATTEMPTS + 1):
            job = Command(command, files or {}, limits, collect, python)
            guest = self._take(limits)
            try:
                return job.run(guest)
            except SandboxGone:
                if attempt == ATTEMPTS:
                    raise
            finally:
                self._pool.discard(guest)
        raise AssertionError("unreachable")

    def session(self, limits: Limits | None = None) -> GuestSession:
        """Take a guest that nobody has used, for a program that asks back.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
        """
        limits = limits or self.limits
        return GuestSession(self._take(limits), limits, self._pool.discard)

    def call_function(
        self,
        source: str,
        function: str,
        calls: Sequence[Sequence[JsonValue]],
        limits: Limits | None = None,
    ) -> list[CallResult]:
        """Call a function of untrusted source in a fresh guest; see `evolvent.protocols.FunctionServer`.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
            UsageError: the arguments are not plain JSON.
            SandboxLost: the sandbox itself (not the code in it) failed.
        """
        return self._fresh.call_function(source, function, calls, limits)

    def forkserver(self) -> ForkServer:
        """Return the function server whose guests serve many sources; see `evolvent.protocols.Sandbox`."""
        return self._forkserver

    def varied(self, variation: Variation) -> ForkServer:
        """Return a function server whose guests have other surroundings; see `evolvent.protocols.VariableServer`."""

        def take(limits: Limits) -> Guest:
            return self._take(limits, variation)

        return ForkServer(take, self._pool.discard, self.limits, max_calls=0, variation=variation)

    def describe(self) -> dict[str, str]:
        """Return facts for `evolvent doctor`."""
        return {"backend": self.name}

    def close(self) -> None:
        """Kill every guest that it started. May be called twice."""
        self._forkserver.close()
        self._pool.close()

    def __enter__(self) -> GuestSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def environment(shape: Shape) -> dict[str, str]:
    """Return what a guest finds in its environment when it starts."""
    return {**ENVIRONMENT, "PYTHONHASHSEED": str(shape.hash_seed)}


def _weakly(method: Callable[[Given], Guest]) -> Callable[[Given], Guest]:
    """Return a function that calls a method without keeping its object alive: a forgotten sandbox ends."""
    reference = weakref.WeakMethod(method)

    def call(given: Given) -> Guest:
        alive = reference()
        if alive is None:
            raise SandboxLost("the sandbox is gone")
        return alive(given)

    return call


def stage_guest(staging: Staging, interpreter: Interpreter) -> Path:
    """Return a folder that holds the guest's package, compiled, where the sandbox's user can read it.

    Raises:
        MissingPrerequisite: there is no place, or no space, for it.
    """
    source = Path(__file__).parent / "guest"
    modules = sorted(source.glob("*.py"))

    def build(draft: Path) -> None:
        package = draft / GUEST_PACKAGE
        package.mkdir()
        for module in modules:
            shutil.copyfile(module, package / module.name)
        command = [str(interpreter.executable), "-I", "-m", "compileall", "-q", "--invalidation-mode"]
        subprocess.run(
            [*command, "unchecked-hash", "."], check=False, env={}, cwd=package, stdout=subprocess.DEVNULL
        )

    return staging.publish(f"guest-{content_hash(modules, interpreter.cache_tag)}", build)


def boot_command(
    python: list[str], package_parent: str, fd: int | None, isolated: bool, work: str
) -> list[str]:
    """Return the command that starts a guest on descriptor `fd`, or on stdin and stdout."""
    return _python_command(
        python, package_parent, "boot", f"{fd},{isolated},{work!r},{_scratch(work, isolated)!r}"
    )


def zygote_command(
    python: list[str], package_parent: str, fd: int, rules: int, work: str, shared_bytes: int
) -> list[str]:
    """Return the command that starts a zygote, which is asked for guests on descriptor `fd`."""
    given = f"{fd},{rules},{work!r},{_scratch(work, True)!r},{shared_bytes}"
    return _python_command(python, package_parent, "zygote", given)


def _scratch(work: str, isolated: bool) -> list[str]:
    return [work, "/dev/shm", "/dev/mqueue"] if isolated else [work]  # noqa: S108 - inside, its own


def _python_command(python: list[str], package_parent: str, module: str, given: str) -> list[str]:
    code = (
        f"import sys;sys.path.insert(0,{package_parent!r});"
        f"from {GUEST_PACKAGE}.{module} import main;main({given})"
    )
    return [*python, *PYTHON_FLAGS, "-c", code]
