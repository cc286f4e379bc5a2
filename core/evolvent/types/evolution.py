"""What growing an archive of agent programs is told, does and comes to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen, JsonValue
from evolvent.types.task import Split
from evolvent.types.usage import Usage

__all__ = [
    "ApproveMode",
    "Candidate",
    "CandidateStatus",
    "Evaluation",
    "EvolveOptions",
    "EvolveReport",
    "Spent",
]

ApproveMode = Literal["each", "promotion", "never"]
"""When a person is asked: before a candidate is measured, before one becomes the active program, or never."""

CandidateStatus = Literal["chosen", "proposed", "checked", "measured", "accepted", "rejected", "failed"]
"""`rejected`: the candidate is at fault and counts as a child of its parent; `failed`: something else was (the model
is down, the sandbox broke), and it is held against nobody."""


class EvolveOptions(Frozen):
    """The knobs of an evolution run."""

    generations: int = Field(default=20, ge=0, le=1_000_000)
    """Rounds of the evolve graph."""
    width: int = Field(default=2, ge=1, le=256)
    """Moves in each generation; a move makes one candidate or measures a variant on one more task."""
    policy: str = "dgm-h"
    """Who chooses the parents; `genome` is the active program's own `select_parent.py`."""
    operators: tuple[str, ...] = ("meta-agent", "parameters")
    """Mutation operators; each candidate draws one."""
    seed: int = Field(default=0, ge=0)
    """Same seed, same model and same archive: same candidates, same decisions."""
    start: str = "active"
    """Where an empty archive starts: `seed` (also by `active`), `bare`, or a folder with a program."""
    train: int = Field(default=40, ge=1, le=10_000)
    """Train tasks, dealt evenly over the families."""
    gate: int = Field(default=60, ge=1, le=10_000)
    """Gate tasks; a candidate sees none of their outcomes."""
    sealed: int = Field(default=64, ge=0, le=10_000)
    """Sealed tasks, on which promoted programs are reported."""
    tries: int = Field(default=1, ge=1, le=64)
    """Tries at each gate and sealed task, with seeds of their own; the score is their mean."""
    first: int = Field(default=4, ge=1)
    """Train tasks of the first stage."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Probability that an archive ever accepts a candidate that is no better."""
    approve: ApproveMode = "never"
    task_tokens: int = Field(default=4_000, ge=1)
    """Tokens for one attempt at a task."""
    task_seconds: float = Field(default=120.0, gt=0)
    """Seconds for one attempt at a task."""
    propose_seconds: float = Field(default=900.0, gt=0)
    """Seconds for one proposal."""
    propose_tokens: int = Field(default=12_000, ge=1)
    """Tokens for one proposal."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Tokens of the whole run."""
    max_dollars: float | None = Field(default=None, ge=0)
    """US dollars of the whole run."""
    max_seconds: float | None = Field(default=None, ge=0)
    """Wall-clock seconds of the whole run."""
    day_seconds: float | None = Field(default=None, ge=0)
    """Wall-clock seconds of all evolution in this home since midnight UTC."""
    day_tokens: int | None = Field(default=None, ge=0)
    """Tokens of all evolution in this home since midnight UTC."""
    day_dollars: float | None = Field(default=None, ge=0)
    """US dollars of all evolution in this home since midnight UTC."""
    generation_tokens: int | None = Field(default=None, ge=0)
    """Tokens of one generation; the rest of its candidates fail."""
    generation_dollars: float | None = Field(default=None, ge=0)
    """US dollars of one generation."""
    generation_seconds: float | None = Field(default=None, ge=0)
    """Wall-clock seconds of one generation."""
    novelty: float = Field(default=0.98, gt=0, le=1)
    """Cosine similarity to an earlier change of the same program from which a change counts as tried before."""
    freeze_gap: float = Field(default=0.3, gt=0, le=1)
    """Train score ahead of the sealed score, beyond that of the program before, at which evolution freezes."""


class Spent(Frozen):
    """A budget that is used up."""

    per: Literal["generation", "run", "day"]
    what: Literal["tokens", "dollars", "seconds"]
    used: float
    limit: float

    def __str__(self) -> str:
        return f"the {self.what} of the {self.per} are spent: {self.used:.6g} of {self.limit:.6g}"


class Evaluation(Frozen):
    """One attempt of a variant at one task."""

    variant: str
    split: Split
    task_id: str
    score: float = Field(ge=0, le=1)
    passed: bool
    status: str
    """How the attempt ended; see `Attempt.status`."""
    usage: Usage = Usage()
    answer: JsonValue = None
    """What was answered, shortened; kept for failures on train tasks."""
    feedback: str = ""
    """What the verdict said of it; kept for failures on train tasks."""
    answered: str = ""
    """Digest of how the attempt ended and of the whole answer, 16 hex digits; kept for train tasks."""


class Candidate(Frozen):
    """One move of a generation, and what has come of it so far."""

    key: str
    """`<run>/<generation>/<slot>`."""
    generation: int
    slot: int
    action: Literal["expand", "measure"]
    parent: str
    """The variant that is expanded or measured."""
    operator: str = ""
    status: CandidateStatus = "chosen"
    stage: str = "select"
    """The node that decided last."""
    reason: str = ""
    hypothesis: str = ""
    files: dict[str, str] = Field(default_factory=dict, repr=False)
    """All files of the proposed program, until it is stored."""
    other_parent: str = ""
    """A second parent, after a crossover."""
    variant: str = ""
    """Its id, once it passed the checks."""
    usage: Usage = Usage()
    """What making it and its canary cost; measuring is counted with the evaluations."""
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class EvolveReport(Frozen):
    """What a run came to."""

    run_id: str
    status: Literal["finished", "budget", "frozen", "waiting", "paused"]
    """`paused`: it did as many generations as it was to do now, and more are left."""
    detail: str = ""
    budget: Spent | None = None
    """What ended it, where a budget did."""
    suite: str
    model: str
    generations: int
    """Finished generations."""
    candidates: int
    accepted: int
    rejected: dict[str, int]
    """Rejections by stage."""
    failed: int
    variants: int
    """Variants in the whole archive."""
    first: str
    """The program that was active at the start."""
    active: str
    """The one that is active now."""
    train: tuple[float, float] | None = None
    """Mean train scores of the two."""
    gate: tuple[float, float] | None = None
    gate_interval: tuple[float, float] | None = None
    """95 % interval of the difference on the gate split."""
    sealed: tuple[float, float] | None = None
    sealed_interval: tuple[float, float] | None = None
    usage: Usage = Usage()
    seconds: float = 0.0
