"""Consolidation: what merges, what goes, and that a pass can be killed at any step."""

from __future__ import annotations

import threading
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from tests.memory.conftest import Clock, Learn, attempt, recalled

from evolvent.memory import ConsolidationPolicy, Lessons, LessonStore, consolidate, plan
from evolvent.memory.background import Background
from evolvent.memory.likeness import containment, pairs_alike, resemblance, same_claim
from evolvent.storage import Ledger
from evolvent.types import Lesson, LessonChanged, LessonState

LONG = (
    "Sort the words by the alphabet, upper case first, and join them with single commas and no spaces at all"
)


def states(lessons: Lessons) -> dict[str, str]:
    return {lesson.id: lesson.state.value for lesson in lessons.all()}


def test_the_lesson_with_better_evidence_takes_the_other_ones_place(
    lessons: Lessons, learn: Learn, engine: Engine
) -> None:
    old = learn(LONG, "Sort these words please")
    good = learn(LONG + ".", "Sort these words please now")
    for n in range(6):
        lessons.judged(attempt(f"r-g{n}"), [recalled(good)])
    lessons.judged(attempt("r-both"), [recalled(old, good)])
    lessons.judged(attempt("r-old", passed=False), [recalled(old)])
    (step,) = consolidate(lessons.store)
    assert (step.action, step.lesson_id, step.into) == ("merge", old.id, good.id)
    heir, gone = lessons.store.get(good.id), lessons.store.get(old.id)
    assert (gone.state, gone.superseded_by) == (LessonState.SUPERSEDED, good.id)
    assert heir.supersedes == (old.id,)
    assert heir.sources == (*good.sources, *old.sources)
    assert set(heir.provenance.task_ids) == {*good.provenance.task_ids, *old.provenance.task_ids}
    assert (heir.uses, heir.successes) == (8, 7), "an attempt that had both counts once"
    assert [k.id for k in lessons.search("Sort these words please")] == [good.id]
    assert consolidate(lessons.store) == []
    assert sum(isinstance(e, LessonChanged) for e in Ledger(engine).events()) == 2
    lessons.judged(attempt("r-late"), [recalled(old)])
    assert lessons.store.get(good.id).uses == 9, "what was given before the merge counts for the heir"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"text": LONG}, {"text": LONG.replace("and no spaces", "and not spaces")}),
        ({"text": LONG + " 3"}, {"text": LONG + " 4"}),
        ({"text": LONG}, {"text": LONG + "!", "situation": "How far is the moon from the earth"}),
        ({"text": LONG}, {"text": LONG + "!", "conditions": ["only on Sundays"]}),
        ({"text": LONG}, {"text": LONG + "!", "kind": "example"}),
        ({"text": LONG, "kind": "example"}, {"text": LONG + "!", "kind": "example"}),
        ({"text": LONG}, {"text": LONG + "!", "state": LessonState.UNPROVEN}),
    ],
)
def test_what_differs_in_what_matters_stays_apart(
    lessons: Lessons, learn: Learn, first: dict[str, str], second: dict[str, str]
) -> None:
    learn(**first)
    learn(**second)
    assert consolidate(lessons.store) == []


def test_what_does_not_help_is_forgotten_and_what_was_never_needed_too(
    lessons: Lessons, learn: Learn, clock: Clock
) -> None:
    useless, lucky, unused = learn("Guess."), learn("Ask again."), learn("Read upside down.")
    for n in range(8):
        lessons.judged(attempt(f"r-a{n}", passed=n < 1), [recalled(useless)])
        lessons.judged(attempt(f"r-b{n}", passed=n < 2), [recalled(lucky)])
    assert [s.lesson_id for s in plan(lessons.all(), clock())] == [useless.id]
    clock.pass_(days=91)
    fresh = learn("Count the letters.")
    consolidate(lessons.store)
    assert states(lessons) == {
        useless.id: "forgotten",
        lucky.id: "active",
        unused.id: "forgotten",
        fresh.id: "active",
    }
    assert "1 of 8 attempts" in lessons.store.get(useless.id).reason
    assert lessons.store.get(unused.id).reason == "never used in 90 days"


def test_what_no_check_confirmed_expires(lessons: Lessons, learn: Learn, clock: Clock) -> None:
    doubtful = learn("Guess.", state=LessonState.UNPROVEN)
    claim = learn("The tool is down.", kind="environment", subject="tool:x")
    clock.pass_(seconds=999)
    assert plan(lessons.all(), clock()) == []
    clock.pass_(seconds=1)
    assert [(s.action, s.lesson_id) for s in consolidate(lessons.store)] == [("expire", doubtful.id)]
    clock.pass_(days=8)
    assert [(s.action, s.lesson_id) for s in consolidate(lessons.store)] == [("expire", claim.id)]


