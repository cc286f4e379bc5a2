"""Claims about the environment: believed for a while, then probed.

A tool that failed once is no tool that fails. Such a claim is given to nobody until an attempt of another run has seen
the same failure; from then on it is believed for `ttl_seconds`. After that it is withheld from the next attempt that is
near it, which therefore tries for itself: when the tool fails again the claim is believed twice as long, up to a bound
(exponential backoff), and when it answers the claim is over. It is over at once whenever any attempt gets an answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from evolvent.memory.store import Writing
from evolvent.types import Attempt, Exchange, JsonValue, Lesson, LessonState

__all__ = ["TOOL", "probe", "tool_outcomes"]

TOOL = "tool:"
"""What the subject of a claim about a tool begins with."""


def tool_outcomes(exchanges: Iterable[Exchange]) -> dict[str, bool]:
    """Return for each tool that was called whether it answered at least once.

    Only `ToolFailed` says something about the tool; a refusal says something about the policy, and a mistake in the
    arguments about the caller.
    """
    outcomes: dict[str, bool] = {}
    for exchange in exchanges:
        if exchange.method != "tools.call":
            continue
        name = str(exchange.params.get("name", ""))
        if exchange.error is None:
            outcomes[name] = True
        elif exchange.error.startswith("ToolFailed:"):
            outcomes.setdefault(name, False)
    return outcomes


def probe(
    writing: Writing, claim: Lesson, attempt: Attempt, *, answered: bool, max_seconds: float
) -> Lesson | None:
    """Let what an attempt saw of a claim's tool decide on the claim.

    Args:
        writing: the open transaction.
        claim: active or unproven.
        attempt: it called the tool.
        answered: whether the tool answered.
        max_seconds: bound of the time that a claim is believed.

    Returns:
        The changed claim, or None when nothing follows.
    """
    if attempt.id in claim.provenance.confirmed_by:
        return None  # a resumed run is judged again
    evidence: dict[str, JsonValue] = {"attempt_id": attempt.id}
    if answered:
        return writing.change(
            claim,
            f"{claim.subject} answered in attempt {attempt.id}",
            run_id=attempt.run_id,
            evidence=evidence,
            state=LessonState.EXPIRED,
            probing="",
        )
    if attempt.run_id in claim.provenance.run_ids:
        return None
    ttl = claim.ttl_seconds or max_seconds
    if claim.state is LessonState.UNPROVEN:
        if claim.outdated(writing.now):
            return None
        reason = f"{claim.subject} failed again in attempt {attempt.id}"
    elif claim.outdated(writing.now):
        ttl = min(2 * ttl, max_seconds)
        reason = f"the probe by attempt {attempt.id} found it true; believed for {ttl:g} s"
    else:
        return None
    confirmed = tuple(dict.fromkeys((*claim.provenance.confirmed_by, attempt.id)))
    return writing.change(
        claim,
        reason,
        run_id=attempt.run_id,
        evidence=evidence,
        state=LessonState.ACTIVE,
        probing="",
        ttl_seconds=ttl,
        expires_at=writing.now + timedelta(seconds=ttl),
        provenance=claim.provenance.model_copy(update={"confirmed_by": confirmed}),
    )
