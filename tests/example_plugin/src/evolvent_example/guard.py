"""Guards: each may reject, and what it does not reject others still may."""

from __future__ import annotations

import json

from evolvent import Decision, hookimpl
from evolvent.types import Modification, SkillProposal, ToolCall

POLITE = "Be polite."


@hookimpl
def review_modification(modification: Modification) -> Decision | None:
    """Reject a change that makes the agent impolite."""
    had = any(POLITE in text for text in modification.before.values())
    if had and not any(POLITE in text for text in modification.after.values()):
        return Decision(verdict="reject", reason=f"{POLITE!r} was taken out")
    if any("rude" in text for text in modification.after.values()):
        return Decision(verdict="reject", reason="the program speaks of being rude")
    return None


@hookimpl
def review_skill(proposal: SkillProposal) -> Decision | None:
    """Reject a skill that shouts."""
    if proposal.description.isupper():
        return Decision(verdict="reject", reason="the description shouts")
    return None


@hookimpl
def review_tool_call(call: ToolCall) -> Decision | None:
    """Reject rude notes."""
    if "rude" in json.dumps(call.arguments):
        return Decision(verdict="reject", reason="the note is rude")
    return None
