"""Handing in and seeing jobs from another process: in the database, or over HTTP where a daemon runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from evolvent.daemon.place import Place, find
from evolvent.errors import UnknownName, UsageError
from evolvent.settings import Settings
from evolvent.storage import Home, JobQueue, Ledger, open_database
from evolvent.types import DaemonStatus, Job, JobRequest, JobState

__all__ = ["HttpJobs", "JobAccess", "StoredJobs", "open_jobs"]


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

    def list(self, states: Collection[JobState] | None, kind: str | None, limit: int) -> Sequence[Job]:
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

    def list(self, states: Collection[JobState] | None, kind: str | None, limit: int) -> Sequence[Job]:
        """Return jobs, newest first."""
        return self._queue.list(states, kind, limit)

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
        import httpx

        self.running: Place | None = place
        self._where = f"process {place.pid}) does not answer at {place.url}"
        self._http = httpx.Client(
            base_url=f"{place.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    def status(self) -> DaemonStatus | None:
        """Return how the daemon is."""
        return DaemonStatus.model_validate(self.ask("GET", "/status"))

    def submit(self, request: JobRequest) -> Job:
        """Hand a job in."""
        return Job.model_validate(self.ask("POST", "/jobs", json=request.model_dump(mode="json")))

    def get(self, job_id: str) -> Job:
        """Return a job."""
        return Job.model_validate(self.ask("GET", f"/jobs/{_segment(job_id)}"))

    def list(self, states: Collection[JobState] | None, kind: str | None, limit: int) -> Sequence[Job]:
        """Return jobs, newest first."""
        query: dict[str, Any] = {"limit": limit, "state": [*states] if states else None, "kind": kind}
        page = self.ask("GET", "/jobs", params={name: value for name, value in query.items() if value})
        return [Job.model_validate(item) for item in page["items"]]

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return Job.model_validate(self.ask("POST", f"/jobs/{_segment(job_id)}/cancel"))

    def retry(self, job_id: str) -> Job:
        """Queue a job again."""
        return Job.model_validate(self.ask("POST", f"/jobs/{_segment(job_id)}/retry"))

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Make a request and return its JSON.

        Raises:
            UsageError: the daemon refuses, or does not answer; the message says what it said.
        """
        import httpx

        try:
            answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise UsageError(
                f"the daemon ({self._where}: {error}; see `evolvent daemon status` and `evolvent daemon logs`"
            ) from error
        if answer.is_success:
            return answer.json()
        try:
            detail = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"it answered {answer.status_code}"
        raise UsageError(detail)


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


def _segment(job_id: str) -> str:
    """Return an id as one segment of a path."""
    from urllib.parse import quote

    if not job_id.strip("."):
        raise UnknownName("job", job_id, [], "See `evolvent jobs list`.")
    return quote(job_id, safe="")
