"""Where a home's daemon is: what it writes down for others, and whether it lives."""

from __future__ import annotations

import json

from pydantic import ValidationError

from evolvent.storage.home import Home
from evolvent.types import Frozen

__all__ = ["Place", "find", "forget"]

FILE = "daemon.json"


class Place(Frozen):
    """A daemon that runs."""

    pid: int
    url: str
    """Of its HTTP API."""
    started_at: str

    def save(self, home: Home) -> None:
        """Write it down, at once or not at all."""
        draft = home.path / f"{FILE}.new"
        draft.write_text(self.model_dump_json())
        draft.replace(home.path / FILE)


def find(home: Home) -> Place | None:
    """Return the daemon that runs in a home; None when none does.

    A file that a kill left behind is told by the lock: its process does not hold it any more. Process ids are used
    again, so that one alone says nothing.
    """
    try:
        place = Place.model_validate_json((home.path / FILE).read_text())
        holder = json.loads((home.path / "writer.json").read_text())["pid"]
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None
    return place if holder == place.pid and home.held() else None


def forget(home: Home) -> None:
    """Take back what `Place.save` wrote."""
    (home.path / FILE).unlink(missing_ok=True)
