"""promote: the last accepted candidate becomes the active program."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from evolvent.graphs.approver import Approver
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.freezing import Halted, freeze
from evolvent.types import Candidate, Split, VariantPromoted

__all__ = ["promote"]


def promote(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Ask where a person wants to be asked, look at the sealed split, and change the active program.

    A train score that runs ahead of the sealed one freezes evolution before anything is promoted. This node is not
    done then: when a person has lifted the freeze, the run goes on here and asks whether the program may be promoted.
    So it comes to the same whether the process lived on or was killed in between.

    Raises:
        GraphInterrupt: a person must decide first.
        Halted: evolution is frozen.
        ModelCallError: the sealed split could not be measured; the run goes on here.
    """
    accepted = state.at("accepted") + state.at("accepted", action="measure")
    if not accepted:
        return {}
    _refuse_frozen(campaign)
    campaign.purse.end_generation()
    refusals: list[Candidate] = []
    for candidate in sorted(accepted, key=lambda c: c.slot, reverse=True):
        before = campaign.incumbent()
        if candidate.variant == before:  # done by an interrupted process
            return {"promoted": candidate.variant, "candidates": tuple(refusals)}
        refusal = _refused(campaign, state, candidate, before)
        if refusal:
            update = {"status": "rejected", "stage": "promote", "reason": refusal}
            refused = candidate.model_copy(update=update)
            campaign.archive.tables.decide_again(refused)
            refusals.append(refused)
            continue  # the one before it passed the gate too
        # First the record: a process that is killed in between comes here again, and writes it once.
        campaign.solving.ledger.append(
            VariantPromoted(
                key=f"promoted:{candidate.key}",
                run_id=state.run_id,
                variant=candidate.variant,
                before=before,
                by="gate",
                reason=candidate.reason[:1_000],
            )
        )
        campaign.services.genomes.set_active(candidate.variant)
        return {"promoted": candidate.variant, "candidates": tuple(refusals)}
    return {"candidates": tuple(refusals)}


def _refused(campaign: Campaign, state: EvolveState, candidate: Candidate, before: str) -> str:
    """Return why a person does not want it; empty when it may be promoted."""
    if campaign.options.approve != "never":  # what this process was told, not the one that was interrupted
        refusal = _asked(campaign, state, candidate, before, "promote")
        if refusal:
            return refusal
    tables = campaign.archive.tables
    if not tables.froze(state.run_id, ahead=candidate.variant):
        _watch_gap(campaign, candidate.variant, before)
        _refuse_frozen(campaign)
    if tables.froze(state.run_id, generation=state.generation):
        return _asked(campaign, state, candidate, before, "lifted")
    return ""


def _refuse_frozen(campaign: Campaign) -> None:
    frozen = campaign.archive.tables.frozen()
    if frozen is not None:
        raise Halted(frozen.reason)


def _asked(campaign: Campaign, state: EvolveState, candidate: Candidate, before: str, question: str) -> str:
    """Return why a person does not want it; empty when they do."""
    place = f"{candidate.key}#{question}"
    ask = Approver(campaign.solving.approvals, state.run_id, place, can_ask=True)
    decision = ask(
        question,
        "modification",
        {
            "variant": candidate.variant,
            "replaces": before,
            "hypothesis": candidate.hypothesis,
            "diff": campaign.archive.genomes.diff(before, candidate.variant)[:20_000],
        },
        (
            f"evolution froze in this generation; {candidate.reason}"
            if question == "lifted"
            else candidate.reason
        )[:500],
    )
    return "" if decision.verdict == "approve" else f"{decision.by}: {decision.reason}"


def _watch_gap(campaign: Campaign, variant: str, before: str) -> None:
    """Measure both on the sealed split, and freeze evolution where the gap to the train scores widened too far."""
    tasks = campaign.tasks[Split.SEALED]
    if not tasks:
        return
    sealed = fmean(campaign.measure(variant, tasks).values())
    sealed_before = fmean(campaign.measure(before, tasks).values())
    train = campaign.archive.variant(variant).score
    widened = (train - sealed) - (campaign.archive.variant(before).score - sealed_before)
    if widened > campaign.options.freeze_gap:
        freeze(
            campaign,
            f"the train score runs ahead of the sealed one: {train:.3f} against {sealed:.3f}",
            {"ahead": variant, "widened": widened},
        )
