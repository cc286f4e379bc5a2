"""The features of a candidate."""

import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.library.relevance import features
from evolvent.search import Hit
from evolvent.search.config import FEATURES
from evolvent.types import Skill, SkillCase

REPEATED = """
import os
import subprocess
import sys
from evolvent.library.relevance import features
from evolvent.search import Hit
from evolvent.types import Skill, SkillCase

texts = ["Sort the numbers 3, 5 and 9 in ascending order.", "Sort the numbers 7, 1 and 4 in ascending order."]
cases = tuple(SkillCase(question=text, expected="") for text in texts)
skill = Skill(name="s", description="Sorts numbers; use it for lists of them.", body="b", digest="d", cases=cases)
idf = lambda word: 0.1 + len(word) / 7
query = "Sort these numbers in descending order, please: 4, 2, 17 and then give the sum of them all."
print(features(query, [Hit("s", 1.0, 0.5, 0.4)], [skill], idf))
"""


def test_the_features_are_the_same_to_the_last_bit_in_every_process():
    """Texts hash otherwise in each process, so sets of them are walked in another order."""
    said = {
        subprocess.run(
            [sys.executable, "-c", REPEATED],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(6)
    }
    assert len(said) == 1


def skill(name, description, questions):
    cases = tuple(SkillCase(question=text, expected="") for text in questions)
    return Skill(name=name, description=description, body=description, script="x", digest=name, cases=cases)


def judged(query, skills):
    hits = [Hit(item.name, 1.0, 0.8, 0.4) for item in skills]
    return dict(zip([s.name for s in skills], features(query, hits, skills, lambda _: 1.0), strict=True))


SORT = "Sort the numbers {} in ascending order."
TWISTS = {
    "sum": "Answer with the sum of the digits of the result.",
    "words": "Spell the result out in English words.",
    "twice": "Double the result before you give it.",
}


def sorting(**sentences):
    said = {"sort": "", **sentences}
    return [
        skill(
            name,
            f"Sorts numbers. {extra}",
            [f"{SORT.format(n)} {extra}".strip() for n in ("3, 5, 9", "7, 1")],
        )
        for name, extra in said.items()
    ]


def test_what_sets_a_near_miss_apart_is_its_own_and_the_right_skill_has_nothing_of_its_own():
    found = judged("Sort the numbers 4, 2 in ascending order.", sorting(**TWISTS))
    assert found["sort"]["own"] == 0
    assert all(found[name]["own"] > 1 for name in TWISTS)


def test_a_question_that_is_cut_short_lacks_nothing_that_only_its_skill_says():
    found = judged("numbers 4, 2 in ascending order", sorting(**TWISTS))
    assert found["sort"]["missing"] > 0 == found["sort"]["own"]


def test_what_a_question_says_and_only_kin_say_speaks_against_a_skill():
    query = f"{SORT.format('4, 2')} {TWISTS['sum']}"
    found = judged(query, sorting(**TWISTS))
    assert found["words"]["own"] > 1 > found["sum"]["own"]
    assert found["sort"]["other"] > 1 > found["sum"]["other"]


def test_without_kin_nothing_is_compared():
    [found] = judged("Sort the numbers 4, 2.", sorting()[:1]).values()
    assert (found["kin"], found["own"], found["other"]) == (0, 0, 0)
    assert found["alone_missing"] == found["missing"]
    assert found["alone_least"] == found["least"]


sentences = st.lists(
    st.sampled_from(["sort", "sum", "the", "numbers", "words", "in", "order", "give", "7", "result"]),
    max_size=12,
)


@given(
    sentences,
    st.lists(st.tuples(sentences, st.lists(sentences, max_size=3)), min_size=1, max_size=5),
    st.randoms(),
)
def test_features_are_finite_bounded_and_do_not_depend_on_the_order_of_candidates(query, texts, rng):
    """Only the choice among kin that are equally near may follow the order, so those are left out."""
    skills = [
        skill(f"s{n}", " ".join([*said, f"unlike{n}"]), [" ".join(q) for q in questions])
        for n, (said, questions) in enumerate(texts)
    ][:4]
    found = judged(" ".join(query) or "numbers", skills)
    mixed = rng.sample(skills, len(skills))
    again = judged(" ".join(query) or "numbers", mixed)
    for name, values in found.items():
        assert set(values) == set(FEATURES)
        assert all(math.isfinite(value) for value in values.values())
        assert 0 <= values["kin"] <= 1
        assert min(values["own"], values["other"], values["alone_missing"]) >= 0
        assert again[name] == pytest.approx(values)
