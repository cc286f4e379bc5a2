"""A home that has worked for weeks: an archive with tests at the gate, solved tasks, skills that came and went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from evolvent import Runtime
from evolvent.storage.archive import StoredVariant
from evolvent.types import (
    Comparison,
    Evaluation,
    GateDecision,
    RunFinished,
    SkillDecided,
    Split,
    Usage,
    VariantPromoted,
)

CONTEXT = "grown"


def grow_archive(runtime: Runtime, count: int, *, seed: int = 0, say: str = "It looks twice") -> list[str]:
    """Grow so many variants; each fifth was tested at the gate and each twentieth accepted. Return their ids."""
    evolution, rng = runtime.evolution, Random(seed)
    files = dict(runtime.services.genome)
    ids: list[str] = []
    stored: dict[str, StoredVariant] = {}
    rate: dict[str, float] = {}
    evaluations: list[Evaluation] = []
    accepted: list[str] = []
    for number in range(count):
        parent = ids[max(0, number - rng.randint(1, 12))] if ids else ""
        changed = {**files, "prompts/answer.md": f"{files.get('prompts/answer.md', '')}\nRule {number}.\n"}
        made = evolution.genomes.add(
            changed if number else files, (parent,) if parent else (), f"{say} {number}"
        )
        ids.append(made)
        rate[made] = min(0.95, max(0.05, rate.get(parent, 0.3) + rng.uniform(-0.05, 0.08)))
        stored[made] = StoredVariant(
            made,
            f"{number:040x}",
            (parent,) if parent else (),
            stored[parent].generation + 1 if parent else 0,
            "e-grown",
            "meta-agent" if parent else "seed",
            f"{say} {number}" if parent else "",
        )
        for task in range(8):
            passed = rng.random() < rate[made]
            evaluations.append(_evaluation(made, Split.TRAIN, task, passed))
        if not parent:
            accepted.append(made)
    evolution.tables.add_variants(list(stored.values()))
    evolution.tables.add_evaluations(CONTEXT, "e-grown", evaluations)
    for test, made in enumerate(ids[5::5], 1):
        better = test % 4 == 0
        _test(runtime, test, made, accepted[-1], rate, better)
        if better:
            accepted.append(made)
    evolution.genomes.set_active(accepted[-1])
    return ids


def grow_days(runtime: Runtime, days: int, *, seed: int = 0) -> None:
    """Put what became of so many days of work into the ledger."""
    rng, today = Random(seed), datetime.now(UTC)
    for back in range(days):
        at = today - timedelta(days=days - 1 - back)
        for solve in range(6):
            solved = rng.random() < 0.4 + 0.5 * back / days
            usage = Usage(input_tokens=900 - 8 * back, output_tokens=rng.randint(40, 90), model_calls=1)
            key = f"grown:{back}:{solve}"
            runtime.ledger.append(
                RunFinished(key=key, run_id=key, at=at, status="solved" if solved else "failed", usage=usage)
            )
        for skill in range(rng.randint(0, 3)):
            key = f"grown-skill:{back}:{skill}"
            admitted = rng.random() < 0.6
            runtime.ledger.append(
                SkillDecided(key=key, at=at, name=f"s-{back}", digest="0" * 8, admitted=admitted, reason="")
            )


def _evaluation(variant: str, split: Split, task: int, passed: bool) -> Evaluation:
    return Evaluation(
        variant=variant,
        split=split,
        task_id=f"{split.value}-{task:03}",
        score=float(passed),
        passed=passed,
        status="solved" if passed else "failed",
        usage=Usage(input_tokens=400, output_tokens=60, model_calls=1),
    )


def _test(
    runtime: Runtime, number: int, made: str, before: str, rate: dict[str, float], better: bool
) -> None:
    gain = 0.12 if better else 0.01
    compared = Comparison(
        pairs=60,
        candidate=min(1.0, rate[before] + gain),
        incumbent=rate[before],
        difference=gain,
        low=gain - 0.1,
        high=gain + 0.1,
        p_value=0.004 if better else 0.4,
        test="exact paired permutation",
    )
    reason = "the gain is real" if better else "the gain may be chance"
    decision = GateDecision(accepted=better, reason=reason, comparison=compared, alpha=0.01, number=number)
    runtime.evolution.tables.add_gate(CONTEXT, "e-grown", made, before, decision, ["gate-001"])
    if better:
        promoted = VariantPromoted(
            key=f"promoted:{number}", variant=made, before=before, by="gate", reason="accepted at the gate"
        )
        runtime.ledger.append(promoted)
        rate[made] = rate[before] + gain
        sealed = [_evaluation(made, Split.SEALED, task, task % 3 > 0) for task in range(12)]
        runtime.evolution.tables.add_evaluations(CONTEXT, "e-grown", sealed)
