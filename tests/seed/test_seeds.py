"""The genomes that ship keep to the surface, use what they declare, and run in a sandbox as the kernel calls them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from evolvent import Runtime
from evolvent.broker import Meter
from evolvent.errors import UnknownName
from evolvent.evolution import check_surface, read_parameters, with_values
from evolvent.graphs.genome import SEEDS, seed_genome
from evolvent.graphs.guest import GuestOutcome, run_guest
from evolvent.types import Budget, Variant

Open = Callable[..., Runtime]
ARCHIVE = [
    Variant(id="a", trials=9, score=0.2),
    Variant(id="b", parents=("a",), generation=1, trials=9, score=0.6),
    Variant(id="dead", parents=("b",), generation=2, viable=False, score=1.0),
    *(Variant(id=f"c{n}", parents=("b",), generation=2, trials=9, score=0.5) for n in range(9)),
]


def call(runtime: Runtime, function: tuple[str, str], *args: Any, **context: Any) -> GuestOutcome:
    meter = Meter(Budget())
    broker = runtime.services.broker("run", f"run#{json.dumps([*function, context])}", meter)
    return run_guest(runtime.services, broker, meter, function, list(args), {"seed": 0, **context})


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_keeps_to_the_surface_and_uses_what_it_declares(name: str) -> None:
    genome = seed_genome(name)
    assert check_surface(genome) == []
    assert {
        "task_agent.py",
        "meta_agent.py",
        "select_parent.py",
        "genome.toml",
        "prompts/answer.md",
    } <= genome.keys()
    code = "\n".join(text for path, text in genome.items() if path.endswith(".py"))
    for parameter, declared in read_parameters(genome).items():
        assert f'["{parameter}"]' in code
        assert declared.description
        assert declared.varies


def test_an_unknown_seed_is_named() -> None:
    with pytest.raises(UnknownName, match="unknown seed genome 'bear'; did you mean 'bare'"):
        seed_genome("bear")


@pytest.mark.parametrize("name", SEEDS)
def test_select_runs_in_the_sandbox_with_a_source_of_chance(open_runtime: Open, name: str) -> None:
    runtime = open_runtime()
    runtime.services.genome = seed_genome(name)
    archive = [variant.model_dump(mode="json") for variant in ARCHIVE]
    chosen = [call(runtime, ("select_parent", "select"), archive, rng=number) for number in range(6)]
    assert all(outcome.ended == "returned" for outcome in chosen), chosen[0].detail
    ids = [outcome.value for outcome in chosen]
    assert set(ids) <= {variant.id for variant in ARCHIVE if variant.viable}
    assert ids[0] == call(runtime, ("select_parent", "select"), archive, rng=0).value


def test_the_seed_selects_as_its_formula_says() -> None:
    scope: dict[str, Any] = {}
    exec(seed_genome()["select_parent.py"], scope)
    archive = [variant.model_dump() for variant in ARCHIVE]
    rng = Random(3)
    drawn = Counter(scope["select"](archive, rng) for _ in range(20_000))
    middle = (0.6 + 0.5 + 0.5) / 3
    weights = {
        v.id: 1
        / (1 + math.exp(-10 * (v.score - middle)))
        * math.exp(-((({"a": 1, "b": 10}.get(v.id, 0)) / 8) ** 3))
        for v in ARCHIVE
        if v.viable
    }
    for name, weight in weights.items():
        assert abs(drawn[name] / 20_000 - weight / sum(weights.values())) < 0.015


def test_bare_asks_once_and_its_parameters_change_what_it_asks(open_runtime: Open) -> None:
    asked: list[str] = []

    def answer(messages: list[BaseMessage]) -> str:
        asked.append(str(messages[0].content))
        return "Let me see.\n42"

    runtime = open_runtime(answer)
    runtime.services.genome = seed_genome("bare")
    assert runtime.solve("What is 6*7?").answer == "Let me see.\n42"
    runtime.services.genome = with_values(
        seed_genome("bare"), {"style": "steps", "taken": "last line", "temperature": 0.0, "max_tokens": 500}
    )
    assert runtime.solve("What is 6*7?", run_id="again").answer == "42"
    assert asked[0] == "Answer the question."
    assert asked[1].endswith("Write the final answer alone on the last line.")


def test_bare_learns_nothing(open_runtime: Open) -> None:
    runtime = open_runtime()
    runtime.services.genome = seed_genome("bare")
    assert call(runtime, ("meta_agent", "learn"), []).value is None


def test_the_seed_without_its_parameters_would_fail(open_runtime: Open) -> None:
    runtime = open_runtime()
    runtime.services.genome = {path: text for path, text in seed_genome().items() if path != "genome.toml"}
    assert "KeyError" in runtime.solve("What is 6*7?").detail
