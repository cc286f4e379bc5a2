"""check: whether a candidate may be run at all, before anything is scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from evolvent.errors import SandboxLost
from evolvent.evolution.archive import changed_lines
from evolvent.evolution.review import review_modification
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.contract import breach_of_contract
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.freezing import leaks_bait
from evolvent.types import Candidate, Modification, Split

__all__ = ["check"]

LEAKED = "kernel: it holds a text that was planted outside of the sandbox"


def check(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Review, look for what was tried before, and run the contract tests; what passes gets its id.

    Cheap looks are one after the other, because a candidate may repeat another of its generation; the sandbox comes
    last and several candidates at once, while the next ones are looked at.
    """
    proposed = state.at("proposed")
    changes = {c.key: _change(campaign, c) for c in proposed}
    trees: set[str] = set()
    looked: list[Candidate] = []

    def alive() -> Iterator[Candidate]:
        for candidate in proposed:
            looked.append(_looked_at(campaign, candidate, changes[candidate.key], trees))
            if looked[-1].status == "proposed":
                yield looked[-1]

    tested = campaign.each(lambda c: _tested(campaign, c), alive())
    done = {c.key: c for c in (*looked, *_kept(campaign, tested))}
    return {"candidates": tuple(_noted(done[c.key], changes[c.key]) for c in proposed)}


def _change(campaign: Campaign, candidate: Candidate) -> Modification:
    before = dict(campaign.archive.genomes.files(candidate.parent))
    return Modification(
        parent=candidate.parent, before=before, after=candidate.files, hypothesis=candidate.hypothesis
    )


def _looked_at(campaign: Campaign, candidate: Candidate, change: Modification, trees: set[str]) -> Candidate:
    """Return the candidate, rejected where something speaks against it without running it."""
    if leaks_bait(campaign, change):  # before anything else may reject it
        innocent = candidate.model_copy(update={"hypothesis": ""})  # nobody is shown it
        return _rejected(innocent, LEAKED)
    known = [(t.prompt, str(t.reference)) for t in campaign.tasks[Split.TRAIN] if t.reference is not None]
    decision = review_modification(change, campaign.services.plugins.review_modification, known=known)
    if decision.verdict == "escalate" and campaign.options.approve != "never":
        evidence = {**candidate.evidence, "escalated": f"{decision.by}: {decision.reason}"[:500]}
        candidate = candidate.model_copy(update={"evidence": evidence})
    elif decision.verdict != "approve":
        return _rejected(candidate, f"{decision.by}: {decision.reason}")
    tree = campaign.archive.genomes.tree_of(change.after)
    if campaign.archive.has_tree(tree) or tree in trees:
        return _rejected(candidate, "a program with exactly these files was tried before")
    trees.add(tree)
    objection = campaign.novelty.objection(candidate.parent, changed_lines(change))
    return _rejected(candidate, objection) if objection else candidate


def _tested(campaign: Campaign, candidate: Candidate) -> Candidate:
    try:
        breach = breach_of_contract(
            campaign.solving.sandbox, candidate.files, campaign.tasks[Split.TRAIN][0].view()
        )
    except SandboxLost as error:
        update = {"status": "failed", "stage": "check", "reason": f"the sandbox was lost: {error}"[:1_000]}
        return candidate.model_copy(update=update)
    if breach:
        return _rejected(candidate, breach)
    return candidate.model_copy(update={"status": "checked", "stage": "check"})


def _kept(campaign: Campaign, tested: Sequence[Candidate]) -> list[Candidate]:
    """Put what passed into the repository, all at once: each would wait for the disk."""
    passed = [c for c in tested if c.status == "checked"]
    made = campaign.archive.genomes.add_all(
        (c.files, tuple(p for p in (c.parent, c.other_parent) if p), c.hypothesis) for c in passed
    )
    ids = dict(zip((c.key for c in passed), made, strict=True))
    return [c.model_copy(update={"variant": ids[c.key]}) if c.key in ids else c for c in tested]


def _rejected(candidate: Candidate, reason: str) -> Candidate:
    return candidate.model_copy(update={"status": "rejected", "stage": "check", "reason": reason[:1_000]})


def _noted(candidate: Candidate, change: Modification) -> Candidate:
    """Return the candidate without its files, which are stored or of no more use, but with what it changed."""
    lines = "" if candidate.reason == LEAKED else changed_lines(change)
    evidence = {**candidate.evidence, "changed": list(change.changed), "lines": lines}
    return candidate.model_copy(update={"files": {}, "evidence": evidence})
