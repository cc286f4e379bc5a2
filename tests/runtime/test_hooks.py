"""Calling hooks: order, time, failures, copies; guards; plugins around nodes."""

from __future__ import annotations

import copy
import json
import pickle
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from evolvent import PluginManifest, Runtime, Settings, hookimpl, hookspecs
from evolvent.errors import PluginError
from evolvent.hookspecs import Deprecation
from evolvent.plugins import PluginHost, PluginsFile
from evolvent.plugins.read_only import read_only
from evolvent.testing import ScriptedModel
from evolvent.types import (
    Decision,
    Modification,
    PluginDisabled,
    PluginFailed,
    RunFinished,
    RunStarted,
    SkillProposal,
    ToolCall,
    Usage,
)

EVENT = RunStarted(key="k", job="solve", title="t")
CALL = ToolCall(tool="t", arguments={"list": [1, 2]})


def plugin(manifest: PluginManifest | None = None, **hooks: Any) -> Any:
    made = SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})
    if manifest is not None:
        made.manifest = manifest
    return made


def host_of(settings: Settings | None = None, **plugins: Any) -> PluginHost:
    host = PluginHost([], settings or Settings())
    for name, made in plugins.items():
        host.add(made, name)
    return host


def test_implementations_are_called_first_by_name_last() -> None:
    heard: list[str] = []

    def hearing(name: str, **order: bool) -> Any:
        return SimpleNamespace(on_event=hookimpl(**order)(lambda event: heard.append(name)))

    host = host_of(
        a=hearing("a", trylast=True), b=hearing("b"), c=hearing("c"), d=hearing("d", tryfirst=True)
    )
    host.notify(EVENT)
    host.flush()
    assert heard == ["d", "b", "c", "a"]


def test_parameters_may_be_left_out_and_have_defaults() -> None:
    heard: list[Any] = []
    without = plugin(on_event=lambda: heard.append("none"))
    more = plugin(on_event=lambda event, extra=7: heard.append((event.kind, extra)))
    host = host_of(a=without, b=more)
    host.notify(EVENT)
    host.flush()
    assert heard == ["none", ("run.started", 7)]


def test_the_first_price_counts_and_nonsense_is_passed_over() -> None:
    asked: list[str] = []

    def price(name: str, answer: Any) -> Any:
        return plugin(price_call=lambda model, usage: (asked.append(name), answer)[1])

    host = host_of(
        a=price("a", None), b=price("b", -1), c=price("c", "free"), d=price("d", 0.5), e=price("e", 9)
    )
    assert host.price("openai:x", Usage(input_tokens=3)) == 0.5
    assert asked == ["a", "b", "c", "d"]
    assert host_of().price("openai:x", Usage()) is None


def test_a_plugins_price_reaches_the_ledger() -> None:
    host = PluginHost()
    host.add(plugin(price_call=lambda model, usage: usage.tokens * 0.01), "prices")
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["42"])) as runtime:
        result = runtime.solve("What is 6*7?")
    assert result.usage.tokens > 0
    assert result.usage.dollars == pytest.approx(result.usage.tokens * 0.01)


def test_an_observer_that_fails_repeatedly_is_switched_off_with_an_event() -> None:
    heard: list[str] = []
    reported: list[Any] = []
    host = host_of(
        Settings(hook_failures=2),
        bad=plugin(on_event=lambda event: 1 / 0),
        good=plugin(on_event=lambda event: heard.append(event.kind)),
    )
    host.report_to(reported.append)
    for _ in range(5):
        host.notify(EVENT)
        host.flush()
    assert heard == ["run.started"] * 5
    assert [type(event) for event in reported] == [PluginFailed, PluginFailed, PluginDisabled]
    assert reported[-1].plugin == "bad"
    assert "on_event raised ZeroDivisionError" in reported[-1].reason
    assert "on_event is not called any more" in host.failures["bad"]
    assert host.infos["bad"].mend == "evolvent plugins disable bad"


def test_a_failure_is_told_once_with_the_command_that_takes_the_plugin_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = host_of(bad=plugin(on_event=lambda event: 1 / 0))
    host.notify(EVENT)
    host.flush()
    (record,) = caplog.records
    assert "plugin bad: on_event raised ZeroDivisionError" in record.getMessage()
    assert "evolvent plugins disable bad" in record.getMessage()
    assert host.failures == {}, "one failure is not the end of it"


def test_an_observer_that_hangs_is_left_behind_and_neither_run_nor_others_wait() -> None:
    heard: list[str] = []
    ever = threading.Event()
    slow = plugin(PluginManifest(seconds={"on_event": 0.2}), on_event=lambda event: ever.wait())
    host = host_of(a=slow, b=plugin(on_event=lambda event: heard.append(event.kind)))
    started = time.monotonic()
    for _ in range(5):
        host.notify(EVENT)
    assert time.monotonic() - started < 0.2, "the run does not wait"
    host.flush()
    assert heard == ["run.started"] * 5
    assert "did not end within 0.2 s" in host.failures["a"]
    assert len([t for t in threading.enumerate() if t.name == "evolvent-plugin-call"]) >= 3
    ever.set()


