"""Skills in memory: a few whole, the others packed, so that a large library fits.

A hundred thousand skills with body, script and cases would take gigabytes as objects; packed they take about a
kilobyte each. What was read at opening stays what is used: nothing is read again from a folder that somebody may be
changing.
"""

from __future__ import annotations

import pickle
import zlib
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping

from evolvent.types import Skill

__all__ = ["Shelf"]

WHOLE = 1_024
"""Skills that are kept unpacked, those used last."""


class Shelf(MutableMapping[str, Skill]):
    """Name -> skill.

    Args:
        whole: skills at most that are kept unpacked.
    """

    def __init__(self, whole: int = WHOLE) -> None:
        self._packed: dict[str, bytes] = {}
        self._whole: OrderedDict[str, Skill] = OrderedDict()
        self._limit = whole

    def __getitem__(self, name: str) -> Skill:
        """Return a skill; it is unpacked where it was not used lately."""
        skill = self._whole.get(name)
        if skill is None:
            # Only what `__setitem__` packed in this process: nothing foreign is unpickled.
            skill = pickle.loads(zlib.decompress(self._packed[name]))  # noqa: S301
            assert isinstance(skill, Skill)
        self._keep(name, skill)
        return skill

    def __setitem__(self, name: str, skill: Skill) -> None:
        """Pack a skill, and keep it whole as long as it is among those used last."""
        self._packed[name] = zlib.compress(pickle.dumps(skill, pickle.HIGHEST_PROTOCOL), 1)
        self._keep(name, skill)

    def __delitem__(self, name: str) -> None:
        """Forget a skill."""
        del self._packed[name]
        self._whole.pop(name, None)

    def __contains__(self, name: object) -> bool:
        """Whether there is a skill of this name; nothing is unpacked."""
        return name in self._packed

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._packed)

    def __len__(self) -> int:
        """Return how many skills there are."""
        return len(self._packed)

    def _keep(self, name: str, skill: Skill) -> None:
        self._whole[name] = skill
        self._whole.move_to_end(name)
        if len(self._whole) > self._limit:
            self._whole.popitem(last=False)
