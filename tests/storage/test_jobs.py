"""The durable queue: nothing acknowledged is lost, and nobody does a job that another one has."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from pydantic import ValidationError
from sqlalchemy import Engine, delete

from evolvent.errors import UnknownName, UsageError
from evolvent.storage import JobLost, JobQueue, Ledger, Runs, open_database
from evolvent.storage.tables import EventRow, JobRow
from evolvent.types import Job, JobMoved, JobRequest, JobState


class Clock:
    """Stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Iterator[JobQueue]:
    engine = open_database(tmp_path / "evolvent.db")
    yield JobQueue(engine, Ledger(engine), clock)
    engine.dispose()


def ask(text: str, **more: object) -> JobRequest:
    return JobRequest.model_validate({"payload": {"prompt": text}, **more})


def taken(queue: JobQueue, worker: str = "w") -> Job:
    job = queue.lease(worker)
    assert job is not None
    return job


def test_a_job_is_queued_done_and_finished(queue: JobQueue) -> None:
    job, new = queue.submit(ask("2+2"))
    assert (job.state, new, job.tries) == (JobState.QUEUED, True, 0)
    leased = taken(queue)
    assert (leased.id, leased.state, leased.tries, leased.worker) == (job.id, JobState.RUNNING, 1, "w")
    assert leased.run_id == job.run_id
    assert queue.lease("other") is None
    done = queue.finish(job.id, "w", {"answer": 4})
    assert (done.state, done.result) == (JobState.FINISHED, {"answer": 4})
    assert done.ended_at is not None
    assert queue.counts()[JobState.FINISHED] == 1


def test_higher_priorities_come_first_then_older_ones(queue: JobQueue) -> None:
    for text, priority in (("idle", -10), ("first", 0), ("second", 0), ("urgent", 5)):
        queue.submit(ask(text, priority=priority))
    texts = [taken(queue).payload["prompt"] for _ in range(4)]
    assert texts == ["urgent", "first", "second", "idle"]


def test_a_worker_can_ask_for_kinds_and_for_what_is_more_urgent_than_it_has(queue: JobQueue) -> None:
    queue.submit(ask("a", kind="evolve", priority=-10))
    assert queue.lease("w", kinds=["solve"]) is None
    assert queue.lease("w", above=-10) is None
    assert taken(queue).kind == "evolve"


def test_one_key_makes_one_job(queue: JobQueue) -> None:
    job, _ = queue.submit(ask("2+2", key="k"))
    again, new = queue.submit(ask("2+2", key="k", priority=3))
    assert (again.id, new) == (job.id, False)
    queue.finish(taken(queue).id, "w", 4)
    assert queue.submit(ask("2+2", key="k"))[0].result == 4
    with pytest.raises(UsageError, match=f"'k' belongs to the job {job.id}"):
        queue.submit(ask("3+3", key="k"))
    assert len(queue.list()) == 1


def test_what_fails_is_tried_later_and_given_up_with_its_reason(queue: JobQueue, clock: Clock) -> None:
    queue.submit(ask("hard", max_tries=3))
    waits = []
    for _ in range(3):
        job = taken(queue)
        job = queue.fail(job.id, "w", "the model said no")
        waits.append(job.not_before - clock.now)
        assert queue.lease("w") is None
        clock.now += 3600
    assert waits[:2] == [5.0, 10.0]
    assert (job.state, job.reason, job.tries) == (JobState.DEAD, "the model said no", 3)
    revived = queue.retry(job.id)
    assert (revived.state, revived.tries) == (JobState.QUEUED, 0)
    with pytest.raises(UsageError, match="only one that is dead"):
        queue.retry(job.id)


def test_what_cannot_succeed_is_given_up_at_once(queue: JobQueue) -> None:
    queue.submit(ask("?"))
    assert queue.fail(taken(queue).id, "w", "no such evaluator", again=False).state == JobState.DEAD


def test_a_job_that_is_given_back_is_not_blamed(queue: JobQueue, clock: Clock) -> None:
    queue.submit(ask("x", max_tries=1))
    for _ in range(5):
        job = queue.give_back(taken(queue).id, "w", "the model is down", seconds=30)
        assert (job.state, job.tries) == (JobState.QUEUED, 0)
        assert queue.next_at() == clock.now + 30
        assert queue.lease("w") is None
        clock.now += 30
    queue.finish(taken(queue).id, "w", 1)


