"""Deciding on a change of the agent program: the kernel, then the guards, then the kernel again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evolvent.evolution.surface import check_surface
from evolvent.evolution.suspicion import suspicions
from evolvent.types import Decision, Modification, digest

__all__ = ["review_modification"]


def review_modification(
    modification: Modification,
    guards: Callable[[Modification], Decision],
    *,
    known: Sequence[tuple[str, str]] = (),
) -> Decision:
    """Decide on a change.

    The kernel's own review is no plugin: nothing that is installed, disabled or broken takes it away.

    Args:
        modification: what is proposed.
        guards: asks the plugins; see `PluginHost.review_modification`.
        known: (prompt, expected answer) of the train tasks whose failures the proposer may have seen; a program that
            recites them is rejected.
    """
    before = digest(modification.model_dump(mode="json"), 64)
    first = _kernel(modification, known)
    if first.verdict != "approve":
        return first
    decision = guards(modification)
    if decision.verdict == "reject":
        return decision
    if digest(modification.model_dump(mode="json"), 64) != before:
        return Decision(verdict="reject", reason="it was changed while it was reviewed", by="kernel")
    last = _kernel(modification, known)
    return decision if last.verdict == "approve" else last


def _kernel(modification: Modification, known: Sequence[tuple[str, str]]) -> Decision:
    if not modification.changed:
        return Decision(verdict="reject", reason="it changes nothing", by="kernel")
    faults = check_surface(modification.after) or suspicions(modification, known)
    if faults:
        return Decision(verdict="reject", reason="; ".join(faults)[:2000], by="kernel")
    return Decision(verdict="approve", by="kernel")
