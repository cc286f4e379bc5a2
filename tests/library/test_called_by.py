"""Who calls a skill, after any changes of the library, is what reading all of it would say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent.library.called_by import CalledBy
from evolvent.library.composition import REQUIRES_KEY, dependents
from evolvent.types import Skill, SkillState

NAMES = ("a", "b", "c", "d", "e")


class Shelf:
    """The part of a store that is asked, with changes as a store tells of them."""

    def __init__(self) -> None:
        self.skills: dict[str, Skill] = {}
        self.revision = 1
        self.changes: dict[int, str] = {}

    def put(self, name: str, calls: set[str], state: SkillState) -> None:
        pins = " ".join(f"{other}@0000" for other in sorted(calls - {name}))
        self.skills[name] = Skill(
            name=name, description="d", body="b", digest="0", state=state, metadata={REQUIRES_KEY: pins}
        )
        self._changed(name)

    def remove(self, name: str) -> None:
        self.skills.pop(name, None)
        self._changed(name)

    def forget(self) -> None:
        self.revision += 1

    def _changed(self, name: str) -> None:
        self.revision += 1
        self.changes[self.revision] = name

    def changed_since(self, revision: int) -> set[str] | None:
        later = range(revision + 1, self.revision + 1)
        if revision < 0 or any(number not in self.changes for number in later):
            return None
        return {self.changes[number] for number in later}

    def find(self, name: str) -> Skill | None:
        return self.skills.get(name)

    def list(self) -> list[Skill]:
        return [self.skills[name] for name in sorted(self.skills)]

    each = list


_CHANGES = st.one_of(
    st.tuples(
        st.just("put"),
        st.sampled_from(NAMES),
        st.sets(st.sampled_from(NAMES), max_size=3),
        st.sampled_from(list(SkillState)),
    ),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    st.tuples(st.just("forget")),
    st.tuples(st.just("look"), st.sampled_from(NAMES)),
)


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(_CHANGES, max_size=30))
def test_it_says_what_reading_everything_says(changes: list[tuple[Any, ...]]) -> None:
    shelf = Shelf()
    known = CalledBy(shelf)  # type: ignore[arg-type]
    for what, *args in [*changes, *(("look", name) for name in NAMES)]:
        if what == "look":
            expected = [skill.name for skill in dependents(shelf, args[0])]  # type: ignore[arg-type]
            assert known.of(args[0]) == expected
        else:
            getattr(shelf, what)(*args)


def test_what_was_read_is_not_read_again() -> None:
    shelf = Shelf()
    shelf.put("a", {"b"}, SkillState.ACTIVE)
    known = CalledBy(shelf)  # type: ignore[arg-type]
    assert known.of("b") == ["a"]
    shelf.each = pytest.fail  # type: ignore[method-assign, assignment]
    shelf.put("c", {"a"}, SkillState.ACTIVE)
    assert known.of("b") == ["a", "c"]
