"""`pareto` and `map-elites`: variants that are good in different ways."""

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent.types import Variant
from evolvent_plugins.policies import POLICIES, MapElitesPolicy
from evolvent_plugins.policies.map_elites import cells_of, elites_of
from evolvent_plugins.policies.pareto import crowding, front_of, objectives

light = settings(max_examples=60, deadline=None)
grades = st.integers(0, 5).map(float)
rows = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(grades, min_size=width, max_size=width), min_size=1, max_size=30)
)


def dominates(a, b):
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


@light
@given(rows)
def test_the_front_is_what_nothing_dominates(values):
    found = front_of(np.array(values))
    assert found == [n for n, row in enumerate(values) if not any(dominates(other, row) for other in values)]


def test_crowding_distances_are_those_of_the_paper():
    """Sides of the box between both neighbours, in shares of each objective's range."""
    values = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    assert crowding(values) == [math.inf, 3 / 4 + 3 / 4, 3 / 4 + 2 / 4, math.inf]
    assert crowding(np.array([[1.0, 1.0]])) == [0.0]
    assert crowding(np.array([[1.0, -np.inf], [2.0, 5.0], [3.0, 4.0]])) == [math.inf] * 3


def variants(points, children=()):
    archive = [
        Variant(id=f"v{n}", trials=1, score=score, scores={"cost": cost})
        for n, (score, cost) in enumerate(points)
    ]
    dead = [
        Variant(id=f"d{n}-{k}", parents=(f"v{n}",), viable=False)
        for n, count in enumerate(children)
        for k in range(count)
    ]
    return [*archive, *dead]


def test_a_variant_without_a_value_has_the_worst():
    archive = [Variant(id="a", score=0.5), Variant(id="b", score=0.5, scores={"cost": -9.0})]
    assert objectives(archive).tolist() == [[0.5, -math.inf], [0.5, -9.0]]
    assert {POLICIES["pareto"].choose(archive, Random(n)).variant for n in range(20)} == {"b"}


def test_pareto_draws_from_the_front_by_children_and_crowding():
    points = [(0.2, -1.0), (0.5, -2.0), (0.6, -2.2), (0.9, -4.0), (0.4, -3.0)]
    children = [0, 1, 3, 2, 0]
    archive = variants(points, children)
    rng, draws = Random(5), 20_000
    seen = Counter(POLICIES["pareto"].choose(archive, rng).variant for _ in range(draws))
    assert "v4" not in seen
    weights = [1 / (1 + count) for count in children[:4]]
    lone = crowding(np.array(points[:4]))
    shares = Counter()
    for i, a in enumerate(weights):
        for j, b in enumerate(weights):
            shares[i if lone[i] >= lone[j] else j] += a * b / sum(weights) ** 2
    for n in range(4):
        assert seen[f"v{n}"] / draws == pytest.approx(shares[n], abs=0.015)


@light
@given(
    st.lists(st.one_of(st.just(math.nan), st.floats(-1e6, 1e6)), min_size=1, max_size=60), st.integers(1, 12)
)
def test_cells_keep_the_order_of_values(values, cells):
    found = cells_of(values, cells).tolist()
    known = sorted((value, cell) for value, cell in zip(values, found, strict=True) if not math.isnan(value))
    assert [cell for _, cell in known] == sorted(cell for _, cell in known)
    assert all(0 <= cell < cells for _, cell in known)
    assert all((cell == cells) == math.isnan(value) for value, cell in zip(values, found, strict=True))
    same = {}
    assert all(same.setdefault(value, cell) == cell for value, cell in known)


def test_distinct_values_fill_cells_evenly():
    sizes = Counter(cells_of([float(n * n) for n in range(800)], 8).tolist())
    assert set(sizes) == set(range(8))
    assert max(sizes.values()) - min(sizes.values()) <= 2


@light
@given(st.lists(st.tuples(st.integers(0, 4).map(lambda n: n / 4), st.floats(-9, 0)), min_size=1, max_size=50))
def test_an_elite_is_the_best_of_its_cell(points):
    archive = variants(points)
    cells = cells_of([cost for _, cost in points], 8).tolist()
    best = {}
    for variant, cell in zip(archive, cells, strict=True):
        if cell not in best or variant.score > best[cell].score:
            best[cell] = variant
    assert elites_of(archive) == list(best.values())


def test_map_elites_draws_every_elite_alike_and_nothing_else():
    archive = variants([(n % 7 / 7, -float(n)) for n in range(40)], [3, 2])
    elites = {v.id for v in elites_of(archive[:40])}
    rng = Random(9)
    seen = Counter(POLICIES["map-elites"].choose(archive, rng).variant for _ in range(8_000))
    assert set(seen) == elites
    assert len(elites) == 8
    assert all(count / 8_000 == pytest.approx(1 / 8, abs=0.02) for count in seen.values())


def test_without_descriptors_each_depth_has_an_elite_and_one_can_choose_descriptors():
    line = [Variant(id=f"v{n}", generation=n, score=1 - n / 10) for n in range(4)]
    assert [v.id for v in elites_of(line)] == ["v0", "v1", "v2", "v3"]
    archive = [
        Variant(id="a", score=0.4, scores={"cost": -1.0, "size": -5.0}),
        Variant(id="b", score=0.6, scores={"cost": -1.0, "size": -9.0}),
        Variant(id="c", score=0.1, scores={"cost": math.nan, "size": -9.0}),
    ]
    by_cost = MapElitesPolicy(descriptors=("cost",))
    assert {by_cost.choose(archive, Random(n)).variant for n in range(20)} == {"b", "c"}
    assert {POLICIES["map-elites"].choose(archive, Random(n)).variant for n in range(30)} == {"a", "b", "c"}
