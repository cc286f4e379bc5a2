"""Routing among near misses, with the real embedder: skills of the same wording that answer something else."""

import pytest

from evolvent.library import Router, SkillStore
from evolvent.library.format import draft
from evolvent.search import VectorIndex
from evolvent.search.config import RetrievalConfig
from evolvent.types import SkillCase

KINDS = {
    "sort": (
        "Sort the numbers {} in ascending order. Separate them with commas.",
        "4 9 2",
        "31 7 8",
        "6 5 1 12",
    ),
    "vowels": ("Count the vowels in the word {}. Give the number as digits.", "ammonia", "harbour", "violet"),
    "roman": ("Write the number {} as a Roman numeral. Use capital letters only.", "1994", "12", "471"),
    "days": (
        "How many days are there in {}? Count the last one too.",
        "May and June",
        "July 2021",
        "all of March",
    ),
    "area": (
        "Find the area of a triangle of base and height {}. Round it.",
        "3 and 4",
        "12 and 5",
        "7 and 9",
    ),
    "anagram": ("Are these words anagrams: {}? Say yes or no.", "listen silent", "gate table", "night thing"),
}
TWISTS = {
    "sum": "Then add up the digits of the result and say their sum.",
    "words": "Spell the result out in English words.",
    "twice": "Double the result before you give it.",
    "explain": "Do not solve it; explain to a child what is being asked.",
}
ABSENT = "anagram"
"""Of this kind there are only near misses."""


def skills(propose):
    for kind, (form, *parts) in KINDS.items():
        for twist, sentence in {"": "", **TWISTS}.items():
            if twist or kind != ABSENT:
                questions = [f"{form.format(part)} {sentence}".strip() for part in parts[:2]]
                about = f"{form.format('given ones')} {sentence}".strip()
                skill = draft(
                    propose(name=f"{kind}-{twist}".strip("-"), description=about, body=f"# {about}")
                )
                cases = tuple(SkillCase(question=text, expected="") for text in questions)
                yield skill.model_copy(update={"cases": cases})


@pytest.fixture(scope="module")
def near_misses(tmp_path_factory, minilm, propose, admitted):
    folder = tmp_path_factory.mktemp("near-misses")
    store = SkillStore(folder / "skills", seeds=None)
    for skill in skills(propose):
        store.add(skill, admitted(skill))
    index = VectorIndex(folder / "chroma", "skills", lambda: minilm, "all-minilm-l6-v2")
    yield Router(store, index, config=RetrievalConfig(few=0))
    index.close()


def question(kind, twist=""):
    form, *parts = KINDS[kind]
    return f"{form.format(parts[2])} {TWISTS.get(twist, '')}".strip()


PRESENT = [kind for kind in KINDS if kind != ABSENT]


@pytest.mark.parametrize("kind", PRESENT)
def test_the_plain_question_finds_the_plain_skill_and_not_its_near_misses(near_misses, kind):
    assert [hit.name for hit in near_misses.search(question(kind))] == [kind]


@pytest.mark.parametrize("kind", PRESENT)
def test_a_question_in_other_words_still_finds_its_skill(near_misses, kind):
    """The wording lacks something in every skill of the kind alike, so it does not speak against the plain one."""
    changed = (
        question(kind)
        .replace("numbers", "values")
        .replace("Count the", "Count all")
        .replace("Find", "Work out")
    )
    found = near_misses.candidates(f"I have this to do for tomorrow. {changed}")
    assert found[0].skill.name == kind
    assert near_misses.accepts(found[0])
    assert not any(near_misses.accepts(other) for other in found[1:])


@pytest.mark.parametrize("twist", TWISTS)
@pytest.mark.parametrize("kind", [*PRESENT, ABSENT])
def test_a_question_that_asks_for_the_near_miss_finds_it(near_misses, kind, twist):
    assert near_misses.search(question(kind, twist), 1)[0].name == f"{kind}-{twist}"


def test_where_only_near_misses_are_there_nothing_is_offered(near_misses):
    assert near_misses.search(question(ABSENT)) == []
