"""Remembers what each tool was when it was first seen, so that a server cannot change it behind our back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from evolvent.errors import IntegrityError, UsageError
from evolvent_plugins.mcp.offers import Offer

__all__ = ["Pins"]

LOCK_SECONDS = 10.0


class Pins:
    """The digests in `<home>/mcp-pins.json`: server to tool to digest."""

    def __init__(self, home: Path) -> None:
        self.path = home.expanduser().absolute() / "mcp-pins.json"

    def check(self, server: str, offers: Iterable[Offer]) -> list[Offer]:
        """Pin tools that are seen for the first time, and refuse those that are not what was pinned.

        Raises:
            IntegrityError: the file is damaged; nothing is trusted then.
            UsageError: it cannot be written.
        """
        known = before = self.read().get(server, {})
        offers = list(offers)
        new = {o.name: o.digest for o in offers if o.digest and o.name not in known}
        if new:
            # Read again under the lock: of two processes that see a tool for the first time, one pins it.
            with self._locked():
                pins = self.read()
                before = pins.get(server, {})
                known = {**new, **before}
                self._write({**pins, server: known})
        return [_checked(server, offer, known, before) for offer in offers]

    def trust(self, server: str, offers: Iterable[Offer]) -> None:
        """Pin exactly the tools that a server offers now.

        Raises:
            IntegrityError: the file is damaged.
            UsageError: it cannot be written.
        """
        with self._locked():
            self._write({**self.read(), server: {o.name: o.digest for o in offers if o.digest}})

    def read(self) -> Mapping[str, Mapping[str, str]]:
        """Return all pins.

        Raises:
            IntegrityError: the file is damaged.
        """
        try:
            pins = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise IntegrityError(f"{self.path} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError):
            pins = None
        if not isinstance(pins, dict) or not all(
            isinstance(tools, dict) and all(isinstance(pin, str) for pin in tools.values())
            for tools in pins.values()
        ):
            raise IntegrityError(
                f"{self.path} is damaged; no tool of an MCP server is trusted. Mend it, or delete it and "
                "look at what `evolvent mcp list` shows: all tools count as seen for the first time"
            )
        return pins

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire(timeout=LOCK_SECONDS)
        except (OSError, Timeout) as error:
            raise UsageError(f"{self.path} cannot be locked: {error}") from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, pins: Mapping[str, Mapping[str, str]]) -> None:
        draft = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            with draft.open("w", encoding="utf-8") as stream:
                json.dump(pins, stream, indent=2, sort_keys=True)
                stream.write("\n")
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(f"{self.path} cannot be written: {error.strerror}") from error


def _checked(server: str, offer: Offer, known: Mapping[str, str], before: Mapping[str, str]) -> Offer:
    if not offer.digest:
        return offer
    if known[offer.name] == offer.digest:
        return replace(offer, pin="pinned" if offer.name in before else "first seen")
    return replace(offer, pin="changed").refuse(
        "the server changed its description, schema or hints since it was first seen; look at "
        f"`evolvent mcp list`, then accept it with `evolvent mcp trust {server}`"
    )
