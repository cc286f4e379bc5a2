"""The same guest without any isolation: for machines where nothing else works, on explicit demand only."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from evolvent.errors import UsageError
from evolvent.types import Limits
from evolvent_sandbox.backend import WARM_GUESTS, GuestSandbox, boot_command, environment, stage_guest
from evolvent_sandbox.guest_process import GuestProcess
from evolvent_sandbox.guests import Shape
from evolvent_sandbox.interpreter import Interpreter, running_interpreter
from evolvent_sandbox.staging import SandboxUser, Staging

__all__ = ["SubprocessSandbox"]


class SubprocessSandbox(GuestSandbox):
    """Plain child processes of the same user: limits and an empty environment, but no walls."""

    name = "subprocess"
    isolates = False

    def __init__(
        self, allow_unsafe: bool = False, limits: Limits | None = None, warm_guests: int = WARM_GUESTS
    ) -> None:
        """Start the first guests.

        Args:
            allow_unsafe: must be True: code in this sandbox can do all that you can do.
            limits: used where a call gives none.
            warm_guests: guests to keep ready.

        Raises:
            UsageError: `allow_unsafe` is not set.
            MissingPrerequisite: there is no place for the guest's files.
        """
        if not allow_unsafe:
            raise UsageError(
                "the 'subprocess' sandbox isolates nothing: code in it reads your files and uses your "
                "network. Use 'bubblewrap' or, where you trust the code, set allow_unsafe=true "
                "(EVOLVENT_ALLOW_UNSAFE=1)"
            )
        self._interpreter: Interpreter = running_interpreter()
        self._packages = stage_guest(Staging(SandboxUser.current()), self._interpreter)
        super().__init__(limits, warm_guests)

    def _python(self) -> list[str]:
        return [sys.executable]

    def _launch(self, shape: Shape) -> GuestProcess:
        work = Path(tempfile.mkdtemp(prefix="evolvent-guest-"))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            fd = theirs.fileno()
            process = subprocess.Popen(
                boot_command([sys.executable], str(self._packages), fd, False, str(work)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment(shape),
                cwd=work,
                pass_fds=(fd,),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            shutil.rmtree(work, ignore_errors=True)
            raise
        finally:
            theirs.close()
        return GuestProcess(process, ours, on_end=lambda: shutil.rmtree(work, ignore_errors=True))

    def describe(self) -> dict[str, str]:
        """Return facts for `evolvent doctor`."""
        return {
            "backend": self.name,
            "interpreter": self._interpreter.describe(),
            "isolation": "none: the guest is a plain child process with rlimits and an empty environment",
            "missing": "file system, network, process and user isolation; a bound on the scratch folder",
        }
