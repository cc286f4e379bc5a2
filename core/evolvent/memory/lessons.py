"""Lessons: what failed attempts leave for the next ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from evolvent.memory.claims import TOOL, probe, tool_outcomes
from evolvent.memory.likeness import same_claim
from evolvent.memory.store import LessonStore, Writing
from evolvent.memory.taint import lesson_id, recalled_ids
from evolvent.types import (
    Attempt,
    Exchange,
    Lesson,
    LessonKind,
    LessonState,
    Provenance,
    digest,
)

__all__ = ["ALIKE", "Lessons", "SearchIndex", "Times", "weight"]

ALIKE = 0.8
"""Jaccard index of shingles from which on two texts may say the same."""
ENOUGH_USES = 5
"""Uses below which a lesson's utility is more chance than evidence, and does not touch its rank."""
SPARE = 8
"""More hits than wanted are looked at, since some are withheld and some sink."""


class _Found(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def score(self) -> float: ...

    @property
    def similarity(self) -> float: ...


class SearchIndex(Protocol):
    """The part of a vector index that the memory uses."""

    def sync(self, documents: Mapping[str, tuple[str, str, Mapping[str, str]]]) -> None:
        """Make the index hold exactly these documents: id -> (version, text, metadata)."""
        ...

    def search(self, query: str, limit: int = 5) -> Sequence[_Found]:
        """Return the best documents, best first."""
        ...


@dataclass(frozen=True)
class Times:
    """How long what is not certain is kept; in seconds."""

    claim: float = 3600.0
    claim_max: float = 86_400.0
    unproven: float = 30 * 86_400.0


def weight(lesson: Lesson) -> float:
    """Return what a lesson's rank score is multiplied with: utility + 1/2, which is 1 where nothing is known."""
    return 1.0 if lesson.uses < ENOUGH_USES else 0.5 + lesson.utility


class Lessons:
    """The lessons in the database, found again by the situation that they are about."""

    def __init__(
        self,
        store: LessonStore,
        index: SearchIndex,
        threshold: float = 0.45,
        times: Times | None = None,
        on_kept: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the lessons.

        Args:
            store: their rows; the truth.
            index: an index that can be rebuilt from them.
            threshold: cosine similarity below which a lesson is not about the situation at hand.
            times: how long what is not certain is kept.
            on_kept: called after each new lesson.
        """
        self.store = store
        self._index = index
        self._threshold = threshold
        self._times = times or Times()
        self._on_kept = on_kept
        self._searching = threading.RLock()
        self._indexed: int | None = None
        self._documents: dict[str, tuple[str, str, Mapping[str, str]]] = {}

    def keep(
        self,
        text: str,
        situation: str,
        sources: Sequence[str],
        run_id: str = "",
        *,
        kind: LessonKind = "principle",
        conditions: Sequence[str] = (),
        subject: str = "",
        provenance: Provenance | None = None,
        state: LessonState = LessonState.ACTIVE,
        reason: str = "",
    ) -> Lesson:
        """Store a lesson; the same text about the same situation is stored once.

        A lesson that comes without taint confirms unproven ones that say the same and come from other runs and other
        tasks. One that had expired gets another chance; one that was forgotten or superseded stays that.

        Args:
            text: the principle.
            situation: what it is about.
            sources: ids of the attempts.
            run_id: the run that they belong to.
            kind: what sort of lesson it is.
            conditions: when it applies.
            subject: what an environment claim is about.
            provenance: where it comes from.
            state: `active`, or `unproven` until a fresh check.
            reason: why it is not active.
        """
        now = self.store.clock()
        given = Lesson(
            id=lesson_id(text, situation),
            text=text,
            situation=situation,
            sources=tuple(sources),
            kind=kind,
            conditions=tuple(conditions),
            subject=subject,
            provenance=provenance or Provenance(),
            state=state,
            reason=reason,
            created_at=now,
            ttl_seconds=self._times.claim if kind == "environment" else None,
            expires_at=self._end(kind, state, now),
        )
        with self.store.writing() as writing:
            known = writing.find(given.id)
            if known is None:
                writing.add(given, run_id)
            else:
                self._again(writing, known, given, run_id)
            kept = writing.find(given.id) or given
            if _speaks_for_others(kept, given):
                self._confirm(writing, given, run_id)
                kept = writing.find(given.id) or given
        if known is None:
            self._on_kept()
        return kept

    def all(self, state: LessonState | None = None) -> list[Lesson]:
        """Return every lesson, or those in a state; oldest first."""
        return self.store.all(state)

    def search(self, query: str, limit: int = 3, attempt_id: str = "") -> list[Lesson]:
        """Return at most `limit` active lessons about situations like `query`, best first.

        Args:
            query: the situation at hand.
            limit: how many.
            attempt_id: who asks. A claim whose time ran out is withheld from it and marked, so that it is a probe; a
                person who looks around (no id) changes nothing.
        """
        with self._searching:
            self._synced()
            if not self._documents:
                return []
            hits = self._index.search(query, limit + SPARE)
        found: list[tuple[float, int, Lesson | None]] = []
        for rank, hit in enumerate(hits):
            lesson = self.store.find(hit.id)
            if lesson is None or lesson.state is not LessonState.ACTIVE:
                continue
            near = hit.similarity >= self._threshold
            if lesson.outdated(self.store.clock()):
                if near and attempt_id:
                    self._withhold(lesson.id, attempt_id)
                continue
            # One that is too far keeps its place: what ranks below it would only fill the prompt.
            found.append((-hit.score * weight(lesson), rank, lesson if near else None))
        best = sorted(found, key=lambda item: item[:2])[:limit]
        return [lesson for _, _, lesson in best if lesson is not None]

    def judged(self, attempt: Attempt, exchanges: Sequence[Exchange]) -> None:
        """Count what an attempt says about the lessons that it was given, and about claims on tools that it called.

        Safe to repeat: a use counts once for each lesson and attempt, and a probe changes a claim once.
        """
        given = recalled_ids(exchanges) if attempt.verdict is not None else ()
        outcomes = tool_outcomes(exchanges)
        claims = [
            lesson.id
            for lesson in (self.store.all() if outcomes else ())
            if lesson.subject.startswith(TOOL)
            and lesson.state in (LessonState.ACTIVE, LessonState.UNPROVEN)
            and lesson.subject.removeprefix(TOOL) in outcomes
        ]
        if not given and not claims:
            return
        with self.store.writing() as writing:
            for found in given:
                lesson = _heir(writing, found)
                if lesson is not None:
                    assert attempt.verdict is not None
                    writing.count(lesson, attempt.id, attempt.run_id, success=attempt.verdict.passed)
            for found in claims:
                claim = writing.find(found)
                assert claim is not None
                probe(
                    writing,
                    claim,
                    attempt,
                    answered=outcomes[claim.subject.removeprefix(TOOL)],
                    max_seconds=self._times.claim_max,
                )

    def _end(self, kind: LessonKind, state: LessonState, now: datetime) -> datetime | None:
        if kind == "environment":
            seconds = self._times.claim_max if state is LessonState.UNPROVEN else self._times.claim
        elif state is LessonState.UNPROVEN:
            seconds = self._times.unproven
        else:
            return None
        return now + timedelta(seconds=seconds)

    def _again(self, writing: Writing, known: Lesson, given: Lesson, run_id: str) -> None:
        """Let a lesson that is there come back, where it had expired."""
        if known.state is not LessonState.EXPIRED or run_id in known.provenance.run_ids:
            return
        writing.change(
            known,
            given.reason or "learned again",
            run_id=run_id,
            evidence={"sources": list(given.sources)},
            state=given.state,
            expires_at=given.expires_at,
            ttl_seconds=given.ttl_seconds,
            sources=given.sources,
            provenance=given.provenance,
        )

    def _confirm(self, writing: Writing, given: Lesson, run_id: str) -> None:
        """Make unproven lessons active that this one, which comes without taint, says independently."""
        for lesson in self.store.all(LessonState.UNPROVEN):
            independent = not (
                set(lesson.provenance.run_ids) & set(given.provenance.run_ids)
                or set(lesson.provenance.task_ids) & set(given.provenance.task_ids)
            )
            if (
                independent
                and given.provenance.judged
                and lesson.kind == given.kind
                and not lesson.outdated(writing.now)
                and same_claim(lesson.text, given.text, ALIKE)
            ):
                writing.change(
                    lesson,
                    f"{given.id}, learned from another task without taint, says the same",
                    run_id=run_id,
                    evidence={"lesson_id": given.id, "sources": list(given.sources)},
                    state=LessonState.ACTIVE,
                    expires_at=self._end(lesson.kind, LessonState.ACTIVE, writing.now),
                    provenance=lesson.provenance.model_copy(update={"confirmed_by": given.sources}),
                )

    def _withhold(self, lesson_id: str, attempt_id: str) -> None:
        with self.store.writing() as writing:
            lesson = writing.find(lesson_id)
            assert lesson is not None
            if lesson.probing or lesson.state is not LessonState.ACTIVE:
                return
            if lesson.subject.startswith(TOOL):
                reason = f"its time ran out; withheld from {attempt_id}, which tries for itself"
                writing.change(lesson, reason, evidence={"attempt_id": attempt_id}, probing=attempt_id)
            else:
                writing.change(lesson, "its time ran out", state=LessonState.EXPIRED)

    def _synced(self) -> None:
        """Bring the index up to date when the set of active lessons changed."""
        version = self.store.version
        if version == self._indexed:
            return
        documents: dict[str, tuple[str, str, Mapping[str, str]]] = {
            k.id: (digest([k.text, k.situation]), k.situation, {}) for k in self.store.all(LessonState.ACTIVE)
        }
        if self._indexed is None or documents.keys() != self._documents.keys():
            self._index.sync(documents)
        self._documents, self._indexed = documents, version


def _speaks_for_others(kept: Lesson, given: Lesson) -> bool:
    """Tell whether a lesson may be the fresh check of another one: it comes without taint, and nobody took it back.

    A claim about the environment waits too, but two of them from two tasks confirm each other; one on a tool is probed.
    """
    if given.kind == "environment":
        return not given.provenance.taint and not given.subject.startswith(TOOL)
    return given.kind != "example" and given.state is LessonState.ACTIVE and kept.state is LessonState.ACTIVE


def _heir(writing: Writing, lesson_id: str) -> Lesson | None:
    """Return a lesson, or the one that took its place."""
    lesson = writing.find(lesson_id)
    seen = set[str]()
    while lesson is not None and lesson.superseded_by and lesson.id not in seen:
        seen.add(lesson.id)
        lesson = writing.find(lesson.superseded_by)
    return lesson
