"""Edits: what fits is applied, and what does not is explained so that a model can mend it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent.evolution import EditError, apply_edits, parse_blocks
from evolvent.types import JsonValue

AGENT = """\
def solve(task, ctx):
    question = task["prompt"]
    reply = ctx.model.complete(question, temperature=0.0)
    return reply.text


def ask(ctx):
    return None
"""
FILES = {"task_agent.py": AGENT, "prompts/answer.md": "Answer the question.", "prompts/old.md": "Old.\n"}


def proposal(*edits: JsonValue, hypothesis: str = "why") -> JsonValue:
    return {"hypothesis": hypothesis, "edits": list(edits)}


def test_all_forms_are_applied_in_order() -> None:
    after, hypothesis = apply_edits(
        FILES,
        proposal(
            {"path": "task_agent.py", "search": "temperature=0.0", "replace": "temperature=0.7"},
            {"path": "task_agent.py", "search": "temperature=0.7", "replace": "temperature=0.9"},
            {"path": "prompts/new.md", "content": "New.\n"},
            {"path": "prompts/old.md", "delete": True},
        ),
    )
    assert after == {
        "task_agent.py": AGENT.replace("=0.0", "=0.9"),
        "prompts/answer.md": "Answer the question.",
        "prompts/new.md": "New.\n",
    }
    assert hypothesis == "why"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (None, "the proposal must be"),
        ("text", "the proposal must be"),
        ({"hypothesis": 3, "edits": [{}]}, "the hypothesis must be a text, not 3"),
        ({"hypothesis": "x"}, "'edits' must be a list of at least one edit"),
        (proposal(), "'edits' must be a list of at least one edit"),
        (proposal(*[{"path": "task_agent.py", "content": "x"}] * 51), "51 edits are too many; at most 50"),
        (
            proposal({"path": "task_agent.py", "content": "x" * 500_001}),
            "500001 characters; at most 500000".replace("500001", "500014"),
        ),
        (proposal(3), "edit 1 of 1: 3 has no path"),
        (proposal({"content": "x"}), "has no path; an edit is"),
        (proposal({"path": "evil.py", "content": "x"}), "'evil.py' is outside of what may be changed"),
        (proposal({"path": "../x.md", "content": "x"}), "is outside of what may be changed"),
        (proposal({"path": "task_agent.py"}), "it has [] beside its path"),
        (proposal({"path": "task_agent.py", "search": "x", "content": "y"}), "it has ['content', 'search']"),
        (proposal({"path": "task_agent.py", "content": 4}), "'content' must be a text, not 4"),
        (proposal({"path": "task_agent.py", "content": "a\0"}), "NUL"),
        (proposal({"path": "task_agent.py", "content": "\ud800"}), "surrogate"),
        (proposal({"path": "task_agent.py", "delete": "yes"}), "'delete' must be true, not 'yes'"),
        (proposal({"path": "prompts/none.md", "delete": True}), "cannot be deleted, it is not there"),
        (
            proposal({"path": "prompts/none.md", "search": "a", "replace": "b"}),
            "a new file needs its content",
        ),
        (proposal({"path": "task_agent.py", "search": " \n", "replace": "b"}), "the search text is empty"),
        (
            proposal({"path": "task_agent.py", "search": "return", "replace": "b"}),
            "occurs 2 times in 'task_agent.py' (lines 4, 8)",
        ),
        (proposal({"path": "task_agent.py", "search": "return", "replace": "return"}), "occurs 2 times"),
        (proposal({"path": "prompts/old.md", "content": "Old.\n"}), "the edits change nothing"),
    ],
)
def test_what_does_not_fit_is_explained(wrong: JsonValue, says: str) -> None:
    with pytest.raises(EditError) as caught:
        apply_edits(FILES, wrong)
    assert says in str(caught.value)


def test_the_nearest_lines_are_shown() -> None:
    good: JsonValue = {"path": "prompts/new.md", "content": "x"}
    bad: JsonValue = {
        "path": "task_agent.py",
        "search": "    reply = ctx.model.complete(messages, temperature=0.0)\n    return reply.text\n",
        "replace": "",
    }
    with pytest.raises(EditError) as caught:
        apply_edits(FILES, proposal(good, bad))
    assert str(caught.value).startswith("edit 2 of 2: the search text does not occur in 'task_agent.py'.")
    assert "3:     reply = ctx.model.complete(question, temperature=0.0)" in str(caught.value)
    with pytest.raises(EditError, match="Nothing in it is like that; its first lines are:\n1: def solve"):
        apply_edits(FILES, proposal({"path": "task_agent.py", "search": "§§§§§", "replace": ""}))


def test_white_space_at_the_ends_of_lines_does_not_matter() -> None:
    files = {"prompts/a.md": "one  \r\ntwo\r\nthree"}
    for search in ("one\ntwo\n", "one\ntwo \n"):
        after, _ = apply_edits(
            files, proposal({"path": "prompts/a.md", "search": search, "replace": "1\n2\n"})
        )
        assert after == {"prompts/a.md": "1\n2\nthree"}
    after, _ = apply_edits(files, proposal({"path": "prompts/a.md", "search": "three\n", "replace": "3\n"}))
    assert after == {"prompts/a.md": "one  \r\ntwo\r\n3\n"}


def test_the_hypothesis_can_be_stored() -> None:
    edit: JsonValue = {"path": "prompts/old.md", "delete": True}
    assert apply_edits(FILES, proposal(edit, hypothesis="a\0b\ud800c"))[1] == "abc"
    assert len(apply_edits(FILES, proposal(edit, hypothesis="x" * 20_000))[1]) == 10_000
    assert apply_edits(FILES, {"edits": [edit]})[1] == ""


KEYS = st.sampled_from(["hypothesis", "edits", "path", "search", "replace", "content", "delete"])
LEAVES = st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["task_agent.py"])


@settings(deadline=None)
@given(
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_is_applied_or_explained(value: JsonValue) -> None:
    try:
        after, _ = apply_edits(FILES, value)
    except EditError:
        return
    assert after != FILES


@settings(deadline=None)
@given(
    st.text("ab\n ", min_size=1, max_size=30),
    st.integers(0, 29),
    st.integers(1, 29),
    st.text("xy\n", max_size=5),
)
def test_a_replacement_changes_only_what_was_searched(text: str, at: int, length: int, new: str) -> None:
    search = text[at : at + length]
    files = {"prompts/a.md": text}
    try:
        after, _ = apply_edits(files, proposal({"path": "prompts/a.md", "search": search, "replace": new}))
    except EditError:
        return
    if text.count(search) == 1:
        assert after["prompts/a.md"] == text.replace(search, new)


BLOCK = "<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n"
EDIT = {"path": "task_agent.py", "search": "old\n", "replace": "new\n"}
WHOLE = {"path": "prompts/a.md", "content": "One.\nTwo.\n"}


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("", []),
        ("Just words.\n```python\nx = 1\n```\n", []),
        (f"task_agent.py\n{BLOCK}", [EDIT]),
        (f"I change this.\n\n**`task_agent.py`**:\n\n```python\n{BLOCK}```\nDone.", [EDIT]),
        (f"```python\ntask_agent.py\n{BLOCK}```", [EDIT]),
        (f"```python task_agent.py\n{BLOCK}```", [EDIT]),
        (f"### File: task_agent.py\n{BLOCK}and\n{BLOCK}", [EDIT, EDIT]),
        (f"task_agent.py\n{BLOCK}\nmeta_agent.py\n{BLOCK}", [EDIT, {**EDIT, "path": "meta_agent.py"}]),
        ("task_agent.py\n<<<<<<< SEARCH\nold\n=======\n>>>>>>> REPLACE", [{**EDIT, "replace": ""}]),
        ("prompts/a.md\n<<<<<<< SEARCH\n=======\nOne.\nTwo.\n>>>>>>> REPLACE", [WHOLE]),
        (f"task_agent.py\r\n{BLOCK}".replace("\n", "\r\n"), [EDIT]),
        ("```prompts/a.md\nOne.\nTwo.\n```", [WHOLE]),
        ("```md path=prompts/a.md\nOne.\nTwo.\n```", [WHOLE]),
        ("prompts/a.md:\n\n```\nOne.\nTwo.\n```", [WHOLE]),
        ("```md\n<!-- prompts/a.md -->\nOne.\nTwo.\n```", [WHOLE]),
        ("````prompts/a.md\n```\nx\n```\n````", [{**WHOLE, "content": "```\nx\n```\n"}]),
        ("```\nx\n```\nprompts/a.md\n```\nOne.\nTwo.\n```\nThe end.\n```\ny\n```", [WHOLE]),
        (f"```python\ntask_agent.py\n{BLOCK}```\n```prompts/a.md\nOne.\nTwo.\n```", [EDIT, WHOLE]),
        (f"```\nx = 1\n```\ntask_agent.py\n{BLOCK}", [EDIT]),
    ],
)
def test_blocks_are_read_out_of_a_text(text: str, edits: list[JsonValue]) -> None:
    assert parse_blocks(text) == edits


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BLOCK, "line 1: no line above the block names its file"),
        ("task_agent.py\n<<<<<<< SEARCH\nold\n", "that begins in line 2 has no '======='"),
        ("task_agent.py\n<<<<<<< SEARCH\nold\n=======\nnew\n", "has no '>>>>>>> REPLACE'"),
        (f"task_agent.py\n<<<<<<< SEARCH\nold\n{BLOCK}", "has no '======='"),
        ("```task_agent.py\nx = 1\n", "the fence of 'task_agent.py' is not closed"),
    ],
)
def test_a_block_that_is_cut_off_is_explained(text: str, says: str) -> None:
    with pytest.raises(EditError) as caught:
        parse_blocks(text)
    assert says in str(caught.value)


PIECES = [
    "task_agent.py",
    "```",
    "```python",
    "````",
    "<<<<<<< SEARCH",
    "=======",
    ">>>>>>> REPLACE",
    "x",
    "",
    "# prompts/a.md",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_any_text_is_read_or_explained(pieces: list[str]) -> None:
    try:
        edits = parse_blocks("\n".join(pieces))
    except EditError:
        return
    assert all(set(edit) in ({"path", "content"}, {"path", "search", "replace"}) for edit in edits)
