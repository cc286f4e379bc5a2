"""Trials of skills while they are in use: with or without, as drawn, and what came of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import Engine, case, func, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from evolvent.storage.tables import SkillTrialRow
from evolvent.types import Attempt, Frozen

__all__ = ["Arm", "SkillTrial", "SkillTrials"]

Arm = Literal["with", "without"]


class SkillTrial(Frozen):
    """One solve in which a skill applied."""

    attempt_id: str
    task_id: str
    skill: str
    digest: str
    arm: Arm
    propensity: float
    """Probability of `with` when it was drawn; 1: it was not drawn."""
    score: float | None = None
    """Of the attempt, in [0, 1]; None: nobody could judge it."""
    tokens: int | None = None
    seconds: float | None = None
    """None: the attempt is not finished."""


class SkillTrials:
    """The trials in the database. Every write is idempotent by attempt and version of the skill."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._drawing = threading.Lock()
        """A draw depends on how many there were before."""

    def draw(
        self, attempt_id: str, task_id: str, skill: str, digest: str, propensity: float, seed: int
    ) -> Arm:
        """Decide whether an attempt gets a skill that applies; the same attempt hears the same again.

        The draw depends on the seed, the task, the version and how many trials it has had: repeatable, and new for
        every solve of the same task.

        Args:
            attempt_id: the attempt.
            task_id: its task.
            skill: the skill's name.
            digest: its version.
            propensity: probability of `with`, in [0, 1].
            seed: of the solve.
        """
        row, key = SkillTrialRow, (attempt_id, skill, digest)
        with self._drawing, self._engine.begin() as connection:
            known = connection.execute(
                select(row.arm).where(row.attempt_id == key[0], row.skill == key[1], row.digest == key[2])
            ).scalar()
            if known is not None:
                return "with" if known == "with" else "without"
            earlier = connection.execute(
                select(func.count()).select_from(row).where(row.skill == skill, row.digest == digest)
            ).scalar_one()
            arm: Arm = "with" if _uniform(seed, task_id, skill, digest, earlier) < propensity else "without"
            connection.execute(
                insert(row)
                .values(
                    attempt_id=attempt_id,
                    skill=skill,
                    digest=digest,
                    task_id=task_id,
                    arm=arm,
                    propensity=propensity,
                )
                .on_conflict_do_nothing()
            )
        return arm

    def close(self, attempt: Attempt) -> list[tuple[str, str]]:
        """Write what came of a judged attempt into its trials, and return (name, digest) of those skills."""
        row = SkillTrialRow
        with self._engine.begin() as connection:
            touched = connection.execute(
                select(row.skill, row.digest).where(row.attempt_id == attempt.id).order_by(row.skill)
            ).all()
            if touched:
                connection.execute(
                    update(row)
                    .where(row.attempt_id == attempt.id, row.seconds.is_(None))
                    .values(
                        score=attempt.verdict.score if attempt.verdict else None,
                        tokens=attempt.usage.tokens,
                        seconds=attempt.usage.seconds,
                    )
                )
        return [(name, digest) for name, digest in touched]

    def withheld(self, attempt_id: str) -> tuple[str, ...]:
        """Return the skills that an attempt went without, by name."""
        row = SkillTrialRow
        query = (
            select(row.skill).where(row.attempt_id == attempt_id, row.arm == "without").order_by(row.skill)
        )
        with self._engine.connect() as connection:
            return tuple(connection.scalars(query))

    def of(self, skill: str, digest: str, *, drawn: int | None = None) -> list[SkillTrial]:
        """Return the finished trials of a version of a skill, oldest first.

        Args:
            skill: its name.
            digest: the version.
            drawn: return only the newest so many of those that were assigned at random and judged.
        """
        row = SkillTrialRow
        query = (
            select(row)
            .where(row.skill == skill, row.digest == digest, row.seconds.is_not(None))
            .order_by(row.number.desc())
        )
        if drawn is not None:
            query = query.where(row.score.is_not(None), row.propensity > 0, row.propensity < 1).limit(drawn)
        columns = [getattr(row, name) for name in SkillTrial.model_fields]
        with self._engine.connect() as connection:
            found = connection.execute(query.with_only_columns(*columns)).mappings()
            return [SkillTrial.model_validate(dict(values)) for values in found][::-1]

    def scores(self, versions: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], tuple[float, float]]:
        """Return (sum of scores, sum of 1 - score) of the judged solves that had each version of a skill."""
        row = SkillTrialRow
        query = (
            select(row.skill, row.digest, func.sum(row.score), func.count(row.score))
            .where(tuple_(row.skill, row.digest).in_(list(versions)), row.arm == "with")
            .group_by(row.skill, row.digest)
        )
        with self._engine.connect() as connection:
            return {
                (name, digest): (float(total), count - float(total))
                for name, digest, total, count in connection.execute(query)
                if total is not None
            }

    def last_used(self) -> Mapping[str, datetime]:
        """Return when each skill last applied."""
        row = SkillTrialRow
        query = select(row.skill, func.max(row.created_at)).group_by(row.skill)
        with self._engine.connect() as connection:
            return {name: datetime.fromisoformat(at) for name, at in connection.execute(query)}

    def counts(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """Return for each version of a skill how often it was given and how often it was withheld."""
        row = SkillTrialRow
        given = func.sum(case((row.arm == "with", 1), else_=0))
        query = select(row.skill, row.digest, given, func.count()).group_by(row.skill, row.digest)
        with self._engine.connect() as connection:
            return {
                (name, digest): (int(used), total - int(used))
                for name, digest, used, total in connection.execute(query)
            }


def _uniform(*parts: object) -> float:
    """Return a number in [0, 1) that is a function of the parts."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
