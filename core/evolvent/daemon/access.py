"""Handing in and seeing jobs from another process: in the database, or over HTTP where a daemon runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from evolvent.client import Client
from evolvent.daemon.place import Place, find
from evolvent.errors import UsageError
from evolvent.settings import Settings
from evolvent.storage import Home, JobQueue, Ledger, open_database
from evolvent.types import DaemonStatus, Job, JobRequest, JobState, LoginCode

__all__ = ["HttpJobs", "JobAccess", "StoredJobs", "open_jobs"]

LOOK = 0.3
"""Seconds from one look to the next."""


class JobAccess(Protocol):
    """What the command line does with jobs."""

    running: Place | None
    """The daemon that does them; None when none runs."""

    def status(self) -> DaemonStatus | None:
        """Return how the daemon is; None when none runs."""
        ...

    def submit(self, request: JobRequest) -> Job:
        """Hand a job in; see `Daemon.submit`."""
        ...

    def get(self, job_id: str) -> Job:
        """Return a job by its id or a unique beginning of it."""
        ...

    def list(self, state: JobState | None, kind: str | None, limit: int) -> Sequence[Job]:
        """Return jobs, newest first."""
        ...

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; see `Daemon.cancel`."""
        ...

    def retry(self, job_id: str) -> Job:
        """Queue a job again that was given up."""
        ...


class StoredJobs:
    """The queue of a home in which no daemon runs: what is handed in waits for one.

    Args:
        home: an existing home, whose lock is held for each change.
        lock_wait: seconds to wait for it.
    """

    def __init__(self, home: Home, lock_wait: float) -> None:
        self.running: Place | None = None
        self._home, self._lock_wait = home, lock_wait
        home.create()
        engine = open_database(home.database)
        self._queue = JobQueue(engine, Ledger(engine))

    def status(self) -> DaemonStatus | None:
        """Return None: no daemon runs."""
        return None

    def submit(self, request: JobRequest) -> Job:
        """Hand a job in."""
        from evolvent.daemon.handlers import checked

        checked(request)
        with self._held():
            return self._queue.submit(request)[0]

    def get(self, job_id: str) -> Job:
        """Return a job."""
        return self._queue.get(job_id)

    def list(self, state: JobState | None, kind: str | None, limit: int) -> Sequence[Job]:
        """Return jobs, newest first."""
        return self._queue.list(None if state is None else [state], kind, limit)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job. One that a killed process left is cancelled when the next one starts."""
        with self._held():
            return self._queue.cancel(job_id)

    def retry(self, job_id: str) -> Job:
        """Queue a job again."""
        with self._held():
            return self._queue.retry(job_id)

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._home.acquire(self._lock_wait)
        try:
            yield
        finally:
            self._home.release()


class HttpJobs:
    """The jobs of a daemon that runs, with the token that it leaves in its home for the same user.

    Args:
        place: where it is.
        token: a token that may do everything.
    """

    def __init__(self, place: Place, token: str) -> None:
        self.running: Place | None = place
        self.client = Client(place.url, token)

    def status(self) -> DaemonStatus | None:
        """Return how the daemon is."""
        return self.client.status()

    def login_link(self) -> tuple[str, LoginCode]:
        """Return a link that logs a browser in to the dashboard once, and the code in it."""
        assert self.running is not None
        made = self.client.login_code()
        return f"{self.running.url}{made.path}", made

    def wait_for_login(self, code: LoginCode) -> bool:
        """Wait until a code was used or its time is over; return whether it was used."""
        until = time.monotonic() + code.seconds - 1.0  # its time began before it was heard of here
        while self.client.login_code_state(code.id).pending:
            time.sleep(LOOK)
        return time.monotonic() < until

    def submit(self, request: JobRequest) -> Job:
        """Hand a job in."""
        return self.client.submit(request)

    def get(self, job_id: str) -> Job:
        """Return a job."""
        return self.client.get(job_id)

    def list(self, state: JobState | None, kind: str | None, limit: int) -> Sequence[Job]:
        """Return jobs, newest first."""
        return self.client.list(state, kind, limit)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return self.client.cancel(job_id)

    def retry(self, job_id: str) -> Job:
        """Queue a job again."""
        return self.client.retry(job_id)


def open_jobs(settings: Settings) -> JobAccess:
    """Return how to reach the jobs of a home now.

    Raises:
        UsageError: a daemon runs whose token cannot be read.
    """
    home = Home(settings.home)
    place = find(home)
    if place is None:
        return StoredJobs(home, settings.lock_wait)
    try:
        return HttpJobs(place, home.token.read_text().strip())
    except OSError as error:
        raise UsageError(
            f"a daemon runs as process {place.pid}, and its token {str(home.token)!r} cannot be read: "
            f"{error.strerror}; give the command as its user"
        ) from error
