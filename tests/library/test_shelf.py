"""A large library is packed in memory, and comes out as it went in."""

from hypothesis import given
from hypothesis import strategies as st

from evolvent.library.shelf import Shelf
from evolvent.types import Skill, SkillCase

TEXT = st.text(max_size=50)


@given(
    bodies=st.lists(TEXT, max_size=12),
    expected=st.one_of(
        st.none(), st.integers(), st.floats(allow_nan=False), TEXT, st.lists(TEXT, max_size=3)
    ),
)
def test_what_was_put_in_comes_out_the_same(bodies, expected):
    shelf = Shelf(whole=2)
    skills = {
        f"s{n}": Skill(
            name=f"s{n}",
            description="d",
            body=body,
            digest=f"{n:032}",
            metadata={"k": body},
            cases=(SkillCase(question=body or "q", expected=expected),),
        )
        for n, body in enumerate(bodies)
    }
    for name, skill in skills.items():
        shelf[name] = skill
    assert dict(shelf) == skills
    assert len(shelf) == len(skills)
    assert len(shelf._whole) <= 2


def test_skills_are_replaced_and_forgotten():
    shelf = Shelf(whole=1)
    one = Skill(name="a", description="d", body="1", digest="1")
    shelf["a"], shelf["b"] = one, one.model_copy(update={"name": "b"})
    shelf["a"] = one.model_copy(update={"body": "2"})
    assert shelf["b"].name == "b"
    assert shelf["a"].body == "2"
    del shelf["a"]
    assert "a" not in shelf
    assert shelf.get("a") is None
    assert list(shelf) == ["b"]
