"""Which skills call a skill: kept up to date with the library, of which only what changed is read again."""

from __future__ import annotations

import threading
from collections import defaultdict

from evolvent.library.composition import requires
from evolvent.library.store import SkillStore
from evolvent.types import Skill, SkillState

__all__ = ["CalledBy"]

_GONE = (SkillState.RETIRED, SkillState.REJECTED)


class CalledBy:
    """Answers what `dependents` does, from memory.

    Args:
        store: the library.
    """

    def __init__(self, store: SkillStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._revision = -1
        self._calls: dict[str, tuple[str, ...]] = {}
        """Name -> names that it calls; only of those that call any."""
        self._callers: dict[str, set[str]] = defaultdict(set)

    def of(self, name: str) -> list[str]:
        """Return the names of the skills that rest on one, directly or through others, nearest first."""
        with self._lock:
            self._refresh()
            found: dict[str, None] = {}
            wanted = [name]
            while wanted:
                for caller in sorted(self._callers.get(wanted.pop(0), ())):
                    if caller not in found and caller != name:
                        found[caller] = None
                        wanted.append(caller)
            return list(found)

    def _refresh(self) -> None:
        revision = self._store.revision
        if revision == self._revision:
            return
        changed = self._store.changed_since(self._revision)
        if changed is None:
            self._calls, self._callers = {}, defaultdict(set)
            for skill in self._store.each():
                self._note(skill.name, skill)
        else:
            for name in changed:
                self._note(name, self._store.find(name))
        self._revision = revision

    def _note(self, name: str, skill: Skill | None) -> None:
        for other in self._calls.pop(name, ()):
            self._callers[other].discard(name)
        if skill is None or skill.state in _GONE:
            return
        calls = tuple(requires(skill))
        if calls:
            self._calls[name] = calls
        for other in calls:
            self._callers[other].add(name)
