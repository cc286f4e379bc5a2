"""Template induction: what is constant in questions of one kind, and what varies."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evolvent


@pytest.fixture(scope="module")
def template() -> ModuleType:
    """Import the guest module as a guest would: by its bare name."""
    sys.path.insert(0, str(Path(evolvent.__file__).parent / "seed"))
    try:
        return import_module("template")
    finally:
        sys.path.pop(0)


def test_the_varying_parts_are_found(template: ModuleType) -> None:
    questions = [
        'How many times does the letter "a" appear in the text: "an apple a day"?',
        'How many times does the letter "s" appear in the text: "seven seas"?',
        'How many times does the letter "x" appear in the text: "the fox"?',
    ]
    anchors = template.induce(questions)
    assert [template.slots(anchors, q) for q in questions] == [
        ["a", "an apple a day"],
        ["s", "seven seas"],
        ["x", "the fox"],
    ]


@pytest.mark.parametrize(
    "question",
    ["Count the vowels of the text: abc", 'How often does the letter "a" appear in the text: "banana"?', ""],
)
def test_another_kind_of_question_is_declined(template: ModuleType, question: str) -> None:
    anchors = ['How many times does the letter "', '" appear in the text: "', '"?']
    assert template.slots(anchors, question) is None


@pytest.mark.parametrize(
    "question",
    [
        "Spell this word backward (example: sun -> nus): ammonia",
        "Spell this word backward: ammonia",
        "spell this word  backward:ammonia",
    ],
)
def test_white_space_case_and_a_missing_example_do_not_matter(template: ModuleType, question: str) -> None:
    anchors = ["Spell this word backward (example: sun -> nus): ", ""]
    assert template.slots(anchors, question) == ["ammonia"]


def test_brackets_stay_with_the_part_that_they_belong_to(template: ModuleType) -> None:
    questions = [f"Sort this list please: {numbers}" for numbers in ("[3, 1]", "[9, 8, 7]", "[4]")]
    anchors = template.induce(questions)
    assert template.slots(anchors, questions[1]) == ["[9, 8, 7]"]


@pytest.mark.parametrize(
    "questions",
    [["a b", "a b"], ["What is this?", "Who are you today?", "Never mind the gap"], ["1 2", "3 4", "5 6"]],
)
def test_without_shared_words_there_is_no_template(template: ModuleType, questions: list[str]) -> None:
    assert template.induce(questions) is None


words = st.text(alphabet="abcdefgh 0123456789,.-()[]\"'\n", min_size=1, max_size=30)


@given(parts=st.lists(st.tuples(words, words), min_size=3, max_size=8, unique=True))
def test_a_template_fits_every_question_that_it_came_from(
    template: ModuleType, parts: list[tuple[str, str]]
) -> None:
    questions = [f"Please compare {left} with the other text {right} and answer." for left, right in parts]
    anchors = template.induce(questions)
    if anchors is not None:
        assert all(template.slots(anchors, question) is not None for question in questions)
        re.compile(template.pattern_text(anchors))
