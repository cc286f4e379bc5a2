"""Retrieval tunes itself on questions whose answer is known, and takes a change back that did not hold.

The settings are data, the proofs of skills are labels, and a change is made only where questions that were not used to
find it say that it is better (the idea of tuning a memory's retrieval by its own log: EvolveMem, 2026). The
configuration before is kept; `revert_if_worse` compares the two again on questions that came later.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evolvent.errors import UsageError
from evolvent.search.config import ConfigFile, RetrievalConfig
from evolvent.search.recall import Labelled
from evolvent.storage import Ledger
from evolvent.types import Frozen, JsonValue, RetrievalReverted, RetrievalTuned, digest

__all__ = ["ENOUGH", "Rank", "Trial", "Tuning", "apply", "compare", "revert_if_worse", "tune"]

Rank = Callable[[RetrievalConfig, str], Sequence[str]]
"""Takes a configuration and a question; returns the names that it would offer, best first."""

ENOUGH = 40
"""Questions with a proven skill below which nothing is tuned."""
ENOUGH_LATER = 20
"""Questions since the last change below which it is not judged again."""
TRAIN_SHARE = 0.6
WRONG = 0.5
"""What an offer costs where none is right, in reciprocal ranks."""
RESAMPLES = 4_000
LEVEL = 0.95
GRID: Mapping[str, Sequence[Any]] = {
    "fusion": ("rrf", "weighted"),
    "dense_weight": (0.5, 1.0, 2.0),
    "lexical_weight": (0.0, 0.5, 1.0, 2.0),
    "rrf_k": (10, 30, 60, 100),
    "depth": (30, 50, 100),
    "pool": (10, 20, 40),
    "threshold": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "few_similarity": (0.25, 0.35, 0.45, 0.55),
    "mmr_lambda": (0.7, 0.9, 1.0),
}
"""What is tried. The calibration is not: it has a fit of its own (`bench/routing.py`)."""


class Trial(Frozen):
    """One configuration against another on the same questions."""

    questions: int
    before: float
    """Mean score: reciprocal rank of the right one, less `WRONG` for an offer where none is right."""
    after: float
    low: float
    """One-sided lower bound (95 %) of the mean difference, by the paired bootstrap."""
    high: float
    """One-sided upper bound."""


class Tuning(Frozen):
    """What was found."""

    seed: int
    train: Trial
    held_out: Trial
    tried: int
    """Configurations that were evaluated."""
    accepted: bool
    """Whether the held-out questions say that it is better."""
    changes: dict[str, tuple[JsonValue, JsonValue]]
    """Field -> value before and after."""
    config: RetrievalConfig


def score(question: Labelled, offered: Sequence[str]) -> float:
    """Return what an offer is worth: 1 / rank of the first right one; where none is right, an offer costs."""
    if not question.right:
        return -WRONG if offered else 0.0
    ranks = [offered.index(name) + 1 for name in question.right if name in offered]
    return 1.0 / min(ranks) if ranks else 0.0


def compare(
    before: RetrievalConfig, after: RetrievalConfig, questions: Sequence[Labelled], rank: Rank, seed: int = 0
) -> Trial:
    """Return how two configurations do on the same questions.

    Paired bootstrap: the differences are resampled (Efron and Tibshirani 1993, chapter 13).
    """
    return _trial(_scores(before, questions, rank), _scores(after, questions, rank), seed)


def tune(
    present: RetrievalConfig, questions: Sequence[Labelled], rank: Rank, *, seed: int = 0, trials: int = 60
) -> Tuning:
    """Search for a better configuration: one coordinate at a time, in a random order.

    Questions are dealt out by their own hash, so that those of one wording that come again stay where they were.

    Args:
        present: what is in use; the search starts from it.
        questions: with the names that are right; none where no skill is.
        rank: retrieval.
        seed: of the order and of the deal; the same seed and questions give the same result.
        trials: configurations that are evaluated at most.

    Raises:
        UsageError: there are too few questions with a right skill.
    """
    enough(questions)
    train = [q for q in questions if _in_train(q.query, seed)]
    held_out = [q for q in questions if not _in_train(q.query, seed)]
    rng = random.Random(seed)  # noqa: S311  # no secret
    base = best_scores = _scores(present, train, rank)
    best, seen = present, {present.model_dump_json()}
    steps = [(name, value) for name, values in GRID.items() for value in values]
    improved = True
    while improved and len(seen) <= trials:
        improved = False
        rng.shuffle(steps)
        for name, value in steps:
            candidate = best.model_copy(update={name: value})
            key = candidate.model_dump_json()
            if key in seen or len(seen) > trials:
                continue
            seen.add(key)
            found = _scores(candidate, train, rank)
            if sum(found) > sum(best_scores) + 1e-9:
                best, best_scores, improved = candidate, found, True
    trial = compare(present, best, held_out, rank, seed)
    return Tuning(
        seed=seed,
        train=_trial(base, best_scores, seed),
        held_out=trial,
        tried=len(seen) - 1,
        accepted=best != present and trial.low > 0,
        changes=_changes(present, best),
        config=best,
    )


def enough(questions: Sequence[Labelled]) -> None:
    """Check that there is something to tune on.

    Raises:
        UsageError: there is not; the message says how many are missing.
    """
    proven = sum(bool(question.right) for question in questions)
    if proven < ENOUGH:
        raise UsageError(
            f"tuning needs {ENOUGH} different questions for which a skill that is in use proved right; there are"
            f" {proven}, {ENOUGH - proven} are missing. They come from solves of tasks that can be judged"
        )


def apply(tuning: Tuning, file: ConfigFile, ledger: Ledger) -> bool:
    """Put an accepted configuration in use, keep the one before, and say so in the ledger; returns whether it did."""
    if not tuning.accepted:
        return False
    file.save(tuning.config)
    number = len(ledger.newest("retrieval.tuned"))
    ledger.append(
        RetrievalTuned(
            key=f"retrieval-tuned:{number}:{digest(tuning.config.model_dump(mode='json'))}",
            changes={name: list(pair) for name, pair in tuning.changes.items()},
            questions=tuning.held_out.questions,
            gain=tuning.held_out.after - tuning.held_out.before,
            gain_at_least=tuning.held_out.low,
        )
    )
    return True


def revert_if_worse(
    file: ConfigFile, ledger: Ledger, later: Sequence[Labelled], rank: Rank, seed: int = 0
) -> Trial | None:
    """Go back to the previous configuration where questions that came later say that it was better.

    Args:
        file: of the home.
        ledger: is told.
        later: questions since the last change.
        rank: retrieval.
        seed: of the bootstrap.

    Returns:
        The comparison when it went back; else None.
    """
    previous, present = file.previous(), file.load()
    if previous is None or previous == present or len(later) < ENOUGH_LATER:
        return None
    trial = compare(previous, present, later, rank, seed)
    if trial.high >= 0:
        return None
    file.revert()
    number = len(ledger.newest("retrieval.reverted"))
    ledger.append(
        RetrievalReverted(
            key=f"retrieval-reverted:{number}:{digest(present.model_dump(mode='json'))}",
            changes={name: list(pair) for name, pair in _changes(present, previous).items()},
            questions=trial.questions,
            loss=trial.before - trial.after,
        )
    )
    return trial


def _scores(config: RetrievalConfig, questions: Sequence[Labelled], rank: Rank) -> list[float]:
    return [score(question, rank(config, question.query)) for question in questions]


def _trial(before: Sequence[float], after: Sequence[float], seed: int) -> Trial:
    import numpy as np

    if not before:
        return Trial(questions=0, before=0.0, after=0.0, low=0.0, high=0.0)
    difference = np.asarray(after) - np.asarray(before)
    picks = np.random.default_rng(seed).integers(0, len(difference), (RESAMPLES, len(difference)))
    low, high = np.quantile(difference[picks].mean(axis=1), [1 - LEVEL, LEVEL])
    return Trial(
        questions=len(difference),
        before=float(np.mean(before)),
        after=float(np.mean(after)),
        low=float(low),
        high=float(high),
    )


def _in_train(query: str, seed: int) -> bool:
    return int(digest([seed, query])[:8], 16) < TRAIN_SHARE * 16**8


def _changes(old: RetrievalConfig, new: RetrievalConfig) -> dict[str, tuple[JsonValue, JsonValue]]:
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}
