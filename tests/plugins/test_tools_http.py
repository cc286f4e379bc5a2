"""The http tools, against real servers on loopback: hostile answers, redirects, and where requests may go."""

from __future__ import annotations

import gzip
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import ToolException

from evolvent.errors import UsageError
from evolvent.types import Touch
from evolvent_plugins.tools import http as module
from evolvent_plugins.tools.body import MAX_BODY
from evolvent_plugins.tools.hosts import AllowList, Entry, check_address, resolve
from evolvent_plugins.tools.http import Http, make_tools


class Pages(BaseHTTPRequestHandler):
    """Answers with what `server.pages` has for the path, and keeps the requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        status, headers, content = self.server.pages[self.path.partition("?")[0]]  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Site:
    """A running server."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self._server.seen, self._server.pages = self.seen, self.pages  # type: ignore[attr-defined]
        self.port = self._server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def sites() -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def start(context: ssl.SSLContext | None = None) -> Site:
            site = Site(context)
            stack.callback(site.close)
            return site

        yield start


@pytest.fixture
def site(sites: Callable[..., Site]) -> Site:
    return sites()


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run `serve` on each connection, after the request was read; yield host and port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    serve(connection)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)
        assert not thread.is_alive()


def to_loopback(host: str, port: int, seconds: float) -> list[str]:
    """A resolver of a hostile name server."""
    return ["127.0.0.1"]


def get(url: str, allow: str, seconds: float = 5.0, **more: Any) -> Any:
    return Http(allow, seconds, **more).get(url)


def test_each_tool_declares_what_it_touches() -> None:
    tools = {tool.name: tool for tool in make_tools("", 60)}
    assert {name: tool.metadata["touches"] for name, tool in tools.items()} == {
        "get": [Touch.NETWORK],
        "post": [Touch.NETWORK, Touch.IRREVERSIBLE],
    }
    assert all(tool.description and tool.args for tool in tools.values())


def test_a_page_comes_back_with_status_headers_and_text(site: Site) -> None:
    site.pages["/a"] = (
        200,
        {"Content-Type": "text/plain; charset=iso-8859-1", "Set-Cookie": "a=b"},
        b"caf\xe9",
    )
    site.pages["/b"] = 404, {"X-Secret": "1"}, b"\x89PNG\0"
    tools = {tool.name: tool for tool in make_tools(site.host, 60)}
    answer = tools["get"].invoke({"url": site.url + "/a?q=1#part"})
    assert answer.pop("headers").keys() == {"content-type", "date"}
    assert answer == {"status": 200, "text": "café", "cut": False}
    answer = tools["get"].invoke({"url": site.url + "/b"})
    assert (answer["status"], answer["base64"], answer["headers"].keys()) == (404, "iVBORwA=", {"date"})
    method, path, headers, body = site.seen[0]
    assert (method, path, body) == ("GET", "/a?q=1", b"")
    assert headers["Host"] == site.host
    assert "Cookie" not in site.seen[1][2]


def test_a_post_sends_json_or_text(site: Site) -> None:
    site.pages["/p"] = 201, {}, b"made"
    post = next(tool for tool in make_tools(site.host, 60) if tool.name == "post")
    assert post.invoke({"url": site.url + "/p", "data": {"é": [1, None]}})["status"] == 201
    post.invoke({"url": site.url + "/p", "text": "a,b", "content_type": "text/csv"})
    post.invoke({"url": site.url + "/p"})
    sent = [(headers["Content-Type"], body) for _, _, headers, body in site.seen]
    assert sent[0][0] == "application/json"
    assert json.loads(sent[0][1]) == {"é": [1, None]}
    assert sent[1:] == [("text/csv", b"a,b"), ("text/plain; charset=utf-8", b"")]
    for wrong in ({"data": 1, "text": "x"}, {"data": float("nan")}, {"data": ["x" * MAX_BODY]}):
        with pytest.raises(UsageError, match=r"http\.post"):
            post.invoke({"url": site.url, **wrong})
    assert len(site.seen) == 3


