"""What the daemon does for a job of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from evolvent.daemon.work import Work
from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.library.audit import audit
from evolvent.library.lifecycle import into
from evolvent.practice.evolving import EvolveJob
from evolvent.practice.job import LearnJob
from evolvent.practice.plan import LearnOptions
from evolvent.types import Budget, EvolveOptions, Frozen, JobRequest, JsonValue, Task

__all__ = ["HANDLERS", "Handler", "Outcome", "checked"]

UNUSED_DAYS = 90


class Outcome(Frozen):
    """What came of a job."""

    state: Literal["finished", "waiting"] = "finished"
    result: JsonValue = None
    reason: str = ""
    """What it waits for."""


@dataclass(frozen=True)
class Handler:
    """Does jobs of one kind."""

    payload: type[Frozen]
    """What such a job is given."""
    do: Callable[[Work, Any], Outcome]
    """Raises `RunStopped` when it is asked to stop."""
    needs_model: bool = True


class SolvePayload(Frozen):
    """A question, or a task that an evaluator judges."""

    prompt: str = Field(min_length=1)
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    untrusted: tuple[str, ...] = ()
    """Names of inputs of unknown origin."""
    evaluator: str | None = None
    reference: JsonValue = None
    budget: Budget | None = None
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _is_a_task(self) -> Self:
        self.task()
        return self

    def task(self) -> Task:
        """Return what is to be solved."""
        return Task.model_validate(self.model_dump(exclude={"budget", "seed"}))


class LearnPayload(Frozen):
    """A learning job."""

    suite: str = Field(min_length=1)
    options: LearnOptions = LearnOptions()


class EvolvePayload(Frozen):
    """Generations of evolution."""

    suite: str = Field(min_length=1)
    options: EvolveOptions = EvolveOptions()
    at_most: int | None = Field(default=None, ge=1)
    """Generations of this job. With it, the job goes on with the unfinished run of the same options, and leaves it
    to be gone on with."""


class ConsolidatePayload(Frozen):
    """A pass over the memory."""


class AuditPayload(Frozen):
    """An audit of the library."""

    retest: bool = True
    """Whether the tests of every skill are run again."""


def _solve(work: Work, given: SolvePayload) -> Outcome:
    result = work.runtime.solve(given.task(), budget=given.budget, seed=given.seed, run_id=work.job.run_id)
    if result.status == "waiting":
        asked = ", ".join(request.id for request in result.pending)
        return Outcome(state="waiting", reason=f"a person must decide: {asked}")
    return Outcome(result=result.model_dump(mode="json", exclude={"attempts"}))


def _learn(work: Work, given: LearnPayload) -> Outcome:
    job = LearnJob(work.runtime, given.suite, given.options, run_id=work.job.run_id)
    return Outcome(result=job.run().model_dump(mode="json"))


def _evolve(work: Work, given: EvolvePayload) -> Outcome:
    job = _evolution(work, given)
    with work.run(job.run_id):
        report = job.run(given.at_most)
    if report.status == "waiting":
        asked = ", ".join(request.id for request in job.pending())
        return Outcome(state="waiting", reason=f"a person must decide: {asked}")
    return Outcome(result=report.model_dump(mode="json"))


def _evolution(work: Work, given: EvolvePayload) -> EvolveJob:
    """Return the run to go on with; a new one on the same archive where what its scores depend on has changed."""
    runtime, suite, options = work.runtime, given.suite, given.options
    shared = given.at_most is not None
    for number in range(1, 1_000):
        name = work.job.run_id if number == 1 else f"{work.job.run_id}/anew-{number}"
        try:
            return EvolveJob(runtime, suite, options, run_id=None if shared else name, wait_for_model=True)
        except IntegrityError:  # skills were learned meanwhile, say
            if shared:
                return EvolveJob(runtime, suite, options, fresh=True, wait_for_model=True)
    raise AssertionError("there is a name that no run has")


def _consolidate(work: Work, _given: ConsolidatePayload) -> Outcome:
    steps = work.runtime.memory.consolidate(
        run_id=work.job.run_id, key=f"consolidated:{work.job.run_id}", stop=work.stopping
    )
    return Outcome(result=[step.model_dump(mode="json") for step in steps])


def _audit(work: Work, given: AuditPayload) -> Outcome:
    runtime = work.runtime
    found = audit(
        runtime.skills,
        tell=into(runtime.ledger),
        told=frozenset(event.key for event in runtime.ledger.events(kind="skill.moved")),
        used=runtime.trials.last_used(),
        unused_days=UNUSED_DAYS,
        functions=runtime.sandbox.forkserver() if given.retest else None,
    )
    return Outcome(result=[finding.model_dump(mode="json") for finding in found])


HANDLERS: Mapping[str, Handler] = {
    "solve": Handler(SolvePayload, _solve),
    "learn": Handler(LearnPayload, _learn),
    "evolve": Handler(EvolvePayload, _evolve),
    "consolidate": Handler(ConsolidatePayload, _consolidate, needs_model=False),
    "audit": Handler(AuditPayload, _audit, needs_model=False),
}


def checked(request: JobRequest, handlers: Mapping[str, Handler] = HANDLERS) -> Frozen:
    """Return the payload of a request as its handler takes it.

    Raises:
        UnknownName: nobody does jobs of this kind.
        UsageError: the payload does not fit; the message names the fields.
    """
    if request.kind not in handlers:
        raise UnknownName("kind of job", request.kind, handlers)
    try:
        return handlers[request.kind].payload.model_validate(request.payload)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'payload'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)[:5]
        )
        known = ", ".join(handlers[request.kind].payload.model_fields) or "nothing"
        raise UsageError(
            f"the payload of a {request.kind!r} job cannot be used: {faults} (it takes {known})"
        ) from error
