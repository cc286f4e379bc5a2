"""Tools of real MCP servers: called from threads, through time-outs, crashes and restarts, with nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import ToolException
from tests.plugins.mcp_setup import (
    HERE,
    SERVER,
    alive,
    descriptors,
    environment,
    free_port,
    host,
    listens,
    offered,
    wait_for,
    write_config,
)

from evolvent.errors import EvolventError, MissingPrerequisite, UsageError
from evolvent.settings import Settings
from evolvent.types import Touch
from evolvent_plugins import mcp as plugin

pytestmark = pytest.mark.usefixtures("mcp_closed")


@pytest.fixture
def tools(own_home: Path) -> dict[str, Any]:
    """The test server's tools, none of which touches anything."""
    write_config(own_home, t={**SERVER, "touches": []})
    return {name: item.tool for name, item in offered("t").items()}


def pid_of(tools: dict[str, Any]) -> int:
    return int(tools["process"].invoke({}).split()[0])


def test_a_tool_has_a_description_a_schema_and_what_the_file_declares(own_home: Path) -> None:
    write_config(own_home, t={**SERVER, "tools": {"add": {"touches": ["network"]}}})
    found = offered("t")
    add = found["add"]
    assert add.touches == {Touch.NETWORK}
    assert add.tool.description == "Add two numbers."
    assert add.tool.args_schema["required"] == ["a", "b"]
    assert add.tool.invoke({"a": 1, "b": 2}) == "3"
    assert found["echo"].touches is None
    assert found["echo"].tool.metadata is None


def test_results_become_json(tools: dict[str, Any]) -> None:
    assert tools["echo"].invoke({"text": "ä\n"}) == "ä\n"
    assert tools["echo"].invoke({"text": ""}) == ""
    assert tools["structured"].invoke({}) == {"x": 1, "y": 2}
    assert tools["picture"].invoke({}) == [
        {"type": "image", "mimeType": "image/png", "data": "iVBORw=="},
        {"type": "text", "text": "a picture"},
    ]


def test_arguments_may_have_names_that_python_or_langchain_use(tools: dict[str, Any]) -> None:
    assert tools["echo"].invoke({"text": "a", "config": "b", "self": "c"}) == "abc"


def test_an_error_of_the_tool_is_an_exception_with_its_text(tools: dict[str, Any]) -> None:
    with pytest.raises(ToolException, match="no luck today"):
        tools["error"].invoke({})
    with pytest.raises(ToolException, match="Field required"):
        tools["add"].invoke({"a": 1})


def test_a_result_is_bounded(tools: dict[str, Any]) -> None:
    assert len(tools["big"].invoke({"size": 900_000})) == 900_000
    with pytest.raises(ToolException, match="1500002 bytes; at most 1000000"):
        tools["big"].invoke({"size": 1_500_000})


def test_several_threads_call_one_server_at_once(tools: dict[str, Any]) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        slow = [pool.submit(tools["slow"].invoke, {"seconds": 0.5}) for _ in range(8)]
        sums = list(pool.map(lambda n: tools["add"].invoke({"a": n, "b": 1}), range(200)))
    assert sums == [str(n + 1) for n in range(200)]
    assert [call.result() for call in slow] == ["done"] * 8
    assert time.monotonic() - started < 3
    assert [t.name for t in threading.enumerate()].count("evolvent-mcp") == 1


def test_threads_that_connect_at_once_start_one_server(own_home: Path) -> None:
    write_config(own_home, t=SERVER)
    registered = host().tools.get("mcp.t")
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda _: registered.build("mcp.t", settings=Settings()), range(4)))
    pids = {next(o for o in found if o.name == "mcp.t.process").tool.invoke({}).split()[0] for found in built}
    assert len(pids) == 1


def test_a_call_that_broke_is_not_repeated_and_the_next_one_connects_again(
    tools: dict[str, Any], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    with pytest.raises(ToolException, match="ended the connection before it answered; the call may have had"):
        tools["crash"].invoke({"note": str(note)})
    assert note.read_text() == "called\n"
    assert tools["add"].invoke({"a": 1, "b": 2}) == "3"


def test_a_server_that_died_between_calls_is_started_again(tools: dict[str, Any]) -> None:
    pid = pid_of(tools)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    time.sleep(0.05)
    assert tools["add"].invoke({"a": 1, "b": 2}) == "3"
    assert pid_of(tools) != pid


def test_other_calls_under_way_hear_that_the_server_died(tools: dict[str, Any]) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(tools["slow"].invoke, {"seconds": 20}) for _ in range(3)]
        time.sleep(0.3)
        with pytest.raises(ToolException):
            tools["crash"].invoke({})
        for call in calls:
            with pytest.raises(ToolException, match="may have had its effects"):
                call.result(timeout=10)


