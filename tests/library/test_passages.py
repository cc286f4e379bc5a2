"""What of a skill is indexed."""

from evolvent.library.passages import passages, routing_text
from evolvent.search.chunks import PASSAGE_BREAK
from evolvent.types import Skill, SkillCase


def skill(*questions):
    cases = tuple(SkillCase(question=question, expected=1) for question in questions)
    return Skill(name="count-up", description="Counts.", body="# Count", script="x", digest="1", cases=cases)


def test_examples_of_one_wording_are_indexed_once():
    one = skill(
        "Count up from 3 to 17, please.", "Count up from 4 to 90, please.", "How far is it to the moon?"
    )
    text = routing_text(one).split(PASSAGE_BREAK)
    assert text == [
        "count up\nCounts.",
        "# Count",
        "Count up from 3 to 17, please.",
        "How far is it to the moon?",
    ]
    assert len(passages(one)) == 5, "all of them are compared with a question"


def test_examples_without_words_stay_one():
    assert routing_text(skill("1 + 1", "2 + 2")).split(PASSAGE_BREAK)[2:] == ["1 + 1"]