def crowd(learn: Learn, lessons: Lessons) -> None:
    for n in range(4):
        learn(LONG + "!" * n, "Sort these words please" + "?" * n)
        learn(f"Useless {n * 'very '}thing {n}", f"Do {n}")
    for lesson in lessons.all():
        if lesson.text.startswith("Useless"):
            for n in range(8):
                lessons.judged(attempt(f"r-{lesson.id}{n}", passed=False), [recalled(lesson)])


def test_a_pass_that_is_cut_off_at_any_step_ends_like_one_that_is_not(
    lessons: Lessons, learn: Learn, engine: Engine, clock: Clock
) -> None:
    crowd(learn, lessons)
    whole = plan(lessons.all(), clock())
    assert len(whole) == 7
    taken = []
    while True:
        left = iter([False, True])
        reopened = LessonStore(engine, Ledger(engine), clock)  # as a new process would read it
        done = consolidate(reopened, stop=lambda left=left: next(left))
        if not done:
            break
        taken += done
    assert taken == whole
    assert plan(LessonStore(engine, Ledger(engine), clock).all(), clock()) == []


def test_a_step_that_fails_halfway_changes_nothing(
    lessons: Lessons, learn: Learn, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(LONG)
    learn(LONG + "!")
    before = LessonStore(engine, Ledger(engine), clock).all()
    calls = iter([None])

    def dying(self: object, event: object) -> None:
        next(calls)  # the second write of the merge: the process ends

    monkeypatch.setattr("evolvent.memory.store.Writing._tell", dying)
    with pytest.raises(StopIteration):
        consolidate(lessons.store)
    assert LessonStore(engine, Ledger(engine), clock).all() == before


def test_a_plan_does_not_depend_on_the_order_of_lessons(lessons: Lessons, learn: Learn, clock: Clock) -> None:
    crowd(learn, lessons)
    assert plan(lessons.all()[::-1], clock()) == plan(lessons.all(), clock())


def test_nothing_is_deleted(lessons: Lessons, learn: Learn) -> None:
    crowd(learn, lessons)
    before = {(k.id, k.text) for k in lessons.all()}
    consolidate(lessons.store, ConsolidationPolicy(unused_days=0))
    assert {(k.id, k.text) for k in lessons.all()} == before


vocabulary = ["sort", "the", "words", "not", "by", "1", "2", "length", "or", "alphabet"]
words = st.lists(st.sampled_from(vocabulary), max_size=12)


@given(st.lists(words.map(" ".join), max_size=8), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_the_fast_way_finds_the_same_pairs_as_comparing_all(texts: list[str], bound: float) -> None:
    keyed = {f"l-{n}": text for n, text in enumerate(texts) if text}
    slow = {(a, b) for a, b in combinations(sorted(keyed), 2) if same_claim(keyed[a], keyed[b], bound)}
    found = list(pairs_alike(keyed, bound))
    assert set(found) == slow
    assert len(found) == len(set(found))


@given(words.map(" ".join), words.map(" ".join))
def test_likeness_is_symmetric_and_bounded(first: str, second: str) -> None:
    assert resemblance(first, second) == resemblance(second, first)
    assert 0 <= resemblance(first, second) <= 1
    assert resemblance(first, first) == 1
    assert 0 <= containment(first, second) <= 1
    assert containment(first, first) == (1 if first else 0)


def test_the_background_starts_after_enough_lessons_and_never_blocks() -> None:
    running, go_on, passes = threading.Event(), threading.Event(), []

    def work(stop: object) -> None:
        running.set()
        go_on.wait(30)
        passes.append(stop)

    background = Background(work, after=2)
    background.count()
    assert not running.is_set()
    background.count()
    assert running.wait(30)
    for _ in range(5):
        background.count()  # returns at once, though a pass is running
    assert passes == []
    go_on.set()
    background.close()
    background.close()
    assert len(passes) == 1
    background.count()
    assert len(passes) == 1, "closed"


def test_a_paused_background_waits_and_catches_up() -> None:
    passes: list[object] = []
    background = Background(passes.append, after=1)
    with background.paused():
        background.count()
        assert passes == []
    background.close()
    assert len(passes) == 1
    Background(passes.append, after=0).count()
    assert len(passes) == 1, "switched off"


def test_a_pass_that_fails_is_reported_and_kills_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def work(stop: object) -> None:
        raise OSError("disk gone")

    background = Background(work, after=1)
    background.count()
    background.close()
    assert "evolvent memory consolidate" in caplog.text


def test_the_memory_of_a_lesson_keeps_its_shape(learn: Learn) -> None:
    lesson = learn("Sort.")
    assert Lesson.model_validate_json(lesson.model_dump_json()) == lesson
