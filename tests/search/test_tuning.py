"""Retrieval tunes itself only where held-out questions agree, and goes back when later ones do not."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from evolvent.errors import UsageError
from evolvent.search.config import ConfigFile, RetrievalConfig
from evolvent.search.recall import Labelled, Retrievals
from evolvent.search.tuning import ENOUGH, apply, revert_if_worse, score, tune
from evolvent.storage import Ledger, open_database

QUESTIONS = [Labelled(query=f"question {n}", right=(f"skill {n % 7}",)) for n in range(120)]
RIGHT = {question.query: question.right for question in QUESTIONS}


@pytest.fixture
def ledger(tmp_path):
    engine = open_database(tmp_path / "e.db")
    yield Ledger(engine)
    engine.dispose()


def better_with_words(config, query):
    """Find the right skill second, and first where words weigh more than meaning."""
    right = RIGHT.get(query, ("?",))[0]
    return [right, "x"] if config.lexical_weight > config.dense_weight else ["x", right]


def by_chance(config, query):
    """Rank by a draw: no configuration is better than another."""
    first = random.Random(f"{config.model_dump_json()}{query}").random() < 0.5
    return [RIGHT[query][0], "x"] if first else ["x", RIGHT[query][0]]


def test_what_held_out_questions_call_better_is_put_in_use_and_told(tmp_path, ledger):
    file = ConfigFile(tmp_path)
    found = tune(file.load(), QUESTIONS, better_with_words, seed=3)
    assert found.accepted
    assert (found.held_out.before, found.held_out.after) == (0.5, 1.0)
    assert found.held_out.questions + found.train.questions == 120
    assert apply(found, file, ledger)
    assert file.load() == found.config
    assert file.previous() == RetrievalConfig()
    event = ledger.newest("retrieval.tuned")[0]
    assert event.gain == pytest.approx(0.5)
    assert event.changes.keys() == found.changes.keys() != set()


def test_the_same_seed_finds_the_same():
    first, again = (tune(RetrievalConfig(), QUESTIONS, better_with_words, seed=5) for _ in range(2))
    assert first == again


def test_luck_on_the_train_part_changes_nothing(tmp_path, ledger):
    accepted = 0
    for seed in range(10):
        found = tune(RetrievalConfig(), QUESTIONS, by_chance, seed=seed, trials=30)
        assert found.train.after > found.train.before, "the best of thirty draws looks better"
        accepted += apply(found, ConfigFile(tmp_path), ledger)
    assert accepted <= 2
    assert len(ledger.newest("retrieval.tuned")) == accepted


def test_a_change_that_later_questions_call_worse_is_taken_back(tmp_path, ledger):
    file = ConfigFile(tmp_path)
    apply(tune(file.load(), QUESTIONS, better_with_words), file, ledger)
    changed = file.load()
    assert revert_if_worse(file, ledger, QUESTIONS, better_with_words) is None
    assert file.load() == changed

    def worse_with_words(config, query):
        return better_with_words(config, query)[::-1]

    assert revert_if_worse(file, ledger, QUESTIONS[:5], worse_with_words) is None, "too few to say"
    trial = revert_if_worse(file, ledger, QUESTIONS, worse_with_words)
    assert trial.before - trial.after == pytest.approx(0.5)
    assert file.load() == RetrievalConfig()
    assert file.previous() is None
    assert [e.loss for e in ledger.newest("retrieval.reverted")] == [pytest.approx(0.5)]
    assert revert_if_worse(file, ledger, QUESTIONS, worse_with_words) is None, (
        "there is nothing to go back to"
    )


def test_too_few_questions_are_counted_in_the_message():
    none_right = [Labelled(query=f"n{n}", right=()) for n in range(200)]
    with pytest.raises(UsageError, match=rf"there are 7, {ENOUGH - 7} are missing"):
        tune(RetrievalConfig(), QUESTIONS[:7] + none_right, better_with_words)


def test_an_offer_where_none_is_right_costs():
    assert score(Labelled(query="q", right=()), ["a"]) == -0.5
    assert score(Labelled(query="q", right=()), []) == 0.0
    assert score(Labelled(query="q", right=("b", "c")), ["a", "c", "b"]) == 0.5
    assert score(Labelled(query="q", right=("b",)), ["a"]) == 0.0


def test_only_questions_after_a_time_are_labelled(ledger):
    log = Retrievals(ledger._engine, ledger)
    log.keep("r#1", "r", "q", offered=["a"], library=1, judged=True, proven=["a"])
    now = datetime.now(UTC)
    assert log.labelled(since=now + timedelta(seconds=5)) == []
    assert len(log.labelled(since=now - timedelta(minutes=1))) == 1


NONE_FITS = [Labelled(query=f"chat {n}", right=()) for n in range(60)]


def above_threshold(config, query):
    """Offer the right skill with 0.9, and a wrong one with 0.55 where none fits."""
    probability, name = (0.9, RIGHT[query][0]) if query in RIGHT else (0.55, "skill 0")
    return [name] if probability >= config.threshold else []


def test_the_threshold_is_tuned_on_questions_that_no_skill_fits(tmp_path, ledger):
    present = RetrievalConfig(threshold=0.4)
    assert not tune(present, QUESTIONS, above_threshold, seed=1).accepted
    found = tune(present, [*QUESTIONS, *NONE_FITS], above_threshold, seed=1)
    assert found.accepted
    assert 0.55 < found.config.threshold <= 0.9
    file = ConfigFile(tmp_path)
    file.save(present)
    assert apply(found, file, ledger)
    later = [Labelled(query=f"question {n}", right=(f"skill {n % 7}",)) for n in range(120)]
    assert revert_if_worse(file, ledger, later, lambda config, query: []) is None
    strict = revert_if_worse(
        file, ledger, later, lambda config, query: [] if config.threshold > 0.55 else list(RIGHT[query])
    )
    assert strict is not None
    assert file.load().threshold == 0.4