def test_nothing_of_the_host_goes_along(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site.pages["/"] = 200, {}, b"ok"
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get(site.url, site.host)["text"] == "ok"
    assert "Authorization" not in site.seen[0][2]


def test_without_a_list_nothing_may_be_asked(site: Site) -> None:
    with pytest.raises(UsageError) as caught:
        get(site.url, "")
    assert "no host is allowed" in str(caught.value)
    assert f"EVOLVENT_HTTP_ALLOW={site.host}" in str(caught.value)
    with pytest.raises(UsageError, match=r"allowed: example\.org"):
        get(site.url, "example.org")
    assert site.seen == []


@pytest.mark.parametrize(
    ("allow", "scheme", "host", "port", "allowed"),
    [
        ("example.org", "https", "example.org", 443, True),
        ("example.org", "http", "example.org", 80, True),
        (" Example.ORG ,b.org", "https", "example.org", 443, True),
        ("example.org", "http", "example.org", 443, False),
        ("example.org", "https", "example.org", 8443, False),
        ("example.org:8443", "https", "example.org", 8443, True),
        ("example.org:8443", "https", "example.org", 443, False),
        ("example.org", "https", "sub.example.org", 443, False),
        ("example.org", "https", "example.org.evil.com", 443, False),
        ("*.example.org", "https", "a.b.example.org", 443, True),
        ("*.example.org", "https", "example.org", 443, False),
        ("*.example.org", "https", "evilexample.org", 443, False),
        ("10.0.0.1", "http", "10.0.0.1", 80, True),
        ("[::1]:8080", "http", "::1", 8080, True),
        ("0:0::1", "http", "::1", 80, True),
        ("localhost", "http", "localhost", 80, True),
    ],
)
def test_the_list_allows_what_it_says(allow: str, scheme: str, host: str, port: int, allowed: bool) -> None:
    if allowed:
        AllowList(allow).entry_for(scheme, host, port)
    else:
        with pytest.raises(UsageError, match="may not be asked"):
            AllowList(allow).entry_for(scheme, host, port)


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "*.",
        "http://a.org",
        "a.org/x",
        "a b",
        "a.org:0",
        "a.org:99999",
        "a.org:",
        "*.*.org",
        "[::1",
        "a..b",
        "ü.org",
    ],
)
def test_an_entry_that_is_no_host_is_named(entry: str) -> None:
    with pytest.raises(UsageError, match="EVOLVENT_HTTP_ALLOW") as caught:
        AllowList(f"fine.org,{entry}")
    assert repr(entry) in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "//127.0.0.1/",
        "127.0.0.1",
        "http://",
        "http:///x",
        "http://me:secret@127.0.0.1/",
        "http://me@127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/\n",
        "http://[::1/",
        "http://127.0.0.1\\@evil.org/",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        get(url, "127.0.0.1", resolver=lambda *_: pytest.fail("was resolved"))


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]"]
)
def test_another_spelling_of_an_address_is_not_that_entry(host: str, site: Site) -> None:
    with pytest.raises(UsageError, match="may not be asked|no URL"):
        get(f"http://{host}:{site.port}/", site.host)
    assert site.seen == []


PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:1::1",
    "2001:db8::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_may_not_resolve_to_an_address_that_is_not_public(address: str) -> None:
    for entry in (Entry("example.org", None), Entry("*.example.org", 80)):
        with pytest.raises(UsageError, match="no public address"):
            check_address(address, entry)
    with pytest.raises(UsageError, match="no public address"):
        get("http://example.org/", "example.org", resolver=lambda *_: ["93.184.215.14", address])


def test_the_address_itself_or_localhost_may_be_named() -> None:
    for address in ("10.1.2.3", "169.254.169.254", "::1", "fd12::1"):
        assert str(check_address(address, Entry(address, None))) == address
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        check_address(address, Entry("localhost", 80))
    with pytest.raises(UsageError):
        check_address("10.0.0.1", Entry("localhost", 80))
    for address in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"):
        assert check_address(address, Entry("example.org", None)) == ipaddress.ip_address(address)


def test_a_name_that_resolves_to_loopback_is_not_asked(site: Site) -> None:
    with pytest.raises(UsageError, match=r"resolves to 127\.0\.0\.1"):
        get(f"http://example.org:{site.port}/", f"example.org:{site.port}", resolver=to_loopback)
    assert site.seen == []


