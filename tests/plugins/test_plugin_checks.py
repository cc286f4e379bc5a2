"""`conformance_of` over the built-in plugins, and over broken ones of each kind."""

import random
import threading
import time
from types import SimpleNamespace

import pytest
from langchain_core.tools import StructuredTool

from evolvent import hookimpl
from evolvent.errors import MissingPrerequisite
from evolvent.plugins import PluginHost
from evolvent.settings import Settings
from evolvent.testing import conformance_of
from evolvent.testing.embedder_conformance import WordEmbeddings
from evolvent.testing.kind_checks import KINDS, Given
from evolvent.types import ModelInfo, Modification, Move, PanelData, Task, Verdict
from evolvent_plugins import curricula, executors, policies


def plugin(**hooks):
    made = SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})
    made.__name__ = "made_for_a_test"
    return made


def registering(hook, thing, name="theirs", **given):
    return plugin(**{hook: lambda register: register(name, thing, **given)})


def check(hook, thing, name="theirs", seconds=30.0, **given):
    """Check one thing that a plugin registers; the built-in sandbox is there."""
    host = PluginHost()
    host.add(registering(hook, thing, name, **given), "theirs")
    (found,) = conformance_of(host, Settings(), only="theirs", seconds=seconds)
    assert (found.plugin, found.name) == ("theirs", name)
    return found


@pytest.mark.slow
def test_the_built_in_plugins_conform():
    host = PluginHost()
    for module in (policies, curricula, executors):
        name = module.__name__.rpartition(".")[2]
        if name not in host.infos:
            host.add(module, name)
    found = {(c.kind, c.name): c for c in conformance_of(host, Settings())}
    assert [c for c in found.values() if c.outcome == "failed"] == []
    skipped = {name: c.reason for (_, name), c in found.items() if c.outcome == "skipped"}
    assert {"file", "subprocess"} <= set(skipped) <= {"file", "subprocess", "docker", "mcp"}
    assert "its factory has no `example`" in skipped["file"]
    assert "isolates nothing" in skipped["subprocess"]
    assert len(found) == sum(len(registry.items) for registry in host.registries().values())
    assert found["policy", "dgm"].plugin == "policies"


# --- broken ones, a kind each


class Models:
    def __init__(self, listed):
        self.listed = listed

    def models(self, settings):
        return self.listed

    def create(self, name, settings):
        raise AssertionError("a model was made")

    def pull(self, name, settings, progress):
        raise AssertionError("a model was fetched")


class ShortEmbeddings(WordEmbeddings):
    def embed_documents(self, texts):
        return super().embed_documents(texts)[:1]


class PassesAll:
    example = (Task(prompt="What is 6 times 7?", reference=42), 42)

    def evaluate(self, task, answer, functions):
        return Verdict(score=1.0, passed=True, evaluator="theirs")


class RunsCode(PassesAll):
    example = (Task(prompt="Write f.", reference=3), "def f():\n    return 3\n")

    def evaluate(self, task, answer, functions):
        result = functions.call_function(str(answer)[:1000], "f", [[]])[0]
        passed = type(answer) is str and result.ok and result.value == task.reference
        return Verdict(
            score=float(passed), passed=passed, feedback="" if passed else "wrong", evaluator="theirs"
        )


class NoFamilies:
    name = "theirs"
    families = ()

    def __init__(self, spec):
        pass


class HostSandbox:
    name = "theirs"
    isolates = False

    def __init__(self, settings):
        self.closed = False

    def call_function(self, *args, **kwargs):
        raise RuntimeError("not built yet")

    def close(self):
        pass


class Dead(SimpleNamespace):
    def choose(self, archive, rng):
        return Move(action="expand", variant=archive[-1].id)

    def champion(self, archive):
        return archive[-1].id


class Chooses:
    def next_family(self, families, rng):
        return random.choice(families).family


class Same:
    def propose(self, context):
        files = dict(context.files(context.parent.id))
        return Modification(before=files, after=files)


class NoAnswer:
    def solve(self, task, ctx):
        return object()


class Ragged:
    title = "Runs"

    def show(self, view):
        return PanelData(columns=("a", "b"), rows=((1,),))


def shout(text: str) -> str:
    """Shout."""
    raise KeyError(text)


def a_tool(function=shout, **given):
    return StructuredTool.from_function(function, name="shout", description="Shout.", **given)


def undescribed():
    pass


BROKEN = [
    ("register_models", Models([ModelInfo(ref="other:m")]), "nobody could choose that model"),
    ("register_models", Models(["theirs:m"]), "must list ModelInfo"),
    ("register_embedders", lambda settings: ShortEmbeddings(), "9 texts gave 1 vectors"),
    ("register_evaluators", PassesAll(), "passes"),
    ("register_suites", NoFamilies, "has no families"),
    ("register_suites", lambda rest: 1 / 0, "ZeroDivisionError"),
    ("register_sandboxes", HostSandbox, "values: RuntimeError: not built yet"),
    ("register_strategies", lambda settings: NoAnswer(), "must be plain JSON"),
    ("register_curricula", lambda settings: Chooses(), "next_family"),
    ("register_executors", lambda settings, workers: None, "is no concurrent.futures.Executor"),
    ("register_policies", lambda settings: Dead(), "not viable"),
    ("register_operators", lambda settings: Same(), "must return None instead"),
    ("register_commands", undescribed, "has no help"),
    ("register_panels", Ragged(), "must be as wide"),
    ("register_state_keys", " ", "has no description"),
    ("register_checks", lambda settings: 1 / 0, "ZeroDivisionError: division by zero"),
    ("register_checks", lambda settings: 7, "returned 7"),
]


