"""The archive: every variant with its lineage and what it was measured to do, kept in memory as policies see it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evolvent.errors import UnknownName
from evolvent.evolution.view import ArchiveView, Shown
from evolvent.storage.archive import UNMEASURED, ArchiveTables, StoredVariant
from evolvent.storage.genomes import GenomeStore
from evolvent.types import Candidate, Evaluation, JsonValue, Modification, Split, Usage, Variant

if TYPE_CHECKING:
    from evolvent.types import Population

__all__ = ["Archive", "changed_lines", "context_of"]

CHANGE_LENGTH = 20_000
"""Characters of the lines that a candidate changed that are kept for novelty."""


class _Score(NamedTuple):
    score: float
    passed: bool
    tokens: int


class Archive:
    """The archive of one home, under one context.

    Scores compare only where suite, splits, model, library and budget of an attempt are the same: their digest is
    the context, and evaluations of other contexts are not seen. There is one writer (the home's lock), so what is in
    memory is what is stored.
    """

    def __init__(
        self,
        tables: ArchiveTables,
        genomes: GenomeStore,
        context: str = "",
        families: Mapping[str, str] | None = None,
    ) -> None:
        """Read the archive.

        Args:
            tables: where it is stored.
            genomes: the files of the variants.
            context: the context; empty: the newest that was measured.
            families: family of each task id, for the scores of families.
        """
        self.tables, self.genomes = tables, genomes
        self.context = context or next(iter(reversed(tables.contexts())), "")
        self._families = families or {}
        self._stored = {v.id: v for v in tables.variants()}
        self._trees = {v.tree for v in self._stored.values()}
        self._scores: dict[str, dict[str, _Score]] = defaultdict(dict)
        """Train scores by variant and task: small, because an archive may have hundreds of thousands."""
        self._seen: dict[str, Variant] = {}
        self._rejected = dict(tables.rejected())
        """Parents of the candidates that never became variants, by key."""
        self._view: ArchiveView | None = None
        self._changed: dict[str, None] = {}
        """Ids that the view does not know the newest of, in the order of their changes."""
        for name, task, score, passed, tokens in tables.train_scores(self.context):
            self._scores[name][task] = _Score(score, passed, tokens)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, variant: str) -> bool:
        return variant in self._stored

    def variants(self) -> list[Variant]:
        """Return all variants as policies see them, oldest first."""
        return self._viewed().variants()

    def tried(self) -> Population:
        """Return what policies see: variants, then candidates that were rejected: not viable, but tried.

        Variants that could not be measured are left out, as they are held against nobody. What is returned is the
        caller's own.
        """
        return self._viewed().population()

    def _viewed(self) -> ArchiveView:
        if self._view is None:
            attempts = [_attempted(key, parent) for key, parent in self._rejected.items()]
            self._view = ArchiveView(map(self._shown, self._stored), attempts)
        for variant in self._changed:
            self._view.update(self._shown(variant))
        self._changed.clear()
        return self._view

    def _shown(self, variant: str) -> Shown:
        stored = self._stored[variant]
        return Shown(self.variant(variant), stored.viable or not stored.reason.startswith(UNMEASURED))

    def variant(self, variant: str) -> Variant:
        """Return a variant as policies see it.

        Its `scores` are `score`, `cost` (the negated mean of tokens for an attempt) and `family:<name>`, the mean
        score on each family that it was measured on.

        Raises:
            UnknownName: it is not in the archive.
        """
        if variant not in self._seen:
            self._seen[variant] = self._as_seen(self.stored(variant))
        return self._seen[variant]

    def _as_seen(self, stored: StoredVariant) -> Variant:
        found = self._scores.get(stored.id) or {}
        each = [found[task] for task in sorted(found)]
        mean = _mean([one.score for one in each])
        scores = {"score": mean, "cost": -_mean([float(one.tokens) for one in each])}
        if self._families:
            by_family: dict[str, list[float]] = defaultdict(list)
            for task, one in zip(sorted(found), each, strict=True):
                by_family[self._families.get(task, "")].append(one.score)
            scores |= {f"family:{name}": _mean(values) for name, values in sorted(by_family.items()) if name}
        return Variant(
            id=stored.id,
            parents=stored.parents,
            generation=stored.generation,
            trials=len(found),
            passed=sum(score.passed for score in found.values()),
            score=mean,
            scores=scores if found else {},
            viable=stored.viable,
        )

    def stored(self, variant: str) -> StoredVariant:
        """Return a variant with its operator and hypothesis.

        Raises:
            UnknownName: it is not in the archive.
        """
        try:
            return self._stored[variant]
        except KeyError:
            raise UnknownName(
                "variant", variant, [v[:10] for v in self._stored], "See `evolvent archive tree`."
            ) from None

    def resolve(self, prefix: str) -> str:
        """Return the id that a prefix stands for; `active` and `best` are names too.

        Raises:
            UnknownName: nothing, or more than one variant, begins so.
        """
        if prefix == "active" and (active := self.genomes.active()):
            return active
        if prefix == "best" and (best := self.best()):
            return best
        found = [v for v in self._stored if v.startswith(prefix)] if prefix else []
        if len(found) != 1:
            hint = "That is the beginning of several." if found else "See `evolvent archive tree`."
            raise UnknownName("variant", prefix, [v[:10] for v in found or self._stored], hint)
        return found[0]

    def best(self) -> str | None:
        """Return the viable variant with the highest train score; ties go to more trials, then to the older one."""
        best = self._viewed().best()
        return best.id if best else None

    def has_tree(self, tree: str) -> bool:
        """Whether a program with exactly these files is there."""
        return tree in self._trees

    def add(self, variants: Iterable[StoredVariant]) -> None:
        """Store variants whose files are in the repository; those that are there stay as they are."""
        new = [v for v in variants if v.id not in self._stored]
        self.tables.add_variants(new)
        self._stored |= {v.id: v for v in new}
        self._trees |= {v.tree for v in new}
        self._changed |= dict.fromkeys(v.id for v in new)

    def judge(self, variant: str, viable: bool, reason: str) -> None:
        """Store whether a variant may be a parent, and why not."""
        stored = self.stored(variant)
        if (stored.viable, stored.reason) != (viable, reason):
            self.tables.set_viable(variant, viable, reason)
            self._stored[variant] = stored._replace(viable=viable, reason=reason)
            self._forget(variant)

    def _forget(self, variant: str) -> None:
        """Let go of what was seen of a variant: something about it is new."""
        self._seen.pop(variant, None)
        if variant in self._stored:  # others are new to the view when they are stored, in that order
            self._changed[variant] = None

    def record(self, run_id: str, evaluations: Sequence[Evaluation]) -> None:
        """Store evaluations of any split."""
        self.tables.add_evaluations(self.context, run_id, evaluations)
        for evaluation in evaluations:
            if evaluation.split is Split.TRAIN:
                score = _Score(evaluation.score, evaluation.passed, evaluation.usage.tokens)
                self._scores[evaluation.variant].setdefault(evaluation.task_id, score)
                self._forget(evaluation.variant)

    def scores(self, variant: str, split: Split) -> dict[str, float]:
        """Return the scores of a variant on a split, by task."""
        if split is Split.TRAIN:
            return {task: found.score for task, found in self._scores.get(variant, {}).items()}
        return {e.task_id: e.score for e in self.tables.evaluations(self.context, split, variant)}

    def failures(self, variant: str) -> list[Evaluation]:
        """Return the train evaluations of a variant that did not pass, by task id."""
        found = self.tables.evaluations(self.context, Split.TRAIN, variant)
        return sorted((e for e in found if not e.passed), key=lambda e: e.task_id)

    def decided(self, candidates: Sequence[Candidate]) -> None:
        """Store what came of candidates; a second time changes nothing."""
        self.tables.add_candidates(candidates)
        for candidate in candidates:
            if candidate.status != "rejected" or candidate.variant or candidate.key in self._rejected:
                continue
            self._rejected[candidate.key] = candidate.parent
            if self._view is not None:
                self._view.attempt(_attempted(candidate.key, candidate.parent))

    def history(self, limit: int) -> list[dict[str, JsonValue]]:
        """Return the newest candidates, oldest first, as a meta agent sees them: nothing of gate or sealed tasks."""
        told: list[dict[str, JsonValue]] = []
        for row in self.tables.candidates(limit=limit):
            measured = row.variant in self._stored
            told.append(
                {
                    "id": row.variant[:10],
                    "parent": row.parent[:10],
                    "operator": row.operator,
                    "hypothesis": row.hypothesis,
                    "files": list(row.changed),
                    "outcome": _outcome(row.status, row.stage, row.reason),
                    "score": self.variant(row.variant).score if measured else None,
                    "parent_score": self.variant(row.parent).score if row.parent in self._stored else None,
                }
            )
        return told

    def unstored(self, candidates: Sequence[Candidate]) -> Usage:
        """Return what candidates cost that `decided` did not store yet."""
        known = self.tables.known_candidates([c.key for c in candidates])
        return sum((c.usage for c in candidates if c.key not in known), Usage())

    def spent(self, run_id: str | None = None, since: str = "") -> Usage:
        """Return what evolution cost; see `ArchiveTables.spent`."""
        return self.tables.spent(run_id, since)


def changed_lines(change: Modification) -> str:
    """Return the lines that a modification brings and takes away, each with its file, as one text."""
    lines = []
    for path in change.changed:
        old, new = (files.get(path, "").splitlines() for files in (change.before, change.after))
        before, after = set(old), set(new)
        lines += [f"{path}: {line}" for line in new if line not in before]
        if path in change.after:
            lines += [f"{path} without: {line}" for line in old if line not in after]
        lines += [f"{path} removed"] if path not in change.after else []
    return "\n".join(lines)[:CHANGE_LENGTH]


def context_of(*parts: object) -> str:
    """Return the digest of everything that scores depend on beside variant, split and task: 16 hex digits."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:16]


def _attempted(key: str, parent: str) -> Variant:
    return Variant(id=key, parents=(parent,), viable=False)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _outcome(status: str, stage: str, reason: str) -> str:
    """Return what is told of a candidate; what the gate found is not, beyond accepted or not."""
    if status in ("accepted", "measured"):
        return status
    return f"{status} at {stage}: {reason}"[:300] if stage != "gate" else "not accepted"
