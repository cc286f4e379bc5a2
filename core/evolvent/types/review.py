"""What guards look at, and what they say."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from evolvent.types._base import Frozen, JsonValue

__all__ = ["Decision", "Modification", "ToolCall", "Touch"]


class Touch(StrEnum):
    """What a tool touches beyond computing its answer. A policy file says for each whether it is allowed."""

    READS_FILES = "reads_files"
    WRITES_FILES = "writes_files"
    NETWORK = "network"
    SPENDS_MONEY = "spends_money"
    IRREVERSIBLE = "irreversible"


class Decision(Frozen):
    """What a guard thinks of something."""

    verdict: Literal["approve", "reject", "escalate"]
    """`escalate`: a person must decide; where nobody can be asked it counts as `reject`."""
    reason: str = Field(default="", max_length=2000)
    """Why; needed unless it approves."""
    by: str = ""
    """Who decided: `kernel` or the plugin's name. The host fills it in."""

    @model_validator(mode="after")
    def _has_reason(self) -> Self:
        if self.verdict != "approve" and not self.reason.strip():
            raise ValueError(f"a Decision with verdict {self.verdict!r} needs a reason")
        return self


class ToolCall(Frozen):
    """A guest wants a tool to be called; its arguments fit the tool's schema."""

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    touches: frozenset[Touch] | None = None
    """What the tool declares to touch; None: it declares nothing at all."""
    run_id: str = ""
    mode: Literal["interactive", "daemon"] = "interactive"


class Modification(Frozen):
    """A proposed change of the agent program."""

    parent: str = ""
    """Id of the variant that is changed."""
    before: dict[str, str]
    """The parent's files: relative path to text."""
    after: dict[str, str]
    """The proposed files, all of them."""
    hypothesis: str = Field(default="", max_length=10_000)
    """Why it should be better, in the proposer's words."""
    donors: tuple[str, ...] = ()
    """Ids of further variants that it takes parts of; they become parents too."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Paths that were added, removed or edited, sorted."""
        paths = self.before.keys() | self.after.keys()
        return tuple(sorted(path for path in paths if self.before.get(path) != self.after.get(path)))