def test_a_job_waits_for_a_person_and_goes_on(queue: JobQueue) -> None:
    queue.submit(ask("x"))
    job = queue.wait(taken(queue).id, "w", "approve 1 call")
    assert job.state == JobState.WAITING
    assert queue.lease("w") is None
    assert queue.wake(job.run_id)
    assert not queue.wake(job.run_id)
    assert not queue.wake("r-unknown")
    assert taken(queue).tries == 1


def test_cancelling(queue: JobQueue) -> None:
    queued, running, done = (queue.submit(ask(text))[0] for text in ("a", "b", "c"))
    assert queue.cancel(queued.id).state == JobState.CANCELLED
    taken(queue)
    asked = queue.cancel(running.id)
    assert (asked.state, asked.cancelling) == (JobState.RUNNING, True)
    assert queue.cancelling("w") == {running.id}
    assert queue.cancelling("other") == set()
    assert queue.cancelled(running.id, "w").state == JobState.CANCELLED
    assert queue.cancelling("w") == set()
    queue.finish(taken(queue).id, "w", 1)
    assert queue.cancel(done.id).state == JobState.FINISHED


@pytest.mark.parametrize("how", ["queued", "stopped", "left by a process that ended"])
def test_the_run_of_a_cancelled_job_is_cancelled_with_it(queue: JobQueue, how: str) -> None:
    runs = Runs(queue._engine)
    job = queue.submit(ask("a"))[0]
    runs.start(job.run_id, "solve", "a", {})
    if how == "queued":
        queue.cancel(job.id)
    else:
        taken(queue)
        queue.cancel(job.id)
        if how == "stopped":
            queue.cancelled(job.id, "w")
        else:
            queue.recover("another")
    assert queue.get(job.id).state == JobState.CANCELLED
    assert runs.get(job.run_id).status == "cancelled"


