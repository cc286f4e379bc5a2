"""Asking a person by a LangGraph interrupt, and going on with the answer."""

from __future__ import annotations

from typing import Any

from langgraph.types import interrupt

from evolvent.storage import Approvals
from evolvent.types import ApprovalRequest, Decision, JsonValue, digest

__all__ = ["Approver", "resume_value"]

NOBODY = "nobody can be asked here"


class Approver:
    """Asks for one guest session.

    A question is stored before the run is interrupted, so `evolvent approvals` and other processes see it, and its
    answer is stored before the run goes on. Questions are told apart by their place in the session: a node that runs
    again after an answer asks the same one again, and hears what was said.

    Args:
        approvals: where questions are kept.
        run_id: the run.
        session_id: the guest session.
        can_ask: whether the run may wait for a person at all.
    """

    def __init__(self, approvals: Approvals, run_id: str, session_id: str, *, can_ask: bool) -> None:
        self._approvals, self._run_id, self._session_id = approvals, run_id, session_id
        self._can_ask = can_ask
        self._heard = 0

    def __call__(self, place: str, kind: Any, subject: dict[str, JsonValue], reason: str) -> Decision:
        """Return the decision of a person.

        Raises:
            GraphInterrupt: there is none yet.
        """
        if not self._can_ask:
            return Decision(verdict="reject", reason=f"{reason}; {NOBODY}", by="kernel")
        request, new = self._approvals.ask(
            ApprovalRequest(
                id="a-" + digest([self._session_id, place, subject], 20),
                run_id=self._run_id,
                session_id=self._session_id,
                kind=kind,
                subject=subject,
                reason=reason,
            )
        )
        while request.verdict is None:
            # LangGraph hands resume values out by the order of interrupts within a node. A node that runs again does
            # not ask journaled questions again, so values that belong to those are passed over; and a value without
            # an id cannot be for a question that nobody has seen yet.
            earlier = self._approvals.answered(_outermost(self._session_id))
            value = interrupt(request.model_dump(mode="json"))
            self._heard += 1
            decision = _understood(value, request.id, bare=not new and self._heard > earlier)
            if decision is not None:
                request = self._approvals.answer(request.id, *decision)
        if request.verdict == "approve":
            return Decision(verdict="approve", reason=request.answer, by="person")
        return Decision(verdict="reject", reason=request.answer or "a person said no", by="person")


def _outermost(session_id: str) -> str:
    """Return the session that a session was begun by: `run#1` for `run#1/2`."""
    run, mark, attempt = session_id.rpartition("#")
    return f"{run}{mark}{attempt.partition('/')[0]}"


def resume_value(request: ApprovalRequest) -> dict[str, JsonValue]:
    """Return what to resume the graph with after a question was answered."""
    return {"id": request.id, "verdict": request.verdict, "answer": request.answer}


def _understood(value: Any, asked: str, *, bare: bool) -> tuple[Any, str] | None:
    """Return verdict and words of a resume value; None when it belongs to another question.

    Args:
        value: what the graph was resumed with: `{"id", "verdict", "answer"}`, or only a verdict or a bool.
        asked: id of the question.
        bare: whether a value without an id can be for this question.
    """
    words = ""
    if isinstance(value, dict):
        if value.get("id") not in (None, asked):
            return None
        bare = bare or value.get("id") == asked
        value, words = value.get("verdict"), str(value.get("answer") or "")
    if not bare:
        return None
    if value in (True, "approve"):
        return "approve", words
    return "reject", words or f"resumed with {value!r:.100}; only 'approve' or true approves"
