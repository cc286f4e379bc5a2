"""Asking guards: what one rejects is rejected, and a guard that fails has rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolvent.plugins.calls import Answer, HookCalls
from evolvent.types import Decision

__all__ = ["REVIEWS", "decide", "review"]

REVIEWS = ("review_modification", "review_skill", "review_tool_call")
"""The hooks of guards."""
VERDICTS = ("approve", "escalate", "reject")


def review(
    calls: HookCalls, hook: str, arguments: Mapping[str, Any], lost: Mapping[str, str], patience: int = 3
) -> Decision:
    """Ask all guards.

    Args:
        calls: the hooks of the loaded plugins.
        hook: one of `REVIEWS`.
        arguments: of the hook.
        lost: guards that should be there and could not be loaded, with the reason: each of them rejects.
        patience: how often a guard may hang; from then on it rejects without being called, since every call that
            hangs leaves a thread behind.

    Returns:
        The strictest of their decisions; without any the approval of the kernel.
    """
    decisions = [
        Decision(
            verdict="reject",
            reason=f"the guard {name!r} could not be loaded ({reason[:300]}); mend it, or take it out with "
            f"`evolvent plugins disable {name}`",
            by=name,
        )
        for name, reason in sorted(lost.items())
    ]
    stuck = {i.plugin for i in calls.of(hook) if calls.hangs[i.plugin, hook] >= patience}
    decisions += [
        Decision(
            verdict="reject",
            reason=f"the guard {name!r} hung {patience} times and is not called any more; `evolvent plugins disable "
            f"{name}` takes it out",
            by=name,
        )
        for name in sorted(stuck)
    ]
    asked = [i for i in calls.of(hook) if i.plugin not in stuck]
    answers = calls.ask(hook, arguments, asked)
    decisions += [made for answer in answers if (made := _of(answer, hook, calls)) is not None]
    return decide(decisions)


def decide(decisions: list[Decision]) -> Decision:
    """Return the strictest decision, the first of those that are equally strict."""
    decisions = [d if d.verdict in VERDICTS else _odd(d) for d in decisions]
    for verdict in ("reject", "escalate"):
        for decision in decisions:
            if decision.verdict == verdict:
                return decision
    return decisions[0] if decisions else Decision(verdict="approve", by="kernel")


def _odd(decision: Decision) -> Decision:
    """Return a rejection for a decision that was made without its checks."""
    return Decision(verdict="reject", reason=f"decided {decision.verdict!r:.80}", by=decision.by)


def _of(answer: Answer, hook: str, calls: HookCalls) -> Decision | None:
    name, value, fault = answer.plugin, answer.value, answer.fault
    if not fault and value is not None and not isinstance(value, Decision):
        fault = f"{hook} returned {type(value).__name__}; it returns a Decision or None"
        calls.blame(name, hook, fault)
    if fault:
        reason = f"the guard {name!r} failed: {fault[:1000]}; `evolvent plugins disable {name}` takes it out"
        return Decision(verdict="reject", reason=reason, by=name)
    return None if value is None else value.model_copy(update={"by": name})
