"""Skills in a prompt: names first, bodies as long as the budget lasts."""

from hypothesis import given
from hypothesis import strategies as st

from evolvent.library.disclosure import disclose, estimated_tokens
from evolvent.library.format import draft
from evolvent.types import SkillProposal


def prose(name, body="# How\n\nDo it.", script=None):
    return draft(SkillProposal(name=name, description=f"Does {name}.", body=body, script=script))


def test_every_name_comes_before_any_body():
    shown = disclose([prose("one", "first body"), prose("two", "second body")], 200)
    assert shown.text.index("- two:") < shown.text.index("first body") < shown.text.index("second body")
    assert shown.levels == {"one": "body", "two": "body"}


def test_a_body_that_does_not_fit_is_left_out_for_one_that_does():
    shown = disclose([prose("long", "x" * 2_000), prose("short", "brief")], 100)
    assert shown.levels == {"long": "description", "short": "body"}
    assert "xxx" not in shown.text


def test_what_can_be_run_comes_last():
    script = "def solve(question):\n    return None\n"
    shown = disclose([prose("runs", script=script), prose("reads")], 400)
    assert list(shown.levels) == ["reads", "runs"]


@given(st.lists(st.text("ab c\n", min_size=1, max_size=400), max_size=6), st.integers(1, 300))
def test_the_budget_holds(bodies, tokens):
    skills = [prose(f"s{n}", f"x{body}") for n, body in enumerate(bodies)]
    shown = disclose(skills, tokens)
    assert estimated_tokens(shown.text) <= tokens
    assert set(shown.levels) <= {skill.name for skill in skills}
