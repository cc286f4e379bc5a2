"""The examples of the reference pages do what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from evolvent import Runtime, Settings, Task
from evolvent.plugins import PluginHost
from evolvent.testing import ScriptedModel
from evolvent.testing.embedder_conformance import check_embedder
from evolvent.testing.suite_conformance import check_suite
from evolvent.types import FamilyProgress, Modification, SkillProposal, ToolCall, Usage, Variant

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "hooks"


@pytest.fixture
def host() -> PluginHost:
    host = PluginHost()
    for path in sorted(EXAMPLES.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"hook_example_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        host.add(module, path.stem)
    return host


def test_a_run_with_all_of_them(host: PluginHost, own_home: Path) -> None:
    settings = Settings(strategy="vote", embedder="hashed-words", sandbox="tight")
    task = Task(prompt="Write two words.", evaluator="at-least", reference=2)
    with Runtime(settings, plugins=host, model=ScriptedModel(script=["a b", "c", "a b"])) as runtime:
        assert runtime.sandbox.name == "tight"
        result = runtime.solve(task)
    assert (result.status, result.answer) == ("solved", "a b")
    assert result.extras["node_count"] == 4  # finish counts itself too late for the result
    assert result.extras["slowest_node"][0] in ("recall", "solve")
    assert f"{result.run_id} solved" in (own_home / "finished.log").read_text()
    assert host.failures == {}


def test_each_registers_what_it_says(host: PluginHost) -> None:
    settings = Settings()
    model = host.models.get("mirror").create("v1", settings)
    assert model.invoke("abc").text == "cba"
    check_embedder(host.embedders.get("hashed-words")(settings))
    check_suite(lambda: host.suite("sums:20"))
    families = [FamilyProgress(family=name, before=0.5, left=1) for name in "abc"]
    assert host.curricula.get("shuffled")(settings).next_family(families, Random(1)) in "abc"
    with host.executors.get("modest")(settings, 2) as executor:
        assert executor.submit(sum, [1, 2]).result() == 3
    archive = [Variant(id="a", score=0.1), Variant(id="b", score=0.9), Variant(id="c", viable=False, score=1)]
    policy = host.policies.get("tournament")(settings)
    assert {policy.choose(archive, Random(seed)).variant for seed in range(20)} == {"a", "b"}
    assert policy.champion(archive) == "b"
    (dice,) = host.tools.get("dice").build("dice", settings=settings)
    assert dice.tool.invoke({"sides": 3}) == [1, 2, 3]
    assert host.panel("skill-states", SimpleNamespace(skills=list)).rows == ()
    assert "git" in host.checks.names()


def test_the_operator_takes_a_line_out(host: PluginHost) -> None:
    parent = Variant(id="p")
    context = SimpleNamespace(
        parent=parent, rng=Random(3), files=lambda variant: {"prompts/a.md": "one\ntwo\n"}
    )
    change = host.operators.get("shorten")(Settings()).propose(context)
    assert change.after["prompts/a.md"] in ("one\n", "two\n")


def test_the_guards_say_what_they_say(host: PluginHost) -> None:
    meta = Modification(before={"meta_agent.py": "1"}, after={"meta_agent.py": "2"})
    assert host.review_modification(meta).verdict == "escalate"
    skill: Any = {"name": "a", "body": "b", "description": "Does things."}
    assert host.review_skill(SkillProposal(**skill)).reason == "the description does not say when to use it"
    skill["description"] = "Adds. Use it when numbers are to be added."
    assert host.review_skill(SkillProposal(**skill)).verdict == "approve"
    secret = ToolCall(tool="http.post", arguments={"text": "my sk-abcdefghijklmnop123"})
    assert "something like a key" in host.review_tool_call(secret).reason
    assert host.price("openai:our-model", Usage(input_tokens=1_000_000)) == pytest.approx(0.1)
    assert host.price("openai:another", Usage(input_tokens=1_000_000)) is None
