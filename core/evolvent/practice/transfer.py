"""Whether a program that was evolved for one suite is better on another."""

from __future__ import annotations

import uuid

from evolvent.errors import UsageError
from evolvent.evolution.gate import compare
from evolvent.runtime import Runtime
from evolvent.storage.journal import forget_sessions
from evolvent.types import Comparison, EvolveOptions, Frozen, Split

__all__ = ["TransferReport", "compare_on"]


class TransferReport(Frozen):
    """Two programs on the sealed tasks of a suite."""

    suite: str
    variant: str
    against: str
    comparison: Comparison
    """`candidate` is the variant, `incumbent` the one it is compared with."""


def compare_on(
    runtime: Runtime,
    suite: str,
    variant: str = "active",
    against: str = "",
    *,
    tasks: int = 64,
    seed: int = 0,
) -> TransferReport:
    """Measure two variants on the same sealed tasks with the same seeds.

    Nothing is learned from it and nothing is promoted. What was measured before under the same conditions is used
    again.

    Args:
        runtime: an open runtime.
        suite: any suite.
        variant: id, beginning of one, `active` or `best`.
        against: the same; empty: the seed that the variant descends from.
        tasks: how many sealed tasks, dealt over the families.
        seed: of the model's sampling.

    Raises:
        UnknownName: there is no such suite or variant.
        UsageError: both are the same.
    """
    options = EvolveOptions(
        generations=0, train=1, gate=1, sealed=tasks, seed=seed, operators=("parameters",)
    )
    campaign = runtime.evolution.campaign(f"transfer-{uuid.uuid4().hex[:10]}", suite, options)
    try:
        archive = campaign.archive
        one = archive.resolve(variant)
        other = archive.resolve(against) if against else one
        while not against and archive.stored(other).parents:
            other = archive.stored(other).parents[0]
        if one == other:
            raise UsageError(f"{one[:10]} cannot be compared with itself; name another one with --against")
        sealed = campaign.tasks[Split.SEALED]
        before, after = campaign.measure(other, sealed), campaign.measure(one, sealed)
        forget_sessions(campaign.services.tables.engine, f"{campaign.run_id}/")
        found = compare(list(after.values()), list(before.values()), seed=seed)
    finally:
        campaign.close()
    return TransferReport(suite=suite, variant=one, against=other, comparison=found)