def test_a_name_is_resolved_once_and_exactly_that_address_is_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = 200, {}, b"ok"
    asked: list[str] = []

    def rebinding(host: str, port: int, seconds: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    real = socket.getaddrinfo

    def only_addresses(host: Any, *args: Any, **kwargs: Any) -> Any:
        ipaddress.ip_address(host)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", only_addresses)
    url = f"http://localhost:{site.port}/"
    assert get(url, f"localhost:{site.port}", resolver=rebinding)["text"] == "ok"
    assert asked == ["localhost"]
    assert site.seen[0][2]["Host"] == f"localhost:{site.port}"


def test_localhost_and_the_next_address_when_one_does_not_answer(site: Site) -> None:
    site.pages["/"] = 200, {}, b"ok"
    allow = f"localhost:{site.port}"
    assert get(f"http://localhost:{site.port}/", allow)["text"] == "ok"
    # Nothing listens on ::1.
    assert (
        get(f"http://localhost:{site.port}/", allow, resolver=lambda *_: ["::1", "127.0.0.1"])["text"] == "ok"
    )


def test_a_name_server_that_does_not_answer_takes_no_longer_than_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    started = time.monotonic()
    with pytest.raises(ToolException, match=r"did not answer in 0\.3 s"):
        get("http://example.org/", "example.org", 0.3)
    assert time.monotonic() - started < 2
    release.set()


def test_a_name_that_nobody_has_is_an_answer() -> None:
    def unknown(*_: Any) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(ToolException, match="cannot be reached: Name or service not known"):
        get("http://example.org/", "example.org", resolver=unknown)
    assert resolve("127.0.0.1", 80, 5.0) == ["127.0.0.1"]
    with pytest.raises(OSError, match="too long|not known|No address|label"):
        resolve("a" * 64 + ".org", 80, 5.0)


def test_a_redirect_is_followed_where_the_list_allows(site: Site, sites: Callable[..., Site]) -> None:
    other = sites()
    site.pages["/a"] = 302, {"Location": "/b?x=1"}, b"moved"
    site.pages["/b"] = 301, {"Location": other.url + "/c"}, b""
    other.pages["/c"] = 200, {}, b"there"
    assert get(site.url + "/a", f"{site.host},{other.host}")["text"] == "there"
    with pytest.raises(UsageError, match=f"{other.port} may not be asked"):
        get(site.url + "/a", site.host)
    assert len(other.seen) == 1


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://u:p@127.0.0.1/", "http://169.254.169.254/", "http://[::1"]
)
def test_a_redirect_to_what_is_not_allowed_is_not_followed(site: Site, target: str) -> None:
    site.pages["/"] = 307, {"Location": target}, b""
    with pytest.raises((UsageError, ToolException), match="may not|cannot be asked|leave it out|Invalid"):
        get(site.url, site.host)
    assert len(site.seen) == 1


def test_redirects_end(site: Site) -> None:
    site.pages["/"] = 302, {"Location": "/"}, b""
    with pytest.raises(ToolException, match="gave up after 5 redirects"):
        get(site.url, site.host)
    assert len(site.seen) == 6
    site.pages["/"] = 302, {}, b"nowhere"
    assert get(site.url, site.host)["status"] == 302


