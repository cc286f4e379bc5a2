"""The file of MCP servers: what it may say, and how it is told what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.plugins.mcp_setup import SERVER, environment, evolvent, host, write_config

from evolvent.errors import UsageError
from evolvent.settings import Settings
from evolvent.types import Touch
from evolvent_plugins.mcp.config import expand, read_config

FAULTS = {
    "no object": (7, "is int; it must be an object"),
    "no transport": ({}, 'needs either "command" (a program to start) or "url"'),
    "two transports": ({"command": "x", "url": "http://localhost/"}, 'needs either "command"'),
    "type that does not fit": ({"command": "x", "type": "http"}, 'beside its other keys "stdio" does'),
    "old transport": ({"url": "http://localhost/", "type": "sse"}, "type: Input should be 'stdio', 'http'"),
    "no URL": ({"url": "file:///etc/passwd"}, "url: String should match pattern"),
    "unknown touch": ({**SERVER, "touches": ["everything"]}, "touches.0: Input should be 'reads_files'"),
    "unknown touch of a tool": ({**SERVER, "tools": {"a": {"touches": ["x"]}}}, "tools.a.touches.0: "),
    "misspelt key": ({**SERVER, "touchs": []}, "unknown key 'touchs'; did you mean 'touches'?"),
    "misspelt exclusion": ({**SERVER, "exlude": []}, "did you mean 'exclude'?"),
    "no list": ({**SERVER, "args": "-v"}, "args: "),
    "timeout of 0": ({**SERVER, "timeout": 0}, "timeout: Input should be greater than 0"),
    "empty command": ({"command": ""}, "command: String should have at least 1 character"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_damaged_entry_is_named_and_the_others_count(own_home: Path, kind: str) -> None:
    entry, message = FAULTS[kind]
    path = write_config(own_home, good=SERVER, bad=entry)
    config = read_config(path)
    assert list(config.servers) == ["good"]
    assert str(path) in config.faults["bad"]
    assert "mcpServers.'bad'" in config.faults["bad"]
    assert message in config.faults["bad"]
    with pytest.raises(UsageError, match="mcpServers.'bad'"):
        config.server("bad")


@pytest.mark.parametrize("name", ["GitHub", "a.b", "", "x" * 33, "a b", "\x1b[31m"])
def test_a_name_that_cannot_be_called_is_a_fault(own_home: Path, name: str) -> None:
    config = read_config(write_config(own_home, **{name: SERVER}))
    assert "at most 32 of a-z, 0-9, - and _" in config.faults[name]
    assert host().tools.names() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"mcpServers": {', "line 1, column 17: not JSON"),
        ('{\n  "mcpServers": }', "line 2, column 17: not JSON"),
        ("[]", 'needs an object "mcpServers"'),
        ('{"mcpServers": []}', 'needs an object "mcpServers"'),
        ("{}", 'needs an object "mcpServers"'),
        ('{"mcpServers": {"a": {}, "a": {}}}', "'a' occurs twice"),
        ("[" * 100_000, ""),
        ("\udcff", ""),
        (" " * 1_000_001, "more than 1000000 bytes"),
    ],
)
def test_a_damaged_file_is_named_and_leaves_the_commands(
    own_home: Path, content: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_config(own_home)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    made = host()
    assert made.failures == {}
    assert made.tools.names() == []
    assert made.commands.names() == ["mcp"]
    assert str(path) in caplog.text
    with pytest.raises(UsageError, match="mcp"):
        made.checks.get("mcp")(Settings())


def test_without_a_file_there_are_no_servers() -> None:
    made = host()
    assert made.tools.names() == []
    assert made.checks.get("mcp")(Settings()) is None


def test_a_file_that_cannot_be_read_is_an_error(own_home: Path) -> None:
    (own_home / "mcp.json").mkdir(parents=True)
    with pytest.raises(UsageError, match="Is a directory"):
        read_config(Settings().mcp_path)


def test_the_settings_name_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVENT_MCP_CONFIG", str(write_config(tmp_path / "elsewhere", there=SERVER)))
    assert host().tools.names() == ["mcp.there"]


def test_register_tools_starts_nothing_and_leaves_disabled_servers_out(own_home: Path) -> None:
    write_config(own_home, off={**SERVER, "disabled": True}, on={"command": "no-such-command"})
    made = host()
    assert made.tools.names() == ["mcp.on"]
    assert made.tools.get("mcp.on").touches is None
    assert made.checks.get("mcp")(Settings()) == f"2 server(s) in {own_home / 'mcp.json'}"


def test_a_damaged_entry_says_so_when_it_is_used(own_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_config(own_home, bad={"args": []})
    made = host()
    assert "mcpServers.'bad'" in caplog.text
    with pytest.raises(UsageError, match='needs either "command"'):
        made.tools.get("mcp.bad").build("mcp.bad", settings=Settings())
    path.write_text(json.dumps({"mcpServers": {}}))
    with pytest.raises(UsageError, match="no MCP server 'bad'; it has: none"):
        made.tools.get("mcp.bad").build("mcp.bad", settings=Settings())


def test_a_server_cannot_take_the_name_of_a_plugins_tools(own_home: Path) -> None:
    from evolvent.plugins import PluginHost

    write_config(own_home, files=SERVER, python=SERVER)
    made = PluginHost()
    assert made.failures == {}
    assert {"files", "python", "mcp.files", "mcp.python"} <= set(made.tools.names())
    assert made.tools.origins["files"] == "tools"


def test_keys_of_other_clients_are_passed_over_and_both_names_of_the_transport_count(own_home: Path) -> None:
    path = write_config(
        own_home,
        a={**SERVER, "autoApprove": ["x"], "alwaysAllow": [], "description": "files"},
        b={"url": "https://example.org/mcp", "transport": "streamable-http", "headers": {"A": "b"}},
        c={"url": "http://localhost:1/mcp", "type": "http"},
    )
    config = read_config(path)
    assert config.faults == {}
    assert [server.type for server in config.servers.values()] == [None, "streamable-http", "http"]


def test_touches_are_those_of_the_tool_then_of_the_server_then_none(own_home: Path) -> None:
    config = read_config(
        write_config(
            own_home,
            some={**SERVER, "tools": {"a": {"touches": []}, "b": {"touches": ["network"]}, "c": {}}},
            all={**SERVER, "touches": ["network"], "tools": {"a": {"touches": []}}},
        )
    )
    some, all_ = config.servers["some"], config.servers["all"]
    assert [some.touches_of(name) for name in "abcd"] == [(), (Touch.NETWORK,), None, None]
    assert [all_.touches_of(name) for name in "ab"] == [(), (Touch.NETWORK,)]


def test_tools_are_included_and_excluded_by_pattern(own_home: Path) -> None:
    fields = {"include": ["get_*", "list"], "exclude": ["get_secret"]}
    server = read_config(write_config(own_home, a={**SERVER, **fields})).server("a")
    names = ("get_a", "get_secret", "list", "lists")
    assert [server.offers(name) for name in names] == [True, False, True, False]


def test_variables_are_expanded_and_a_missing_one_is_named() -> None:
    assert expand("Bearer ${KEY}-${KEY}$x", "here", {"KEY": "k"}) == "Bearer k-k$x"
    with pytest.raises(UsageError, match=r"here: the environment variable NONE is not set"):
        expand("${NONE}", "here", {})
    with pytest.raises(UsageError, match=r"'\$\{A:-b\}' names no environment variable"):
        expand("${A:-b}", "here", {"A": "a"})


def test_importing_the_plugin_is_light() -> None:
    code = (
        "import sys, time, evolvent.hookspecs, evolvent.settings\n"
        "before = set(sys.modules); start = time.perf_counter()\n"
        "import evolvent_plugins.mcp\n"
        "took = time.perf_counter() - start\n"
        "print(took < 0.02, sorted(m for m in set(sys.modules) - before if not m.startswith('evolvent')))\n"
        "from evolvent.plugins import PluginHost\n"
        "host = PluginHost([]); host.add(evolvent_plugins.mcp, 'mcp')\n"
        "print([m for m in ('mcp', 'langchain_core', 'anyio', 'httpx', 'jsonschema') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "True []\n[]\n", done.stderr


def test_list_tells_what_is_wrong_with_the_file(own_home: Path) -> None:
    write_config(own_home).write_text("{")
    done = evolvent("mcp", "list")
    assert done.returncode == 2
    assert "line 1, column 2: not JSON" in done.stderr
    assert "Traceback" not in done.stderr
