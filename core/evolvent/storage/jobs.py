"""The durable queue of a daemon: what is acknowledged is finished, waits, or says why not."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from evolvent.errors import UnknownName, UsageError
from evolvent.storage.ledger import Ledger
from evolvent.storage.runs import cancellation
from evolvent.storage.tables import JobRow
from evolvent.types import Job, JobMoved, JobRequest, JobState, JsonValue

__all__ = ["JobLost", "JobQueue"]

BACKOFF_SECONDS = 5.0
"""Before the second try; doubled for each further one."""
MAX_BACKOFF_SECONDS = 3600.0
REASON = 2_000


class JobLost(UsageError):
    """Somebody else has the job now: what its former worker says of it does not count."""


class JobQueue:
    """Jobs in the database.

    A job is leased to one worker at a time, and only who holds the lease can say what came of it. Each change is one
    transaction together with its event in the ledger, so that no kill leaves half of one. A home has one writing
    process (`Home.acquire`): at its start it takes back what its predecessor had (`recover`), so no lease depends on
    a clock that may jump.

    Args:
        engine: of `evolvent.db`.
        ledger: hears of each change of a job.
        clock: Unix time in seconds.
    """

    def __init__(self, engine: Engine, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._ledger, self._clock = engine, ledger, clock

    def submit(self, request: JobRequest) -> tuple[Job, bool]:
        """Add a job; when this returns, no crash loses it.

        Returns:
            The job, and whether it is new: a request whose key is known finds the job that it made before.

        Raises:
            UsageError: the key belongs to a job that asks for something else.
        """
        job_id = f"j-{uuid.uuid4().hex[:16]}"
        values = request.model_dump(mode="json") | {
            "id": job_id,
            "run_id": f"r-{job_id[2:]}",
            "created_at": _now(),
        }
        with self._engine.begin() as connection:
            made = connection.execute(
                insert(JobRow)
                .values(**values, state=JobState.QUEUED)
                .on_conflict_do_nothing(index_elements=["key"])
            ).rowcount
            moved = self._record(connection, job_id, JobState.QUEUED, 0, "") if made else None
        self._tell(moved)
        if made:
            return self.get(job_id), True
        with Session(self._engine) as session:
            known = _job(session.scalars(select(JobRow).where(JobRow.key == request.key)).one())
        if (known.kind, known.payload) != (request.kind, request.payload):
            raise UsageError(
                f"the key {request.key!r} belongs to the job {known.id}, which asks for something else; "
                "a key names one request: give another key, or the same request"
            )
        return known, False

    def lease(
        self, worker: str, kinds: Collection[str] | None = None, above: int | None = None
    ) -> Job | None:
        """Hand the next job to a worker: the highest priority first, then the oldest; None when nothing is to do.

        Args:
            worker: who asks.
            kinds: of jobs; default: any.
            above: only of a higher priority than this.
        """
        ready = (
            select(JobRow.number)
            .where(JobRow.state == JobState.QUEUED, JobRow.not_before <= self._clock())
            .order_by(JobRow.priority.desc(), JobRow.number)
            .limit(1)
        )
        if kinds is not None:
            ready = ready.where(JobRow.kind.in_(kinds))
        if above is not None:
            ready = ready.where(JobRow.priority > above)
        with self._engine.begin() as connection:
            row = connection.execute(
                update(JobRow)
                .where(JobRow.number == ready.scalar_subquery())
                .values(
                    state=JobState.RUNNING,
                    worker=worker,
                    tries=JobRow.tries + 1,
                    started_at=func.coalesce(JobRow.started_at, _now()),
                )
                .returning(JobRow.id, JobRow.tries)
            ).first()
            moved = self._record(connection, row[0], JobState.RUNNING, row[1], "") if row else None
        self._tell(moved)
        return self.get(row[0]) if row else None

    def finish(self, job_id: str, worker: str, result: JsonValue) -> Job:
        """Store a job's result.

        Raises:
            JobLost: the worker does not have the job.
        """
        return self._leave(job_id, worker, JobState.FINISHED, "", result=result, ended_at=_now())

    def fail(self, job_id: str, worker: str, reason: str, *, again: bool = True) -> Job:
        """Give a job back that failed: to be tried again later, or given up.

        Args:
            job_id: the job.
            worker: who has it.
            reason: why it failed.
            again: whether another try may help.

        Raises:
            JobLost: the worker does not have the job.
        """
        job = self.get(job_id)
        if not again or job.tries >= job.max_tries:
            return self._leave(job_id, worker, JobState.DEAD, reason, ended_at=_now())
        later = self._clock() + min(BACKOFF_SECONDS * 2.0 ** (job.tries - 1), MAX_BACKOFF_SECONDS)
        return self._leave(job_id, worker, JobState.QUEUED, reason, not_before=later)

    def give_back(self, job_id: str, worker: str, reason: str, seconds: float = 0.0) -> Job:
        """Give a job back that is not to blame: the daemon ends, or what it needs is down. The try is not counted.

        Args:
            job_id: the job.
            worker: who has it.
            reason: why it stops.
            seconds: until it may be begun again.

        Raises:
            JobLost: the worker does not have the job.
        """
        later, tries = self._clock() + seconds if seconds else 0.0, JobRow.tries - 1
        return self._leave(job_id, worker, JobState.QUEUED, reason, not_before=later, tries=tries)

    def wait(self, job_id: str, worker: str, reason: str) -> Job:
        """Let a job wait for a person; `wake` queues it again.

        Raises:
            JobLost: the worker does not have the job.
        """
        return self._leave(job_id, worker, JobState.WAITING, reason, tries=JobRow.tries - 1)

    def cancelled(self, job_id: str, worker: str) -> Job:
        """Say that a job that was asked to stop has stopped.

        Raises:
            JobLost: the worker does not have the job.
        """
        return self._leave(job_id, worker, JobState.CANCELLED, "cancelled", ended_at=_now())

    def cancel(self, job_id: str) -> Job:
        """Cancel a job: at once where nobody has it, else its worker is asked to stop it. Ended ones stay as they are.

        Raises:
            UnknownName: there is no such job.
        """
        job = self.get(job_id)
        waiting = (JobState.QUEUED, JobState.WAITING)
        values = {"state": JobState.CANCELLED, "reason": "cancelled", "ended_at": _now()}
        ask = update(JobRow).where(JobRow.id == job.id, JobRow.state == JobState.RUNNING)
        # Its worker may give it back, and another one take it, between one look and the next.
        while not self._move(job.id, waiting, JobState.CANCELLED, values):
            with self._engine.begin() as connection:
                asked = connection.execute(ask.values(cancelling=True)).rowcount
            if asked or self.get(job.id).state.ended:
                break
        return self.get(job.id)

    def wake(self, run_id: str) -> bool:
        """Queue a job again that waited for a person; return whether one did."""
        with self._engine.connect() as connection:
            found = connection.execute(select(JobRow.id).where(JobRow.run_id == run_id)).scalar()
        values = {"state": JobState.QUEUED, "reason": "", "not_before": 0.0}
        return found is not None and self._move(found, (JobState.WAITING,), JobState.QUEUED, values)

    def retry(self, job_id: str) -> Job:
        """Queue a job again that was given up; it has all its tries again.

        Raises:
            UnknownName: there is no such job.
            UsageError: it was not given up.
        """
        job = self.get(job_id)
        values = {"state": JobState.QUEUED, "tries": 0, "not_before": 0.0, "ended_at": None}
        if not self._move(job.id, (JobState.DEAD,), JobState.QUEUED, values):
            raise UsageError(f"the job {job.id} is {job.state}; only one that is dead can be tried again")
        return self.get(job.id)

    def recover(self, worker: str) -> list[Job]:
        """Queue again what other workers had when their process ended. For the one process that holds the home.

        A job that was begun as often as it may be is given up: it may be what ended them.
        """
        with Session(self._engine) as session:
            query = select(JobRow).where(JobRow.state == JobState.RUNNING, JobRow.worker != worker)
            lost = [_job(row) for row in session.scalars(query.order_by(JobRow.number))]
        for job in lost:
            if job.cancelling:
                self.cancelled(job.id, job.worker)
            elif job.tries >= job.max_tries:
                self.fail(
                    job.id, job.worker, f"the process that had it ended, {job.tries} times", again=False
                )
            else:
                why = "the process that had it ended"
                self._leave(job.id, job.worker, JobState.QUEUED, why, not_before=0.0)
        return [self.get(job.id) for job in lost]

    def get(self, job_id: str) -> Job:
        """Return a job by its id or a unique beginning of it.

        Raises:
            UnknownName: there is none.
        """
        with Session(self._engine) as session:
            row = session.scalars(select(JobRow).where(JobRow.id == job_id)).one_or_none()
            if row is None:
                query = select(JobRow).where(JobRow.id.startswith(job_id or "(no id)", autoescape=True))
                rows = list(session.scalars(query.limit(2)))
                if len(rows) != 1:
                    newest = session.scalars(select(JobRow.id).order_by(JobRow.number.desc()).limit(10))
                    raise UnknownName("job", job_id, list(newest), "See `evolvent jobs list`.")
                row = rows[0]
            return _job(row)

    def list(
        self,
        states: Collection[JobState] | None = None,
        kind: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Job]:
        """Return jobs, newest first."""
        query = _filtered(select(JobRow), states, kind).order_by(JobRow.number.desc())
        with Session(self._engine) as session:
            return [_job(row) for row in session.scalars(query.limit(limit).offset(offset))]

    def oldest_waits(self) -> float:
        """Return the seconds that the oldest job waits that could be begun now; 0 where none does."""
        due = JobRow.not_before <= self._clock()
        query = select(func.min(JobRow.created_at)).where(JobRow.state == JobState.QUEUED, due)
        with self._engine.connect() as connection:
            since = connection.execute(query).scalar()
        return 0.0 if since is None else max(0.0, self._clock() - datetime.fromisoformat(since).timestamp())

    def counts(self) -> dict[JobState, int]:
        """Return how many jobs there are in each state."""
        query = select(JobRow.state, func.count()).group_by(JobRow.state)
        with self._engine.connect() as connection:
            found = {JobState(state): count for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in JobState}

    def next_at(self) -> float | None:
        """Return the Unix time at which a queued job may be begun; None when none is queued."""
        query = select(func.min(JobRow.not_before)).where(JobRow.state == JobState.QUEUED)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def waits(self, above: int, kinds: Collection[str] | None = None) -> bool:
        """Whether a job of a higher priority than `above` could be begun now."""
        query = select(JobRow.number).where(
            JobRow.state == JobState.QUEUED, JobRow.not_before <= self._clock(), JobRow.priority > above
        )
        if kinds is not None:
            query = query.where(JobRow.kind.in_(kinds))
        with self._engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def shift(self, seconds: float) -> None:
        """Move the times before which jobs are not begun, after the clock jumped by so much.

        None of them is further away than the longest wait afterwards, so that a clock that was wrong when it was
        written (or a jump that nobody saw) makes no job wait for ever.
        """
        delayed = (JobRow.state == JobState.QUEUED, JobRow.not_before > 0)
        latest = self._clock() + MAX_BACKOFF_SECONDS
        with self._engine.begin() as connection:
            if seconds:
                moved = update(JobRow).where(*delayed).values(not_before=JobRow.not_before + seconds)
                connection.execute(moved)
            bounded = update(JobRow).where(*delayed, JobRow.not_before > latest).values(not_before=latest)
            connection.execute(bounded)

    def cancelling(self, worker: str) -> set[str]:
        """Return the jobs of a worker that are to be stopped."""
        query = select(JobRow.id).where(
            JobRow.worker == worker, JobRow.state == JobState.RUNNING, JobRow.cancelling.is_(True)
        )
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def _leave(self, job_id: str, worker: str, state: JobState, reason: str, **values: Any) -> Job:
        """Take a job from its worker. One that was asked to stop does not go on, whatever else made it stop."""
        values |= {"state": state, "reason": reason[:REASON], "cancelling": False}
        mine, asked = JobRow.worker == worker, JobRow.cancelling.is_(True)
        running = (JobState.RUNNING,)
        if state.ended:
            left = self._move(job_id, running, state, values, mine)
        else:
            ended = {"state": JobState.CANCELLED, "reason": "cancelled", "ended_at": _now()}
            left = (
                self._move(job_id, running, state, values, mine, ~asked)
                or self._move(job_id, running, JobState.CANCELLED, ended | {"cancelling": False}, mine)
            )  # fmt: skip
        if not left:
            job = self.get(job_id)
            raise JobLost(
                f"the job {job.id} is {job.state} with worker {job.worker!r}; {worker!r} does not have it"
            )
        return self.get(job_id)

    def _move(
        self,
        job_id: str,
        sources: Collection[JobState],
        state: JobState,
        values: dict[str, Any],
        *conditions: Any,
    ) -> bool:
        """Move a job in one transaction with its event; return whether it was in one of the states."""
        with self._engine.begin() as connection:
            row = connection.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state.in_(sources), *conditions)
                .values(**values)
                .returning(JobRow.tries)
            ).first()
            moved = self._record(connection, job_id, state, row[0], values.get("reason", "")) if row else None
        self._tell(moved)
        return row is not None

    def _record(
        self, connection: Connection, job_id: str, state: JobState, tries: int, reason: str
    ) -> JobMoved:
        number, run_id, kind = connection.execute(
            update(JobRow)
            .where(JobRow.id == job_id)
            .values(moves=JobRow.moves + 1)
            .returning(JobRow.moves, JobRow.run_id, JobRow.kind)
        ).one()
        moved = JobMoved(
            key=f"job:{job_id}:{number}",
            run_id=run_id,
            job_id=job_id,
            job_kind=kind,
            state=state,
            tries=tries,
            reason=reason[:500],
        )
        self._ledger.append(moved, connection)
        if state is JobState.CANCELLED:
            connection.execute(cancellation(run_id))
        return moved

    def _tell(self, moved: JobMoved | None) -> None:
        if moved is not None:
            self._ledger.tell(moved)


def _filtered(query: Select[Any], states: Collection[JobState] | None, kind: str | None) -> Select[Any]:
    if states is not None:
        query = query.where(JobRow.state.in_(states))
    return query if kind is None else query.where(JobRow.kind == kind)


def _job(row: JobRow) -> Job:
    return Job.model_validate({name: getattr(row, name) for name in Job.model_fields})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