def test_a_slow_call_times_out_and_the_session_stays(own_home: Path) -> None:
    write_config(own_home, t={**SERVER, "timeout": 2})
    found = {name: item.tool for name, item in offered("t").items()}
    pid = pid_of(found)
    with pytest.raises(ToolException, match="did not answer within 2 s; the call may have had its effects"):
        found["slow"].invoke({"seconds": 30})
    assert pid_of(found) == pid


def test_a_server_that_hangs_is_ended_and_started_again(own_home: Path) -> None:
    write_config(own_home, t={**SERVER, "timeout": 2})
    found = {name: item.tool for name, item in offered("t").items()}
    pid = pid_of(found)
    with pytest.raises(ToolException, match="did not answer within 2 s"):
        found["hang"].invoke({"seconds": 600})
    wait_for(lambda: not alive(pid))
    assert found["add"].invoke({"a": 1, "b": 2}) == "3"


def test_a_server_gets_the_safe_environment_and_what_the_file_adds(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    write_config(own_home, t={**SERVER, "env": {"GIVEN": "${SECRET}", "PLAIN": "1"}})
    names = offered("t")["environment"].tool.invoke({}).split()
    assert {"GIVEN", "PLAIN", "PATH"} <= set(names)
    assert {"SECRET", "OPENAI_API_KEY", "EVOLVENT_HOME", "PYTHONPATH"} & set(names) == set()


def test_what_a_server_prints_goes_to_its_log_and_not_to_ours(own_home: Path) -> None:
    write_config(own_home, t=SERVER)
    code = "from tests.plugins.mcp_setup import offered\nprint(offered('t')['noisy'].tool.invoke({}))\n"
    done = python(code)
    assert (done.stdout, done.stderr) == ("printed\n", "")
    log = (own_home / "logs" / "mcp-t.log").read_text()
    assert "starting up" in log
    assert "this is no message" in log
    assert "\x1b[31mred" in log


def test_what_cannot_be_started_says_why(own_home: Path) -> None:
    write_config(
        own_home,
        missing={"command": "no-such-command"},
        variable={**SERVER, "env": {"A": "${NOT_SET}"}},
        folder={**SERVER, "cwd": "no/such/folder"},
    )
    with pytest.raises(MissingPrerequisite, match="'no-such-command', which is not installed"):
        offered("missing")
    with pytest.raises(UsageError, match=r"'variable', env.A: the environment variable NOT_SET is not set"):
        offered("variable")
    with pytest.raises(EvolventError, match="'folder' cannot be started.*no/such/folder"):
        offered("folder")


def test_a_mended_server_is_tried_again(own_home: Path) -> None:
    write_config(own_home, t={"command": "no-such-command"})
    registered = host().tools.get("mcp.t")
    with pytest.raises(MissingPrerequisite):
        registered.build("mcp.t", settings=Settings())
    write_config(own_home, t=SERVER)
    assert registered.build("mcp.t", settings=Settings())


def test_nothing_is_left_after_close(own_home: Path) -> None:
    before = descriptors()
    write_config(own_home, t=SERVER, u={**SERVER, "timeout": 20})
    pids = []
    for name in ("t", "u"):
        pids += map(int, offered(name)["process"].tool.invoke({}).split())
    assert all(map(alive, pids))
    tool = offered("t")["add"].tool
    plugin.close()
    assert [pid for pid in pids if alive(pid)] == []
    wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith(("evolvent-mcp", "waitpid"))])
    assert descriptors() == before
    plugin.close()
    with pytest.raises(ToolException, match="was closed"):
        tool.invoke({"a": 1, "b": 2})
    plugin.close()


def test_many_sessions_leak_nothing(own_home: Path) -> None:
    write_config(own_home, t=SERVER)
    counts = []
    for _ in range(4):
        offered("t")["add"].tool.invoke({"a": 1, "b": 2})
        with pytest.raises(ToolException):
            offered("t")["crash"].tool.invoke({})
        plugin.close()
        counts.append(descriptors())
    assert counts[0] == counts[-1]