def test_events_are_told_in_order_and_before_the_runtime_is_closed() -> None:
    heard: list[str] = []

    def slowly(event: Any) -> None:
        time.sleep(0.01)
        heard.append(event.key)

    host = PluginHost()
    host.add(plugin(on_event=slowly), "slow")
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["42"])) as runtime:
        runtime.solve("What is 6*7?")
        written = [event.key for event in runtime.ledger.events()]
    assert heard == written


def test_a_plugin_cannot_change_what_it_and_others_are_given() -> None:
    seen: list[Any] = []

    def vandal(call: ToolCall) -> None:
        call.arguments["list"].append(3)

    host = host_of(
        a=plugin(review_tool_call=vandal), b=plugin(review_tool_call=lambda call: seen.append(call))
    )
    decision = host.review_tool_call(CALL)
    assert decision.verdict == "reject"
    assert "TypeError: a plugin gets read-only values; change a copy" in decision.reason
    assert seen == [CALL]
    assert CALL.arguments == {"list": [1, 2]}
    detailed = RunFinished(key="k", status="x", detail={"a": [1]})
    heard: list[Any] = []
    host = host_of(
        Settings(hook_failures=1),
        a=plugin(on_event=lambda event: event.detail.clear()),
        b=plugin(on_event=lambda event: heard.append(event)),
    )
    host.notify(detailed)
    host.flush()
    assert heard[0].detail == {"a": [1]}
    assert "read-only" in host.failures["a"]


def test_copies_of_read_only_values_are_ordinary() -> None:
    given = read_only({"a": [1, {"b": 2}], "t": (1, [2]), "s": {1}})
    assert given == {"a": [1, {"b": 2}], "t": (1, [2]), "s": {1}}
    assert json.dumps(given["a"]) == '[1, {"b": 2}]'
    for change in (
        lambda: given.update(x=1),
        lambda: given.pop("a"),
        lambda: given["a"].sort(),
        lambda: given["a"][1].clear(),
        lambda: given["t"][1].append(1),
        lambda: given["s"].add(2),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    for copied in (copy.deepcopy(given), pickle.loads(pickle.dumps(given))):
        copied["a"][1]["b"] = 3
        assert copied["a"] == [1, {"b": 3}]
    assert given["a"][1]["b"] == 2
    assert type(given.copy()) is dict


@pytest.mark.parametrize(
    ("opinions", "verdict", "by"),
    [
        ([], "approve", "kernel"),
        ([None], "approve", "kernel"),
        ([Decision(verdict="approve")], "approve", "p0"),
        ([Decision(verdict="approve"), Decision(verdict="escalate", reason="r")], "escalate", "p1"),
        ([Decision(verdict="escalate", reason="r"), Decision(verdict="reject", reason="r")], "reject", "p1"),
        ([Decision(verdict="approve"), {"verdict": "approve"}], "reject", "p1"),
        ([True], "reject", "p0"),
    ],
)
def test_the_strictest_guard_decides(opinions: list[Any], verdict: str, by: str) -> None:
    guards = {
        f"p{index}": plugin(review_modification=lambda modification, o=opinion: o)
        for index, opinion in enumerate(opinions)
    }
    change = Modification(before={"a.py": "1"}, after={"a.py": "2"})
    decision = host_of(**guards).review_modification(change)
    assert (decision.verdict, decision.by) == (verdict, by)


def test_a_guard_that_hangs_rejects_every_time_and_leaves_few_threads_behind() -> None:
    ever = threading.Event()
    called: list[int] = []
    slow = plugin(
        PluginManifest(seconds={"review_tool_call": 0.05}),
        review_tool_call=lambda call: (called.append(1), ever.wait())[1],
    )
    host = host_of(Settings(hook_failures=2), slow=slow)
    reasons = []
    for _ in range(4):
        decision = host.review_tool_call(CALL)
        assert decision.verdict == "reject"
        assert "evolvent plugins disable slow" in decision.reason
        reasons.append(decision.reason)
    assert "did not end within 0.05 s" in reasons[1]
    assert "hung 2 times and is not called any more" in reasons[2]
    assert len(called) == 2
    ever.set()


def test_a_guard_that_can_no_longer_be_loaded_rejects_until_it_is_disabled(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    from importlib.metadata import EntryPoint

    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "the_guard_module.py"
    good = "from evolvent import hookimpl\n@hookimpl\ndef review_tool_call(call): return None\n"
    entries = [EntryPoint("watch", "the_guard_module", "evolvent")]
    module.write_text(good)
    host = PluginHost(entries)
    assert host.review_tool_call(CALL).verdict == "approve"
    host.report_to(lambda event: None)  # as a runtime does
    sys.modules.pop("the_guard_module")
    module.write_text("raise ImportError('a dependency is gone')\n")
    broken = PluginHost(entries)
    for _ in range(2):
        decision = broken.review_tool_call(CALL)
        assert (decision.verdict, decision.by) == ("reject", "watch")
        assert "a dependency is gone" in decision.reason
        broken.report_to(lambda event: None)
        broken = PluginHost(entries)
    PluginsFile(Settings().home).disable("watch")
    assert PluginHost(entries).review_tool_call(CALL).verdict == "approve"


def test_a_guard_of_skills_stands_in_admission(open_runtime: Any) -> None:
    proposal = SkillProposal(
        name="a-skill",
        description="Does it when asked.",
        body="# Do it\n",
        script="def solve(question: str):\n    return None\n",
    )
    runtime = open_runtime()
    runtime.plugins.add(
        plugin(review_skill=lambda proposal: Decision(verdict="reject", reason="not in my house")), "house"
    )
    report = runtime.admission.consider(proposal, [])
    assert [stage.stage for stage in report.stages] == ["format", "static", "guards"]
    assert report.reason == "guards: house: not in my house"


def test_an_escalated_skill_stays_undecided_where_nobody_can_be_asked(open_runtime: Any) -> None:
    proposal = SkillProposal(
        name="a-skill",
        description="Does it when asked.",
        body="# Do it\n",
        script="def solve(question: str):\n    return None\n",
    )
    runtime = open_runtime()
    runtime.plugins.add(
        plugin(review_skill=lambda proposal: Decision(verdict="escalate", reason="look at it")), "house"
    )
    first = runtime.admission.consider(proposal, [])
    assert "house wants a person to decide: look at it" in first.reason

    def person(proposal: SkillProposal, decision: Decision) -> Decision:
        return Decision(verdict="reject", reason=f"no, although {decision.reason}", by="person")

    second = runtime.admission.consider(proposal, [], escalate=person)
    assert second.reason == "guards: person: no, although look at it"


def around(keys: tuple[str, ...], generator: Any) -> Any:
    return plugin(
        register_state_keys=lambda register: [register(key, "for a test") for key in keys] and None,
        around_node=generator,
    )


def test_plugins_around_nodes_see_them_and_add_what_they_declared() -> None:
    seen: list[tuple[str, list[str]]] = []

    def count(node: str, state: Any) -> Any:
        update = yield {"now": node}
        seen.append((node, sorted(update)))
        return {"nodes": [*(state["extras"].get("nodes") or []), node]}

    host = PluginHost()
    host.add(around(("now", "nodes"), count), "counting")
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["42"])) as runtime:
        result = runtime.solve("What is 6*7?")
    assert result.answer == "42"
    assert [node for node, _ in seen] == ["recall", "solve", "verify", "learn", "finish"]
    assert dict(seen)["solve"] == ["attempts", "usage"]
    assert result.extras == {"now": "finish", "nodes": ["recall", "solve", "verify", "learn"]}


