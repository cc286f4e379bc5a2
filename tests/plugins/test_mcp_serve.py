"""`evolvent mcp serve` as other agents use it: the SDK's client, real processes, a real sandbox."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from tests.plugins.mcp_setup import alive, environment, evolvent, evolvent_command, wait_for

from evolvent.library.store import SkillStore, seed_folder

SEEDS = {"roman-numerals", "date-difference", "unit-conversion"}
TOKEN = "correct-horse-battery-staple"


@asynccontextmanager
async def stdio(errors: Path, **more: str) -> AsyncIterator[ClientSession]:
    """Serve over stdio, and yield a client's session."""
    command = evolvent_command("mcp", "serve")
    parameters = StdioServerParameters(command=command[0], args=command[1:], env={**environment(), **more})
    with errors.open("w") as log:
        async with stdio_client(parameters, errlog=log) as streams, ClientSession(*streams) as session:
            await session.initialize()
            yield session


async def call(session: ClientSession, tool: str, /, **arguments: Any) -> Any:
    """Call a tool and return its value, or its error's text."""
    result = await session.call_tool(tool, arguments)
    text = result.content[0].text  # type: ignore[union-attr]
    if result.isError:
        assert result.structuredContent is None
        return f"error: {text}"
    assert json.loads(text) == result.structuredContent
    return result.structuredContent


def case() -> tuple[str, Any]:
    """Return a question of the seed skill roman-numerals with its answer."""
    found = SkillStore(Path("/nonexistent"), repair=False).get("roman-numerals").cases[0]
    return found.question, found.expected


async def use_all(session: ClientSession) -> None:
    """Use every tool."""
    tools = (await session.list_tools()).tools
    assert [tool.name for tool in tools] == ["search_skills", "read_skill", "run_skill", "list_skills"]
    assert tools[2].inputSchema["required"] == ["name", "question"]
    assert {skill["name"] for skill in (await call(session, "list_skills"))["skills"]} == SEEDS
    shown = await call(session, "read_skill", name="roman-numerals")
    assert "def solve" in shown["script"]
    question, expected = case()
    ran = await call(session, "run_skill", name="roman-numerals", question=question)
    assert ran == {"applicable": True, "answer": expected, "error": ""}
    ran = await call(session, "run_skill", name="roman-numerals", question="How are you?")
    assert ran == {"applicable": False, "answer": None, "error": ""}


async def test_a_client_over_stdio_uses_the_library(own_home: Path, tmp_path: Path) -> None:
    async with stdio(tmp_path / "errors") as session:
        await use_all(session)
    assert (tmp_path / "errors").read_text() == ""
    assert not own_home.exists()


