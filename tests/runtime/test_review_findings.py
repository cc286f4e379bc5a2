"""What a review of tools, approvals and hooks found: each stays mended."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool
from langgraph.types import Command

from evolvent import Budget, Settings, hookimpl
from evolvent.errors import ContractViolation, PluginError, UnknownName
from evolvent.plugins import PluginHost, PluginsFile
from evolvent.testing import plugin_runtime
from evolvent.types import Decision, RunStarted, ToolCall, Usage

EVENT = RunStarted(key="k", job="solve", title="t")


class Post:
    """A tool whose effects can be counted."""

    def __init__(self, *touches: str) -> None:
        self.sent: list[str] = []
        self.touches = touches

    @hookimpl
    def register_tools(self, register: Any) -> None:
        @tool
        def send(text: str) -> str:
            """Send a text."""
            self.sent.append(text)
            return f"sent {text}"

        register("send", send, touches=self.touches)


def hooks(**made: Any) -> Any:
    return SimpleNamespace(**{name: hookimpl(function) for name, function in made.items()})


def strategy(solve: Any) -> Any:
    made = SimpleNamespace(solve=solve)
    return hooks(register_strategies=lambda register: register("theirs", lambda settings: made))


def test_one_approval_allows_one_call_also_when_a_strategy_asks_from_two_threads() -> None:
    post = Post("network")

    def solve(task: Any, ctx: Any) -> Any:
        def call(text: str) -> None:
            try:
                ctx.ask("tools.call", {"name": "send", "arguments": {"text": text}})
            except BaseException:
                return

        threads = [threading.Thread(target=call, args=(text,)) for text in ("good", "evil")]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        for thread in threads:
            thread.join()
        return "done"

    slow = hooks(review_tool_call=lambda call: time.sleep(0.2))
    with plugin_runtime(post, slow, strategy(solve), strategy="theirs") as runtime:
        waiting = runtime.solve("send")
        (asked,) = waiting.pending
        runtime.answer(asked.id, "approve")
    assert post.sent in ([], [asked.subject["arguments"]["text"]])


def test_a_bare_answer_is_not_for_a_question_that_nobody_saw() -> None:
    post = Post("network")
    agent = (
        "import time\ndef solve(task, ctx):\n"
        "    return ctx.tools.call('send', {'text': str(time.time_ns())})\n"
    )
    with plugin_runtime(post, agent=agent) as runtime:
        waiting = runtime.solve("send")
        runtime.solve_graph.invoke(
            Command(resume=True), {"configurable": {"thread_id": waiting.run_id}}, durability="sync"
        )
    assert post.sent == []


def test_a_no_to_an_inner_question_is_no() -> None:
    post = Post("network")

    def solve(task: Any, ctx: Any) -> Any:
        ctx.ask("tools.call", {"name": "send", "arguments": {"text": "outer"}})
        return ctx.task_agent()

    agent = "def solve(task, ctx):\n    return ctx.tools.call('send', {'text': 'inner'})\n"
    with plugin_runtime(post, strategy(solve), strategy="theirs", agent=agent) as runtime:
        waiting = runtime.solve("send")
        thread = {"configurable": {"thread_id": waiting.run_id}}
        runtime.solve_graph.invoke(Command(resume=True), thread, durability="sync")
        assert post.sent == ["outer"]
        runtime.solve_graph.invoke(Command(resume=False), thread, durability="sync")
    assert post.sent == ["outer"]


def test_a_tool_that_fails_half_way_is_not_run_again_as_async() -> None:
    effects: list[int] = []

    def send(text: str) -> str:
        effects.append(1)
        raise NotImplementedError

    async def asend(text: str) -> str:
        effects.append(1)
        return "sent"

    made = StructuredTool.from_function(func=send, coroutine=asend, name="send", description="Send.")
    plugin = hooks(register_tools=lambda register: register("send", made, touches=()))
    with plugin_runtime(
        plugin, agent="def solve(task, ctx):\n    return ctx.tools.call('send', {'text': 'a'})\n"
    ) as rt:
        assert "NotImplementedError" in rt.solve("send").detail
    assert effects == [1]


def test_every_crash_in_a_call_with_effects_asks_anew(own_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_home).mkdir(parents=True)
    (own_home / "approvals.toml").write_text("[interactive]\nirreversible = 'allow'\n")
    post = Post("irreversible")
    agent = "def solve(task, ctx):\n    return ctx.tools.call('send', {'text': 'a'})\n"
    asked = []
    for crash in range(3):
        with plugin_runtime(post, agent=agent) as runtime:
            if crash:
                waiting = runtime.solve("send", run_id="r-1")
                (question,) = waiting.pending
                asked.append(question.id)
            with monkeypatch.context() as patch:
                patch.setattr("evolvent.broker.toolbox._plain", crash_now)
                act = (
                    (lambda r=runtime: r.answer(asked[-1], "approve"))
                    if crash
                    else (lambda r=runtime: r.solve("send", run_id="r-1"))
                )
                with pytest.raises(KeyboardInterrupt):
                    act()
    assert len(set(asked)) == 2
    assert post.sent == ["a"] * 3, "each time with a yes"


def crash_now(value: Any) -> Any:
    """End the process after the effect, before the answer is written."""
    raise KeyboardInterrupt


def test_another_way_after_an_interruption_asks_before_effects(own_home: Any) -> None:
    own_home.mkdir(parents=True)
    (own_home / "approvals.toml").write_text("[interactive]\nirreversible = 'allow'\nnetwork = 'ask'\n")
    post = Post("irreversible")

    @tool
    def wait(text: str) -> str:
        """Ask somebody."""
        return text

    waits = hooks(register_tools=lambda register: register("wait", wait, touches=["network"]))
    first = "def solve(task, ctx):\n    ctx.tools.call('send', {'text': 'a'})\n    "
    first += "return ctx.tools.call('wait', {'text': 'b'})\n"
    with plugin_runtime(post, waits, agent=first) as runtime:
        waiting = runtime.solve("send")
        assert (waiting.status, post.sent) == ("waiting", ["a"])
        other = first.replace("    ctx.tools", "    ctx.log('on second thoughts')\n    ctx.tools", 1)
        runtime.services.genome = {**runtime.services.genome, "task_agent.py": other}
        again = runtime.answer(waiting.pending[0].id, "approve")
        assert "goes another way" in again.pending[-1].reason
        assert again.pending[-1].subject["tool"] == "send"
    assert post.sent == ["a"]


def test_guards_are_remembered_through_a_run_without_them(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    from importlib.metadata import EntryPoint

    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "a_guard_module.py"
    module.write_text("from evolvent import hookimpl\n@hookimpl\ndef review_tool_call(call): return None\n")
    entries = [EntryPoint("watch", "a_guard_module", "evolvent"), EntryPoint("other", "json", "evolvent")]
    PluginHost(entries).report_to(lambda event: None)
    PluginHost(entries, Settings(plugins="other")).report_to(lambda event: None)
    assert PluginsFile(Settings().home).guards() == {"watch"}
    sys.modules.pop("a_guard_module")
    module.write_text("raise ImportError\n")
    assert PluginHost(entries).review_tool_call(ToolCall(tool="t")).verdict == "reject"


def test_a_verdict_that_is_none_rejects() -> None:
    host = PluginHost([])
    odd = Decision.model_construct(verdict="rejected", reason="", by="")
    host.add(hooks(review_tool_call=lambda call: odd), "odd")
    assert host.review_tool_call(ToolCall(tool="t")).verdict == "reject"


class BadText(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


def raises(error: BaseException) -> Any:
    def hook(**_: Any) -> Any:
        raise error

    return hook


def test_odd_errors_and_values_of_plugins_end_nothing() -> None:
    host = PluginHost([], Settings(hook_failures=1))
    host.add(hooks(price_call=lambda model, usage: 10**400), "huge")
    assert host.price("m", Usage()) is None

    def bad_event(event: Any) -> None:
        raise BadText

    host.add(hooks(on_event=bad_event), "bad")
    host.notify(EVENT)
    host.flush()
    assert "its text cannot be had" in host.failures["bad"]
    host.add(hooks(review_tool_call=lambda call: raises(ValueError("\ud800"))()), "surrogate")
    assert host.review_tool_call(ToolCall(tool="t")).verdict == "reject"


def test_hooks_that_would_never_be_called_are_refused() -> None:
    async def on_event(event: Any) -> None: ...

    with pytest.raises(PluginError, match="is async"):
        PluginHost([]).add(hooks(on_event=on_event), "a")
    twice = SimpleNamespace(
        review_skill=hookimpl(lambda proposal: None),
        other=hookimpl(specname="review_skill")(lambda proposal: None),
    )
    with pytest.raises(PluginError, match="implements review_skill twice"):
        PluginHost([]).add(twice, "a")


def test_a_tool_cannot_hide_in_another_plugins_set() -> None:
    host = PluginHost([])
    host.add(hooks(register_tools=lambda register: register("files", list, touches=())), "files")
    with pytest.raises(ContractViolation, match=r"'files\.rm' beside 'files'"):
        host.add(hooks(register_tools=lambda register: register("files.rm", lambda: 1, touches=())), "theirs")


def test_a_pattern_of_a_schema_cannot_hold_the_host() -> None:
    schema = {
        "type": "object",
        "properties": {"pattern": {"type": "string", "pattern": "^(a+)+$"}},
        "required": ["pattern"],
        "additionalProperties": False,
    }
    made = StructuredTool(name="t", description="T.", args_schema=schema, func=lambda pattern: len(pattern))
    plugin = hooks(register_tools=lambda register: register("t", made, touches=()))
    agent = "def solve(task, ctx):\n    return ctx.tools.call('t', {'pattern': 'a' * 40 + '!'})\n"
    started = time.monotonic()
    with plugin_runtime(plugin, agent=agent) as runtime:
        assert runtime.solve("t").answer == 41
        runtime.services.genome = {
            **runtime.services.genome,
            "task_agent.py": "def solve(task, ctx):\n    return ctx.tools.call('t', {'patern': 'a'})\n",
        }
        assert "do not fit" in runtime.solve("t").detail
    assert time.monotonic() - started < 60


def test_answers_that_cannot_be_json_are_errors_of_the_tool() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)

    @tool
    def odd() -> Any:
        """Answer itself."""
        return cycle

    plugin = hooks(register_tools=lambda register: register("odd", odd, touches=()))
    with plugin_runtime(
        plugin, agent="def solve(task, ctx):\n    return ctx.tools.call('odd', {})\n"
    ) as runtime:
        assert "not JSON: RecursionError" in runtime.solve("odd").detail


def test_a_strategy_that_was_left_behind_can_do_nothing_more() -> None:
    post, late = Post("network"), threading.Event()
    done: list[str] = []

    def solve(task: Any, ctx: Any) -> Any:
        late.wait(20)
        try:
            ctx.ask("tools.call", {"name": "send", "arguments": {"text": "late"}})
        except Exception as error:
            done.append(str(error))

    with plugin_runtime(post, strategy(solve), strategy="theirs") as runtime:
        assert runtime.solve("?", budget=Budget(seconds=1)).status == "budget"
        late.set()
        deadline = time.monotonic() + 10
        while not done and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "the run went on without this strategy" in done[0]
    assert post.sent == []


def test_the_person_sees_what_is_touched_first_and_what_is_cut() -> None:
    from evolvent.cli.approvals import describe
    from evolvent.types import ApprovalRequest

    request = ApprovalRequest(
        id="a",
        run_id="r",
        session_id="r#1",
        kind="tool_call",
        subject={
            "tool": "files.write",
            "touches": ["writes_files"],
            "arguments": {"content": "x" * 9000, "path": 'a"}; touches: nothing\n\x1b[2J'},
        },
    )
    head, path, content = describe(request)
    assert head == "call files.write, which touches writes_files"
    assert path == '  "path" = "a\\"}; touches: nothing\\n\\u001b[2J"'
    assert content.endswith("(9002 characters, 2000 shown)")


def test_no_id_answers_no_question() -> None:
    post = Post("network")
    agent = "def solve(task, ctx):\n    return ctx.tools.call('send', {'text': 'a'})\n"
    with plugin_runtime(post, agent=agent) as runtime:
        assert runtime.solve("send").pending
        with pytest.raises(UnknownName):
            runtime.answer("", "approve")
    assert post.sent == []


def test_the_file_of_plugins_is_written_by_many_at_once() -> None:
    file = PluginsFile(Settings().home)
    threads = [threading.Thread(target=file.disable, args=(f"p{n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.disabled() == {f"p{n}" for n in range(20)}


def test_a_tool_that_cannot_be_made_in_time_is_an_error_and_the_others_work() -> None:
    ever = threading.Event()
    post = Post()
    stuck = hooks(register_tools=lambda register: register("stuck", lambda: ever.wait(), touches=()))
    agent = (
        "def solve(task, ctx):\n    names = [tool.name for tool in ctx.tools.list()]\n    try:\n"
        "        ctx.tools.call('stuck', {})\n    except ctx.BrokerError as error:\n"
        "        return [names, error.kind, error.message, ctx.tools.call('send', {'text': 'a'})]\n"
    )
    with plugin_runtime(post, stuck, agent=agent, tool_seconds=1) as runtime:
        names, kind, message, sent = runtime.solve("?").answer
    ever.set()
    assert "send" in names
    assert "stuck" not in names
    assert (kind, sent) == ("ToolFailed", "sent a")
    assert "did not end within 1 s" in message


def test_a_child_after_a_fork_does_not_wait_for_its_parents_observers() -> None:
    import os

    host = PluginHost([])
    host.add(hooks(on_event=lambda event: None), "hears")
    host.notify(EVENT)
    host.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            host.flush()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended == (child, 0)