@pytest.mark.parametrize(("hook", "thing", "words"), BROKEN)
def test_a_broken_thing_of_each_kind_is_named(hook, thing, words):
    found = check(hook, thing)
    assert found.outcome == "failed"
    assert words in found.reason


def test_there_is_a_broken_thing_of_each_kind():
    tried = {hook for hook, _, _ in BROKEN} | {"register_tools"}
    assert tried == set(PluginHost([]).registries())


@pytest.mark.parametrize(
    ("tool", "touches", "outcome", "words"),
    [
        (a_tool(), None, "failed", "declares nothing"),
        (a_tool(metadata={"examples": [{"text": "a"}]}), (), "failed", "its own examples"),
        (a_tool(metadata={"examples": [{"text": "a"}]}), ["network"], "passed", ""),
        (a_tool(), (), "passed", ""),
        (lambda settings: a_tool(), (), "passed", ""),
        (lambda settings: [], (), "skipped", "no tool with these settings"),
        (lambda settings: "shout", (), "failed", "must be a LangChain BaseTool"),
        (lambda functions: [a_tool(), a_tool(len, metadata={"touches": []})], None, "failed", "declares"),
    ],
)
def test_a_tool_is_called_only_when_it_touches_nothing_and_has_examples(tool, touches, outcome, words):
    found = check("register_tools", tool, touches=touches)
    assert (found.outcome, words in found.reason) == (outcome, True), found


@pytest.mark.parametrize(
    ("hook", "thing"),
    [
        ("register_models", Models([ModelInfo(ref="theirs:m")])),
        ("register_embedders", lambda settings: WordEmbeddings()),
        ("register_evaluators", RunsCode()),
        ("register_commands", shout),
        ("register_state_keys", "what it means"),
        ("register_checks", lambda settings: None),
    ],
)
def test_a_good_thing_passes(hook, thing):
    found = check(hook, thing)
    assert found.outcome == "passed", found


def test_a_remark_of_a_check_is_kept():
    found = check("register_checks", lambda settings: "version 3 is out")
    assert (found.kind, found.outcome, found.reason) == ("self-check", "passed", "version 3 is out")


def test_an_evaluator_without_an_example_is_skipped():
    class Bare:
        def evaluate(self, task, answer, functions):
            raise AssertionError("called")

    assert check("register_evaluators", Bare()).outcome == "skipped"


def lacking(*given):
    raise MissingPrerequisite("the thing is not there", "pip install thing")


@pytest.mark.parametrize(
    "hook",
    [
        "register_embedders",
        "register_suites",
        "register_sandboxes",
        "register_policies",
        "register_executors",
        "register_checks",
    ],
)
def test_a_missing_prerequisite_means_skipped(hook):
    found = check(hook, lacking)
    assert found.outcome == "skipped"
    assert found.reason == "the thing is not there; mend it with: pip install thing"


def leave(*given):
    raise SystemExit(3)


def interrupt(*given):
    raise KeyboardInterrupt


def hang(*given):
    while not RELEASED.is_set():
        time.sleep(0.01)


RELEASED = threading.Event()


@pytest.mark.parametrize(
    "hook", ["register_suites", "register_sandboxes", "register_policies", "register_checks"]
)
@pytest.mark.parametrize(
    ("wrong", "words"), [(leave, "SystemExit"), (interrupt, "KeyboardInterrupt"), (hang, "within 0.2 s")]
)
def test_leaving_interrupting_and_hanging_are_failures_that_do_not_stop_the_others(hook, wrong, words):
    RELEASED.clear()
    host = PluginHost([])
    host.add(registering(hook, wrong, "a"), "wrong")
    host.add(registering(hook, wrong, "b"), "wrong too")
    host.add(registering("register_checks", lambda settings: "fine", "z"), "good")
    started = time.monotonic()
    found = {c.plugin: c for c in conformance_of(host, Settings(), seconds=0.2)}
    RELEASED.set()
    assert time.monotonic() - started < 5
    assert [found[name].outcome for name in ("wrong", "wrong too", "good")] == ["failed", "failed", "passed"]
    assert words in found["wrong"].reason


def test_what_a_plugin_prints_stays_off_stdout(capsys):
    check("register_checks", lambda settings: print("noise"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "noise" in captured.err


def test_a_command_may_be_named_by_its_module():
    given = Given("theirs", Settings(), functions=None, seconds=1)
    KINDS["register_commands"]("evolvent.cli.models:app", given)
    with pytest.raises(AttributeError):
        KINDS["register_commands"]("evolvent.cli.models:nothing", given)
