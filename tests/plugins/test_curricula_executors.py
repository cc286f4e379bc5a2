"""Built-in curricula and executors, and the learning job that uses them."""

from __future__ import annotations

import subprocess
import sys
import threading
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from evolvent import Runtime, Settings, hookimpl
from evolvent.errors import PluginError, UnknownName
from evolvent.plugins import PluginHost
from evolvent.practice import LearnJob, LearnOptions
from evolvent.testing import ScriptedModel
from evolvent.testing.practice_conformance import check_curriculum, check_executor
from evolvent.types import FamilyProgress
from evolvent_plugins.curricula import InOrder, WeakestFirst
from evolvent_plugins.executors import SerialExecutor

OPTIONS = LearnOptions(held_out=4, practise=1, study=0, cases=8)
SUITE = "reasoning-gym:leg_counting,spell_backward"


def families(*rows: tuple[str, float, int, int]) -> list[FamilyProgress]:
    return [FamilyProgress(family=f, before=b, practised=p, left=left) for f, b, p, left in rows]


def test_the_built_ins_keep_their_contracts() -> None:
    check_curriculum(InOrder)
    check_curriculum(WeakestFirst)
    host = PluginHost()
    for name in ("threads", "serial"):
        check_executor(lambda workers, name=name: host.executors.get(name)(Settings(), workers))


def test_the_weakest_family_comes_first_and_is_finished_before_the_next() -> None:
    chosen = WeakestFirst().next_family
    rng = Random(0)
    assert chosen(families(("a", 0.5, 0, 2), ("b", 0.1, 0, 2), ("c", 1.0, 0, 2)), rng) == "b"
    assert chosen(families(("a", 0.5, 1, 1), ("b", 0.1, 0, 2)), rng) == "a"
    assert chosen(families(("a", 0.5, 2, 0), ("b", 0.1, 2, 0), ("c", 1.0, 0, 2)), rng) is None


def test_serial_work_happens_in_the_callers_thread() -> None:
    with SerialExecutor() as executor:
        assert executor.submit(threading.current_thread).result() is threading.current_thread()


def job(host: PluginHost | None = None, **settings: Any) -> Any:
    """Run a small learning job with a model that is always wrong, and return its report and the order of parts."""
    given, order = Settings(**settings), list[str]()
    model = ScriptedModel(script=lambda messages: "wrong")
    with Runtime(given, plugins=host or PluginHost(settings=given), model=model) as runtime:
        learning = LearnJob(
            runtime,
            SUITE,
            OPTIONS,
            listener=lambda progress: order.append(f"{progress.phase} {progress.family}"),
        )
        return learning.run(), order


@pytest.mark.slow
def test_measuring_with_four_workers_gives_the_same_report(own_home: Any) -> None:
    one, order = job(home=own_home / "one")
    four, again = job(home=own_home / "four", workers=4)
    ignored = {"run_id", "wall_s", "usage"}
    assert one.model_dump(exclude=ignored) == four.model_dump(exclude=ignored)
    assert one.usage.tokens == four.usage.tokens
    assert order == again


@pytest.mark.slow
def test_a_curriculum_decides_what_is_practised() -> None:
    class Second:
        def next_family(self, families: Any, rng: Any) -> Any:
            return families[1].family if families[1].left else None

    host = PluginHost()
    registers = hookimpl(lambda register: register("second", lambda settings: Second()))
    host.add(SimpleNamespace(register_curricula=registers), "theirs")
    _, order = job(host, curriculum="second")
    assert [part for part in order if part.startswith(("practise", "learn"))] == ["learn spell_backward"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [("no-such-family", "chose 'no-such-family'; it may choose"), (None, "ZeroDivisionError")],
)
def test_a_curriculum_that_misbehaves_is_named(answer: Any, says: str) -> None:
    from evolvent.practice.choosing import Chooser

    class Broken:
        def next_family(self, families: Any, rng: Any) -> Any:
            return answer or 1 / 0

    host = PluginHost([])
    registers = hookimpl(lambda register: register("broken", lambda settings: Broken()))
    host.add(SimpleNamespace(register_curricula=registers), "theirs")
    chooser = Chooser(host, Settings(curriculum="broken"), 0)
    with pytest.raises(PluginError, match="plugin 'theirs'") as caught:
        chooser.next(families(("a", 0.5, 0, 2)))
    assert says in str(caught.value)


def test_an_unknown_curriculum_or_executor_is_named() -> None:
    with pytest.raises(UnknownName, match=r"unknown curriculum 'weakest'; did you mean 'weakest-first'"):
        job(curriculum="weakest")
    with pytest.raises(UnknownName, match=r"unknown executor 'thread'; did you mean 'threads'"):
        job(executor="thread", workers=2)


@pytest.mark.parametrize("module", ["policies", "curricula", "executors", "tools", "metrics", "mcp"])
def test_importing_a_built_in_is_light(module: str) -> None:
    heavy = ("langchain_core", "numpy", "scipy", "httpx", "mcp", "prometheus_client", "torch")
    code = f"import evolvent_plugins.{module}, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
