"""Episodes: attempts in full, compressed, one row each.

An episode is made of the judged attempt and of its journal, so a run that was interrupted leaves the same one as a run
that was not. Two bounds keep it small: a value of an exchange longer than `MAX_VALUE` characters of JSON is replaced by
its length, its SHA-256 and its beginning; when the whole is still longer than `MAX_EPISODE`, the longest values go
first. What was cut is said in the episode.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.sqlite import insert

from evolvent.errors import IntegrityError, UnknownName
from evolvent.storage import exchanges_of
from evolvent.storage.tables import EpisodeRow
from evolvent.types import Attempt, Episode, Exchange, JsonValue, canonical_json

__all__ = ["MAX_EPISODE", "MAX_VALUE", "Episodes", "bounded"]

MAX_VALUE = 200_000
"""Characters of JSON that one parameter set or one result may have."""
MAX_EPISODE = 2_000_000
"""Characters of JSON that all exchanges of an episode may have together."""
BEGINNING = 2_000
"""Characters of a cut value that are kept."""
PLAINLY_SMALL = MAX_VALUE // 12
"""Characters of Python text below which nothing can be too long: JSON writes one character as twelve at most."""
LEVEL = 1
"""Of zlib: on the JSON of model calls level 6 takes three times as long for a tenth less."""


class Episodes:
    """Keeps and finds episodes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def exchanges(self, attempt_id: str) -> list[Exchange]:
        """Return all that an attempt asked and heard, from its journal."""
        return exchanges_of(self._engine, attempt_id)

    def keep(self, attempt: Attempt, exchanges: Sequence[Exchange], transaction: Connection) -> None:
        """Store an episode; a second time with the same attempt changes nothing.

        Args:
            attempt: judged, or of a task that nobody can judge.
            exchanges: all that it asked and heard.
            transaction: the one that keeps the attempt.
        """
        data = bounded(attempt, exchanges).model_dump(mode="json")
        text = canonical_json(data).encode()
        row = {
            "id": attempt.id,
            "run_id": attempt.run_id,
            "task_id": attempt.task.id,
            "digest": _content_digest(data),
            "size": len(text),
            "data": zlib.compress(text, LEVEL),
        }
        transaction.execute(insert(EpisodeRow).values(row).on_conflict_do_nothing())

    def get(self, attempt_id: str) -> Episode:
        """Return an episode.

        Raises:
            UnknownName: there is none of this attempt; those of older versions were not kept.
            IntegrityError: what is stored is not what was written.
        """
        query = select(EpisodeRow.data, EpisodeRow.digest).where(EpisodeRow.id == attempt_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
            if row is None:
                newest = select(EpisodeRow.id).order_by(EpisodeRow.created_at.desc()).limit(20)
                raise UnknownName("episode", attempt_id, list(connection.execute(newest).scalars()))
        try:
            episode = Episode.model_validate_json(zlib.decompress(row.data))
        except (zlib.error, ValueError) as error:
            raise IntegrityError(f"the episode {attempt_id!r} cannot be read: {error}") from error
        if content_digest(episode) != row.digest:
            raise IntegrityError(f"the episode {attempt_id!r} is not what was written: its hash differs")
        return episode

    def of_run(self, run_id: str) -> list[str]:
        """Return the ids of a run's episodes, in order."""
        query = select(EpisodeRow.id).where(EpisodeRow.run_id == run_id)
        with self._engine.connect() as connection:
            return list(connection.execute(query.order_by(EpisodeRow.created_at, EpisodeRow.id)).scalars())


def bounded(attempt: Attempt, exchanges: Sequence[Exchange]) -> Episode:
    """Return an episode whose exchanges stay within the bounds."""
    kept = list(exchanges)
    if sum(len(str(e.params)) + len(str(e.result)) for e in kept) <= PLAINLY_SMALL:
        return Episode(attempt=attempt, exchanges=tuple(kept))
    cut: list[str] = []
    sizes: list[tuple[int, int, str]] = []
    for place, exchange in enumerate(kept):
        for name in ("params", "result"):
            length = len(canonical_json(getattr(exchange, name)))
            sizes.append((length, place, name))
    total = sum(length for length, _, _ in sizes)
    for length, place, name in sorted(sizes, key=lambda size: (-size[0], size[1], size[2])):
        if length <= BEGINNING or (length <= MAX_VALUE and total <= MAX_EPISODE):
            break
        exchange = kept[place]
        stub = _stub(getattr(exchange, name))
        kept[place] = exchange.model_copy(update={name: stub})
        total -= length - len(canonical_json(stub))
        cut.append(
            f"{name} of {exchange.session_id} {exchange.sequence} ({exchange.method}): {length} characters"
        )
    return Episode(attempt=attempt, exchanges=tuple(kept), cut=tuple(sorted(cut)))


def _stub(value: JsonValue) -> dict[str, JsonValue]:
    text = canonical_json(value)
    return {
        "cut": True,
        "characters": len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "beginning": text[:BEGINNING],
    }


def content_digest(episode: Episode) -> str:
    """Return the SHA-256 of an episode's content; durations, on which no two runs agree, do not count."""
    return _content_digest(episode.model_dump(mode="json"))


def _content_digest(data: dict[str, Any]) -> str:
    """Hash an episode's JSON; its durations are set to zero in place."""
    attempt = data["attempt"]
    for part in (attempt, *attempt["trajectory"], *data["exchanges"]):
        part["usage"]["seconds"] = 0.0
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()