def test_a_job_that_is_given_back_while_it_is_cancelled_is_cancelled(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue.submit(ask("a"))[0]
    taken(queue)
    move = JobQueue._move

    def slow(self: JobQueue, *given: object) -> bool:
        moved = move(self, *given)  # type: ignore[arg-type]
        monkeypatch.setattr(JobQueue, "_move", move)
        queue.give_back(job.id, "w", "a person's job came first")  # between two looks of `cancel`
        return moved

    monkeypatch.setattr(JobQueue, "_move", slow)
    assert queue.cancel(job.id).state == JobState.CANCELLED


@pytest.mark.parametrize("way", ["give_back", "wait", "fail"])
def test_what_was_cancelled_does_not_go_on_whatever_else_made_it_stop(queue: JobQueue, way: str) -> None:
    queue.submit(ask("x"))
    job = taken(queue)
    queue.cancel(job.id)
    left = getattr(queue, way)(job.id, "w", "the daemon ends")
    assert (left.state, left.cancelling) == (JobState.CANCELLED, False)
    assert queue.lease("w") is None


def test_who_lost_a_job_cannot_finish_it(queue: JobQueue) -> None:
    queue.submit(ask("x"))
    job = taken(queue, "old")
    assert [j.id for j in queue.recover("new")] == [job.id]
    again = taken(queue, "new")
    assert (again.id, again.tries, again.run_id) == (job.id, 2, job.run_id)
    for late in (
        lambda: queue.finish(job.id, "old", 1),
        lambda: queue.fail(job.id, "old", ""),
        lambda: queue.give_back(job.id, "old", ""),
        lambda: queue.wait(job.id, "old", ""),
        lambda: queue.cancelled(job.id, "old"),
    ):
        with pytest.raises(JobLost, match="'old' does not have it"):
            late()
    assert queue.finish(job.id, "new", 2).result == 2


def test_what_ends_the_process_each_time_is_given_up(queue: JobQueue) -> None:
    queue.submit(ask("bomb", max_tries=2))
    for process in ("p1", "p2"):
        taken(queue, process)
        (job,) = queue.recover("p" + str(int(process[1]) + 1))
    assert job.state == JobState.DEAD
    assert job.reason == "the process that had it ended, 2 times"


def test_a_cancelled_job_whose_process_ended_stays_cancelled(queue: JobQueue) -> None:
    queue.submit(ask("x"))
    queue.cancel(taken(queue, "old").id)
    assert queue.recover("new")[0].state == JobState.CANCELLED


def test_every_move_is_an_event_of_its_own(queue: JobQueue, tmp_path: Path) -> None:
    job, _ = queue.submit(ask("x", max_tries=2))
    queue.give_back(taken(queue).id, "w", "later")
    queue.finish(taken(queue).id, "w", 1)
    engine = open_database(tmp_path / "evolvent.db")
    events = [e for e in Ledger(engine).events(job.run_id, "job.moved") if isinstance(e, JobMoved)]
    engine.dispose()
    assert [e.state for e in events] == ["queued", "running", "queued", "running", "finished"]
    assert {e.job_id for e in events} == {job.id}


@pytest.mark.parametrize(
    "bad", [{"priority": 101}, {"max_tries": 0}, {"kind": ""}, {"key": ""}, {"colour": "red"}]
)
def test_bad_requests_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        JobRequest.model_validate(bad)


@pytest.mark.parametrize("unknown", ["", "j-", "j-nothing", "%"])
def test_unknown_jobs_are_named(queue: JobQueue, unknown: str) -> None:
    queue.submit(ask("a"))
    queue.submit(ask("b"))
    with pytest.raises(UnknownName, match="job"):
        queue.get(unknown)


@settings(max_examples=30, stateful_step_count=40, deadline=None)
class Machine(RuleBasedStateMachine):
    """Workers, deaths and clocks at random, against a plain count of what was acknowledged."""

    jobs = Bundle("jobs")

    @staticmethod
    @functools.cache
    def opened() -> Engine:
        """Return one database for all examples: its migrations take longer than they do."""
        return open_database(Path(":memory:"))

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.engine = self.opened()
        with self.engine.begin() as connection:
            connection.execute(delete(JobRow))
            connection.execute(delete(EventRow))
        self.queue = JobQueue(self.engine, Ledger(self.engine), self.clock)
        self.acknowledged: set[str] = set()
        self.held: dict[str, str] = {}
        self.done: set[str] = set()

    @rule(target=jobs, priority=st.integers(-2, 2), tries=st.integers(1, 3))
    def submit(self, priority: int, tries: int) -> str:
        job, _ = self.queue.submit(ask("x", priority=priority, max_tries=tries))
        self.acknowledged.add(job.id)
        return job.id

    @rule(worker=st.sampled_from("abc"))
    def lease(self, worker: str) -> None:
        job = self.queue.lease(worker)
        if job is not None:
            assert job.id not in self.held, "two workers have one job"
            assert job.id not in self.done, "a job was begun after its end"
            self.held[job.id] = worker

    @rule(job=jobs, way=st.sampled_from(["finish", "fail", "give_back", "wait", "cancelled"]))
    def leave(self, job: str, way: str) -> None:
        worker = self.held.pop(job, None)
        given = (job, worker or "a") + (() if way == "cancelled" else ("because",))
        if worker is None:
            with pytest.raises(JobLost):
                getattr(self.queue, way)(*given)
            return
        if getattr(self.queue, way)(*given).state.ended:
            self.done.add(job)

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        if self.queue.cancel(job).state.ended:
            self.done.add(job)

    @rule(job=jobs)
    def wake(self, job: str) -> None:
        self.queue.wake(self.queue.get(job).run_id)

    @rule(worker=st.sampled_from("abc"))
    def die(self, worker: str) -> None:
        """All other processes ended."""
        for job in self.queue.recover(worker):
            del self.held[job.id]
            if job.state.ended:
                self.done.add(job.id)

    @rule(seconds=st.sampled_from([-50.0, 1.0, 10.0, 4_000.0]))
    def jump(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        counts = self.queue.counts()
        assert sum(counts.values()) == len(self.acknowledged)
        assert counts[JobState.RUNNING] == len(self.held)
        assert sum(n for state, n in counts.items() if state.ended) == len(self.done)


TestMachine = Machine.TestCase
