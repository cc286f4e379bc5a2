"""The folder of all state, and who may write to it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from evolvent.errors import HomeBusy, MissingPrerequisite, UsageError

__all__ = ["Home", "room_on"]

LOOKED_AT_SECONDS = 0.5
"""That one who wants to write waits at least: somebody who only looks shares the lock for an instant."""


class Home:
    """Paths below `EVOLVENT_HOME`, and the lock of its one writer."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock = FileLock(self.path / "writer.lock")

    @property
    def database(self) -> Path:
        """The SQLite database."""
        return self.path / "evolvent.db"

    @property
    def checkpoints(self) -> Path:
        """The graphs' checkpoints."""
        return self.path / "checkpoints.db"

    @property
    def skills(self) -> Path:
        """The skill folders."""
        return self.path / "skills"

    @property
    def chroma(self) -> Path:
        """The vector index; can be rebuilt."""
        return self.path / "chroma"

    @property
    def genomes(self) -> Path:
        """The repository of agent programs."""
        return self.path / "genomes.git"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.path / "logs"

    @property
    def token(self) -> Path:
        """The token with which this machine's command line talks to the daemon."""
        return self.path / "daemon.token"

    def create(self) -> None:
        """Make the folder, for its owner only.

        Raises:
            UsageError: it cannot be made or written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"the home {str(self.path)!r} cannot be used: {error.strerror}; "
                "set EVOLVENT_HOME to a folder that you may write to"
            ) from error
        if not os.access(self.path, os.W_OK):
            raise UsageError(
                f"the home {str(self.path)!r} is not writable; set EVOLVENT_HOME to a folder that you may write to"
            )

    def acquire(self, wait: float) -> None:
        """Become the one writer, waiting up to `wait` seconds.

        Raises:
            HomeBusy: another process is; the message says which.
        """
        self.create()
        try:
            self._lock.acquire(timeout=max(wait, LOOKED_AT_SECONDS))
        except Timeout as error:
            raise HomeBusy(
                f"the home {str(self.path)!r} is held by {self.holder()}; waited {wait:g} s. Wait for it to end, "
                "stop it, allow a longer wait with EVOLVENT_LOCK_WAIT, or use another EVOLVENT_HOME"
            ) from error
        owner = {"pid": os.getpid(), "command": " ".join(sys.argv)[:200]}
        (self.path / "writer.json").write_text(json.dumps(owner))

    def held(self) -> bool:
        """Whether a process is the writer now.

        Looking shares the lock for an instant where nobody has it, so that those who look do not see each other: a
        daemon that starts while somebody asks for it would else believe that another one runs.
        """
        try:
            file = os.open(self.path / "writer.lock", os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        finally:
            os.close(file)
        return False

    def holder(self) -> str:
        """Say who holds the lock, as far as is known."""
        try:
            owner = json.loads((self.path / "writer.json").read_text())
            return f"process {owner['pid']} ({owner['command']})"
        except (OSError, ValueError, KeyError):
            return "another process"

    def release(self) -> None:
        """Let others write."""
        self._lock.release()


@contextlib.contextmanager
def room_on(home: Home) -> Iterator[None]:
    """Say in words that the disk is full; what was written before stays, and the run can be resumed."""
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except (OSError, OperationalError, sqlite3.OperationalError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)
        if not full:
            raise
        raise MissingPrerequisite(
            f"no space left under the home {str(home.path)!r}; what is finished is kept",
            "free some space there (or set EVOLVENT_HOME to a folder with more) and give the same command again",
        ) from error
