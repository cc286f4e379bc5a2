"""Taint: what may not be learned from unchecked, and what takes it away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.memory.conftest import attempt, exchange

from evolvent.memory import LessonProposal, TaintPolicy, decide
from evolvent.memory.taint import labels_of, lesson_id, recalled_ids, repeats, restates_the_judge
from evolvent.types import Exchange, LessonState, Task

TASK = Task(id="t-x", prompt="What is 6*7?\nThink.", inputs={"page": "text"}, untrusted=("page",))
PLAIN = Task(id="t-x", prompt="What is 6*7?")
POLICY = TaintPolicy(trusted_tool=lambda name: name == "python", foreign_skill=lambda name: name == "theirs")
MEMORY = exchange("memory.search", [{"text": "Read the whole question twice.", "situation": "s"}], query="q")
MEMORY_ID = lesson_id("Read the whole question twice.", "s")


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        (exchange("model.complete", {"text": "42"}), ()),
        (exchange("memory.search", [], query="q"), ()),
        (MEMORY, (f"memory:{MEMORY_ID}",)),
        (exchange("tools.call", "4", name="python"), ()),
        (exchange("tools.call", 0, name="python"), ()),
        (exchange("tools.call", False, name="python"), ()),
        (exchange("tools.call", " ", name="python"), ("empty:tool:python",)),
        (exchange("tools.call", [], name="python"), ("empty:tool:python",)),
        (exchange("tools.call", None, "ToolFailed: x", name="python"), ("failed:tool:python",)),
        (exchange("tools.call", "hi", name="web"), ("untrusted:tool:web",)),
        (
            exchange("tools.call", None, "ToolFailed: x", name="web"),
            ("failed:tool:web", "untrusted:tool:web"),
        ),
        (exchange("tools.call", {"passed": True}, name="judge"), ()),
        (exchange("skills.run", {"applicable": True}, name="theirs"), ("untrusted:skill:theirs",)),
        (exchange("skills.read", {"body": "x"}, name="ours"), ()),
        (exchange("tools.call", {"results": [[""], None]}, name="python"), ("empty:tool:python",)),
        (exchange("tools.call", {"results": [0]}, name="python"), ()),
        (
            exchange("skills.search", [{"name": "theirs"}, {"name": "ours"}], query="q"),
            ("untrusted:skill:theirs",),
        ),
        (
            exchange(
                "skills.context", {"text": "x", "skills": [{"name": "theirs", "level": "body"}]}, query="q"
            ),
            ("untrusted:skill:theirs",),
        ),
        (exchange("unknown"), ("unknown",)),
    ],
)
def test_exchanges_are_labelled(found: Exchange, labels: tuple[str, ...]) -> None:
    assert labels_of([found], [PLAIN], POLICY) == labels


def test_inputs_of_unknown_origin_are_labelled_where_they_are_given() -> None:
    assert labels_of([], [TASK], POLICY) == ("untrusted:input:page",)


def test_a_misspelt_input_is_an_error() -> None:
    with pytest.raises(ValueError, match="'pgae', which is no input; inputs: 'page'"):
        Task(prompt="p", inputs={"page": "text"}, untrusted=("pgae",))


def test_the_lessons_that_an_attempt_was_given_are_known_by_their_words() -> None:
    assert recalled_ids([MEMORY, MEMORY]) == (MEMORY_ID,)


def decided(text: str, *exchanges: Exchange, task: Task = PLAIN, **given: object) -> tuple[str, str]:
    proposal = LessonProposal.model_validate({"text": text, "situation": task.prompt, **given})
    found = decide(proposal, task, [attempt()], exchanges, labels_of(exchanges, [task], POLICY))
    return found.state.value, found.reason


def test_without_taint_a_lesson_is_active() -> None:
    assert decided("Multiply.", exchange("model.complete", {"text": "41"})) == ("active", "")


def test_beside_taint_it_waits() -> None:
    state, reason = decided("Multiply.", exchange("tools.call", "hi", name="web"))
    assert state == "unproven"
    assert "untrusted:tool:web" in reason
    state, reason = decided("Always read the whole question twice.", MEMORY)
    assert state == "unproven"
    assert f"repeats {MEMORY_ID}" in reason


@pytest.mark.parametrize(
    ("text", "confirmed"),
    [
        ("Example: What is 6*7? Answer: 42", True),
        ("Example: 6*7? Answer: 42", True),
        ("Example: What is 6*7? Answer: 4", False),
        ("Example: What is 6*7? Answer: 42 and send it to me", False),
        ("Example: What is 6*7? Ask the tool first. Answer: 42", False),
        ("Example:  Answer: 42", False),
        ("What is 6*7? Answer: 42", False),
    ],
)
def test_an_example_that_only_restates_the_judge_is_checked_by_that(text: str, confirmed: bool) -> None:
    assert restates_the_judge(text, [attempt()], PLAIN) is confirmed
    state, _ = decided(text, MEMORY, kind="example")
    assert (state == "active") is confirmed
    assert decided(text, MEMORY, kind="principle")[0] == "unproven"


def test_an_example_of_a_prompt_with_untrusted_inputs_or_another_situation_waits() -> None:
    task = TASK.model_copy(update={"prompt": PLAIN.prompt})
    text = "Example: What is 6*7? Answer: 42"
    assert decided(text, task=task, kind="example")[0] == "unproven"
    assert decided(text, MEMORY, kind="example", situation="Anything at all")[0] == "unproven"


def test_a_claim_about_the_environment_always_waits() -> None:
    assert decided("The weather tool is down.", kind="environment")[0] == "unproven"
    failed = exchange("tools.call", None, "ToolFailed: down", name="python")
    given = {"kind": "environment", "subject": "tool:python"}
    state, reason = decided("python is down", failed, **given)
    assert state == "unproven"
    assert "second failure of python" in reason
    worked = exchange("tools.call", "4", name="python")
    assert decided("python is down", failed, worked, **given) == (
        LessonState.EXPIRED.value,
        "tool:python answered in the same run",
    )


@given(st.lists(st.sampled_from(["red", "green", "blue", "one", "two", "six"]), min_size=3, max_size=20))
def test_a_text_repeats_itself_whatever_stands_around_it(words: list[str]) -> None:
    text = " ".join(words)
    item = {"text": f"Before that: {text}, and after.", "situation": "s"}
    assert repeats(text.upper(), [exchange("memory.search", [item], query="q")])
    assert not repeats("nothing of all that is here", [exchange("memory.search", [item], query="q")])
