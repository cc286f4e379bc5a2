"""Tools under a policy file, guards and people: what is asked, what is answered, what a crash may not repeat."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool
from langgraph.types import Command
from pydantic import BaseModel

from evolvent import Runtime, Settings, Task, hookimpl
from evolvent.errors import UnknownName, UsageError
from evolvent.graphs import Material
from evolvent.plugins import PluginHost
from evolvent.testing import ScriptedModel
from evolvent.types import Decision, SolveResult, ToolCall

ONE_CALL = "def solve(task, ctx):\n    return ctx.tools.call('send', {'text': 'hello'})\n"
TWO_CALLS = (
    "def solve(task, ctx):\n"
    "    first = ctx.tools.call('send', {'text': 'one'})\n"
    "    second = ctx.tools.call('send', {'text': 'two'})\n"
    "    return [first, second]\n"
)
CAREFUL = (
    "def solve(task, ctx):\n"
    "    try:\n"
    "        return ctx.tools.call('send', {'text': 'hello'})\n"
    "    except ctx.BrokerError as error:\n"
    "        return error.kind + ': ' + error.message\n"
)


class Post:
    """A tool with an effect that can be counted."""

    def __init__(self, touches: Any = ("network", "irreversible")) -> None:
        self.sent: list[str] = []
        self.fail: BaseException | None = None
        self.touches = touches

    @hookimpl
    def register_tools(self, register: Any) -> None:
        @tool
        def send(text: str) -> str:
            """Send a text."""
            if self.fail is not None:
                raise self.fail
            self.sent.append(text)
            return f"sent {text}"

        given = {} if self.touches is None else {"touches": self.touches}
        register("send", send, **given)


def guard(decision: Any) -> Any:
    """Return a guard of tool calls that always says the same, or raises."""

    def review_tool_call(call: ToolCall) -> Any:
        if isinstance(decision, BaseException):
            raise decision
        return decision

    return SimpleNamespace(review_tool_call=hookimpl(review_tool_call))


@pytest.fixture
def opened(own_home: Path) -> Any:
    """Open a runtime with a task agent and plugins."""
    runtimes: list[Runtime] = []

    def open_(agent: str, *plugins: Any, **settings: Any) -> Runtime:
        for runtime in runtimes:
            runtime.close()
        host = PluginHost(settings=Settings(**settings))
        for index, plugin in enumerate(plugins):
            host.add(plugin, f"p{index}")
        runtime = Runtime(Settings(**settings), plugins=host, model=ScriptedModel(script=[]))
        runtime.services.genome = {**runtime.services.genome, "task_agent.py": agent}
        runtimes.append(runtime)
        return runtime

    yield open_
    for runtime in runtimes:
        runtime.close()


def policy(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "approvals.toml").write_text(text)


def test_a_call_that_needs_a_person_waits_and_goes_on_when_approved(opened: Any) -> None:
    post = Post()
    runtime = opened(ONE_CALL, post)
    waiting = runtime.solve("send it")
    assert (waiting.status, waiting.answer, post.sent) == ("waiting", None, [])
    (asked,) = waiting.pending
    assert asked.subject == {
        "tool": "send",
        "arguments": {"text": "hello"},
        "touches": ["irreversible", "network"],
    }
    assert "[interactive] says 'ask'" in asked.reason
    assert runtime.runs.get(waiting.run_id).status == "waiting"
    done = runtime.answer(asked.id, "approve")
    assert (done.status, done.answer, post.sent) == ("answered", "sent hello", ["hello"])
    kinds = [event.kind for event in runtime.ledger.events(waiting.run_id)]
    assert kinds.count("approval.asked") == kinds.count("approval.answered") == 1
    assert runtime.answer(asked.id, "approve").answer == "sent hello", "a second answer changes nothing"
    assert post.sent == ["hello"]


def test_what_a_person_rejects_is_not_done_and_the_agent_hears_why(opened: Any) -> None:
    post = Post()
    runtime = opened(CAREFUL, post)
    (asked,) = runtime.solve("send it").pending
    done = runtime.answer(asked.id, "reject", "not on a Sunday")
    assert done.answer == "ToolRejected: 'send' was not approved: not on a Sunday"
    assert post.sent == []
    with pytest.raises(UsageError, match="already answered: reject"):
        runtime.answer(asked.id, "approve")


def test_each_of_two_calls_is_asked_once_and_made_once(opened: Any) -> None:
    post = Post()
    runtime = opened(TWO_CALLS, post)
    first = runtime.solve("send both")
    (asked,) = first.pending
    second = runtime.answer(asked.id, "approve")
    assert (second.status, post.sent) == ("waiting", ["one"])
    (again,) = second.pending
    assert again.subject["arguments"] == {"text": "two"}
    assert runtime.answer(again.id, "approve").answer == ["sent one", "sent two"]
    assert post.sent == ["one", "two"]


def test_a_waiting_run_survives_its_process_and_can_be_answered_by_another(opened: Any) -> None:
    post = Post()
    waiting = opened(TWO_CALLS, post).solve("send both")
    runtime = opened(TWO_CALLS, post)
    assert runtime.resume(waiting.run_id).status == "waiting", "nobody has answered"
    second = runtime.answer(waiting.pending[0].id, "approve")
    runtime = opened(TWO_CALLS, post)
    assert runtime.answer(second.pending[0].id, "approve").answer == ["sent one", "sent two"]
    assert post.sent == ["one", "two"]


def test_an_answer_that_was_stored_before_a_crash_counts_on_resume(opened: Any) -> None:
    post = Post()
    waiting = opened(ONE_CALL, post).solve("send it")
    runtime = opened(ONE_CALL, post)
    runtime.approvals.answer(waiting.pending[0].id, "approve")
    assert runtime.resume(waiting.run_id).answer == "sent hello"


def test_langgraph_clients_resume_with_a_bare_value(opened: Any) -> None:
    post = Post()
    runtime = opened(TWO_CALLS, post)
    waiting = runtime.solve("send both")
    thread = {"configurable": {"thread_id": waiting.run_id}}
    runtime.solve_graph.invoke(Command(resume="approve"), thread)
    assert post.sent == ["one"]
    values = runtime.solve_graph.invoke(Command(resume="yes please"), thread)
    assert post.sent == ["one"], "only 'approve' or true approves"
    assert values["result"].status == "error"
    assert "only 'approve' or true approves" in values["result"].detail


def test_where_nobody_can_be_asked_it_is_refused(opened: Any) -> None:
    runtime = opened(CAREFUL, Post())
    answer = runtime.solve("send it", can_ask=False).answer
    assert "ToolRejected" in answer
    assert "nobody can be asked here" in answer


@pytest.mark.parametrize(
    ("rules", "mode", "says"),
    [
        ("[interactive]\nnetwork = 'allow'\nirreversible = 'allow'", "interactive", "sent hello"),
        ("[interactive]\nnetwork = 'allow'", "interactive", "ToolDenied: 'send' is denied: [interactive]"),
        ("[interactive.tools]\nsend = 'allow'", "interactive", "sent hello"),
        (
            "[interactive.tools]\nsend = 'allow'",
            "daemon",
            "ToolDenied: 'send' is denied: [daemon] says 'deny'",
        ),
        ("", "interactive", "ToolDenied: 'send' is denied: [interactive] says 'deny' for"),
    ],
)
def test_the_policy_file_decides(opened: Any, own_home: Path, rules: str, mode: str, says: str) -> None:
    policy(own_home, rules)
    answer = opened(CAREFUL, Post(), mode=mode).solve("send it").answer
    assert answer.startswith(says)


def test_a_tool_that_declares_nothing_is_denied_unless_it_is_named(opened: Any, own_home: Path) -> None:
    post = Post(touches=None)
    answer = opened(CAREFUL, post).solve("send it").answer
    assert "ToolDenied" in answer
    assert "does not declare what it touches; name it under [interactive.tools]" in answer
    policy(own_home, "[interactive.tools]\nsend = 'allow'")
    assert opened(CAREFUL, post).solve("send it").answer == "sent hello"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[interactive]\nnetwrk = 'allow'", "interactive.netwrk: Extra inputs"),
        ("[interactive]\nnetwork = 'maybe'", "interactive.network: Input should be 'allow', 'ask' or 'deny'"),
        ("[[[", "is no TOML"),
    ],
)
def test_a_policy_file_that_cannot_be_used_is_named(
    opened: Any, own_home: Path, text: str, says: str
) -> None:
    policy(own_home, text)
    with pytest.raises(UsageError, match=r"approvals\.toml") as caught:
        opened(ONE_CALL, Post())
    assert says in str(caught.value)


def test_guards_are_asked_after_the_policy_file_and_the_strictest_counts(opened: Any, own_home: Path) -> None:
    policy(own_home, "[interactive]\nnetwork = 'allow'\nirreversible = 'allow'")
    no = guard(Decision(verdict="reject", reason="never on Sundays"))
    yes = guard(Decision(verdict="approve"))
    post = Post()
    answer = opened(CAREFUL, post, yes, guard(None), no).solve("send it").answer
    assert answer == "ToolRejected: p3 rejects 'send': never on Sundays"
    waiting = opened(CAREFUL, post, yes, guard(Decision(verdict="escalate", reason="look"))).solve("send it")
    assert waiting.pending[0].reason == "p2: look"
    assert opened(CAREFUL, post, yes).solve("send it").answer == "sent hello"
    assert post.sent == ["hello"]


@pytest.mark.parametrize("broken", [ValueError("oops"), SystemExit(0), "approve"])
def test_a_guard_that_fails_rejects_for_ever(opened: Any, own_home: Path, broken: Any) -> None:
    policy(own_home, "[interactive]\nnetwork = 'allow'\nirreversible = 'allow'")
    post = Post()
    runtime = opened(CAREFUL, post, guard(broken), hook_failures=1)
    for _ in range(3):
        answer = runtime.solve("send it").answer
        assert "ToolRejected: p1 rejects 'send': the guard 'p1' failed" in answer
        assert "evolvent plugins disable p1" in answer
    assert post.sent == []


def test_a_call_that_a_crash_cut_off_is_not_made_again_unasked(opened: Any, own_home: Path) -> None:
    policy(own_home, "[interactive]\nnetwork = 'allow'\nirreversible = 'allow'")
    post = Post()
    runtime = opened(ONE_CALL, post)
    invoke = runtime.services.tools.get("send").tool
    original = type(invoke).invoke

    def crash(*args: Any, **kwargs: Any) -> Any:
        original(*args, **kwargs)
        raise KeyboardInterrupt  # the process ends after the effect and before the answer is written

    real = runtime.services.effects
    monkey = pytest.MonkeyPatch()
    monkey.setattr("evolvent.broker.toolbox.Toolbox._invoke", lambda self, t, a: (crash(t.tool, a), None)[1])
    with pytest.raises(KeyboardInterrupt):
        runtime.solve("send it", run_id="r-crash")
    monkey.undo()
    assert post.sent == ["hello"]
    assert real is runtime.services.effects
    again = opened(ONE_CALL, post).resume("r-crash")
    assert again.status == "waiting"
    assert "may have taken effect already" in again.pending[0].reason
    assert post.sent == ["hello"]


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        (
            "ctx.tools.call('send', {'text': 5})",
            "the arguments of 'send' do not fit: text: Input should be a valid string",
        ),
        ("ctx.tools.call('send', {})", "text: Field required"),
        ("ctx.tools.call('send', {'text': 'a', 'more': 1})", "'more' is no argument; arguments: text"),
        ("ctx.tools.call('sent', {'text': 'a'})", "unknown tool 'sent'; did you mean 'send'?"),
    ],
)
def test_arguments_are_checked_before_anybody_is_asked(opened: Any, agent: str, says: str) -> None:
    post = Post()
    result: SolveResult = opened(f"def solve(task, ctx):\n    return {agent}\n", post).solve("send it")
    assert (result.status, result.pending, post.sent) == ("error", (), [])
    assert says in result.detail


def test_a_tool_that_fails_or_hangs_or_answers_nonsense_is_an_error_of_the_guest(
    opened: Any, own_home: Path
) -> None:
    policy(own_home, "[interactive]\nnetwork = 'allow'\nirreversible = 'allow'")
    post = Post()
    post.fail = RuntimeError("no line")
    assert "ToolFailed: 'send' failed: RuntimeError: no line" in opened(CAREFUL, post).solve("send it").answer

    def odd(text: str) -> Any:
        """Answer a set."""
        return {1, 2}

    def slow(text: str) -> Any:
        """Take its time."""
        import time

        time.sleep(5)

    for function, says in ((odd, "not JSON"), (slow, "did not end within 0.2 s")):
        made = SimpleNamespace(
            register_tools=hookimpl(lambda register, f=function: register("send", tool(f), touches=()))
        )
        policy(own_home, "[interactive]\nnothing = 'allow'")
        assert says in opened(CAREFUL, made, tool_seconds=0.2).solve("send it").answer


def test_the_guest_sees_which_tools_it_may_call(opened: Any) -> None:
    agent = "def solve(task, ctx):\n    return [dict(t) for t in ctx.tools.list() if t.name == 'send']\n"
    (shown,) = opened(agent, Post()).solve("what is there?").answer
    assert (shown["name"], shown["description"], shown["permission"]) == ("send", "Send a text.", "ask")
    assert shown["parameters"]["properties"]["text"]["type"] == "string"
    assert opened(agent, Post(), mode="daemon").solve("what is there?").answer == []


def test_an_unknown_question_is_named(opened: Any) -> None:
    with pytest.raises(UnknownName, match=r"unknown question 'a-nothing'.*approvals list"):
        opened(ONE_CALL, Post()).answer("a-nothing", "approve")


PROPOSES = (
    "def learn(attempts, ctx):\n"
    "    return {'skill': {'name': 'double-it', 'description': 'Doubles. Use it when a number is to be doubled.',\n"
    "        'body': '# Double', 'script': 'def solve(question):\\n'\n"
    "        '    head, _, number = question.partition(\"double \")\\n'\n"
    "        '    return str(2 * int(number)) if number.isdigit() and not head else None\\n'}}\n"
)


def test_a_skill_that_a_guard_escalates_waits_for_a_person(opened: Any) -> None:
    asks = SimpleNamespace(
        review_skill=hookimpl(lambda proposal: Decision(verdict="escalate", reason="look at it"))
    )
    runtime = opened("def solve(task, ctx):\n    return 'no idea'\n", asks)
    runtime.services.genome = {**runtime.services.genome, "meta_agent.py": PROPOSES}
    tasks = [
        Task(prompt=f"double {n}", evaluator="exact", reference=str(2 * n), split="train") for n in range(12)
    ]
    material = Material(cases=tuple(tasks[1:]))
    waiting = runtime.solve(tasks[0], material=material)
    (asked,) = waiting.pending
    assert (waiting.status, asked.kind, asked.subject["name"]) == ("waiting", "skill", "double-it")
    done = runtime.answer(asked.id, "approve")
    assert done.learned is not None
    assert done.learned.report is not None
    assert [stage.stage for stage in done.learned.report.stages] == [
        "format",
        "static",
        "guards",
        "tests",
        "falsify",
        "repeat",
        "duplicate",
    ]
    assert runtime.skills.get("double-it").state.value == "probation"


def test_built_in_tools_reach_a_guest_under_the_policy_file(opened: Any, own_home: Path) -> None:
    agent = (
        "def solve(task, ctx):\n"
        "    names = [tool.name for tool in ctx.tools.list()]\n"
        "    run = ctx.tools.call('python', {'source': 'def main(a): return a * 2', 'args': [21]})\n"
        "    wrote = ctx.tools.call('files.write', {'path': 'a.txt', 'text': 'hello'})\n"
        "    return [names, run['value'], ctx.tools.call('files.read', {'path': 'a.txt'})['text']]\n"
    )
    runtime = opened(agent)
    waiting = runtime.solve("write")
    (asked,) = waiting.pending
    assert (asked.subject["tool"], asked.subject["touches"]) == ("files.write", ["writes_files"])
    names, value, text = runtime.answer(asked.id, "approve").answer
    assert {"python", "files.read", "files.write", "http.get"} <= set(names)
    assert (value, text) == (42, "hello")
    assert (own_home / "workspace" / "a.txt").read_text() == "hello"


def test_a_tool_of_an_mcp_server_reaches_a_guest_when_the_file_says_what_it_touches(
    opened: Any, own_home: Path
) -> None:
    from tests.plugins.mcp_setup import SERVER, write_config

    agent = (
        "def solve(task, ctx):\n"
        "    try:\n"
        "        return ctx.tools.call('mcp.calc.add', {'a': 2, 'b': 3})\n"
        "    except ctx.BrokerError as error:\n"
        "        return error.kind\n"
    )
    write_config(own_home, calc=SERVER)
    assert opened(agent).solve("add").answer == "ToolDenied"
    write_config(own_home, calc={**SERVER, "touches": []})
    assert opened(agent).solve("add").answer == "5"


def test_arguments_that_look_like_a_models_tool_call_are_arguments(opened: Any, own_home: Path) -> None:
    """LangChain's invoke would unpack them, and run something else than was reviewed."""
    policy(own_home, "[interactive]\nnothing = 'allow'")
    seen: list[Any] = []

    class Odd(BaseModel):
        type: str
        id: str
        name: str
        args: dict[str, Any]

    @tool(args_schema=Odd)
    def odd(type: str, id: str, name: str, args: dict[str, Any]) -> str:
        """Take what a tool call looks like."""
        seen.append((type, args))
        return "done"

    made = SimpleNamespace(register_tools=hookimpl(lambda register: register("odd", odd, touches=())))
    call = {
        "type": "tool_call",
        "id": "1",
        "name": "odd",
        "args": {"type": "other", "id": "", "name": "", "args": {}},
    }
    agent = f"def solve(task, ctx):\n    return ctx.tools.call('odd', {call!r})\n"
    assert opened(agent, made).solve("odd").answer == "done"
    assert seen == [("tool_call", call["args"])]


def test_a_tool_that_is_only_async_is_called(opened: Any, own_home: Path) -> None:
    async def fetch(text: str) -> str:
        return f"fetched {text}"

    slow = StructuredTool.from_function(coroutine=fetch, name="send", description="Fetch.")
    made = SimpleNamespace(register_tools=hookimpl(lambda register: register("send", slow, touches=())))
    assert opened(CAREFUL, made).solve("send it").answer == "fetched hello"
