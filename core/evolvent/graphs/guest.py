"""Running a function of the genome in a sandbox session, with the broker at the other end of its pipe."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from evolvent.broker import Broker, Meter
from evolvent.errors import GuestError, RunError, SandboxGone, SandboxTimeout
from evolvent.evolution.parameters import parameter_values
from evolvent.graphs.services import Services
from evolvent.types import Frozen, JsonValue, Limits

__all__ = ["GuestOutcome", "run_guest"]

MAX_SECONDS = 3600.0
MAX_GONE = 3
"""Guests that a program is given where each ends with what ran it; then that counts as the program's own end."""


class GuestOutcome(Frozen):
    """What a guest function came to."""

    value: JsonValue = None
    ended: str = "returned"
    """`returned`, `gave_up`, `budget` or `error`."""
    detail: str = ""


def run_guest(
    services: Services,
    broker: Broker,
    meter: Meter,
    function: tuple[str, str],
    args: Sequence[JsonValue],
    context: dict[str, JsonValue],
) -> GuestOutcome:
    """Call `module.function(*args, ctx)` of the genome.

    A guest that fails is an outcome, not an exception; what the host lacks (a model, a sandbox) still raises. One that
    ends because what runs it did is run again, and hears the same answers.

    Raises:
        RunStopped: the run was asked to stop; the guest is killed.
    """
    used, asked = meter.usage, meter.requests
    for _ in range(MAX_GONE - 1):
        try:
            return _run_once(services, broker, meter, function, args, context)
        except SandboxGone:
            broker.begin_again()
            meter.usage, meter.requests, meter.spent = used, asked, None
    try:
        return _run_once(services, broker, meter, function, args, context)
    except SandboxGone as gone:
        return _without_bait(_ended(gone, meter), services, broker)


def _run_once(
    services: Services,
    broker: Broker,
    meter: Meter,
    function: tuple[str, str],
    args: Sequence[JsonValue],
    context: dict[str, JsonValue],
) -> GuestOutcome:
    """Call it in one guest.

    Raises:
        SandboxGone: the guest ended with what ran it.
        RunStopped: the run was asked to stop.
    """
    module, name = function
    left = meter.seconds_left()
    limits = Limits(wall_seconds=max(1.0, min(MAX_SECONDS, left if left is not None else MAX_SECONDS)))
    failure: list[BaseException] = []

    def answer(method: str, params: dict[str, JsonValue]) -> JsonValue:
        try:
            return broker.handle(method, params)
        except GuestError:
            raise
        except BaseException as error:
            failure.append(error)
            raise

    stops, run_id = services.stops, broker.run_id
    with (
        contextlib.closing(services.sandbox.session(limits)) as session,
        stops.closing(run_id, session.close),
    ):
        try:
            session.call("load", {"files": dict(services.genome)})
            invocation: dict[str, JsonValue] = {
                "module": module,
                "function": name,
                "args": list(args),
                "context": {**context, "parameters": parameter_values(services.genome)},
            }
            value = session.call("invoke", invocation, answer)
        except RunError as error:
            if failure:
                raise failure[0] from error
            stops.check(run_id)
            if isinstance(error, SandboxGone):
                raise
            return _without_bait(_ended(error, meter), services, broker)
    if failure:
        raise failure[0]
    if meter.spent:
        return GuestOutcome(value=value, ended="budget", detail=meter.spent)
    return GuestOutcome(value=value)


def _without_bait(outcome: GuestOutcome, services: Services, broker: Broker) -> GuestOutcome:
    """Return an outcome whose words hold no planted text: what a guest raises with is told to others."""
    if services.watch.found(outcome.detail, broker.run_id, broker.session_id):
        return outcome.model_copy(update={"detail": "GuestError: its words are withheld"})
    return outcome


def _ended(error: RunError, meter: Meter) -> GuestOutcome:
    if meter.spent:
        return GuestOutcome(ended="budget", detail=meter.spent)
    if isinstance(error, GuestError) and error.kind == "GiveUp":
        return GuestOutcome(ended="gave_up", detail=error.message)
    timed = isinstance(error, SandboxTimeout) and error.limit == "wall_seconds"
    if timed and meter.budget.seconds is not None:
        return GuestOutcome(ended="budget", detail="seconds")
    return GuestOutcome(ended="error", detail=f"{type(error).__name__}: {error}"[:1000])
