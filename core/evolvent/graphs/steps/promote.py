"""promote: the last accepted candidate becomes the active program."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from evolvent.errors import ModelCallError
from evolvent.graphs.approver import Approver
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.freezing import freeze
from evolvent.types import Candidate, Split, VariantPromoted

__all__ = ["promote"]


def promote(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Ask where a person wants to be asked, report the sealed split, and change the active program.

    Raises:
        GraphInterrupt: a person must decide first.
    """
    if campaign.archive.tables.frozen() is not None:
        return {}  # a person has to look first, and may promote it then
    accepted = state.at("accepted") + state.at("accepted", action="measure")
    refusals: list[Candidate] = []
    for candidate in sorted(accepted, key=lambda c: c.slot, reverse=True):
        before = campaign.incumbent()
        if candidate.variant == before:  # done by an interrupted process
            return {"promoted": candidate.variant, "candidates": tuple(refusals)}
        refusal = _asked(campaign, state, candidate, before)
        if refusal:
            update = {"status": "rejected", "stage": "promote", "reason": refusal}
            refused = candidate.model_copy(update=update)
            campaign.archive.tables.decide_again(refused)
            refusals.append(refused)
            continue  # the one before it passed the gate too
        _report_sealed(campaign, candidate.variant, before)
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


def _asked(campaign: Campaign, state: EvolveState, candidate: Candidate, before: str) -> str:
    """Return why a person does not want it; empty when it may be promoted."""
    if campaign.options.approve == "never":  # what this process was told, not the one that was interrupted
        return ""
    ask = Approver(campaign.solving.approvals, state.run_id, f"{candidate.key}#promote", can_ask=True)
    decision = ask(
        "promote",
        "modification",
        {
            "variant": candidate.variant,
            "replaces": before,
            "hypothesis": candidate.hypothesis,
            "diff": campaign.archive.genomes.diff(before, candidate.variant)[:20_000],
        },
        candidate.reason[:500],
    )
    return "" if decision.verdict == "approve" else f"{decision.by}: {decision.reason}"


def _report_sealed(campaign: Campaign, variant: str, before: str) -> None:
    """Measure both on the sealed split, for the report only, and watch the gap between train and sealed scores."""
    tasks = campaign.tasks[Split.SEALED]
    if not tasks:
        return
    try:
        sealed = fmean(campaign.measure(variant, tasks).values())
        sealed_before = fmean(campaign.measure(before, tasks).values())
    except ModelCallError:
        return  # a report can be made later; the gate has decided
    train = campaign.archive.variant(variant).score
    widened = (train - sealed) - (campaign.archive.variant(before).score - sealed_before)
    if widened > campaign.options.freeze_gap:
        freeze(
            campaign,
            f"the train score runs ahead of the sealed one: {train:.3f} against {sealed:.3f}",
            {"variant": variant, "widened": widened},
        )
