"""Policies choose from columns what they chose from a list of variants: the same moves from the same chance."""

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.types import Population, Variant
from evolvent_plugins.policies import POLICIES

scores = st.integers(0, 20).map(lambda n: n / 20)
NAMES = ("random", "best", "hill-climb", "dgm", "dgm-h")


@st.composite
def lineages(draw, most=30):
    """Variants with ties and crossovers, at least one of them viable, and attempts."""
    made = []
    for index in range(draw(st.integers(1, most))):
        parents = draw(st.lists(st.integers(0, index - 1), max_size=2)) if index else []
        trials = draw(st.integers(0, 5))
        made.append(
            Variant(
                id=f"v{index}",
                parents=tuple(f"v{n}" for n in parents),
                trials=trials,
                passed=draw(st.integers(0, trials)),
                score=draw(scores) if trials else 0.0,
                viable=index == 0 or draw(st.booleans()),
            )
        )
    whose = draw(st.lists(st.integers(0, len(made) - 1), max_size=10))
    return made, [Variant(id=f"a{n}", parents=(f"v{n}",), viable=False) for n in whose]


def listed(name, archive, rng):
    """The choice as it was made from lists, one variant after the other."""
    viable = [v for v in archive if v.viable]
    children = Counter(parent for v in archive for parent in set(v.parents))
    if name == "random":
        return rng.choice(viable).id
    if name == "best":
        return max(viable, key=lambda v: (v.score, -children[v.id])).id
    if name == "hill-climb":
        return max(viable, key=lambda v: (v.score, v.trials)).id
    top = sorted((v.score for v in viable), reverse=True)[:3]
    midpoint = 0.5 if name == "dgm" else math.fsum(top) / len(top)

    def log(v):
        given = math.log1p(children[v.id]) if name == "dgm" else (children[v.id] / 8) ** 3
        return -math.log1p(math.exp(-10 * (v.score - midpoint))) - given

    logs = [log(v) for v in viable]
    return rng.choices(viable, [math.exp(each - max(logs)) for each in logs])[0].id


def grown(variants, attempts):
    population = Population()
    for variant in variants:
        population.append(variant)
    for attempt in attempts:
        population.attempt(attempt)
    return population


def columns(population):
    return [
        column.tolist()
        for column in (population.scores, population.trials, population.passed, population.children)
    ]


@given(lineage=lineages(), name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_the_same_chance_chooses_the_same_variant_as_from_a_list(lineage, name, seed):
    variants, attempts = lineage
    rng, twin = Random(seed), Random(seed)
    population = grown(variants, attempts)
    for _ in range(3):
        expected = listed(name, [*variants, *attempts], twin)
        assert POLICIES[name].choose(population, rng).variant == expected
    assert rng.getstate() == twin.getstate()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_is_chosen_from_a_large_archive(name):
    rng = Random(3)
    variants = [Variant(id="v0", trials=4, score=0.5)]
    for n in range(1, 2_000):
        variants.append(
            Variant(
                id=f"v{n}",
                parents=(rng.choice(variants).id,),
                trials=rng.randrange(8),
                score=rng.randrange(11) / 10,
                viable=rng.random() < 0.8,
            )
        )
    population = grown(variants, [])
    one, twin = Random(5), Random(5)
    for _ in range(50):
        assert POLICIES[name].choose(population, one).variant == listed(name, variants, twin)


@given(lineage=lineages())
def test_what_grew_is_what_is_made_at_once(lineage):
    variants, attempts = lineage
    population = grown(variants, attempts)
    assert population == [*variants, *attempts]
    assert [population[place] for place in range(-len(population), len(population))] == [*population] * 2
    assert population[1:3] == [*variants, *attempts][1:3]
    assert population.viable == [v for v in variants if v.viable]
    assert columns(population) == columns(Population([*variants, *attempts]))


@given(
    lineage=lineages(), changes=st.lists(st.tuples(st.integers(0, 29), scores, st.integers(0, 9)), max_size=8)
)
def test_scores_that_change_are_seen(lineage, changes):
    variants, attempts = lineage
    population = grown(variants, attempts)
    for place, score, trials in changes:
        if place < len(variants):
            variants[place] = variants[place].model_copy(update={"score": score, "trials": trials})
            assert population.replace(variants[place])
    assert population == [*variants, *attempts]
    assert columns(population) == columns(Population([*variants, *attempts]))


def test_what_cannot_be_put_in_place_changes_nothing():
    root, child = Variant(id="root"), Variant(id="child", parents=("root",), viable=False)
    population = grown([root, child], [])
    for other in (
        Variant(id="new"),
        child.model_copy(update={"viable": True}),
        child.model_copy(update={"parents": ()}),
    ):
        assert not population.replace(other)
    assert population == [root, child]


def test_a_copy_changes_by_itself():
    root = Variant(id="root", trials=1, score=0.5)
    population = grown([root], [])
    twin = population.copy()
    twin.attempt(Variant(id="planned", parents=("root",), viable=False))
    twin.append(Variant(id="second", score=1.0))
    twin.replace(root.model_copy(update={"score": 0.25}))
    assert population == [root]
    assert columns(population) == [[0.5], [1.0], [0.0], [0.0]]
    assert twin.children.tolist() == [1.0, 0.0]
    assert twin.is_viable("second")
    assert not population.is_viable("second")
