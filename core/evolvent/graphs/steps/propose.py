"""propose: mutation operators make candidates from their parents."""

from __future__ import annotations

from typing import Any

from evolvent.errors import GuestError, MissingPrerequisite, error_text
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.mutation import Mutation, is_passing
from evolvent.graphs.purse import OutOfBudget
from evolvent.storage.archive import TIMED_OUT
from evolvent.types import Candidate, Modification

__all__ = ["propose"]

TIMEOUTS = 3
"""Time-outs in a row of one program's `improve()` from which on they count."""

LEAKED = "kernel: what its parent asked for held a text that was planted outside of the sandbox"


def propose(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Ask each candidate's operator, several at once; nobody is asked when a budget is spent.

    Raises:
        OutOfBudget: a budget of the run or of the day is spent; with more the run goes on here.
    """
    archive = campaign.archive.variants()

    def ask(candidate: Candidate) -> Candidate:
        try:
            campaign.purse.check()
        except OutOfBudget as error:
            if error.ends_the_run:
                raise
            return candidate.model_copy(update={"status": "failed", "stage": "propose", "reason": str(error)})
        rng = campaign.rng("propose", candidate.key.partition("/")[2])
        mutation = Mutation(campaign, candidate, archive, rng)
        made = _proposed(campaign, candidate, mutation)
        campaign.purse.spend(made.usage)
        made = _timed(campaign, made, mutation)
        if campaign.leaks.of(f"{candidate.key}/"):
            return _ended(candidate, mutation, "rejected", LEAKED)
        return made

    return {"candidates": tuple(campaign.each(ask, state.at("chosen")))}


def _timed(campaign: Campaign, made: Candidate, mutation: Mutation) -> Candidate:
    """Note how `improve()` ended; a meta agent that ran out of time again and again is at fault.

    A single time-out may be the machine's. Without this a looping meta agent would cost a proposal's time whenever it
    is chosen, for ever, and no policy would ever hear of it.
    """
    if not mutation.improved:
        return made
    made = made.model_copy(update={"evidence": {**made.evidence, "improve": mutation.improved}})
    if mutation.improved != TIMED_OUT:
        return made
    before = campaign.archive.tables.timeouts(made.parent)
    if made.status != "failed" or before + 1 < TIMEOUTS:
        return made
    reason = f"improve() of its parent ran out of time {before + 1} times in a row"
    return made.model_copy(update={"status": "rejected", "reason": reason})


def _proposed(campaign: Campaign, candidate: Candidate, mutation: Mutation) -> Candidate:
    """Return the candidate with what its operator proposed, or with why there is nothing."""
    operator = campaign.operators[candidate.operator]
    made, refused = None, None
    try:
        made = operator.propose(mutation)
    except MissingPrerequisite:
        raise
    except Exception as error:
        refused = error
    if mutation.down is not None and not isinstance(mutation.down, OutOfBudget):
        campaign.model_is_down(mutation.down)
    if isinstance(refused, GuestError):
        status = "failed" if mutation.passing else "rejected"
        return _ended(candidate, mutation, status, f"the meta agent failed: {refused}")
    if refused is not None:
        status = "failed" if is_passing(refused) or mutation.passing else "rejected"
        return _ended(candidate, mutation, status, f"the operator failed: {error_text(refused, 300)}")
    if made is None:
        status = "failed" if mutation.passing else "rejected"
        return _ended(candidate, mutation, status, mutation.passing or "the operator had no idea")
    before = dict(mutation.files(candidate.parent))
    if (
        not isinstance(made, Modification)
        or made.before != before
        or made.parent not in ("", candidate.parent)
    ):
        what = f"the operator returned {type(made).__name__}, which is no modification of the parent"
        return _ended(candidate, mutation, "rejected", what)
    return candidate.model_copy(
        update={
            "status": "proposed",
            "stage": "propose",
            "files": dict(made.after),
            "other_parent": next((d for d in made.donors if d in campaign.archive), ""),
            "hypothesis": made.hypothesis[:2_000],
            "usage": mutation.meter.usage,
        }
    )


def _ended(candidate: Candidate, mutation: Mutation, status: str, reason: str) -> Candidate:
    return candidate.model_copy(
        update={
            "status": status,
            "stage": "propose",
            "reason": reason[:1_000],
            "usage": mutation.meter.usage,
        }
    )
