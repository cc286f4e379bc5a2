"""Asking a curriculum what to practise next."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from evolvent.errors import PluginError
from evolvent.graphs.seeds import unit_seed
from evolvent.plugins import RELAY, Call, PluginHost
from evolvent.settings import Settings
from evolvent.types import FamilyProgress

__all__ = ["Chooser"]


class Chooser:
    """The curriculum of one job, and the chance that it may use.

    Raises:
        UnknownName: nobody registered the curriculum that the settings name.
    """

    def __init__(self, plugins: PluginHost, settings: Settings, seed: int) -> None:
        make = plugins.curricula.get(settings.curriculum)
        self._plugin, self._name = plugins.curricula.origins[settings.curriculum], settings.curriculum
        self._seconds = settings.hook_seconds
        self._curriculum = make(settings)
        self._rng = Random(unit_seed(seed, "curriculum"))  # noqa: S311  # repeatable, not secret

    def next(self, families: Sequence[FamilyProgress]) -> str | None:
        """Return the family to practise next; None ends practice.

        Raises:
            PluginError: the curriculum raised, hung, or named something that cannot be practised.
        """
        call = Call(lambda: self._curriculum.next_family(families, self._rng), self._seconds)
        (outcome,) = RELAY.run([call])
        if outcome.error is not None:
            told = f"{type(outcome.error).__name__}: {outcome.error}"
            raise PluginError(self._plugin, f"curriculum {self._name!r} failed: {told}") from outcome.error
        left = [progress.family for progress in families if progress.left]
        if outcome.value is not None and outcome.value not in left:
            raise PluginError(
                self._plugin,
                f"curriculum {self._name!r} chose {outcome.value!r}; it may choose one with tasks left "
                f"({', '.join(left) or 'none'}), or None",
            )
        family: str | None = outcome.value
        return family
