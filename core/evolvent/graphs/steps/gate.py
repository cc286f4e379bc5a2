"""gate: the paired test on tasks of which no candidate sees an outcome; once for each."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from evolvent.errors import ModelCallError
from evolvent.evolution.gate import decide, is_promising
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.freezing import try_canary
from evolvent.graphs.steps.stage import LEAKED, unmeasured
from evolvent.types import Candidate, GateDecision, Split

__all__ = ["gate"]


def gate(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Test who did better than the incumbent on all train tasks; an accepted one is the next one's rival.

    Whoever solves a canary first, which nobody can, is not tested: evolution freezes. While it is frozen nobody is
    accepted: a person has to look first. Whoever answers as one did that was refused is not tested either.

    Raises:
        OutOfBudget: a budget of the run or of the day is spent; with more the run goes on here.
    """
    incumbent = campaign.incumbent()
    decided = []
    frozen = campaign.archive.tables.frozen()
    for candidate in state.candidates:
        if frozen is not None:
            break
        if candidate.status != "measured":
            continue
        try:
            if not _eligible(campaign, candidate, incumbent):
                continue
            candidate = _tested(campaign, candidate, incumbent)
        except ModelCallError as error:
            candidate = unmeasured(campaign, candidate, "gate", error)
        incumbent = candidate.variant if candidate.status == "accepted" else incumbent
        decided.append(candidate)
        frozen = campaign.archive.tables.frozen()  # the canary is tried on each
    return {"candidates": tuple(decided)}


def _eligible(campaign: Campaign, candidate: Candidate, incumbent: str) -> bool:
    """Whether a variant was measured on all train tasks and did better there; ties keep the incumbent."""
    tasks = campaign.tasks[Split.TRAIN]
    own = campaign.archive.scores(candidate.variant, Split.TRAIN)
    if candidate.variant == incumbent or any(task.id not in own for task in tasks):
        return False
    rival = campaign.measure(incumbent, tasks)
    return fmean(own[task.id] for task in tasks) > fmean(rival.values())


def _tested(campaign: Campaign, candidate: Candidate, incumbent: str) -> Candidate:
    tables, tasks = campaign.archive.tables, campaign.tasks[Split.GATE]
    known = tables.gates(campaign.context, candidate.variant)
    if known:
        decision = GateDecision.model_validate(known[0].decision)
        if known[0].run_id != campaign.run_id or not decision.accepted:
            return candidate.model_copy(update={"stage": "gate", "reason": decision.reason})
    elif twin := _twin(campaign, candidate.variant, incumbent):
        reason = f"on every train task it answered as {twin[:10]} did, which the gate had refused"
        return candidate.model_copy(update={"stage": "gate", "reason": reason})
    else:
        try:
            canary = try_canary(campaign, candidate.variant)
            candidate = candidate.model_copy(update={"usage": candidate.usage + canary.usage})
            if canary.passed:
                update = {
                    "status": "rejected",
                    "stage": "gate",
                    "reason": "it solved a task that nobody can solve",
                }
                return candidate.model_copy(update=update)
            rival = campaign.measure(incumbent, tasks)
            own = campaign.measure(candidate.variant, tasks)
        except ModelCallError as error:
            return unmeasured(campaign, candidate, "gate", error)
        if campaign.leaks.of(f"{campaign.run_id}/{candidate.variant[:12]}/"):
            return candidate.model_copy(update={"status": "rejected", "stage": "gate", "reason": LEAKED})
        promising = _promising(campaign, candidate.variant, incumbent)
        decision = decide(
            list(own.values()),
            list(rival.values()),
            tables.next_gate(),
            campaign.error.row(promising),
            place=tables.next_gate(promising),
            promising=promising,
        )
        tables.add_gate(campaign.context, campaign.run_id, candidate.variant, incumbent, decision, list(own))
    return candidate.model_copy(
        update={
            "status": "accepted" if decision.accepted else "measured",
            "stage": "gate",
            "reason": decision.reason,
            "evidence": {**candidate.evidence, "gate": decision.model_dump(mode="json")},
        }
    )


def _twin(campaign: Campaign, variant: str, incumbent: str) -> str:
    """Return a variant that was refused against the same incumbent and answered every train task alike; or "".

    A program that changes how it improves solves tasks as its parent does. Its test would repeat the parent's on the
    same tasks and seeds: it would find nothing out, and use up a level of the error that the archive may make.
    """
    archive, tables = campaign.archive, campaign.archive.tables
    scores = archive.scores(variant, Split.TRAIN)
    alike = [
        other
        for other in tables.refused(campaign.context, incumbent)
        if archive.scores(other, Split.TRAIN) == scores
    ]
    own = tables.answers(campaign.context, variant) if alike else {}
    if not all(own.values()):
        return ""  # measured before answers were kept
    return next((other for other in alike if tables.answers(campaign.context, other) == own), "")


def _promising(campaign: Campaign, variant: str, incumbent: str) -> bool:
    """Whether a variant that did better than the incumbent on all train tasks stands out there."""
    tasks = [task.id for task in campaign.tasks[Split.TRAIN]]
    ours, theirs = (campaign.archive.scores(who, Split.TRAIN) for who in (variant, incumbent))
    return is_promising([ours[t] for t in tasks], [theirs[t] for t in tasks])
