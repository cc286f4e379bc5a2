"""Lessons: what is found, what counts, what comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from tests.memory.conftest import Clock, Learn, attempt, exchange, recalled

from evolvent.errors import UnknownName, UsageError
from evolvent.memory import Lessons, LessonStore
from evolvent.memory.lessons import ENOUGH_USES, weight
from evolvent.storage import Ledger
from evolvent.types import Lesson, LessonChanged, LessonState, LessonUsed

UNPROVEN = {"state": LessonState.UNPROVEN, "reason": "learned beside memory:l-1"}


def used(lessons: Lessons, lesson: Lesson, passed: int, failed: int, tag: str = "u") -> None:
    for n in range(passed + failed):
        lessons.judged(attempt(f"r-{tag}{n}", passed=n < passed), [recalled(lesson)])


def test_a_use_counts_once_for_each_lesson_and_attempt(
    lessons: Lessons, learn: Learn, engine: Engine
) -> None:
    lesson = learn("Sort by the alphabet, upper case first.")
    for _ in range(3):
        lessons.judged(attempt(passed=True), [recalled(lesson), recalled(lesson)])
    lessons.judged(attempt(passed=False, number=2), [recalled(lesson)])
    lessons.judged(attempt("r-y", passed=None), [recalled(lesson)])
    (kept,) = lessons.all()
    assert (kept.uses, kept.successes, kept.utility) == (2, 1, 0.5)
    events = [e for e in Ledger(engine).events() if isinstance(e, LessonUsed)]
    assert [(e.attempt_id, e.success) for e in events] == [("r-x#1", True), ("r-x#2", False)]


def test_what_is_stored_is_what_is_read_again(
    lessons: Lessons, learn: Learn, engine: Engine, clock: Clock
) -> None:
    lesson = learn("Sort by the alphabet.", conditions=["words"])
    used(lessons, lesson, 2, 1)
    assert LessonStore(engine, Ledger(engine), clock).all() == lessons.all()


def test_lessons_of_an_older_version_are_read(engine: Engine) -> None:
    old = '{"id": "l-1", "text": "t", "situation": "s", "sources": ["r#1"]}'
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO lessons (id, text, situation, data, created_at) VALUES ('l-1', 't', 's', :d, :at)"
            ),
            {"d": old, "at": "2026-01-02T03:04:05.678+00:00"},
        )
    (lesson,) = LessonStore(engine, Ledger(engine)).all()
    assert (lesson.state, lesson.kind, lesson.uses) == (LessonState.ACTIVE, "principle", 0)
    assert lesson.created_at.isoformat().startswith("2026-01-02T03:04:05.678")


def test_a_lesson_that_does_not_help_sinks_only_with_enough_evidence(lessons: Lessons, learn: Learn) -> None:
    first = learn("Sort ascending.", "Sort these words alphabetically now")
    second = learn("Sort by length.", "Sort these words alphabetically please")
    order = [k.id for k in lessons.search("Sort these words alphabetically now")]
    assert set(order) == {first.id, second.id}
    best = lessons.store.get(order[0])
    used(lessons, best, 0, ENOUGH_USES - 1)
    assert [k.id for k in lessons.search("Sort these words alphabetically now")] == order
    used(lessons, best, 0, ENOUGH_USES)
    assert [k.id for k in lessons.search("Sort these words alphabetically now")] == order[::-1]


@given(st.integers(0, 100), st.integers(0, 100))
def test_utility_is_laplace_and_weighs_monotonically(passed: int, failed: int) -> None:
    def made(successes: int, uses: int) -> Lesson:
        return Lesson(id="l", text="t", situation="s", uses=uses, successes=successes)

    lesson = made(passed, passed + failed)
    assert 0 < lesson.utility < 1
    assert lesson.utility == (passed + 1) / (passed + failed + 2)
    if passed + failed < ENOUGH_USES:
        assert weight(lesson) == 1.0
    else:
        assert weight(made(passed + 1, passed + failed + 1)) > weight(lesson)
        assert weight(made(passed, passed + failed + 1)) < weight(lesson)


def test_only_active_lessons_are_given(lessons: Lessons, learn: Learn) -> None:
    learn("Sort by length.", **UNPROVEN)
    active = learn("Sort by the alphabet.")
    assert [k.id for k in lessons.search("Sort these words")] == [active.id]
    lessons.store.forget(active.id, "wrong")
    assert lessons.search("Sort these words") == []
    assert len(lessons.all()) == 2, "rows stay"


def test_an_unproven_lesson_is_confirmed_by_a_clean_one_of_another_run_and_task(
    lessons: Lessons, learn: Learn, engine: Engine
) -> None:
    doubtful = learn("Sort the words by the alphabet and join them with commas.", **UNPROVEN)
    same_task = doubtful.provenance.model_copy(update={"run_ids": ("r-other",)})
    learn("Sort the words by the alphabet and join them with commas!", "Sort again", provenance=same_task)
    learn("Sort the words by the alphabet and do not join them with commas.", "Sort more")
    assert lessons.store.get(doubtful.id).state is LessonState.UNPROVEN
    clean = learn("Sort the words by the alphabet and join them with commas.", "Put in order")
    confirmed = lessons.store.get(doubtful.id)
    assert (confirmed.state, confirmed.expires_at) == (LessonState.ACTIVE, None)
    assert confirmed.provenance.confirmed_by == clean.sources
    (event,) = [e for e in Ledger(engine).events() if isinstance(e, LessonChanged)]
    assert (event.before, event.after, event.evidence["lesson_id"]) == ("unproven", "active", clean.id)


def test_two_tainted_lessons_do_not_confirm_each_other(lessons: Lessons, learn: Learn) -> None:
    learn("Sort the words by the alphabet.", **UNPROVEN)
    learn("Sort the words by the alphabet.", "Put in order", **UNPROVEN)
    assert {k.state for k in lessons.all()} == {LessonState.UNPROVEN}


def test_a_person_forgets_for_good(lessons: Lessons, learn: Learn) -> None:
    lesson = learn("Sort by the alphabet.")
    assert lessons.store.forget(lesson.id[:6], "it is wrong").state is LessonState.FORGOTTEN
    learn("Sort by the alphabet.")
    (kept,) = lessons.all()
    assert (kept.state, kept.reason) == (LessonState.FORGOTTEN, "it is wrong")


def test_ids_are_found_by_a_unique_beginning(lessons: Lessons, learn: Learn) -> None:
    with pytest.raises(UnknownName, match="unknown lesson 'l-no'"):
        lessons.store.get("l-no")
    one, two = learn("Sort one.").id, learn("Sort two.").id
    assert lessons.store.get(one[:-1]).id == one
    with pytest.raises(UsageError, match="'l-' begins 2 lessons"):
        lessons.store.forget("l-", "all")
    assert two in {k.id for k in lessons.all(LessonState.ACTIVE)}


def test_a_write_that_fails_halfway_leaves_nothing(lessons: Lessons, learn: Learn, engine: Engine) -> None:
    lesson = learn("Sort by the alphabet.")
    heard = list(Ledger(engine).events())
    with pytest.raises(RuntimeError), lessons.store.writing() as writing:  # noqa: PT012
        writing.change(lesson, "half", state=LessonState.FORGOTTEN)
        raise RuntimeError("the process ends here")
    assert lessons.all() == [lesson]
    assert list(Ledger(engine).events()) == heard


def tool(error: str | None = None, result: object = "sunny") -> list[object]:
    return [exchange("tools.call", None if error else result, error, name="weather")]  # type: ignore[arg-type]


DOWN = "ToolFailed: the service is down"


@pytest.fixture
def claim(learn: Learn) -> Lesson:
    return learn(
        "The weather tool fails; answer without it.",
        "What is the weather like today",
        kind="environment",
        subject="tool:weather",
        **UNPROVEN,
    )


ASKED = "What is the weather like today"


def test_one_failure_is_believed_by_nobody(lessons: Lessons, claim: Lesson) -> None:
    assert lessons.search(ASKED) == []
    lessons.judged(attempt("r-1"), tool(DOWN))  # type: ignore[arg-type]
    assert lessons.store.get(claim.id).state is LessonState.UNPROVEN, "its own run proves nothing"
    lessons.judged(attempt("r-b"), tool("ToolDenied: the policy file says no"))  # type: ignore[arg-type]
    assert lessons.store.get(claim.id).state is LessonState.UNPROVEN, "a refusal is no failure"
    lessons.judged(attempt("r-c"), tool())  # type: ignore[arg-type]
    assert lessons.store.get(claim.id).state is LessonState.EXPIRED
    assert lessons.search(ASKED) == []


def test_a_second_failure_makes_it_believed_for_a_while_and_a_probe_renews_or_ends_it(
    lessons: Lessons, claim: Lesson, clock: Clock
) -> None:
    lessons.judged(attempt("r-b", passed=None), tool(DOWN))  # type: ignore[arg-type]
    assert [k.id for k in lessons.search(ASKED, attempt_id="r-c#1")] == [claim.id]
    for number, seconds in enumerate((60, 120, 240, 300, 300)):
        probe = f"r-d{number}"
        clock.pass_(seconds=seconds - 1)
        assert [k.id for k in lessons.search(ASKED)] == [claim.id]
        clock.pass_(seconds=1)
        assert lessons.search(ASKED) == []
        assert lessons.store.get(claim.id).probing == "", "a person who looks around probes nothing"
        assert lessons.search(ASKED, attempt_id=f"{probe}#1") == []
        assert lessons.store.get(claim.id).probing == f"{probe}#1"
        revision = lessons.store.get(claim.id).revision
        lessons.search(ASKED, attempt_id="r-e#1")
        assert lessons.store.get(claim.id).revision == revision, "marked once"
        for _ in range(2):
            lessons.judged(attempt(probe), tool(DOWN))  # type: ignore[arg-type]
        assert lessons.store.get(claim.id).probing == ""
        assert lessons.store.get(claim.id).provenance.confirmed_by.count(f"{probe}#1") == 1
    clock.pass_(seconds=301)
    assert lessons.search(ASKED, attempt_id="r-f#1") == []
    lessons.judged(attempt("r-f"), tool())  # type: ignore[arg-type]
    ended = lessons.store.get(claim.id)
    assert (ended.state, ended.reason) == (LessonState.EXPIRED, "tool:weather answered in attempt r-f#1")


def test_an_answer_ends_a_claim_at_once_and_it_can_come_back(
    lessons: Lessons, claim: Lesson, learn: Learn, clock: Clock
) -> None:
    lessons.judged(attempt("r-b"), tool(DOWN))  # type: ignore[arg-type]
    lessons.judged(attempt("r-c"), tool())  # type: ignore[arg-type]
    assert lessons.store.get(claim.id).state is LessonState.EXPIRED
    again = learn(claim.text, claim.situation, kind="environment", subject="tool:weather", **UNPROVEN)
    assert (again.id, again.state) == (claim.id, LessonState.UNPROVEN)
    clock.pass_(seconds=301)
    lessons.judged(attempt("r-d"), tool(DOWN))  # type: ignore[arg-type]
    assert lessons.store.get(claim.id).state is LessonState.UNPROVEN, "too long ago to be the same failure"


def test_a_claim_that_nothing_can_probe_is_believed_when_two_tasks_say_it(
    lessons: Lessons, learn: Learn
) -> None:
    given = {"kind": "environment", "subject": "file notes.txt", **UNPROVEN}
    first = learn("The file notes.txt is missing today.", ASKED, **given)
    origin = first.provenance.model_copy(update={"taint": ("failed:tool:files.read",), "task_ids": ("t-y",)})
    learn("The file notes.txt is missing today!", ASKED, **{**given, "provenance": origin})
    assert lessons.search(ASKED) == [], "the second one has read a failed tool"
    learn("The file notes.txt is missing today.", "Read the notes", **given)
    assert first.id in {k.id for k in lessons.search(ASKED)}
    found = lessons.store.get(first.id)
    assert found.expires_at is not None
    assert (found.expires_at - lessons.store.clock()).total_seconds() == 60


def test_a_lesson_that_a_person_took_back_confirms_nothing(lessons: Lessons, learn: Learn) -> None:
    wrong = learn("Sort the words by their length.", "Sort by length")
    lessons.store.forget(wrong.id, "wrong")
    doubtful = learn("Sort the words by their length.", **UNPROVEN)
    learn("Sort the words by their length.", "Sort by length")
    assert lessons.store.get(doubtful.id).state is LessonState.UNPROVEN


def test_a_claim_that_nothing_can_probe_just_ends(lessons: Lessons, learn: Learn, clock: Clock) -> None:
    claim = learn("The file notes.txt is missing.", ASKED, kind="environment", subject="file notes.txt")
    assert [k.id for k in lessons.search(ASKED, attempt_id="r-a#1")] == [claim.id]
    clock.pass_(seconds=61)
    assert lessons.search(ASKED, attempt_id="r-b#1") == []
    assert lessons.store.get(claim.id).state is LessonState.EXPIRED
