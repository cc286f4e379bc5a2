"""The built-in curricula."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from evolvent.plugins import PluginHost
from evolvent.settings import Settings
from evolvent.types import FamilyProgress
from evolvent_plugins import curricula
from evolvent_plugins.curricula import InOrder, WeakestFirst

families = st.lists(
    st.builds(
        FamilyProgress,
        family=st.text("abcdef", min_size=1, max_size=3),
        before=st.sampled_from([0.0, 0.25, 0.5, 0.99, 1.0]),
        practised=st.integers(0, 3),
        left=st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda progress: progress.family,
)


def progress(family, before=0.5, practised=0, left=3):
    return FamilyProgress(family=family, before=before, practised=practised, left=left)


def practised(curriculum, started):
    """The families in the order in which a job would practise them, task by task."""
    now, order = list(started), []
    while (name := curriculum.next_family(now, Random(0))) is not None:
        order.append(name)
        index = next(i for i, p in enumerate(now) if p.family == name)
        p = now[index]
        now[index] = p.model_copy(update={"practised": p.practised + 1, "left": p.left - 1})
    return order


def test_in_order_finishes_one_family_after_the_other():
    started = [progress("a", left=2), progress("b", left=0), progress("c", left=1)]
    assert practised(InOrder(), started) == ["a", "a", "c"]


def test_weakest_first_goes_by_the_score_before_practice_and_ties_go_by_the_suites_order():
    started = [progress("perfect", 1.0, left=1), progress("a", 0.5, left=2), progress("weak", 0.1, left=2)]
    started += [progress("b", 0.5, left=1)]
    assert practised(WeakestFirst(), started) == ["weak", "weak", "a", "a", "b"]


def test_weakest_first_finishes_what_is_started():
    started = [progress("weak", 0.0), progress("begun", 0.9, practised=1), progress("done", 0.2, 4, left=0)]
    assert WeakestFirst().next_family(started, Random(0)) == "begun"
    started = [progress("weak", 0.0), progress("begun", 1.0, practised=1)]
    assert WeakestFirst().next_family(started, Random(0)) == "begun"


def test_weakest_first_ends_when_only_perfect_families_are_left():
    assert WeakestFirst().next_family([progress("a", 1.0), progress("b", 0.2, 3, left=0)], Random(0)) is None


@given(families)
def test_in_order_takes_the_first_with_tasks_left(given):
    left = [p.family for p in given if p.left]
    assert InOrder().next_family(given, Random(0)) == (left[0] if left else None)


@given(families)
def test_weakest_first_takes_the_weakest_of_the_started_else_of_all(given):
    chosen = WeakestFirst().next_family(given, Random(0))
    left = [p for p in given if p.left]
    pool = [p for p in left if p.practised] or [p for p in left if p.before < 1.0]
    expected = [p.family for p in pool if p.before == min(q.before for q in pool)]
    assert chosen == (expected[0] if expected else None)


@given(families, st.sampled_from([InOrder(), WeakestFirst()]))
def test_a_family_is_not_left_before_it_is_finished(given, curriculum):
    fresh = [p.model_copy(update={"practised": 0}) for p in given]
    order = practised(curriculum, fresh)
    wanted = [p for p in fresh if p.before < 1.0 or isinstance(curriculum, InOrder)]
    assert sorted(order) == sorted(p.family for p in wanted for _ in range(p.left))
    assert len([1 for a, b in pairwise(order) if a != b]) == max(0, len(set(order)) - 1)


def test_they_are_registered():
    host = PluginHost([])
    host.add(curricula, "curricula")  # register_curricula
    assert host.curricula.names() == ["in-order", "weakest-first"]
    assert isinstance(host.curricula.get("in-order")(Settings()), InOrder)
    assert isinstance(host.curricula.get("weakest-first")(Settings()), WeakestFirst)
