"""Self-modification policies against their formulas."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from evolvent import Settings
from evolvent.plugins import PluginHost
from evolvent.testing.policy_conformance import check_policy
from evolvent.types import Variant
from evolvent_plugins.policies import Best, DarwinGoedel, HillClimb, Hyperagent, Uniform

NAMES = ["best", "dgm", "dgm-h", "hill-climb", "random"]

variants = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.integers(0, 100)), min_size=1, max_size=30
).map(
    lambda rows: [
        Variant(
            id=f"v{n}",
            parents=(f"v{link % n}",) if n else (),
            score=score,
            viable=viable or n == 0,
        )
        for n, (score, viable, link) in enumerate(rows)
    ]
)


def archive(*rows: tuple[float, int]) -> list[Variant]:
    """Return variants with these scores and numbers of (not viable) children."""
    made = [Variant(id=f"v{n}", score=score) for n, (score, _) in enumerate(rows)]
    made += [
        Variant(id=f"c{n}-{child}", parents=(f"v{n}",), viable=False)
        for n, (_, children) in enumerate(rows)
        for child in range(children)
    ]
    return made


@pytest.mark.parametrize("name", NAMES)
def test_each_built_in_keeps_the_contract(name: str) -> None:
    check_policy(PluginHost().policies.get(name)(Settings()))


@given(variants, st.integers(0, 2**32))
def test_only_viable_variants_are_chosen_and_chance_alone_decides(made: list[Variant], seed: int) -> None:
    viable = {variant.id for variant in made if variant.viable}
    for policy in (Uniform(), Best(), HillClimb(), DarwinGoedel(), Hyperagent()):
        move = policy.choose(made, Random(seed))
        assert move.variant in viable
        assert move == policy.choose(made, Random(seed))
        best = max(variant.score for variant in made if variant.viable)
        assert next(v for v in made if v.id == policy.champion(made)).score == best


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def expected_dgm(rows: list[tuple[float, int]]) -> list[float]:
    return [sigmoid(10 * (score - 0.5)) * 1 / (1 + children) for score, children in rows]


def expected_dgm_h(rows: list[tuple[float, int]]) -> list[float]:
    middle = sum(sorted([score for score, _ in rows], reverse=True)[:3]) / min(3, len(rows))
    return [sigmoid(10 * (score - middle)) * math.exp(-((children / 8) ** 3)) for score, children in rows]


@pytest.mark.parametrize(
    ("policy", "formula"),
    [
        (DarwinGoedel(), expected_dgm),
        (Hyperagent(), expected_dgm_h),
        (Uniform(), lambda rows: [1.0] * len(rows)),
    ],
)
def test_choices_follow_the_formula(policy: object, formula: object) -> None:
    rows = [(0.2, 0), (0.5, 3), (0.55, 0), (0.6, 9), (0.9, 12), (0.7, 1)]
    weights = formula(rows)  # type: ignore[operator]
    rng, draws, made = Random(11), 20_000, archive(*rows)
    counted = Counter(policy.choose(made, rng).variant for _ in range(draws))  # type: ignore[attr-defined]
    seen = [counted[f"v{n}"] for n in range(len(rows))]
    wanted = [draws * weight / sum(weights) for weight in weights]
    assert chisquare(seen, wanted).pvalue > 1e-4
    shuffled = [wanted[-1], *wanted[:-1]]
    assert chisquare(seen, shuffled).pvalue < 1e-6 or len(set(weights)) == 1, "the test could not fail"


def test_more_children_make_a_parent_less_likely() -> None:
    for policy in (DarwinGoedel(), Hyperagent()):
        few, many = policy.weights(archive((0.5, 1), (0.5, 9)))[:2]
        assert few > many


def test_when_every_weight_vanishes_a_variant_is_still_chosen() -> None:
    crowded = archive((0.5, 400), (0.5, 400))
    assert sum(Hyperagent().weights(crowded)) == 0.0
    assert {Hyperagent().choose(crowded, Random(seed)).variant for seed in range(20)} == {"v0", "v1"}


def test_the_best_one_takes_the_variant_with_fewer_children() -> None:
    made = archive((0.5, 0), (0.9, 2), (0.9, 1), (0.9, 1))
    assert Best().choose(made, Random(0)).variant == "v2"
    assert HillClimb().choose(made, Random(0)).variant == "v1"


def test_large_archives_are_no_burden() -> None:
    rng = Random(1)
    made = archive(*[(rng.random(), 0) for _ in range(2000)])
    for policy in (Uniform(), Best(), HillClimb(), DarwinGoedel(), Hyperagent()):
        assert policy.choose(made, Random(0)).variant