async def test_skills_are_found_by_meaning(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    async with stdio(tmp_path / "errors", TMPDIR=str(temporary)) as session:
        for _ in range(20):  # until the embedder is loaded, by words
            found = await call(session, "search_skills", query="What is MCMXCIV in arabic digits?", limit=2)
            assert found["skills"][0]["name"] == "roman-numerals" or found["found_by"] == "words"
            if found["found_by"] == "meaning and words":
                break
        assert found["skills"][0]["name"] == "roman-numerals"
        assert found["skills"][0]["similarity"] > 0.35
        found = await call(session, "search_skills", query="a recipe for apple pie")
        assert found["skills"] == []
        assert (await call(session, "search_skills", query=" "))["skills"] == []
    assert list(temporary.glob("evolvent*")) == []


async def test_without_an_embedder_skills_are_found_by_words(tmp_path: Path) -> None:
    plugins = "mcp,sandbox_bubblewrap,broken_embedder"
    code = (
        "import sys\nfrom evolvent.errors import MissingPrerequisite\nfrom evolvent import hookimpl\n"
        "@hookimpl\ndef register_embedders(register): register('none', make)\n"
        "def make(settings): raise MissingPrerequisite('no model', 'pip install model')\n"
    )
    folder = tmp_path / "site"
    metadata = folder / "broken_embedder-1.dist-info"
    metadata.mkdir(parents=True)
    (folder / "broken_embedder.py").write_text(code)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-embedder\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[evolvent]\nbroken_embedder = broken_embedder\n")
    more = {
        "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
        "EVOLVENT_PLUGINS": plugins,
        "EVOLVENT_EMBEDDER": "none",
    }
    async with stdio(tmp_path / "errors", **more) as session:
        found = await call(session, "search_skills", query="roman numerals", limit=1)
    assert [skill["name"] for skill in found["skills"]] == ["roman-numerals"]
    assert found["found_by"] == "words"
    assert found["note"].startswith("searched by words only: no model")


async def test_errors_are_clear(own_home: Path, tmp_path: Path) -> None:
    copy_skill(own_home, "old-skill")
    SkillStore(own_home / "skills").retire("old-skill", "wrong")
    async with stdio(tmp_path / "errors") as session:
        assert (await call(session, "run_skill", name="nothing", question="x")).startswith(
            "error: there is no active skill 'nothing'; list_skills names them all"
        )
        for tool in ("run_skill", "read_skill"):
            more = {"question": "x"} if tool == "run_skill" else {}
            assert "no active skill 'old-skill'" in await call(session, tool, name="old-skill", **more)
        assert (
            await call(session, "read_skill") == "error: read_skill was not understood: name: Field required"
        )
        assert "limit: Input should be less than or equal to 20" in await call(
            session, "search_skills", query="a", limit=1000
        )
        assert "Extra inputs are not permitted" in await call(session, "list_skills", more=1)
        assert "unknown tool 'delete_skill'; there are: search_skills" in await call(session, "delete_skill")
        assert "no active skill" in await call(session, "read_skill", name="../../etc/passwd")


def copy_skill(home: Path, name: str) -> Path:
    """Put a copy of a seed skill under another name into a home."""
    seeds = seed_folder()
    assert seeds is not None
    store = SkillStore(home / "skills")
    skill = store.get("roman-numerals")
    report = store.report(skill.name, skill.digest)
    assert report is not None
    from evolvent.library.format import draft
    from evolvent.types import SkillProposal

    made = draft(
        SkillProposal(name=name, description=skill.description, body=skill.body, script=skill.script)
    ).model_copy(update={"cases": skill.cases})
    store.add(made, report.model_copy(update={"name": name, "digest": made.digest}))
    return home / "skills" / name


async def test_the_library_may_change_while_another_process_holds_the_lock(
    own_home: Path, tmp_path: Path
) -> None:
    own_home.mkdir()
    with FileLock(own_home / "writer.lock"):
        async with stdio(tmp_path / "errors") as session:
            await use_all(session)
            copy_skill(own_home, "new-skill")
            names = [skill["name"] for skill in (await call(session, "list_skills"))["skills"]]
            assert "new-skill" in names
            question, expected = case()
            ran = await call(session, "run_skill", name="new-skill", question=question)
            assert ran["answer"] == expected
            found = await call(session, "search_skills", query=question, limit=5)
            assert {"new-skill", "roman-numerals"} <= {skill["name"] for skill in found["skills"]}
            SkillStore(own_home / "skills").retire("new-skill", "wrong")
            names = [skill["name"] for skill in (await call(session, "list_skills"))["skills"]]
            assert "new-skill" not in names
            found = await call(session, "search_skills", query=question, limit=5)
            assert "new-skill" not in {skill["name"] for skill in found["skills"]}
            shutil.rmtree(own_home / "skills")
            assert {skill["name"] for skill in (await call(session, "list_skills"))["skills"]} == SEEDS
    assert not (own_home / "chroma").exists()


async def test_a_write_that_is_under_way_is_left_alone(own_home: Path, tmp_path: Path) -> None:
    part, ready = (own_home / "skills" / ".staging" / name for name in ("abc.part", "roman-numerals.ready"))
    for folder in (part, ready):
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text("half")
    async with stdio(tmp_path / "errors") as session:
        await call(session, "list_skills")
        (own_home / "skills" / "changed").write_text("")
        await call(session, "list_skills")
    assert part.exists()
    assert ready.exists()


async def test_nothing_but_the_protocol_is_on_stdout(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from evolvent_plugins.mcp import library\n"
        "true_run = library.Library.run\n"
        "def run(self, name, question):\n"
        "    print('printed'); os.system('echo from a child; cat'); os.write(1, b'written')\n"
        "    return true_run(self, name, question)\n"
        "library.Library.run = run\n" + evolvent_command("mcp", "serve")[2]
    )
    parameters = StdioServerParameters(
        command=sys.executable, args=["-c", code, "mcp", "serve"], env=environment()
    )
    with (tmp_path / "errors").open("w") as log:
        async with (
            stdio_client(parameters, errlog=log) as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            question, expected = case()
            assert (await call(session, "run_skill", name="roman-numerals", question=question))[
                "answer"
            ] == expected
    said = (tmp_path / "errors").read_text()
    assert "from a child" in said
    assert "written" in said


def test_stdin_that_is_no_protocol_ends_nothing_badly() -> None:
    done = subprocess.run(
        evolvent_command("mcp", "serve"),
        env=environment(),
        input="hello\n{}\n[1, 2\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    for line in done.stdout.splitlines():
        assert json.loads(line)["jsonrpc"] == "2.0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_and_frees_what_it_held(tmp_path: Path, number: int) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        evolvent_command("mcp", "serve"),
        env={**environment(), "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: list(temporary.glob("evolvent-mcp-*")))
    time.sleep(1)
    process.send_signal(number)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert out == ""
    assert "Traceback" not in errors
    assert list(temporary.glob("evolvent*")) == []


async def test_a_client_may_leave_while_it_is_answered(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        evolvent_command("mcp", "serve"),
        env={**environment(), "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    search = {"name": "search_skills", "arguments": {"query": "roman numerals"}}
    hello = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    asks = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": search}
    assert process.stdin is not None
    process.stdin.write("".join(json.dumps(line) + "\n" for line in (HELLO, hello, asks)))
    process.stdin.flush()
    time.sleep(2.5)
    started = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert time.monotonic() - started < 12
    assert list(temporary.glob("evolvent*")) == []


class Served:
    """`evolvent mcp serve --http` as a process."""

    def __init__(self, *words: str, host: str = "127.0.0.1", **more: str) -> None:
        self._process = subprocess.Popen(
            evolvent_command("mcp", "serve", "--http", f"{host}:0", *words),
            env={**environment(), **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert line.startswith("serving skills on http://"), line + self._process.stderr.read()
        self.url = line.split()[3]
        self.port = int(self.url.rpartition(":")[2].partition("/")[0])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self._process.send_signal(number)
        out, errors = self._process.communicate(timeout=30)
        assert not alive(self._process.pid)
        return self._process.returncode, out, errors


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on loopback without a token."""
    home = tmp_path_factory.mktemp("home")
    served = Served(EVOLVENT_HOME=str(home), EVOLVENT_SANDBOX="bubblewrap")
    yield served
    assert served.stop() == (143, "", "")


@pytest.fixture(scope="module")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that needs a token, on all addresses."""
    home = tmp_path_factory.mktemp("home")
    served = Served("--token-env", "T", host="0.0.0.0", T=TOKEN, EVOLVENT_HOME=str(home))
    yield served
    assert served.stop(signal.SIGINT)[0] == 130


@asynccontextmanager
async def http(served: Served, **headers: str) -> AsyncIterator[ClientSession]:
    url = f"http://127.0.0.1:{served.port}/mcp"
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as client,
        streamable_http_client(url, http_client=client) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def test_clients_over_http_use_the_library(open_server: Served) -> None:
    async with http(open_server) as one, http(open_server) as another:
        await use_all(one)
        await use_all(another)


async def test_a_token_opens_the_server(token_server: Served) -> None:
    async with http(token_server, Authorization=f"Bearer {TOKEN}") as session:
        await use_all(session)


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}


def ask(served: Served, method: str = "POST", path: str = "/mcp", **headers: Any) -> httpx.Response:
    """Send a first request with some headers."""
    accept = {"Accept": "application/json, text/event-stream"}
    with httpx.Client(headers={**accept, **headers}) as client:
        return client.request(method, f"http://127.0.0.1:{served.port}{path}", json=HELLO)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ä".encode()},
    ],
)
def test_without_the_token_nothing_is_answered(token_server: Served, headers: dict[str, Any]) -> None:
    for method, path in (("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp"), ("POST", "/other")):
        answer = ask(token_server, method, path, **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in answer.text


def test_requests_that_pages_or_foreign_names_make_are_refused(
    open_server: Served, token_server: Served
) -> None:
    port = open_server.port
    assert ask(open_server).status_code == 200
    for good in ("127.0.0.1", "localhost", f"localhost:{port}", f"[::1]:{port}"):
        assert ask(open_server, Host=good).status_code == 200, good
    for bad in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "",
        "localhost@evil.example",
        "[::1",
    ):
        assert ask(open_server, Host=bad).status_code in (400, 421), bad
    assert ask(open_server, Origin=f"http://127.0.0.1:{port}").status_code == 200
    for bad in ("http://evil.example", "null", "http://127.0.0.1:1", f"http://127.0.0.1:{port}.evil.example"):
        assert ask(open_server, Origin=bad).status_code == 403, bad
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(token_server, Host="192.0.2.7:80", **token).status_code == 200
    assert ask(token_server, Host="evil.example", **token).status_code == 421


def test_a_request_has_a_bounded_size(open_server: Served) -> None:
    with httpx.Client() as client:
        answer = client.post(
            open_server.url, content=b"x" * 5_000_000, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--http", "0.0.0.0:0"],
            "0.0.0.0 can be reached from other machines; set a token with --token-env NAME",
        ),
        (["--http", "192.0.2.7:80"], "can be reached from other machines"),
        (["--http", "8000"], "'8000' is no address; write HOST:PORT, for example 127.0.0.1:8765"),
        (["--http", "127.0.0.1:99999"], "is no address"),
        (["--http", "127.0.0.1"], "is no address"),
        (["--http", "127.0.0.1:0", "--token-env", "NOT_SET"], "variable NOT_SET of --token-env is not set"),
        (["--http", "127.0.0.1:0", "--token-env", "SHORT"], "the token has 5 characters; use at least 16"),
        (["--token-env", "SHORT"], "--token-env is for --http"),
    ],
)
def test_what_cannot_be_served_says_why(words: list[str], message: str) -> None:
    done = evolvent("mcp", "serve", *words, SHORT="abcde")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stdout == ""


def test_a_taken_port_says_so(open_server: Served) -> None:
    done = evolvent("mcp", "serve", "--http", f"127.0.0.1:{open_server.port}")
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr


def test_an_address_of_ipv6_is_served() -> None:
    served = Served(host="[::1]")
    assert served.url.startswith("http://[::1]:")
    answer = httpx.post(served.url, json=HELLO, headers={"Accept": "application/json, text/event-stream"})
    assert answer.status_code == 200
    assert served.stop()[0] == 143
