"""How retrieval is set: data that a home keeps, so that it can be tuned and put back.

`<home>/retrieval.json` holds a `RetrievalConfig`. A file that cannot be read is left as it is, the default is used
and the problem is reported: a home must open with any of its settings broken.
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

FEATURES = ("similarity", "words", "lead", "missing", "least", "ahead")
"""What a candidate is judged by; `evolvent.library.relevance` says how each is computed."""


class Calibration(Frozen):
    """From a candidate's features to the probability that it is right rather than that none is.

    The conditional logit with the outside option "none of these" (McFadden, "Conditional Logit Analysis of
    Qualitative Choice Behavior", 1974), fitted by `bench/routing.py --fit` on half of its families and checked on
    the other half; there questions that no skill fits count 20 times, as a wrong skill costs more than none.
    """

    intercept: float = -5.833
    weights: dict[str, float] = Field(
        default_factory=lambda: {
            "similarity": 0.524,
            "words": 0.638,
            "lead": 3.857,
            "missing": -0.33,
            "least": 7.568,
            "ahead": 4.727,
        }
    )
    """Weight of each of `FEATURES`; one that is missing counts nothing."""

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
    threshold: float = Field(default=0.53, ge=0, le=1)
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
            return RetrievalConfig.model_validate_json(path.read_bytes())
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


def _write(path: Path, config: RetrievalConfig) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(config.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
