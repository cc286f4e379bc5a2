"""Learning jobs with curricula and executors of plugins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from evolvent import Runtime, Settings, hookimpl
from evolvent.errors import PluginError, UnknownName
from evolvent.plugins import PluginHost
from evolvent.practice import LearnJob, LearnOptions
from evolvent.testing import ScriptedModel
from evolvent.types import FamilyProgress

OPTIONS = LearnOptions(held_out=4, practise=1, study=0, cases=8)
SUITE = "reasoning-gym:leg_counting,spell_backward"


def families(*rows: tuple[str, float, int, int]) -> list[FamilyProgress]:
    return [FamilyProgress(family=f, before=b, practised=p, left=left) for f, b, p, left in rows]


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
