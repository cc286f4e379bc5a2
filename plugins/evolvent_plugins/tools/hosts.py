"""Which hosts may be asked, and which addresses they may have."""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from evolvent.errors import UsageError

__all__ = ["USUAL_PORTS", "Address", "AllowList", "Entry", "Resolver", "check_address", "resolve"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int, float], list[str]]
"""Host, port and seconds to the addresses of the host, as text."""

USUAL_PORTS = {"https": 443, "http": 80}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# These carry an IPv4 address inside, and a gateway may send the request there.
_TUNNELS = (ipaddress.ip_network("2001::/32"), ipaddress.ip_network("2002::/16"))


@dataclass(frozen=True)
class Entry:
    """One host of the list."""

    host: str
    """A name, an address, or `*.` and a name for everything below it."""
    port: int | None
    """None: 443 for https and 80 for http."""

    def allows(self, scheme: str, host: str, port: int) -> bool:
        """Whether a request goes where this entry says."""
        below = self.host.startswith("*.") and host.endswith(self.host[1:]) and not _address(host)
        if host != self.host and not below:
            return False
        return port == (USUAL_PORTS[scheme] if self.port is None else self.port)


class AllowList:
    """The hosts of `http_allow`, separated by commas."""

    def __init__(self, text: str) -> None:
        """Read the list.

        Raises:
            UsageError: an entry is no host.
        """
        self._entries = [_entry(part) for part in text.split(",") if part.strip()]
        self._text = text

    def entry_for(self, scheme: str, host: str, port: int) -> Entry:
        """Return the entry that allows a request.

        Raises:
            UsageError: none does; the message says what is allowed and what to set.
        """
        allowing = [entry for entry in self._entries if entry.allows(scheme, host, port)]
        if allowing:
            return allowing[0]
        allowed = f"allowed: {self._text}" if self._entries else "no host is allowed"
        shown = f"[{host}]" if ":" in host else host
        raise UsageError(
            f"{scheme}://{shown}:{port} may not be asked; {allowed}. A person can allow it with the setting "
            f"http_allow: EVOLVENT_HTTP_ALLOW={shown if port == USUAL_PORTS[scheme] else f'{shown}:{port}'}"
        )


def _entry(text: str) -> Entry:
    whole = text.strip().lower()
    if match := re.fullmatch(r"\[([0-9a-f:.]+)\](?::(\d{1,5}))?", whole):
        host, port = match.groups()
    elif whole.count(":") > 1:
        host, port = whole, None
    else:
        host, _, port = whole.partition(":")
        port = port if ":" in whole else None
    address = _address(host)
    named = not address and _NAME.fullmatch(host) and len(host) <= 253
    if not (address or named) or (port is not None and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise UsageError(
            f"the setting http_allow (EVOLVENT_HTTP_ALLOW) holds {text.strip()!r}, which is no host; write hosts "
            "separated by commas, such as api.example.org, *.example.org, localhost:8080 or [::1]:8080"
        )
    return Entry(str(address) if address else host, None if port is None else int(port))


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def check_address(text: str, entry: Entry) -> Address:
    """Return an address if the entry lets requests go to it.

    Any address that is not public is refused, whatever name resolves to it: a name's owner decides what it resolves
    to. An entry that is that very address allows it, and the entry `localhost` allows this machine.

    Raises:
        UsageError: it is refused.
    """
    address = ipaddress.ip_address(text)
    plain = (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
    named = _address(entry.host)
    if named is not None and address == named:
        return address
    if entry.host == "localhost" and plain.is_loopback:
        return address
    if not _is_public(plain):
        raise UsageError(
            f"{entry.host!r} resolves to {text}, which is no public address; only an entry of http_allow that is the "
            "address itself (or localhost) allows that"
        )
    return address


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    return address in _PUBLIC_IPV6 and not any(address in tunnel for tunnel in _TUNNELS)


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a host, in the system's order.

    Raises:
        OSError: it has none, or that is not known in time.
    """
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put([str(sockaddr[0]) for *_, sockaddr in found])
        except OSError as error:
            answer.put(error)
        except UnicodeError as error:  # a label that no name server could know
            answer.put(OSError(str(error)))

    # getaddrinfo takes no time limit, so its thread is left behind when it takes too long.
    threading.Thread(target=ask, name="evolvent-resolve", daemon=True).start()
    try:
        found = answer.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise TimeoutError(f"the name {host!r} was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return list(dict.fromkeys(found))
