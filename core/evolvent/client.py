"""A thin client of the daemon's HTTP API: typed values in, typed values out, the project's errors raised."""

from __future__ import annotations

import ipaddress
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from evolvent.errors import EvolventError, MissingPrerequisite, RunError, UnknownName, UsageError
from evolvent.settings import Settings
from evolvent.types import (
    ApprovalRequest,
    DaemonStatus,
    Event,
    Job,
    JobRequest,
    JobState,
    JsonValue,
    LoginCode,
    LoginCodeState,
    event_adapter,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Client", "NumberedEvent"]

T = TypeVar("T")

RETRIES = 5
"""Tries of a request that did not get through, the first one included."""
PAUSE = 0.5
"""Seconds before the second try; doubled for each further one."""
PATIENCE = 5.0
"""Seconds that a daemon may ask for before the next try; where it asks for more, its answer is an error."""
QUIET = 45.0
"""Seconds without a sign of life after which a stream is taken for dead; the daemon gives one every 15."""


class NumberedEvent(NamedTuple):
    """An entry of the ledger with its number, from which a stream can go on."""

    number: int
    event: Event


class Client:
    """Talks to a daemon. Use it as a context manager.

    ```python
    with Client() as client:
        job = client.submit("What is 6 times 7?", wait=60)
        print(job.result["answer"])
    ```

    Args:
        url: of the daemon; default: where the one of this home says that it listens, else where the settings say.
        token: a bearer token; default: this machine's own, from `<home>/daemon.token`.
        timeout: seconds that an answer may take.
        retry: seconds to go on trying to reach a daemon that is not there, for example because it restarts.

    Raises:
        MissingPrerequisite: there is no token, because no daemon was started on this home.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, timeout: float = 70.0, retry: float = 0.0
    ) -> None:
        import httpx

        settings = Settings()
        self.url = (url or _address(settings)).rstrip("/")
        self._retry = retry
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"Authorization": f"Bearer {token or _local(settings.home)}"},
            timeout=httpx.Timeout(timeout, connect=10.0),
            # A proxy of the environment cannot reach this machine's loopback, and must not be given the token.
            trust_env=not _is_here(self.url),
        )

    def submit(
        self,
        request: JobRequest | str,
        *,
        key: str | None = None,
        wait: float | None = None,
        **payload: JsonValue,
    ) -> Job:
        """Hand in a job; one that is handed in again with the same key is not made again.

        Args:
            request: a job, or a question to solve.
            key: names the request; default: a new one, so that a try that was cut off makes no second job.
            wait: seconds to wait for the job to end; None: not at all.
            payload: further fields for the handler of a question.

        Raises:
            UsageError: the daemon cannot use the request.
            RunError: the job did not end in time; it goes on.
        """
        if isinstance(request, str):
            request = JobRequest(payload={"prompt": request, **payload})
        name = key or request.key or uuid.uuid4().hex
        body = request.model_copy(update={"key": None}).model_dump(mode="json")
        job = self._call(Job, "POST", "jobs", json=body, headers={"Idempotency-Key": name})
        return job if wait is None else self.wait(job.id, wait)

    def wait(self, job_id: str, seconds: float) -> Job:
        """Wait until a job has ended, or waits for a person.

        Raises:
            UnknownName: there is no such job.
            RunError: it did not end in time; it goes on.
        """
        until = time.monotonic() + seconds
        pause = 0.02
        while True:
            job = self.get(job_id)
            if job.state.ended or job.state is JobState.WAITING:
                return job
            left = until - time.monotonic()
            if left <= 0:
                raise RunError(
                    f"the job {job.id} is {job.state} after {seconds:g} s; it goes on, and `get` tells of it"
                )
            time.sleep(min(pause, left))
            pause = min(1.0, pause * 1.5)

    def get(self, job_id: str) -> Job:
        """Return a job by its id or a unique beginning of it.

        Raises:
            UnknownName: there is none.
        """
        return self._call(Job, "GET", f"jobs/{_quoted(job_id)}")

    def list(self, state: JobState | None = None, kind: str | None = None, limit: int = 100) -> list[Job]:
        """Return the newest jobs, newest first."""
        found: list[Job] = []
        while len(found) < limit:
            part = min(1000, limit - len(found))
            query = {"state": state, "kind": kind, "limit": part, "offset": len(found)}
            page = self._call(dict[str, Any], "GET", "jobs", params=_given(query))
            found += [Job.model_validate(item) for item in page["items"]]
            if page["next"] is None:
                break
        return found

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; see `JobQueue.cancel`."""
        return self._call(Job, "POST", f"jobs/{_quoted(job_id)}/cancel")

    def retry(self, job_id: str) -> Job:
        """Queue a dead job again, with all its tries."""
        return self._call(Job, "POST", f"jobs/{_quoted(job_id)}/retry")

    def status(self) -> DaemonStatus:
        """Return how the daemon is."""
        return self._call(DaemonStatus, "GET", "status")

    def pause(self, reason: str) -> DaemonStatus:
        """Begin no more jobs; those that run go on."""
        return self._call(DaemonStatus, "POST", "pause", json={"reason": reason})

    def resume(self) -> DaemonStatus:
        """Begin jobs again."""
        return self._call(DaemonStatus, "POST", "resume")

    def login_code(self) -> LoginCode:
        """Make a one-time code for the dashboard; who logs in with it may what this client's token may."""
        return self._call(LoginCode, "POST", "login-codes")

    def login_code_state(self, code_id: str) -> LoginCodeState:
        """Return whether a one-time code that this client's token made can still be used."""
        return self._call(LoginCodeState, "GET", f"login-codes/{_quoted(code_id)}")

    def approvals(self, *, pending: bool = True) -> Sequence[ApprovalRequest]:
        """Return the questions to people, oldest first."""
        return self._call(tuple[ApprovalRequest, ...], "GET", "approvals", params={"pending": pending})

    def answer(
        self, approval_id: str, verdict: Literal["approve", "reject"], words: str = ""
    ) -> ApprovalRequest:
        """Answer a question; the job that waits for it goes on.

        Raises:
            UnknownName: nothing was asked under this id.
            UsageError: it was answered otherwise before.
        """
        body = {"verdict": verdict, "words": words}
        return self._call(ApprovalRequest, "POST", f"approvals/{_quoted(approval_id)}/answer", json=body)

    def events(
        self,
        after: int | None = None,
        *,
        kinds: Sequence[str] = (),
        run_id: str | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[NumberedEvent]:
        """Yield the ledger's entries as they are written, each once; a connection that breaks is made anew.

        Args:
            after: a number to begin after, 0 for all; default: those from now on.
            kinds: only these; default: all.
            run_id: only of this run.
            stop: asked after each sign of life, at least every 15 seconds.

        Raises:
            UsageError: there is no event with this number.
            RunError: the daemon stayed away for longer than `retry` seconds.
        """
        import httpx

        params = _given({"kind": list(kinds) or None, "run_id": run_id})
        last = None if after is None else str(after)
        lost_at: float | None = None
        while not stop():
            try:
                headers = {} if last is None else {"Last-Event-ID": last}
                timeout = httpx.Timeout(10.0, read=QUIET)
                with self._http.stream(
                    "GET", "events", params=params, headers=headers, timeout=timeout
                ) as answer:
                    if answer.status_code != 200:
                        answer.read()
                        _raise(answer)
                    for number, data in _parsed(answer.iter_lines()):
                        lost_at = None
                        last = number or last
                        if data and last is not None:
                            yield NumberedEvent(int(last), event_adapter.validate_json(data))
                        if stop():
                            return
            except httpx.TransportError as error:
                lost_at = lost_at or time.monotonic()
                self._pause_or_raise(lost_at, error)
            else:
                time.sleep(PAUSE)  # the daemon ended the stream: it restarts

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, kind: type[T], method: str, path: str, **options: Any) -> T:
        import httpx

        began = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                self._pause_or_raise(began, error)
                continue
            if answer.status_code == 429 and tries < RETRIES:
                wait = float(answer.headers.get("Retry-After", PAUSE))
                if wait <= PATIENCE:
                    time.sleep(wait)
                    continue
            if answer.status_code >= 400:
                _raise(answer)
            return TypeAdapter(kind).validate_json(answer.content)

    def _pause_or_raise(self, began: float, error: Exception) -> None:
        if time.monotonic() - began >= self._retry:
            raise RunError(
                f"the daemon at {self.url} does not answer ({error}); start it with `evolvent daemon start`, or give "
                "its url"
            ) from error
        time.sleep(PAUSE)


def _parsed(lines: Iterator[str]) -> Iterator[tuple[str | None, str]]:
    """Yield id and data of server-sent events as the HTML standard reads them; nothing of either for a comment."""
    number: str | None = None
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            yield number, "\n".join(data)
            number, data = None, []
        elif name == "id":
            number = value
        elif name == "data":
            data.append(value)
        elif not name:
            yield None, ""


def _raise(answer: httpx.Response) -> None:
    """Raise the error of the project that a problem tells of."""
    try:
        problem = answer.json()
        detail, kind = str(problem["detail"]), str(problem["type"]).rsplit(":", 1)[-1]
    except (ValueError, KeyError, TypeError):
        detail, kind, problem = f"HTTP {answer.status_code}: {answer.text[:300]!r}", "", {}
    if kind == "unknown-name":
        raise _Unknown(detail, list(problem.get("known", ())))
    if answer.status_code < 500:
        raise UsageError(detail)
    if kind == "missing":
        raise _Missing(detail)
    if answer.status_code in (503, 504):
        raise RunError(detail)
    raise EvolventError(detail)


class _Unknown(UnknownName):
    """An unknown name whose text the daemon wrote."""

    def __init__(self, text: str, known: list[str]) -> None:
        Exception.__init__(self, text)
        self.what, self.name, self.known = "name", "", known


class _Missing(MissingPrerequisite):
    """A missing prerequisite whose text the daemon wrote."""

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)
        self.what, self.command = text, ""


def _local(home: Path) -> str:
    path = home.expanduser() / "daemon.token"
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise MissingPrerequisite(
            f"there is no token in {str(path)!r}: no daemon was started on this home, or it is another user's",
            "evolvent daemon start (or give the token of `evolvent tokens create`)",
        ) from error


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="") or "%20"


def _is_here(url: str) -> bool:
    """Whether a URL names this machine: by a loopback address, or by the one that stands for all of its own."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _address(settings: Settings) -> str:
    """Return where the daemon of a home listens; it may have been told another port, or have chosen a free one."""
    from evolvent.storage.home import Home
    from evolvent.storage.place import find

    place = find(Home(settings.home))
    if place is not None:
        return place.url
    host = f"[{settings.daemon_host}]" if ":" in settings.daemon_host else settings.daemon_host
    return f"http://{host}:{settings.daemon_port}"
