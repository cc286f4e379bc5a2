"""How retrieval is set: data that a home keeps, so that it can be tuned and put back.

`<home>/retrieval.json` holds a `RetrievalConfig`. A file that cannot be read is left as it is, the default is used
and the problem is reported: a home must open with any of its settings broken, or written by an earlier version.
"""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from evolvent.types import Frozen

__all__ = ["FEATURES", "Calibration", "ConfigFile", "RetrievalConfig"]

FEATURES = (
    "similarity", "words", "lead", "missing", "least", "ahead", "kin", "own", "other", "alone_missing", "alone_least",
)  # fmt: skip
"""What a candidate is judged by; `evolvent.library.relevance` says how each is computed."""


class Calibration(Frozen):
    """From a candidate's features to the probability that it is right rather than that none is.

    The conditional logit with the outside option "none of these" (McFadden, "Conditional Logit Analysis of
    Qualitative Choice Behavior", 1974), fitted by `python -m bench.routing --fit 0 1 2` on half of its families and
    checked on the other half; there questions that no skill fits count 20 times, as a wrong skill costs more than none.
    """

    intercept: float = -5.115
    weights: dict[str, float] = Field(
        default_factory=lambda: {
            "similarity": 3.479,
            "words": 2.156,
            "lead": 1.39,
            "missing": -0.049,
            "least": 6.734,
            "ahead": -0.543,
            "kin": 0.435,
            "own": -2.461,
            "other": -0.998,
            "alone_missing": -0.138,
            "alone_least": 1.15,
        }
    )
    """Weight of each of `FEATURES`."""

    def probability(self, features: Mapping[str, float]) -> float:
        """Return a probability in (0, 1)."""
        log_odds = self.intercept + sum(
            weight * features.get(name, 0.0) for name, weight in self.weights.items()
        )
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, log_odds))))


class RetrievalConfig(Frozen):
    """Weights, depths and thresholds of a search."""

    fusion: Literal["rrf", "weighted"] = "rrf"
    """`rrf` adds reciprocal ranks, `weighted` adds cosine similarity and normalised BM25."""
    dense_weight: float = Field(default=1.0, ge=0, le=10)
    lexical_weight: float = Field(default=1.0, ge=0, le=10)
    rrf_k: int = Field(default=60, ge=1, le=1_000)
    """Constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009, found 60 good)."""
    depth: int = Field(default=50, ge=1, le=1_000)
    """Documents of each ranking that enter the fusion."""
    pool: int = Field(default=20, ge=1, le=200)
    """Fused candidates that are judged one by one."""
    k: int = Field(default=5, ge=1, le=20)
    """Skills that are returned where the caller does not say."""
    threshold: float = Field(default=0.436, ge=0, le=1)
    """Probability of being right below which a skill is not returned."""
    few: int = Field(default=30, ge=0)
    """Below so many skills, how rare a word is says little: a skill is also returned for its similarity alone."""
    few_similarity: float = Field(default=0.35, ge=-1, le=1)
    """Cosine similarity that is enough in a library of few skills."""
    mmr_lambda: float = Field(default=0.9, ge=0, le=1)
    """Relevance against diversity (Carbonell and Goldstein, SIGIR 1998, maximal marginal relevance); 1 ignores
    diversity."""
    utility_weight: float = Field(default=0.05, ge=0, le=0.25)
    """The largest share of its probability that a draw of a skill's utility adds or takes away."""
    calibration: Calibration = Calibration()


class ConfigFile:
    """The configuration of one home, and the one before it.

    Args:
        folder: the home.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "retrieval.json"
        self.previous_path = folder / "retrieval.previous.json"
        self.problem = ""
        """Why the file could not be used; empty when it could, or is not there."""

    def load(self) -> RetrievalConfig:
        """Return what the file says; the default when there is none, or it cannot be used."""
        return self._read(self.path) or RetrievalConfig()

    def previous(self) -> RetrievalConfig | None:
        """Return what `save` replaced last, or None."""
        return self._read(self.previous_path)

    def save(self, config: RetrievalConfig) -> None:
        """Replace the configuration; the one that was in use is kept as the previous one."""
        _write(self.previous_path, self.load())
        _write(self.path, config)

    def revert(self) -> RetrievalConfig | None:
        """Put the previous configuration back and forget it; None when there is none."""
        previous = self.previous()
        if previous is not None:
            _write(self.path, previous)
            self.previous_path.unlink(missing_ok=True)
        return previous

    def _read(self, path: Path) -> RetrievalConfig | None:
        self.problem = ""
        try:
            return self._current(path, RetrievalConfig.model_validate_json(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            first = (
                error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
            )
            place = ".".join(map(str, first["loc"])) or "the file"
            self.problem = (
                f"{path.name} cannot be used, the default is: {place}: {first['msg']}; mend or delete it"
            )
            return None

    def _current(self, path: Path, config: RetrievalConfig) -> RetrievalConfig:
        """Replace a calibration of other features, with the threshold that belongs to it, by what ships."""
        weights = config.calibration.weights
        if weights.keys() == set(FEATURES):
            return config
        self.problem = (
            f"{path.name} has calibration.weights for {sorted(weights)}, and candidates are judged by"
            f" {sorted(FEATURES)}: the calibration and the threshold that ship are used in their place; delete both"
            " from the file, or give each of these a weight (0 leaves it out)"
        )
        shipped = RetrievalConfig()
        return config.model_copy(update={"calibration": shipped.calibration, "threshold": shipped.threshold})


def _write(path: Path, config: RetrievalConfig) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(config.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
