"""Declared parameters: what a file may say, and values that never leave their range."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent import Runtime
from evolvent.errors import UsageError
from evolvent.evolution import check_surface
from evolvent.evolution.parameters import (
    Parameter,
    parameter_values,
    perturb,
    read_parameters,
    with_values,
)
from evolvent.graphs.genome import seed_genome

TOML = """\
# How this program answers.
[parameters.temperature]   # of the model
value = 0.2   # low: the same answer each time
low = 0.0
high = 1.0

[parameters.tokens]
low = 16
high = 1024
log = true
value = 256
description = "At most so many."

[parameters]
style.value = "brief"
style.choices = ["brief", "long"]
"""
TOML = TOML.replace("[parameters]\nstyle.value", "[parameters.style]\nvalue").replace(
    "style.choices", "choices"
)
FILES = {"genome.toml": TOML, "prompts/answer.md": "Answer."}


def test_parameters_are_read_with_their_types() -> None:
    found = read_parameters(FILES)
    assert found["temperature"] == Parameter(value=0.2, low=0.0, high=1.0)
    assert found["tokens"].log
    assert found["style"].choices == ("brief", "long")
    assert parameter_values(FILES) == {"temperature": 0.2, "tokens": 256, "style": "brief"}
    assert read_parameters({}) == {}


def test_new_values_keep_comments_and_order() -> None:
    changed = with_values(FILES, {"temperature": 0.75, "style": "long"})
    expected = TOML.replace("value = 0.2 ", "value = 0.75 ").replace('value = "brief"', 'value = "long"')
    assert changed == {**FILES, "genome.toml": expected}
    assert with_values(FILES, {}) == FILES
    assert parameter_values(with_values(FILES, {"temperature": 1}))["temperature"] == 1.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tempo": 1}, "no parameter 'tempo' is declared; there are temperature, tokens, style"),
        ({"temperature": 1.5}, "parameter 'temperature': value 1.5 is out of its range: 0.0 to 1.0"),
        ({"style": "loud"}, "value 'loud' must be one of choices: ['brief', 'long']"),
        ({"tokens": 20.5}, "parameter 'tokens': it is a whole number, not 20.5"),
        ({"tokens": None}, "parameter 'tokens': value"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_values(FILES, changes)  # type: ignore[arg-type]
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[parameters.x", "'genome.toml' is no TOML"),
        ("a = " + "[" * 5000, "'genome.toml' is no TOML"),
        ("#" * 20_001, "at most 20000"),
        ("name = 'x'", "has 'name'; it may have only [parameters.<name>]"),
        ("parameters = 3", "must be tables"),
        ("[parameters]\nx = 3", "parameter 'x': it must be a table"),
        ("[parameters.X]\nvalue = 1", "parameter 'X': a name has"),
        ("[parameters.x]\nvalue = 1", "a number needs low and high, or choices"),
        ("[parameters.x]\nlow = 1\nhigh = 2", "value: Field required"),
        ("[parameters.x]\nvalue = 3\nlow = 1\nhigh = 2", "value 3 is out of its range: 1 to 2"),
        ("[parameters.x]\nvalue = 1\nlow = 2\nhigh = 1", "low 2 is above high 1"),
        ("[parameters.x]\nvalue = 1\nlow = 0.5\nhigh = 2", "write 1.0 for a float"),
        ("[parameters.x]\nvalue = 1.0\nlow = 0\nhigh = inf", "must be finite"),
        ("[parameters.x]\nvalue = nan\nlow = 0\nhigh = 1", "must be finite"),
        ("[parameters.x]\nvalue = 1.0\nlow = 0\nhigh = 1\nlog = true", "log needs a low above 0"),
        ("[parameters.x]\nvalue = true", "is no number, so it needs choices"),
        ("[parameters.x]\nvalue = 'a'\nchoices = ['b', 'c']", "must be one of choices: ['b', 'c']"),
        ("[parameters.x]\nvalue = true\nchoices = [1, 0]", "must be one of choices"),
        ("[parameters.x]\nvalue = 'a'\nchoices = ['a', 'a']", "the same value twice"),
        ("[parameters.x]\nvalue = 'a'\nchoices = ['a']\nlow = 1", "cannot have low, high or log"),
        ("[parameters.x]\nvalue = 1\nlow = 0\nhigh = 2\nstep = 1", "allowed are value, low and high"),
        ("[parameters.x]\nvalue = 1979-05-27\nchoices = ['a']", "parameter 'x': value"),
        ("[parameters.x]\nvalue = 99999999999999999999\nlow = 0\nhigh = 999999999999999999999", "2**53"),
        ("\n".join(f"[parameters.x{n}]\nvalue = 1\nlow = 0\nhigh = 2" for n in range(65)), "at most 64"),
    ],
)
def test_a_malformed_file_is_named_and_is_outside_the_surface(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_parameters({"genome.toml": text})
    assert says in str(caught.value)
    assert str(caught.value) in check_surface({**seed_genome(), "genome.toml": text})


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def parameters(draw: st.DrawFn) -> Parameter:
    kind = draw(st.sampled_from(["float", "int", "log", "logint", "choices"]))
    if kind == "choices":
        some = st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
        choices = draw(st.lists(some, min_size=2, max_size=6, unique_by=lambda v: (type(v), v)))
        return Parameter(value=draw(st.sampled_from(choices)), choices=tuple(choices))
    if kind == "float":
        low, value, high = sorted(draw(st.lists(numbers, min_size=3, max_size=3)))
    elif kind == "log":
        low, value, high = sorted(draw(st.lists(st.floats(1e-9, 1e9), min_size=3, max_size=3)))
    else:
        low, value, high = sorted(draw(st.lists(st.integers(1, 2000), min_size=3, max_size=3)))
    return Parameter(value=value, low=low, high=high, log=kind.startswith("log"))


@settings(deadline=None)
@given(parameters(), st.integers(0, 2**32))
def test_a_perturbed_value_differs_and_stays_in_its_range(parameter: Parameter, seed: int) -> None:
    if not parameter.varies:
        with pytest.raises(UsageError, match="one possible value"):
            perturb(parameter, Random(seed))
        return
    value = perturb(parameter, Random(seed))
    assert value == perturb(parameter, Random(seed))
    assert (type(value), value) != (type(parameter.value), parameter.value)
    assert type(value) is type(parameter.value) or parameter.choices
    Parameter(**{**parameter.model_dump(), "value": value})


def test_perturbations_reach_the_whole_range_and_stay_near() -> None:
    rng = Random(1)
    steps = [abs(math.log(perturb(read_parameters(FILES)["tokens"], rng) / 256)) for _ in range(2000)]  # type: ignore[operator]
    assert 0.3 < sorted(steps)[1000] / math.log(1024 / 16) / 0.2 < 1.1
    assert max(steps) > 2


def test_a_program_reads_its_parameters_and_cannot_change_them(open_runtime: Callable[..., Runtime]) -> None:
    runtime = open_runtime()
    program = (
        "def solve(task, ctx):\n"
        "    try:\n"
        "        ctx.parameters['tokens'] = 1\n"
        "    except TypeError:\n"
        "        return dict(ctx.parameters)\n"
    )
    runtime.services.genome = {"task_agent.py": program, "genome.toml": TOML}
    assert runtime.solve("Which?").answer == {"temperature": 0.2, "tokens": 256, "style": "brief"}
    runtime.services.genome = {"task_agent.py": program}
    assert runtime.solve("And without a file?").answer == {}
