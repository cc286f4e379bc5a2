"""Every way in which a plugin can be broken: each is named, none takes the others along."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, PathDistribution, entry_points
from pathlib import Path
from typing import Any

import pytest

from evolvent import Runtime, Settings
from evolvent.errors import UnknownName, UsageError
from evolvent.plugins import PluginHost, PluginsFile
from evolvent.testing import ScriptedModel

HOOK = "from evolvent import hookimpl\n@hookimpl\n"
GOOD = HOOK + "def register_suites(register): register('good', lambda rest: rest)\n"
BROKEN = {
    "missing import": ("import no_such_module", "No module named 'no_such_module'"),
    "syntax error": ("def f(:", "SyntaxError"),
    "raises at import": ("raise ValueError('not today')", "ValueError: not today"),
    "raises no Exception": ("raise BaseException('odd')", "BaseException: odd"),
    "leaves with sys.exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "imports itself for ever": ("def f(): f()\nf()", "RecursionError"),
    "misspelt hook": (HOOK + "def register_suite(register): pass", "did you mean 'register_suites'"),
    "hook of nobody": (HOOK + "def zzz(): pass", "'zzz', which is no hook; hooks: "),
    "unknown parameter": (HOOK + "def on_event(event, more): pass", "'more', which the hook does not pass"),
    "too few parameters": (HOOK + "def register_suites(): pass", "takes no 'register'"),
    "wraps other plugins": (
        "from evolvent import hookimpl\n@hookimpl(wrapper=True)\ndef review_skill(proposal): yield",
        "is a wrapper",
    ),
    "positional parameter": (HOOK + "def on_event(event, /): pass", "it passes by keyword: event"),
    "specname of nobody": (
        "from evolvent import hookimpl\n@hookimpl(specname='on_evnt')\ndef f(event): pass",
        "did you mean 'on_event'",
    ),
    "written for later hooks": (
        "from evolvent import PluginManifest\nmanifest = PluginManifest(hooks_version=(1, 99))",
        "was written for hooks 1.99; these are 1.0: upgrade evolvent",
    ),
    "written for other hooks": (
        "from evolvent import PluginManifest\nmanifest = PluginManifest(hooks_version=(0, 9))",
        "upgrade the plugin",
    ),
    "declares nonsense": ("manifest = {'seconds': 5}", "its manifest is a dict"),
    "declares hours": (
        "from evolvent import PluginManifest\nmanifest = PluginManifest(seconds={'on_event': 7200})",
        "at most 600",
    ),
    "declares seconds for nothing": (
        "from evolvent import PluginManifest\nmanifest = PluginManifest(seconds={'on_evnt': 1})",
        "'on_evnt', which is no hook",
    ),
    "hangs in a hook": (
        HOOK + "def register_suites(register):\n    import threading; threading.Event().wait()",
        "register_suites did not end within 0.5 s",
    ),
    "registers a state key that is none": (
        HOOK + "def register_state_keys(register): register('k', 5)",
        "must have isidentifier",
    ),
    "tool that is none": (HOOK + "def register_tools(register): register('x', 5)", "give a LangChain tool"),
    "tool that touches something unknown": (
        HOOK + "def register_tools(register): register('x', lambda: 1, touches=['moon'])",
        "touches 'moon'; known: irreversible, network",
    ),
    "tool factory that wants too much": (
        HOOK + "def register_tools(register): register('x', lambda settings, database: 1)",
        "takes 'database'; it can take settings and functions",
    ),
    "raises in a hook": (HOOK + "def register_suites(register): 1 / 0", "ZeroDivisionError"),
    "exits in a hook": (HOOK + "def register_suites(register): raise SystemExit(0)", "SystemExit"),
    "returns something": (HOOK + "def register_suites(register): return {}", "returned dict"),
    "registers no name": (HOOK + "def register_suites(register): register('', str)", "non-empty string"),
    "registers a number": (HOOK + "def register_suites(register): register(7, str)", "under 7"),
    "registers no factory": (HOOK + "def register_suites(register): register('x', 5)", "must have __call__"),
    "registers no evaluator": (
        HOOK + "def register_evaluators(register): register('x', print)",
        "must have evaluate",
    ),
    "registers half a provider": (
        HOOK
        + "def register_models(register):\n    class P:\n        def create(self): pass\n    register('x', P())",
        "must have models, pull",
    ),
    "registers twice": (
        HOOK + "def register_suites(register):\n    register('x', str)\n    register('x', str)",
        "which plugin 'broken' already registered",
    ),
    "takes a name that is taken": (
        HOOK + "def register_suites(register): register('good', str)",
        "which plugin 'a_good' already registered",
    ),
    "calls register wrongly": (HOOK + "def register_suites(register): register('x')", "TypeError"),
    "hangs": ("import threading; threading.Event().wait()", "did not end within 0.5 s"),
}

BUILT_IN = [e.name for e in entry_points(group="evolvent") if e.value.startswith("evolvent_plugins.")]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load modules of given sources as plugins of their names."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def load_(settings: Settings | None = None, **sources: str) -> PluginHost:
        for name, source in sources.items():
            (tmp_path / f"plugin_module_{name}.py").write_text(source)
            made.append(f"plugin_module_{name}")
        entries = [EntryPoint(name, f"plugin_module_{name}", "evolvent") for name in sources]
        return PluginHost(entries, settings or Settings(plugin_seconds=0.5))

    yield load_
    for name in made:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_and_the_others_work(load: Any, kind: str) -> None:
    source, words = BROKEN[kind]
    host = load(a_good=GOOD, broken=source)
    assert words in host.failures["broken"]
    assert list(host.loaded) == ["a_good"]
    assert host.suites.names() == ["good"]
    info = host.infos["broken"]
    assert (info.state, info.registers) == ("failed", {})
    assert info.mend == "evolvent plugins disable broken"


def test_a_plugin_that_prints_and_starts_threads_is_loaded_with_remarks(
    load: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (
        "import threading\nprint('hello there')\n"
        "threading.Thread(target=threading.Event().wait, args=(1,), name='mine').start()\n"
    )
    host = load(loud=source + GOOD)
    assert capsys.readouterr().out == "", "what it prints must not mix with our output"
    printed, threads = host.infos["loud"].remarks
    assert "printed 12 characters" in printed
    assert "mine" in threads
    assert host.suites.names() == ["good"]


def test_two_plugins_of_one_name_are_both_named(load: Any, tmp_path: Path) -> None:
    load(first=GOOD, second=GOOD.replace("good", "other"))
    modules = ("plugin_module_first", "plugin_module_second")
    host = PluginHost([EntryPoint("same", module, "evolvent") for module in modules])
    assert host.infos["same"].state == "loaded"
    assert "has the same name" in host.failures["same (plugin_module_second)"]


def test_a_package_for_another_version_is_refused_before_it_is_imported(load: Any, tmp_path: Path) -> None:
    load(marked="import os\nos.environ['EVOLVENT_TEST_IMPORTED'] = '1'\n")
    folder = tmp_path / "evolvent_future-2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: evolvent-future\nVersion: 2.0\nRequires-Dist: evolvent>=99\n"
    )
    (folder / "entry_points.txt").write_text("[evolvent]\nfuture = plugin_module_marked\n")
    sys.modules.pop("plugin_module_marked", None)
    host = PluginHost(PathDistribution(folder).entry_points)
    info = host.infos["future"]
    assert "its package evolvent-future needs evolvent>=99; this is evolvent " in info.reason
    assert (info.distribution, info.version) == ("evolvent-future", "2.0")
    assert "pip install --upgrade evolvent-future" in info.mend
    assert "plugin_module_marked" not in sys.modules


def test_a_disabled_plugin_is_not_even_imported(load: Any) -> None:
    disabled = PluginsFile(Settings().home)
    disabled.disable("bad")
    disabled.disable("good")
    host = load(good=GOOD, bad="raise ValueError")
    assert host.failures == {}
    assert host.infos["bad"].state == "disabled"
    assert host.infos["bad"].mend == "evolvent plugins enable bad"
    with pytest.raises(UnknownName, match=r"unknown suite 'good'.*good: disabled.*evolvent plugins list"):
        host.suites.get("good")
    disabled.enable("good")
    assert load(good=GOOD).suites.names() == ["good"]


def test_a_damaged_file_of_disabled_plugins_is_named() -> None:
    home = Settings().home
    home.mkdir(parents=True)
    (home / "plugins.json").write_text('{"disabled": [1]}')
    with pytest.raises(UsageError, match=r"plugins\.json' is damaged"):
        PluginHost([])
    with pytest.raises(UsageError, match="damaged"):
        PluginsFile(home).disable("x")
    assert (home / "plugins.json").read_text() == '{"disabled": [1]}', "nothing is lost"


def test_only_the_named_plugins_are_loaded(load: Any) -> None:
    sources = {"one": GOOD, "two": GOOD.replace("good", "more"), "three": "raise ValueError"}
    host = load(Settings(plugins="one, two"), **sources)
    assert host.suites.names() == ["good", "more"]
    assert host.infos["three"].state == "left out"
    assert load(Settings(plugins=""), **sources).loaded == {}
    with pytest.raises(
        UsageError, match="EVOLVENT_PLUGINS names 'four', which is not installed; installed: one"
    ):
        load(Settings(plugins="four"), **sources)


def test_traced_calls_are_named_on_stderr(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    load(Settings(trace_plugins=True), good=GOOD, bad=HOOK + "def register_suites(register): 1 / 0")
    said = capsys.readouterr()
    assert "plugin good: register_suites done in" in said.err
    assert "plugin bad: register_suites raised ZeroDivisionError in" in said.err
    assert said.out == ""


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_built_in_can_be_missing_and_the_others_load(name: str) -> None:
    PluginsFile(Settings().home).disable(name)
    host = PluginHost()
    assert host.failures == {}
    assert name not in host.loaded
    for registry in host.registries().values():
        assert name not in registry.origins.values()


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_built_in_loads_alone(name: str) -> None:
    host = PluginHost(settings=Settings(plugins=name))
    assert list(host.loaded) == [name]
    info = host.infos[name]
    assert info.hooks
    assert bool(info.registers) == any(hook.startswith("register_") for hook in info.hooks)


def test_a_kernel_without_its_embedder_says_which_plugin_is_missing() -> None:
    PluginsFile(Settings().home).disable("embeddings")
    with pytest.raises(UnknownName, match="unknown embedder 'all-minilm-l6-v2'.*embeddings: disabled"):
        Runtime(Settings(), model=ScriptedModel(script=[]))