@pytest.mark.parametrize("way", ["ends", "raises", "exits", "SIGINT", "SIGKILL"])
def test_no_server_outlives_its_host(own_home: Path, way: str) -> None:
    write_config(own_home, t=SERVER)
    endings = {
        "ends": "",
        "raises": "1 / 0",
        "exits": "sys.exit(4)",
        "SIGINT": "os.kill(os.getpid(), 2); time.sleep(9)",
        "SIGKILL": "os.kill(os.getpid(), 9)",
    }
    code = (
        "import os, sys, time\n"
        "from tests.plugins.mcp_setup import offered\n"
        "print(offered('t')['process'].tool.invoke({}), flush=True)\n" + endings[way]
    )
    done = python(code)
    server, child = map(int, done.stdout.split())
    wait_for(lambda: not alive(server))
    if way == "SIGKILL":
        os.kill(child, signal.SIGKILL)  # nobody is left to end what the server started
        wait_for(lambda: not alive(child))
    assert not alive(child)
    assert "evolvent_plugins" not in done.stderr


def test_a_forked_child_has_a_session_of_its_own(own_home: Path) -> None:
    write_config(own_home, t=SERVER)
    code = (
        "import os\n"
        "from evolvent_plugins import mcp\n"
        "from tests.plugins.mcp_setup import offered\n"
        "tool = offered('t')['process'].tool\n"
        "print(tool.invoke({}).split()[0], flush=True)\n"
        "if os.fork() == 0:\n"
        "    print(tool.invoke({}).split()[0], flush=True); mcp.close(); os._exit(0)\n"
        "os.wait()\n"
        "print(tool.invoke({}).split()[0], flush=True)\n"
    )
    done = python(code)
    first, inner, last = done.stdout.split()
    assert first == last != inner
    assert not alive(int(first))
    assert not alive(int(inner))


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Remote:
    """The test server over HTTP, which can be ended and started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*[SERVER["command"]], str(HERE / "mcp_server.py"), str(self.port)], stderr=subprocess.DEVNULL
        )
        wait_for(lambda: listens(self.port))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def remote(own_home: Path) -> Any:
    """The test server over HTTP, named `r`."""
    made = Remote()
    write_config(own_home, r={"url": made.url, "type": "http", "timeout": 10})
    yield made
    made.stop()


def test_a_server_over_http_is_called(remote: Remote) -> None:
    found = offered("r")
    assert found["add"].tool.invoke({"a": 1, "b": 2}) == "3"
    assert found["structured"].tool.invoke({}) == {"x": 1, "y": 2}
    with pytest.raises(ToolException, match="no luck"):
        found["error"].tool.invoke({})
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda n: found["add"].tool.invoke({"a": n, "b": 1}), range(50)))
    assert sums == [str(n + 1) for n in range(50)]


def test_a_server_over_http_that_was_started_again_is_called_again(remote: Remote) -> None:
    found = offered("r")
    found["add"].tool.invoke({"a": 1, "b": 2})
    remote.stop()
    with pytest.raises(ToolException, match="'r' does not accept connections"):
        found["add"].tool.invoke({"a": 1, "b": 2})
    remote.start()
    assert found["add"].tool.invoke({"a": 1, "b": 2}) == "3"


def test_a_new_server_that_does_not_know_the_session_gets_the_call_once(remote: Remote) -> None:
    found = offered("r")
    remote.stop()
    remote.start()
    assert found["add"].tool.invoke({"a": 2, "b": 2}) == "4"


def test_a_call_over_http_that_broke_is_not_repeated(remote: Remote, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with pytest.raises(ToolException, match="may have had its effects"):
        offered("r")["crash"].tool.invoke({"note": str(note)})
    assert note.read_text() == "called\n"


def test_nothing_is_left_of_sessions_over_http(remote: Remote) -> None:
    offered("r")["add"].tool.invoke({"a": 1, "b": 2})
    plugin.close()
    before = descriptors()
    for _ in range(3):
        offered("r")["add"].tool.invoke({"a": 1, "b": 2})
        plugin.close()
    assert descriptors() == before


def test_nobody_listens(own_home: Path) -> None:
    write_config(own_home, r={"url": f"http://127.0.0.1:{free_port()}/mcp"})
    with pytest.raises(EvolventError, match="the MCP server 'r' does not accept connections"):
        offered("r")


def test_the_config_is_not_shown_to_a_server_of_another_name(own_home: Path) -> None:
    write_config(own_home, a=SERVER, b=SERVER)
    a, b = offered("a")["process"].tool.invoke({}), offered("b")["process"].tool.invoke({})
    assert a.split()[0] != b.split()[0]
    assert json.loads((own_home / "mcp-pins.json").read_text()).keys() == {"a", "b"}
