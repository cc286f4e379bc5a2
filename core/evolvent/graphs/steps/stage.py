"""stage: a few train tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evolvent.errors import ModelCallError
from evolvent.evolution.stages import hopeless, stages
from evolvent.graphs.approver import Approver
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.purse import OutOfBudget
from evolvent.types import Candidate, JsonValue, Split

__all__ = ["LEAKED", "advance", "stage", "unmeasured"]

LEAKED = "kernel: it knew a text that was planted outside of the sandbox"


def stage(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Measure every candidate on the first tasks, and what the policy wants to know more of on one more."""
    asked = [_asked(campaign, state, c) for c in state.at("checked")]
    measured = [_one_more(campaign, c) for c in state.at("chosen", action="measure")]
    first = stages(len(campaign.tasks[Split.TRAIN]), state.options.first)[0]
    staged = advance(campaign, [c for c in asked if c.status == "checked"], first)
    refused = [c for c in asked if c.status != "checked"]
    return {"candidates": (*measured, *refused, *staged)}


def _asked(campaign: Campaign, state: EvolveState, candidate: Candidate) -> Candidate:
    """Let a person look at a candidate where that is wanted, or where a guard asks for it.

    Raises:
        GraphInterrupt: a person must decide first.
    """
    escalated = str(candidate.evidence.get("escalated") or "")
    if campaign.options.approve != "each" and not escalated:
        return candidate
    ask = Approver(campaign.solving.approvals, state.run_id, f"{candidate.key}#measure", can_ask=True)
    subject: dict[str, JsonValue] = {
        "variant": candidate.variant,
        "changes": candidate.parent,
        "hypothesis": candidate.hypothesis,
        "diff": campaign.archive.genomes.diff(candidate.parent, candidate.variant)[:20_000],
    }
    decision = ask("measure", "modification", subject, escalated or "every candidate is to be looked at")
    if decision.verdict == "approve":
        return candidate
    reason = f"{decision.by}: {decision.reason}"
    return candidate.model_copy(update={"status": "rejected", "stage": "stage", "reason": reason})


def _one_more(campaign: Campaign, candidate: Candidate) -> Candidate:
    """Measure a variant of the archive on the task that was chosen for it."""
    tasks = [t for t in campaign.tasks[Split.TRAIN] if t.id == candidate.evidence["task"]]
    update = {"status": "measured", "stage": "stage", "variant": candidate.parent}
    try:
        campaign.measure(candidate.parent, tasks)
    except ModelCallError as error:
        return unmeasured(campaign, candidate.model_copy(update=update), "stage", error)
    return candidate.model_copy(update=update)


def unmeasured(campaign: Campaign, candidate: Candidate, stage: str, error: ModelCallError) -> Candidate:
    """Return a candidate that could not be measured, which is held against nobody; it is charged for what was used.

    Raises:
        OutOfBudget: a budget of the run or of the day is spent; with more the run goes on here.
        ModelCallError: the model is down, and the run waits for it.
    """
    if isinstance(error, OutOfBudget):
        if error.ends_the_run:
            raise error
    else:
        campaign.model_is_down(error)
    update = {
        "status": "failed",
        "stage": stage,
        "reason": str(error)[:1_000],
        "usage": candidate.usage + error.used,
    }
    return candidate.model_copy(update=update)


def advance(campaign: Campaign, candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Measure candidates and their parents on the first `count` train tasks, the incumbent on all.

    Returns:
        The candidates; `measured` who cannot win any more, `failed` for whom the model did not answer or the
        generation's budget was spent before it was its turn.

    Raises:
        OutOfBudget: a budget of the run or of the day is spent; with more the run goes on here.
    """
    tasks = campaign.tasks[Split.TRAIN]
    incumbent = campaign.incumbent()
    ended = campaign.measure_for(
        (c.key, variant, given)
        for c in candidates
        for variant, given in ((incumbent, tasks), (c.parent, tasks[:count]), (c.variant, tasks[:count]))
    )
    return [_judged(campaign, c, incumbent, count, ended.get(c.key)) for c in candidates]


def _judged(
    campaign: Campaign, candidate: Candidate, incumbent: str, count: int, ended: ModelCallError | None
) -> Candidate:
    tasks = campaign.tasks[Split.TRAIN]
    rival = campaign.archive.scores(incumbent, Split.TRAIN)
    own = campaign.archive.scores(candidate.variant, Split.TRAIN)
    if campaign.leaks.of(f"{campaign.run_id}/{candidate.variant[:12]}/"):
        return candidate.model_copy(update={"status": "rejected", "stage": "measure", "reason": LEAKED})
    if ended is not None:
        return unmeasured(campaign, candidate, "measure", ended)
    order = [task.id for task in tasks[:count]]
    if any(t not in own for t in order) or any(task.id not in rival for task in tasks):
        why = "what it is compared with could not be measured"
        return candidate.model_copy(update={"status": "failed", "stage": "measure", "reason": why})
    later = math.fsum(rival[task.id] for task in tasks[count:])
    why = hopeless([own[t] for t in order], [rival[t] for t in order], len(tasks) - count, rival_left=later)
    if why and count < len(tasks):
        return candidate.model_copy(
            update={
                "status": "measured",
                "stage": "stage" if count <= campaign.options.first else "measure",
                "reason": why,
            }
        )
    return candidate