@pytest.mark.parametrize(
    ("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]
)
def test_a_redirected_post_keeps_its_body_only_where_http_says_so(
    site: Site, status: int, method: str
) -> None:
    site.pages["/p"] = status, {"Location": "/q"}, b""
    site.pages["/q"] = 200, {}, b""
    Http(site.host, 5).post(site.url + "/p", {"a": 1}, None, "text/plain")
    sent, _, headers, body = site.seen[1]
    assert (sent, body) == (method, b'{"a": 1}' if method == "POST" else b"")
    assert ("Content-Type" in headers) is (method == "POST")


def test_a_body_is_cut_at_its_bound(site: Site) -> None:
    site.pages["/long"] = 200, {"Content-Type": "text/plain"}, b"x" + "€".encode() * 400_000
    site.pages["/full"] = 200, {}, b"x" * MAX_BODY
    answer = get(site.url + "/long", site.host)
    assert (answer["cut"], answer["text"]) == (True, "x" + "€" * 333_333)
    answer = get(site.url + "/full", site.host)
    assert (answer["cut"], len(answer["text"])) == (False, MAX_BODY)


def test_packed_bodies_are_counted_unpacked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(b"0" * 300_000_000, 9)
    packed = {"Content-Encoding": "gzip"}
    site.pages["/ok"] = 200, packed, gzip.compress(b"hello")
    site.pages["/bomb"] = 200, packed, bomb
    site.pages["/none"] = 204, packed, b""
    site.pages["/false"] = 200, packed, b"no gzip"
    site.pages["/short"] = 200, packed, gzip.compress(b"hello" * 100)[:-9]
    site.pages["/zlib"] = 200, {"Content-Encoding": "deflate"}, zlib.compress(b"hello")
    site.pages["/twice"] = 200, {"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(b"hello"))
    assert get(site.url + "/ok", site.host)["text"] == "hello"
    assert get(site.url + "/none", site.host)["status"] == 204
    answer = get(site.url + "/bomb", site.host)
    assert (answer["cut"], len(answer["text"])) == (True, MAX_BODY)
    for path in ("/false", "/short"):
        with pytest.raises(ToolException, match="the body is not the gzip"):
            get(site.url + path, site.host)
    for path in ("/zlib", "/twice"):
        with pytest.raises(ToolException, match="only gzip was asked for"):
            get(site.url + path, site.host)


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "zip", "no-such", "a\tb"])
def test_a_charset_that_is_slow_or_unknown_is_read_as_utf8(site: Site, charset: str) -> None:
    site.pages["/"] = 200, {"Content-Type": f"text/plain; charset={charset}"}, b"a-" + b"b" * 300_000
    started = time.monotonic()
    assert get(site.url, site.host)["text"].startswith("a-bbb")
    assert time.monotonic() - started < 3


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def _drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def _silent(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.settimeout(5)
        connection.recv(1)


def _informed(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.01)


@pytest.mark.parametrize("serve", [_drip, _drip_body, _silent, _informed])
def test_a_slow_server_has_no_more_than_its_time(serve: Callable[[socket.socket], None]) -> None:
    with raw_server(serve) as host:
        started = time.monotonic()
        with pytest.raises(ToolException, match=r"did not answer in 0\.5 s"):
            get(f"http://{host}/", host, 0.5)
        assert time.monotonic() - started < 2


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def test_an_endless_body_is_cut() -> None:
    with raw_server(_endless) as host:
        answer = get(f"http://{host}/", host)
        assert (answer["cut"], len(answer["text"])) == (True, MAX_BODY)


def _endless_nothing(connection: socket.socket) -> None:
    """Valid gzip that unpacks to nothing, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10])
    while True:
        connection.sendall(b"\0\0\0\xff\xff" * 10_000)


def _endless_informed(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 1000)


@pytest.mark.parametrize("serve", [_endless_nothing, _endless_informed])
def test_what_comes_over_the_line_is_bounded_too(serve: Callable[[socket.socket], None]) -> None:
    with raw_server(serve) as host, pytest.raises(ToolException, match="sent more than 4000000 bytes"):
        get(f"http://{host}/", host, 20)


BAD_ANSWERS = {
    "no HTTP": b"SSH-2.0-OpenSSH_9\r\n",
    "bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "nothing": b"",
    "cut header": b"HTTP/1.1 200 OK\r\nA: b",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab",
    "too short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n",
    "one long header": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 40_000 + b"\r\n",
    "headers of 70 KB": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_an_answer_that_is_no_http_is_an_error_in_words(what: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(BAD_ANSWERS[what])

    with (
        raw_server(serve) as host,
        pytest.raises(ToolException, match="HTTP as it should|bytes of headers|reached"),
    ):
        get(f"http://{host}/", host)


def test_a_closed_port_is_an_answer() -> None:
    with raw_server(lambda connection: None) as host:
        pass
    with pytest.raises(ToolException, match="cannot be reached: Connection refused"):
        get(f"http://{host}/", host)


def test_an_upgrade_is_not_taken() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nmore")

    with raw_server(serve) as host:
        try:
            assert get(f"http://{host}/", host)["status"] == 101
        except ToolException as error:
            assert "HTTP as it should" in str(error)  # noqa: PT017


def test_nothing_is_left_open(site: Site) -> None:
    site.pages["/"] = 200, {}, b"x" * 3_000_000
    fds = Path("/proc/self/fd")

    def ours() -> int:
        return sum(1 for fd in fds.iterdir() if fd.exists() or fd.is_symlink())

    get(site.url, site.host)
    time.sleep(0.2)
    before = ours()
    for _ in range(5):
        get(site.url, site.host)
    time.sleep(0.5)
    assert ours() <= before + 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    if shutil.which("openssl") is None:
        pytest.fail("needs openssl to make a certificate: apt-get install openssl")
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test"
    command = ["openssl", *kind.split(), "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


def test_tls_is_verified_against_the_name(
    certificate: tuple[Path, Path], sites: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    site = sites(context)
    site.pages["/"] = 200, {}, b"secure"
    allow = f"localhost:{site.port},127.0.0.1:{site.port}"
    with pytest.raises(ToolException, match="a certificate that is not its own"):
        get(f"https://localhost:{site.port}/", allow)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    module._certificates.cache_clear()
    try:
        assert get(f"https://localhost:{site.port}/", allow, resolver=to_loopback)["text"] == "secure"
        assert names == ["localhost", "localhost"]
        assert site.seen[0][2]["Host"] == f"localhost:{site.port}"
        with pytest.raises(ToolException, match="a certificate that is not its own"):
            get(f"https://127.0.0.1:{site.port}/", allow)
        site.pages["/down"] = 302, {"Location": f"http://localhost:{site.port}/"}, b""
        with pytest.raises(ToolException, match="from https to http"):
            get(f"https://localhost:{site.port}/down", allow)
        with raw_server(_silent) as host, pytest.raises(ToolException, match=r"did not answer in 0\.4 s"):
            get(f"https://{host}/", host, 0.4)
    finally:
        module._certificates.cache_clear()
    plain = sites()
    with pytest.raises(ToolException, match="cannot be reached"):
        get(f"https://{plain.host}/", plain.host)
