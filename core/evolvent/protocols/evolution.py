"""How variants of the agent program are chosen and made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evolvent.types import JsonValue, Modification, Move, Variant

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["MutationContext", "MutationOperator", "OperatorFactory", "Policy", "PolicyFactory"]


@runtime_checkable
class Policy(Protocol):
    """A self-modification policy: chooses which variant of the agent program to expand or measure next."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move; names a viable variant of the archive.

        Args:
            archive: every variant, oldest first; never empty, at least one is viable.
            rng: the only source of chance: a run must be repeatable.
        """
        ...

    def champion(self, archive: Sequence[Variant]) -> str:
        """Return the id of the viable variant that it believes to be the best."""
        ...


PolicyFactory = Callable[["Settings"], Policy]


class MutationContext(Protocol):
    """What a mutation operator may use."""

    parent: Variant
    archive: Sequence[Variant]
    rng: Random

    def files(self, variant: str) -> Mapping[str, str]:
        """Return the files of a variant: relative path to text."""
        ...

    def failures(self) -> Sequence[Mapping[str, JsonValue]]:
        """Return failed train attempts of the parent: `task`, `answer`, `verdict`."""
        ...

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Ask the run's model, within the run's budget."""
        ...

    def improve(self, problems: Sequence[str] = ()) -> JsonValue:
        """Run the parent's meta agent in the sandbox and return what it proposes, unchecked; None when nothing.

        Args:
            problems: what was wrong with its earlier proposals, oldest first; it is told.
        """
        ...

    def history(self) -> Sequence[Mapping[str, JsonValue]]:
        """Return what was tried in this archive, oldest first.

        Each entry has `id`, `hypothesis`, `operator`, `files` (paths that it changed), `outcome`, `score` and
        `parent_score`.
        """
        ...


@runtime_checkable
class MutationOperator(Protocol):
    """Proposes changes of the agent program. What it returns is untrusted until the kernel has checked it."""

    def propose(self, context: MutationContext) -> Modification | None:
        """Return a modification of the parent, or None when it has no idea."""
        ...


OperatorFactory = Callable[["Settings"], MutationOperator]
