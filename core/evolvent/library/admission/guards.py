"""guards: plugins, and through them people, may refuse; they cannot approve what the kernel refuses."""

from __future__ import annotations

from collections.abc import Callable

from evolvent.library.admission.candidate import Candidate, failed
from evolvent.types import Decision, SkillProposal, StageResult

__all__ = ["Guards"]


class Guards:
    """Asks the guards, and a person where one of them wants it."""

    def __init__(self, review: Callable[[SkillProposal], Decision]) -> None:
        self._review = review

    def __call__(self, candidate: Candidate) -> StageResult:
        """Run the stage."""
        decision = self._review(candidate.proposal)
        if decision.verdict == "escalate" and candidate.escalate is None:
            reason = f"{decision.by} wants a person to decide: {decision.reason}"
            return failed("guards", reason, undecided=True)
        if decision.verdict == "escalate" and candidate.escalate is not None:
            decision = candidate.escalate(candidate.proposal, decision)
        if decision.verdict != "approve":
            return failed("guards", f"{decision.by}: {decision.reason}", by=decision.by)
        return StageResult(stage="guards", passed=True, reason=decision.reason, evidence={"by": decision.by})
