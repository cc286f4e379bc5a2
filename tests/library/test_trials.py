"""Trials of skills in use: draws that repeat, e-processes that keep their promise, and what they decide."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent.library.e_process import Stake, capital, cheapness, effect_stakes, peak_capital
from evolvent.library.evidence import weigh
from evolvent.library.format import draft
from evolvent.library.probation import SkillReview, TrialPolicy, rule
from evolvent.storage import SkillTrials, open_database
from evolvent.storage.trials import SkillTrial
from evolvent.types import Attempt, SkillState, TaskView, Usage, Verdict


@pytest.fixture
def trials(tmp_path):
    engine = open_database(tmp_path / "evolvent.db")
    yield SkillTrials(engine)
    engine.dispose()


def attempt(number, score, tokens=100, seconds=1.0):
    verdict = Verdict(score=score, passed=score == 1, evaluator="exact") if score is not None else None
    return Attempt(
        id=f"a{number}",
        run_id="r",
        task=TaskView(id=f"t{number}", prompt="?"),
        number=1,
        status="answered",
        verdict=verdict,
        usage=Usage(output_tokens=tokens, seconds=seconds),
    )


def trial(number, arm, score, tokens=0, propensity=0.5):
    return SkillTrial(
        attempt_id=f"a{number}",
        task_id="t",
        skill="s",
        digest="d",
        arm=arm,
        propensity=propensity,
        score=score,
        tokens=tokens,
        seconds=1.0,
    )


def simulated(score_with, score_without, count, seed, propensity=0.5, tokens=(0, 0)):
    rng = random.Random(seed)
    found = []
    for number in range(count):
        arm = "with" if rng.random() < propensity else "without"
        chance = score_with if arm == "with" else score_without
        cost = tokens[0] if arm == "with" else tokens[1]
        found.append(trial(number, arm, float(rng.random() < chance), cost, propensity))
    return found


def ever(found, state=SkillState.PROBATION, policy=None):
    """Look after every trial, and return the first ruling."""
    for count in range(1, len(found) + 1):
        ruling = rule(state, weigh("s", "d", found[:count]), policy or TrialPolicy())
        if ruling is not None:
            return ruling
    return None


def test_a_draw_is_made_once_and_repeats_with_its_seed(trials, tmp_path):
    drawn = [trials.draw(f"a{n}", "t", "s", "d", 0.5, seed=1) for n in range(200)]
    assert [trials.draw(f"a{n}", "t", "s", "d", 0.5, seed=2) for n in range(200)] == drawn
    other = SkillTrials(open_database(tmp_path / "other.db"))
    assert [other.draw(f"b{n}", "t", "s", "d", 0.5, seed=1) for n in range(200)] == drawn
    assert 70 < drawn.count("with") < 130
    assert {trials.draw(f"c{n}", "t", "s", "x", 1.0, seed=1) for n in range(50)} == {"with"}


def test_the_outcome_is_written_once(trials):
    arm = trials.draw("a1", "t", "s", "d", 0.5, seed=0)
    assert trials.of("s", "d") == [], "an attempt that is not finished says nothing"
    assert trials.close(attempt(1, 1.0, tokens=7)) == [("s", "d")]
    trials.close(attempt(1, 0.0, tokens=99))
    (found,) = trials.of("s", "d")
    assert (found.arm, found.score, found.tokens) == (arm, 1.0, 7)
    assert trials.close(attempt(2, 1.0)) == []
    assert trials.withheld("a1") == (("s",) if arm == "without" else ())


def test_a_ruling_looks_at_the_newest_solves_that_were_drawn_and_judged(trials):
    for number in range(6):
        propensity = 1.0 if number == 1 else 0.5
        trials.draw(f"a{number}", "t", "s", "d", propensity, seed=0)
        trials.close(attempt(number, None if number == 2 else 1.0))
    assert [t.attempt_id for t in trials.of("s", "d")] == [f"a{n}" for n in range(6)]
    assert [t.attempt_id for t in trials.of("s", "d", drawn=10)] == ["a0", "a3", "a4", "a5"]
    assert [t.attempt_id for t in trials.of("s", "d", drawn=2)] == ["a4", "a5"]


def test_scores_and_counts_are_those_of_the_solves_that_had_the_skill(trials):
    for number, score in enumerate((1.0, 0.5, None, 0.0)):
        trials.draw(f"a{number}", "t", "s", "d", 1.0, seed=0)
        trials.close(attempt(number, score))
    assert trials.scores([("s", "d"), ("s", "other")]) == {("s", "d"): (1.5, 1.5)}
    assert trials.counts() == {("s", "d"): (4, 0)}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0.01, 0.99), st.floats(0, 1)),
        max_size=40,
    ),
    st.sampled_from((1, -1)),
    st.floats(-0.2, 0.2),
)
def test_no_stake_loses_more_than_everything(found, sign, margin):
    for stake in effect_stakes(found, sign=sign, margin=margin):
        assert stake.value >= -stake.worst - 1e-9
    assert capital(effect_stakes(found, sign=sign, margin=margin)) > 0


@settings(max_examples=100, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0, 1), st.floats(0, 1), st.lists(st.floats(0, 1), max_size=3))
def test_a_stake_is_fair_where_the_treatment_changes_nothing(propensity, score, centre, earlier):
    """Over both assignments of one solve with the same score either way, the stake is worth nothing on average."""
    past = [(number % 2 == 0, 0.5, value) for number, value in enumerate(earlier)]
    values = [effect_stakes([*past, (treated, propensity, score)])[-1].value for treated in (True, False)]
    assert propensity * values[0] + (1 - propensity) * values[1] == pytest.approx(0, abs=1e-9)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="probability"):
        effect_stakes([(True, 1.0, 0.5)])
    with pytest.raises(ValueError, match="score"):
        effect_stakes([(True, 0.5, 1.5)])


def test_looking_after_every_solve_rarely_promotes_or_retires_what_changes_nothing():
    wrong = {1: 0, -1: 0}
    for seed in range(300):
        drawn = [(t.arm == "with", t.propensity, t.score) for t in simulated(0.5, 0.5, 60, seed)]
        for sign in wrong:
            stakes = effect_stakes(drawn, sign=sign)
            wrong[sign] += any(capital(stakes[:count]) >= 20 for count in range(1, 61))
    assert max(wrong.values()) <= 15, "each test errs in at most 5 %"


def test_what_helps_becomes_active_soon_and_what_harms_is_retired():
    for seed in range(10):
        helped = ever(simulated(1.0, 0.1, 40, seed))
        assert helped is not None
        assert helped.after is SkillState.ACTIVE
        harmed = ever(simulated(0.1, 0.9, 60, seed))
        assert harmed is not None
        assert harmed.after is SkillState.RETIRED
        assert harmed.reason.startswith("harms")


def test_one_bad_solve_decides_nothing():
    assert ever([trial(0, "with", 0.0)]) is None
    assert ever([trial(0, "with", 0.0)], SkillState.ACTIVE) is None
    good_but_once = [*simulated(1.0, 0.2, 8, 3)[:6], trial(7, "with", 0.0)]
    assert rule(SkillState.ACTIVE, weigh("s", "d", good_but_once), TrialPolicy()) is None


def test_a_tie_goes_to_the_cheaper():
    cheap = ever(simulated(1.0, 1.0, 200, 0, tokens=(0, 300)))
    assert cheap is not None
    assert (cheap.after, cheap.reason[:19]) == (SkillState.ACTIVE, "as good and cheaper")
    dear = ever(simulated(1.0, 1.0, 200, 0, tokens=(300, 0)))
    assert dear is not None
    assert dear.after is SkillState.RETIRED
    assert dear.reason.startswith("no better and dearer")


@pytest.mark.parametrize("propensity", [0.5, 0.8])
def test_costs_that_drift_make_nothing_cheap(propensity):
    """The skill changes no cost, but the model is taken for longer and longer questions, or shorter ones."""
    wrong = 0
    for seed in range(100):
        rng = random.Random(seed)
        drift = 1 if seed % 2 else -1
        found = [
            trial(
                n, "with" if rng.random() < propensity else "without", 1.0, 5_000 + drift * 20 * n, propensity
            )
            for n in range(200)
        ]
        evidence = weigh("s", "d", found, intervals=False)
        wrong += max(evidence.cheaper, evidence.dearer) >= 20
    assert wrong <= 5


def test_a_probation_that_shows_nothing_ends():
    policy = TrialPolicy(longest=30)
    ended = ever(simulated(0.5, 0.5, 30, 1), policy=policy)
    assert ended is not None
    assert ended.reason.startswith("no gain shown")


def test_an_active_skill_that_turns_bad_is_retired_however_good_it_was():
    good = simulated(1.0, 0.3, 300, 1, propensity=0.9)
    bad = simulated(0.0, 0.8, 150, 2, propensity=0.9)
    assert ever(good, SkillState.ACTIVE) is None
    found = weigh("s", "d", [*good, *bad])
    assert found.harms < 1, "all in all it helped"
    ruling = rule(SkillState.ACTIVE, found, TrialPolicy())
    assert ruling is not None
    assert ruling.after is SkillState.RETIRED


def test_what_was_not_drawn_counts_for_the_score_but_decides_nothing():
    found = weigh("s", "d", [trial(n, "with", 1.0, propensity=1.0) for n in range(50)])
    assert (found.drawn, found.helps, found.given.judged) == (0, 1.0, 50)
    assert found.given.score == pytest.approx(51 / 52)
    assert found.effect is None


def test_intervals_and_savings_are_those_of_the_models():
    found = weigh(
        "s", "d", [trial(0, "with", 1.0, 10), trial(1, "without", 0.0, 110), trial(2, "with", 1.0, 30)]
    )
    assert found.given.score == pytest.approx(3 / 4)
    assert found.withheld.score == pytest.approx(1 / 3)
    assert found.effect == pytest.approx(3 / 4 - 1 / 3)
    low, high = found.effect_interval
    assert -0.5 < low < found.effect < high < 1
    assert (found.tokens_saved.pairs, found.tokens_saved.mean, found.tokens_saved.interval) == (
        1,
        100.0,
        None,
    )
    two = weigh(
        "s",
        "d",
        [
            trial(n, a, 1.0, t)
            for n, (a, t) in enumerate([("with", 0), ("without", 100), ("with", 0), ("without", 200)])
        ],
    )
    low, high = two.tokens_saved.interval
    assert low == pytest.approx(150 - 12.706 * 50, rel=1e-3)
    assert high == pytest.approx(150 + 12.706 * 50, rel=1e-3)


def test_capital_of_signs_and_of_nothing():
    assert capital([]) == pytest.approx(1.0)
    assert cheapness([5, 5, 1, 9, 5]) == [0.5, 0.5, 1.0, 0.0, 0.5]
    assert peak_capital([Stake(-1, 1)] * 50 + [Stake(1, 1)] * 10) > 20 > capital([Stake(-1, 1)] * 50)


@pytest.fixture
def probation(store, backward, admitted):
    skill = draft(backward)
    return store.add(skill, admitted(skill))


def tried(trials, skill, count):
    """Give or withhold a skill that is always right, where the model is always wrong."""
    for number in range(count):
        arm = trials.draw(f"a{number}", f"t{number}", skill.name, skill.digest, 0.5, seed=0)
        yield attempt(number, float(arm == "with"), tokens=0 if arm == "with" else 200)


def test_trials_end_the_probation_with_their_evidence(store, trials, probation):
    review = SkillReview(store, trials)
    moved = [skill for found in tried(trials, probation, 12) for skill in review.close(found)]
    assert [(s.name, s.state, s.reason) for s in moved] == [(probation.name, SkillState.ACTIVE, "")]
    last = store.moves(probation.name)[-1]
    assert (last.by, last.before, last.after) == ("trials", SkillState.PROBATION, SkillState.ACTIVE)
    assert last.evidence["helps"] >= 20
    assert "200 tokens saved" in last.reason


def test_trials_leave_a_pinned_skill_alone(store, trials, probation):
    store.pin(probation.name)
    review = SkillReview(store, trials)
    assert [s for found in tried(trials, probation, 12) for s in review.close(found)] == []
    assert store.get(probation.name).state is SkillState.PROBATION


def test_a_folder_that_was_changed_by_hand_is_not_written_over(store, trials, probation, caplog):
    path = store.root / probation.name / "scripts" / "solve.py"
    path.write_text(path.read_text() + "\n# by hand\n")
    review = SkillReview(store, trials)
    assert [s for found in tried(trials, probation, 12) for s in review.close(found)] == []
    assert path.read_text().endswith("# by hand\n")
    assert "moved nothing" in caplog.text


def test_what_calls_a_retired_skill_waits_for_its_tests(store, trials, probation, propose, admitted):
    caller = draft(propose(name="caller", body="# Calls"))
    pins = {"evolvent-requires": f"{probation.name}@{probation.digest[:8]}"}
    store.add(caller.model_copy(update={"metadata": pins}), admitted(caller))
    review = SkillReview(store, trials)
    for number in range(40):
        arm = trials.draw(f"a{number}", f"t{number}", probation.name, probation.digest, 0.5, seed=0)
        review.close(attempt(number, float(arm == "without")))
    assert store.get(probation.name).state is SkillState.RETIRED
    shelved = store.get("caller")
    assert (shelved.state, shelved.reason) == (SkillState.STALE, "it calls spell-backward, which was retired")
