"""Where the daemon may listen, and under which names it may be called."""

from __future__ import annotations

import ipaddress

from evolvent.errors import UsageError
from evolvent.settings import Settings
from evolvent.storage.tokens import LOCAL, Tokens

__all__ = ["check_listen", "is_loopback", "known_host"]


def check_listen(settings: Settings, tokens: Tokens) -> None:
    """Check that the daemon may listen where the settings say: loopback, or elsewhere once somebody made a token.

    Raises:
        UsageError: others could reach it, and there is no token that one of them could have.
    """
    if is_loopback(settings.daemon_host):
        return
    if not any(info.name != LOCAL for info in tokens.valid()):
        raise UsageError(
            f"the daemon is to listen on {settings.daemon_host!r}, where others reach it, and there is no token; "
            "make one with `evolvent tokens create NAME --scope read`, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def known_host(header: str, settings: Settings) -> bool:
    """Whether a `Host` header names the daemon.

    A page of another site that has its own name point here (DNS rebinding) sends that name, so names are on a list.
    An IP address cannot be pointed elsewhere and may be any.
    """
    host = header.strip().lower()
    if host.startswith("["):
        name, closed, rest = host[1:].partition("]")
        port = rest.removeprefix(":") if rest else "0"
        if not closed:
            return False
    else:
        name, _, port = host.partition(":")
        port = port or "0"
    if not (port.isascii() and port.isdigit()):
        return False
    names = {"localhost", settings.daemon_host.lower()}
    names |= {given.strip().lower() for given in settings.daemon_names.split(",") if given.strip()}
    return name in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
