"""What is asked for, and where a redirect takes it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from langchain_core.tools import ToolException

from evolvent.errors import UsageError
from evolvent_plugins.tools.hosts import USUAL_PORTS

__all__ = ["Request", "parse_url"]


@dataclass(frozen=True)
class Request:
    """A request before it is sent."""

    method: str
    url: httpx.URL
    content: bytes = b""
    content_type: str = ""

    def redirected(self, status: int, location: str) -> Request:
        """Return the request that a redirect asks for.

        Raises:
            UsageError: its target is no URL that can be asked.
            ToolException: it would give up the encryption.
        """
        url = parse_url(location, self.url)
        if self.url.scheme == "https" and url.scheme == "http":
            raise ToolException(
                f"{self.url.host} redirects from https to http ({location[:200]!r}); not followed"
            )
        if self.method == "POST" and status in (307, 308):
            return Request("POST", url, self.content, self.content_type)
        return Request("GET", url)


def parse_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """Return a URL that can be asked; a relative one is joined to `base`.

    Raises:
        UsageError: it is none, or not of http or https, or carries credentials.
    """
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        port_is_fine = url.port is None or 0 < url.port < 65536
        ascii_host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise UsageError(
            f"{text[:200]!r} is no URL: {error}; give one such as https://example.org/page"
        ) from None
    if url.scheme not in USUAL_PORTS or not ascii_host or not port_is_fine:
        raise UsageError(f"{text[:200]!r} cannot be asked; give an http or https URL with a host")
    if url.userinfo:
        raise UsageError(f"the URL for {ascii_host!r} holds a user or a password; leave it out, none is sent")
    return url
