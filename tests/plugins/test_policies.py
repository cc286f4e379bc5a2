"""The built-in policies that look at scores, against their formulas; all of them on any archive."""

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from evolvent.plugins import PluginHost
from evolvent.settings import Settings
from evolvent.types import Move, Variant
from evolvent_plugins import policies
from evolvent_plugins.policies import POLICIES

ALPHA = 1e-6
"""The seeds are fixed, so a test that passes once passes always; a wrong formula is far beyond it."""
DRAWS = 20_000
NAMES = sorted({*POLICIES} - {"hgm"})
"""Those that only expand and whose champion has the highest score; `hgm` has tests of its own."""
DRAWN = ("random", "dgm", "dgm-h")
scores = st.integers(0, 20).map(lambda n: n / 20)


@st.composite
def archives(draw, max_size=12):
    size = draw(st.integers(1, max_size))
    archive = []
    for index in range(size):
        parents = draw(st.lists(st.integers(0, index - 1), max_size=2, unique=True)) if index else []
        trials = draw(st.integers(0, 20))
        archive.append(
            Variant(
                id=f"v{index}",
                parents=tuple(f"v{n}" for n in parents),
                generation=index,
                trials=trials,
                score=draw(scores) if trials else 0.0,
                viable=draw(st.booleans()),
            )
        )
    if not any(v.viable for v in archive):
        archive[0] = archive[0].model_copy(update={"viable": True})
    return archive


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def shares(name, archive):
    """The formulas once more, written down naively."""
    viable = [v for v in archive if v.viable]
    children = {v.id: sum(v.id in other.parents for other in archive) for v in viable}
    top = sorted((v.score for v in viable), reverse=True)[:3]
    weight = {
        "random": lambda v: 1,
        "dgm": lambda v: sigmoid(10 * (v.score - 0.5)) / (1 + children[v.id]),
        "dgm-h": lambda v: (
            sigmoid(10 * (v.score - sum(top) / len(top))) * math.exp(-((children[v.id] / 8) ** 3))
        ),
    }[name]
    weights = {v.id: weight(v) for v in viable}
    return {key: value / sum(weights.values()) for key, value in weights.items()}


def counted(name, archive, draws=DRAWS):
    rng = Random(7)
    return Counter(POLICIES[name].choose(archive, rng).variant for _ in range(draws))


def p_value(seen, expected, draws=DRAWS):
    """Of a chi-square test; variants that are expected fewer than 5 times count with the most frequent one."""
    common = [key for key in expected if expected[key] * draws >= 5]
    rest = set(expected) - set(common)
    if sum(seen[key] for key in rest) > 40:
        return 0.0
    most = max(common, key=lambda key: expected[key])
    cells = [(seen[key], expected[key] * draws) for key in common if key != most]
    cells.append((draws - sum(o for o, _ in cells), draws - sum(e for _, e in cells)))
    return 1.0 if len(cells) == 1 else float(chisquare(*zip(*cells, strict=True)).pvalue)


def family(children_of, scores, not_viable=()):
    """Seeds with given scores, each with so many children that are not viable."""
    seeds = [
        Variant(id=f"s{n}", trials=5, score=score, viable=n not in not_viable)
        for n, score in enumerate(scores)
    ]
    children = [
        Variant(id=f"c{n}-{k}", parents=(f"s{n}",), generation=1, viable=False)
        for n, count in enumerate(children_of)
        for k in range(count)
    ]
    return [*seeds, *children]


FAMILIES = {
    "scores": family([0, 0, 0, 0, 0], [0.0, 0.25, 0.5, 0.75, 1.0]),
    "children": family([0, 1, 2, 5, 11], [0.5] * 5),
    "both": family([9, 3, 0, 1, 14], [0.9, 0.6, 0.3, 0.8, 1.0]),
    "one not viable": family([0, 2, 4], [0.2, 1.0, 0.4], not_viable={1}),
    "two": family([1, 0], [0.7, 0.6]),
}