def gives(before: Any = None, after: Any = None) -> Any:
    def generator(node: str, state: Any) -> Any:
        yield before
        return after

    return generator


def twice(node: str, state: Any) -> Any:
    yield
    yield


def never(node: str, state: Any) -> Any:
    return
    yield


def plain(node: str, state: Any) -> Any:
    return {"mine": 1}


def late(node: str, state: Any) -> Any:
    yield
    raise ValueError("after all")


@pytest.mark.parametrize(
    ("generator", "says"),
    [
        (gives(before={"theirs": 1}), "gave the state key 'theirs', which it did not declare"),
        (gives(after={"theirs": 1}), "it declared: mine"),
        (gives(after={"mine": {1, 2}}), "not JSON"),
        (gives(after={"mine": "x" * 70_000}), "at most 65536 are kept"),
        (gives(after=[1]), "gave a list"),
        (twice, "yielded twice"),
        (never, "ended without a yield"),
        (plain, "is no generator: it returned dict"),
        (late, "raised ValueError: after all"),
    ],
)
def test_what_is_wrong_around_a_node_is_named_and_the_run_goes_on(generator: Any, says: str) -> None:
    host = PluginHost(settings=Settings(hook_failures=1))
    host.add(around(("mine",), generator), "around")
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["42"])) as runtime:
        result = runtime.solve("What is 6*7?")
    assert result.answer == "42"
    assert result.extras == {}
    assert says in host.failures["around"]


def test_a_deprecated_hook_warns_with_the_plugins_name(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Deprecation(since="0.2", gone_in="0.3", instead="use on_everything")
    monkeypatch.setitem(hookspecs.DEPRECATED, "on_event.event", old)
    with pytest.warns(
        FutureWarning, match="plugin 'dated' uses on_event.event, deprecated since 0.2, gone in 0.3"
    ):
        host = host_of(dated=plugin(on_event=lambda event: None))
    assert "use on_everything" in host.infos["dated"].remarks[0]


def test_an_optional_hook_of_a_later_version_is_allowed() -> None:
    later = SimpleNamespace(on_moon=hookimpl(optionalhook=True)(lambda phase: None))
    assert "later" in host_of(later=later).loaded


def test_one_object_or_name_is_loaded_once() -> None:
    one = plugin(on_event=lambda event: None)
    host = host_of(one=one)
    with pytest.raises(PluginError, match="the same object"):
        host.add(one, "two")
    with pytest.raises(PluginError, match="another plugin of this name"):
        host.add(plugin(on_event=lambda event: None), "one")
