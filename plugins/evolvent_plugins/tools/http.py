"""`http.get` and `http.post`: requests to the hosts of the setting `http_allow`.

A request carries what the guest gives and nothing of the host: no cookies, no proxies, no credentials.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from functools import cache
from typing import TYPE_CHECKING

import httpcore
import httpx
from langchain_core.tools import ToolException
from pydantic import Field

from evolvent.errors import UsageError
from evolvent.types import Frozen, JsonValue, Touch
from evolvent_plugins.tools.body import MAX_BODY, as_text, read_body
from evolvent_plugins.tools.connection import AddressTransport, TooMuch
from evolvent_plugins.tools.hosts import USUAL_PORTS, AllowList, Resolver, check_address, resolve
from evolvent_plugins.tools.request import Request, parse_url
from evolvent_plugins.tools.schema import make

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["MAX_REDIRECTS", "MAX_SECONDS", "Http", "make_tools"]

MAX_REDIRECTS = 5
MAX_SECONDS = 30.0
MAX_RECEIVED = 4 * MAX_BODY
"""Bytes over the line for one request, headers and the frames of chunks included."""
MAX_HEADERS = 64 * 1024
SHOWN_HEADERS = (
    "content-type",
    "content-language",
    "date",
    "etag",
    "last-modified",
    "location",
    "retry-after",
)
REDIRECTS = (301, 302, 303, 307, 308)

URL = Field(max_length=4000, description="An http or https URL of a host that is allowed.")


class GetArguments(Frozen):
    """Get a URL.

    Returns `status`, some `headers`, the body as `text`, or as `base64` where it is no text, and whether it
    was `cut` at 1 MB. Any status is an answer, 404 too.
    """

    url: str = URL


class PostArguments(Frozen):
    """Post to a URL: `data` as JSON, or `text` as it is.

    Returns what http.get returns. What the server does with it cannot be undone.
    """

    url: str = URL
    data: JsonValue = Field(default=None, description="A JSON value to send, but null.")
    text: str | None = Field(default=None, max_length=MAX_BODY, description="A text to send in its place.")
    content_type: str = Field(
        default="text/plain; charset=utf-8",
        max_length=200,
        pattern=r"^[!-~]+/[ -~]+$",
        description="What the text is.",
    )


class Http:
    """The tools' functions."""

    def __init__(self, allow: str, seconds: float, resolver: Resolver = resolve) -> None:
        """Remember what is allowed.

        Args:
            allow: the setting `http_allow`.
            seconds: for one call, redirects included.
            resolver: finds addresses.
        """
        self._allow = allow
        self._seconds = seconds
        self._resolve = resolver

    def get(self, url: str) -> dict[str, JsonValue]:
        """Get a URL."""
        return self._follow(Request("GET", parse_url(url)))

    def post(self, url: str, data: JsonValue, text: str | None, content_type: str) -> dict[str, JsonValue]:
        """Post to a URL."""
        if text is not None and data is not None:
            raise UsageError("http.post got both data and text; give one of them")
        try:
            content = (json.dumps(data, allow_nan=False) if data is not None else text or "").encode()
        except ValueError as error:  # NaN
            raise UsageError(f"http.post cannot send this: {error}") from None
        if len(content) > MAX_BODY:
            raise UsageError(f"http.post got {len(content)} bytes to send; at most {MAX_BODY} are allowed")
        kind = content_type if data is None else "application/json"
        return self._follow(Request("POST", parse_url(url), content, kind))

    def _follow(self, request: Request) -> dict[str, JsonValue]:
        end = time.monotonic() + self._seconds
        for _ in range(MAX_REDIRECTS + 1):
            answer, location = self._send(request, end)
            if location is None:
                return answer
            request = request.redirected(int(str(answer["status"])), location)
        raise ToolException(
            f"gave up after {MAX_REDIRECTS} redirects; the last one leads to {str(request.url)[:200]!r}"
        )

    def _send(self, request: Request, end: float) -> tuple[dict[str, JsonValue], str | None]:
        """Return the answer, and where it redirects to."""
        url = request.url
        port = url.port or USUAL_PORTS[url.scheme]
        entry = AllowList(self._allow).entry_for(url.scheme, url.raw_host.decode("ascii"), port)
        host = f"{url.host}:{port}"
        try:
            found = self._resolve(url.raw_host.decode("ascii"), port, end - time.monotonic())
            addresses = [str(check_address(address, entry)) for address in found]
            verify = _certificates() if url.scheme == "https" else None
            transport = AddressTransport(addresses, end, MAX_RECEIVED, verify)
            with httpx.Client(transport=transport, trust_env=False, follow_redirects=False) as client:
                return _exchange(client, request)
        except TimeoutError as error:
            raise ToolException(f"{host} did not answer in {self._seconds:g} s") from error
        except TooMuch as error:
            raise ToolException(f"{host} sent more than {MAX_RECEIVED} bytes") from error
        except ssl.SSLCertVerificationError as error:
            raise ToolException(
                f"{host} has a certificate that is not its own: {error.verify_message}"
            ) from error
        except OSError as error:
            raise ToolException(f"{host} cannot be reached: {error.strerror or error}") from error
        except (httpcore.ProtocolError, httpcore.NetworkError, httpx.HTTPError) as error:
            raise ToolException(f"{host} does not speak HTTP as it should: {error}") from error


def _exchange(client: httpx.Client, request: Request) -> tuple[dict[str, JsonValue], str | None]:
    headers = {"Accept-Encoding": "gzip", "User-Agent": "evolvent", "Connection": "close"}
    if request.method == "POST":
        headers["Content-Type"] = request.content_type
    with client.stream(
        request.method, request.url, content=request.content or None, headers=headers
    ) as response:
        if sum(len(name) + len(value) for name, value in response.headers.raw) > MAX_HEADERS:
            raise ToolException(f"{request.url.host} sent more than {MAX_HEADERS} bytes of headers")
        shown = {n: response.headers[n][:2000] for n in SHOWN_HEADERS if n in response.headers}
        location = response.headers.get("location")
        if location is not None and response.status_code in REDIRECTS:
            return {"status": response.status_code}, location
        data, cut = read_body(response.iter_raw(), response.headers.get("content-encoding", ""))
    answer: dict[str, JsonValue] = {"status": response.status_code, "headers": {**shown}, "cut": cut}
    text = as_text(data, response.charset_encoding, cut)
    return answer | ({"base64": base64.b64encode(data).decode()} if text is None else {"text": text}), None


@cache
def _certificates() -> ssl.SSLContext:
    # SSL_CERT_FILE and SSL_CERT_DIR count: a company's own authority is the choice of the person who runs this.
    return httpx.create_ssl_context()


def make_tools(allow: str, tool_seconds: float) -> list[BaseTool]:
    """Return the tools; one call takes at most 30 seconds, and less than `tool_seconds`."""
    http = Http(allow, min(MAX_SECONDS, 0.9 * tool_seconds))
    return [
        make("get", GetArguments, http.get, [Touch.NETWORK]),
        make("post", PostArguments, http.post, [Touch.NETWORK, Touch.IRREVERSIBLE]),
    ]
