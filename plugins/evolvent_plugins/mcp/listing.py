"""What `evolvent mcp list` shows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Any

from evolvent.errors import EvolventError
from evolvent.settings import Settings
from evolvent_plugins.mcp.config import Config, read_config
from evolvent_plugins.mcp.offers import Offer
from evolvent_plugins.mcp.schemas import readable
from evolvent_plugins.mcp.servers import Server, server_of

__all__ = ["list_servers"]

AT_ONCE = 8


def list_servers() -> list[dict[str, Any]]:
    """Start all servers of the file and return what each offers, or why it does not.

    Raises:
        UsageError: the file itself cannot be read.
    """
    settings = Settings()
    config = read_config(settings.mcp_path)
    names = sorted({*config.servers, *config.faults})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda name: _one(name, config, settings), names))


def _one(name: str, config: Config, settings: Settings) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "state": "failed", "error": "", "remarks": [], "tools": []}
    entry = config.servers.get(name)
    if entry is not None and entry.disabled:
        return {**shown, "state": "disabled"}
    try:
        server = server_of(name, settings)
        offers = server.offers()
    except EvolventError as error:
        return {**shown, "error": readable(str(error))}
    return {
        **shown,
        "state": "ok",
        "remarks": _remarks(server, offers),
        "tools": [
            {
                "name": offer.name,
                "description": offer.description,
                "touches": None if offer.touches is None else [touch.value for touch in offer.touches],
                "hints": list(offer.hints),
                "pin": offer.pin,
                "refused": offer.refused,
            }
            for offer in offers
        ],
    }


def _remarks(server: Server, offers: list[Offer]) -> list[str]:
    """Say which tools the file names that the server does not have: a typing error would go unnoticed."""
    known = {offer.name for offer in offers}
    remarks = [
        f'has no tool {name!r}, which "tools" names'
        for name in server.config.tools
        if name not in known and server.config.offers(name)
    ]
    remarks += [
        f'has no tool that {pattern!r} of "include" fits'
        for pattern in server.config.include or ()
        if not any(fnmatchcase(name, pattern) for name in known)
    ]
    if server.log.exists():
        remarks.append(f"what it said besides is in {server.log}")
    return remarks