@pytest.mark.parametrize("archive", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("name", DRAWN)
def test_choices_are_distributed_as_the_formula_says(name, archive):
    expected = shares(name, archive)
    seen = counted(name, archive)
    assert set(seen) <= set(expected)
    assert p_value(seen, expected) > ALPHA


def test_the_test_of_distributions_tells_the_formulas_apart():
    archive = FAMILIES["both"]
    told = [(a, b) for a in DRAWN for b in DRAWN if p_value(counted(a, archive), shares(b, archive)) > ALPHA]
    assert told == [(name, name) for name in DRAWN]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(archive=archives(), name=st.sampled_from(DRAWN))
def test_any_archive_is_drawn_from_by_the_formula(archive, name):
    assert p_value(counted(name, archive, 4_000), shares(name, archive), 4_000) > ALPHA


@given(archive=archives(), name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_only_viable_variants_are_expanded_and_the_same_state_gives_the_same_move(archive, name, seed):
    before = [v.model_copy(deep=True) for v in archive]
    rng, twin = Random(seed), Random(seed)
    policy = POLICIES[name]
    for _ in range(3):
        move = policy.choose(archive, rng)
        assert move == policy.choose(tuple(archive), twin)
        assert move.action == "expand"
        assert move.variant in {v.id for v in archive if v.viable}
    assert rng.getstate() == twin.getstate()
    assert archive == before


@given(archive=archives(), name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_names_do_not_matter(archive, name, seed):
    """Renamed variants are chosen alike: only place, score and lineage count."""
    renamed = [
        v.model_copy(update={"id": f"x-{v.id}", "parents": tuple(f"x-{p}" for p in v.parents)})
        for v in archive
    ]
    move = POLICIES[name].choose(archive, Random(seed))
    assert POLICIES[name].choose(renamed, Random(seed)) == Move(action="expand", variant=f"x-{move.variant}")
    assert POLICIES[name].champion(renamed) == f"x-{POLICIES[name].champion(archive)}"


@given(archive=archives(), name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_a_variant_that_is_not_viable_and_nobodys_child_changes_nothing(archive, name, seed):
    dead = Variant(id="dead", trials=9, score=1.0, viable=False)
    policy = POLICIES[name]
    assert policy.choose([*archive, dead], Random(seed)) == policy.choose(archive, Random(seed))
    assert policy.champion([*archive, dead]) == policy.champion(archive)


@given(archive=archives(), shift=st.integers(-20, 20), seed=st.integers(0, 2**32))
def test_dgm_h_sees_only_differences_of_scores(archive, shift, seed):
    viable = [v.score for v in archive if v.viable]
    by = max(-min(viable), min(1 - max(viable), shift / 20))
    shifted = [v.model_copy(update={"score": v.score + by}) if v.viable else v for v in archive]
    moves = [POLICIES["dgm-h"].choose(a, Random(seed)) for a in (archive, shifted)]
    assert moves[0] == moves[1]


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_of_one(name):
    seed = Variant(id="seed")
    assert POLICIES[name].choose([seed], Random(0)) == Move(action="expand", variant="seed")
    assert POLICIES[name].champion([seed]) == "seed"


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_of_two_thousand(name):
    rng = Random(3)
    archive = [Variant(id="v0", trials=5, score=0.4)]
    for index in range(1, 2_000):
        parent = archive[min(rng.randrange(index), rng.randrange(index))]
        score = min(1.0, max(0.0, parent.score + rng.gauss(0, 0.1)))
        viable = rng.random() < 0.7
        archive.append(Variant(id=f"v{index}", parents=(parent.id,), trials=5, score=score, viable=viable))
    viable = {v.id for v in archive if v.viable}
    assert {POLICIES[name].choose(archive, Random(n)).variant for n in range(20)} <= viable
    assert POLICIES[name].champion(archive) in viable


def test_a_parent_of_hundreds_keeps_a_weight():
    """exp(-(children / 8)³) is too small for a float from 73 children on; the order must survive."""
    archive = family([300, 200], [0.5, 0.5])
    assert set(counted("dgm-h", archive, 50)) == {"s1"}
    assert set(counted("dgm-h", family([300], [1.0]), 5)) == {"s0"}


def test_both_parents_of_a_crossover_have_a_child_and_a_parent_named_twice_has_one():
    both = [Variant(id="a", score=0.5, trials=1), Variant(id="b", score=0.5, trials=1)]
    child = Variant(id="c", parents=("a", "b"), viable=False)
    assert p_value(counted("dgm", [*both, child]), {"a": 0.5, "b": 0.5}) > ALPHA
    twice = Variant(id="c", parents=("a", "a"), viable=False)
    assert p_value(counted("dgm", [*both, twice]), {"a": 1 / 3, "b": 2 / 3}) > ALPHA


def test_dgm_leaves_a_perfect_variant_eligible():
    assert "s1" in counted("dgm", family([0, 0], [0.9, 1.0]), 100)


def test_best_takes_the_highest_score_then_fewer_children_then_the_older():
    best = POLICIES["best"]
    assert best.choose(family([0, 9, 0], [0.4, 0.8, 0.7]), Random(0)).variant == "s1"
    assert best.choose(family([2, 1, 1], [0.8, 0.8, 0.8]), Random(0)).variant == "s1"
    assert best.choose(family([5, 0], [0.8, 0.9], not_viable={1}), Random(0)).variant == "s0"


def test_hill_climb_expands_the_champion_however_many_children_it_has():
    archive = family([40, 0, 0], [0.8, 0.8, 0.7])
    assert POLICIES["hill-climb"].choose(archive, Random(0)).variant == "s0"
    child = Variant(id="better", parents=("s0",), trials=5, score=0.9)
    assert POLICIES["hill-climb"].choose([*archive, child], Random(0)).variant == "better"


@pytest.mark.parametrize("name", NAMES)
def test_the_champion_has_the_highest_score_then_more_trials_then_is_older(name):
    champion = POLICIES[name].champion
    many = Variant(id="many", trials=20, score=0.8)
    few = Variant(id="few", trials=3, score=0.8)
    late = Variant(id="late", trials=20, score=0.8)
    dead = Variant(id="dead", trials=50, score=1.0, viable=False)
    assert champion([few, many, late, dead]) == "many"
    assert champion([few, many, late, dead, Variant(id="top", trials=1, score=0.9)]) == "top"
    untried = [Variant(id="seed"), Variant(id="child", parents=("seed",))]
    assert champion(untried) == "seed"


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_is_frozen(name):
    with pytest.raises(AttributeError):
        POLICIES[name].seen = 1


def test_they_are_registered():
    host = PluginHost([])
    host.add(policies, "policies")  # register_policies
    assert host.policies.names() == [
        "best",
        "dgm",
        "dgm-h",
        "hgm",
        "hill-climb",
        "map-elites",
        "pareto",
        "random",
    ]
    assert all(host.policies.get(name)(Settings()) is POLICIES[name] for name in POLICIES)
