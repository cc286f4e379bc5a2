"""The parameters of an agent program: numbers and choices that `genome.toml` declares with their ranges.

    [parameters.temperature]
    value = 0.2
    low = 0.0
    high = 1.0
    description = "How freely the model answers."

They are what an optimizer may turn without reading the program; the program finds their values in `ctx.parameters`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from random import Random
from typing import Any, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError, model_validator

from evolvent.errors import UsageError
from evolvent.types import Frozen, JsonValue

__all__ = ["PARAMETER_FILE", "Parameter", "parameter_values", "perturb", "read_parameters", "with_values"]

PARAMETER_FILE = "genome.toml"
MAX_CHARS = 20_000
MAX_PARAMETERS = 64
LARGEST = 2**53
"""Whole numbers up to here are the same in every JSON reader."""
STEP = 0.2
"""Standard deviation of a perturbation, as a part of the range."""
DIGITS = 4
"""Significant digits of a perturbed float: more say nothing, and people read the file."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

Value = StrictBool | StrictInt | StrictFloat | StrictStr
Number = StrictInt | StrictFloat


class Parameter(Frozen):
    """One declared parameter: a number between `low` and `high`, or one of `choices`."""

    value: Value
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    """Whether ratios matter rather than differences, as for a number of tokens."""
    choices: tuple[Value, ...] = ()
    description: str = Field(default="", max_length=1000)

    @property
    def varies(self) -> bool:
        """Whether there is another value than the present one."""
        return len(self.choices) > 1 if self.choices else self.low != self.high

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.choices:
            _check_choices(self)
        else:
            _check_range(self)
        return self


def read_parameters(files: Mapping[str, str]) -> dict[str, Parameter]:
    """Return what an agent program declares: name to parameter, in the order of the file.

    Args:
        files: relative path to text; without a `genome.toml` there are no parameters.

    Raises:
        UsageError: the file is malformed, or a value is out of its range; the message names the parameter.
    """
    text = files.get(PARAMETER_FILE)
    if text is None:
        return {}
    if len(text) > MAX_CHARS:
        raise UsageError(f"{PARAMETER_FILE!r} has {len(text)} characters; at most {MAX_CHARS}")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{PARAMETER_FILE!r} is no TOML: {error or type(error).__name__}") from None
    strange = sorted(document.keys() - {"parameters"})
    if strange:
        raise UsageError(f"{PARAMETER_FILE!r} has {strange[0]!r:.80}; it may have only [parameters.<name>]")
    declared = document.get("parameters", {})
    if not isinstance(declared, dict):
        raise UsageError(
            f"{PARAMETER_FILE!r}: 'parameters' must be tables [parameters.<name>], not {declared!r:.80}"
        )
    if len(declared) > MAX_PARAMETERS:
        raise UsageError(f"{PARAMETER_FILE!r} declares {len(declared)} parameters; at most {MAX_PARAMETERS}")
    return {name: _parameter(name, table) for name, table in declared.items()}


def parameter_values(files: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return the values that a program's `ctx.parameters` has.

    Raises:
        UsageError: as `read_parameters`.
    """
    return {name: parameter.value for name, parameter in read_parameters(files).items()}


def with_values(files: Mapping[str, str], changes: Mapping[str, JsonValue]) -> dict[str, str]:
    """Return the files with other values; comments, order and spacing of `genome.toml` stay.

    Args:
        files: relative path to text.
        changes: name of a declared parameter to its new value.

    Raises:
        UsageError: a name that is not declared, or a value that its declaration does not allow.
    """
    import tomlkit

    if not changes:
        return dict(files)
    known = read_parameters(files)
    changes = {name: _new_value(name, known, value) for name, value in changes.items()}
    document: Any = tomlkit.parse(files[PARAMETER_FILE])
    for name, value in changes.items():
        document["parameters"][name]["value"] = value
    changed = {**files, PARAMETER_FILE: tomlkit.dumps(document)}
    if parameter_values(changed) != {**parameter_values(files), **changes}:
        raise UsageError(
            f"{PARAMETER_FILE!r} cannot be changed as it is written; write [parameters.<name>] tables"
        )
    return changed


def perturb(parameter: Parameter, rng: Random) -> JsonValue:
    """Return another value near the present one: within its range, and never the same.

    Numbers take a step of a normal distribution, a fifth of the range wide (of its logarithm where `log` is set);
    whole numbers at least one up or down. Choices are drawn evenly from the others.

    Raises:
        UsageError: its range holds one value only.
    """
    if not parameter.varies:
        raise UsageError(f"a parameter with one possible value, {parameter.value!r}, cannot be perturbed")
    if parameter.choices:
        return rng.choice([c for c in parameter.choices if not _same(c, parameter.value)])
    assert parameter.low is not None
    assert parameter.high is not None
    assert not isinstance(parameter.value, str)
    low, high, value = parameter.low, parameter.high, parameter.value
    near = _near(float(value), float(low), float(high), parameter.log, rng)
    if isinstance(value, int):
        stepped = min(max(round(near), int(low)), int(high))
        if stepped != value:
            return stepped
        ways = [n for n in (value - 1, value + 1) if low <= n <= high]
        return rng.choice(ways)
    rounded = min(max(float(f"{near:.{DIGITS}g}"), float(low)), float(high))
    if rounded != value:
        return rounded
    return float(low if value != low else high)


def _near(value: float, low: float, high: float, log: bool, rng: Random) -> float:
    """Return a step from a value, reflected once at the ends of the range, then cut off there."""
    first, last, place = (math.log(low), math.log(high), math.log(value)) if log else (low, high, value)
    moved = place + rng.gauss(0.0, STEP) * (last - first)
    if moved < first:
        moved = 2 * first - moved
    elif moved > last:
        moved = 2 * last - moved
    moved = min(max(moved, first), last)
    return math.exp(moved) if log else moved


def _new_value(name: str, known: Mapping[str, Parameter], value: JsonValue) -> JsonValue:
    """Return a value as its declaration wants it."""
    if name not in known:
        raise UsageError(f"no parameter {name!r} is declared; there are {', '.join(known) or 'none'}")
    old = known[name]
    if not old.choices and isinstance(old.value, float) and type(value) is int:
        value = float(value)  # JSON does not tell 1 from 1.0
    if not old.choices and isinstance(old.value, int) and isinstance(value, float):
        raise UsageError(f"{PARAMETER_FILE!r}, parameter {name!r}: it is a whole number, not {value!r}")
    return _parameter(name, {**old.model_dump(exclude_defaults=True), "value": value}).value


def _parameter(name: str, table: object) -> Parameter:
    where = f"{PARAMETER_FILE!r}, parameter {name!r:.80}"
    if not _NAME.fullmatch(name):
        raise UsageError(f"{where}: a name has 1 to 64 of a-z, 0-9 and _, and begins with a letter")
    if not isinstance(table, dict):
        raise UsageError(
            f"{where}: it must be a table with value and low and high, or choices; not {table!r:.80}"
        )
    try:
        return Parameter.model_validate(table)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = str(fault["loc"][0]) if fault["loc"] else ""
        says = fault["msg"].removeprefix("Value error, ")
        allowed = "; allowed are value, low and high (numbers, log) or choices, and description"
        unknown = place not in Parameter.model_fields
        raise UsageError(
            f"{where}: {place + ': ' if place else ''}{says}{allowed if place and unknown else ''}"
        ) from None


def _check_choices(parameter: Parameter) -> None:
    if parameter.low is not None or parameter.high is not None or parameter.log:
        raise ValueError("it has choices, so it cannot have low, high or log")
    if not all(_plain(choice) for choice in parameter.choices):
        raise ValueError("choices must be finite numbers, whole ones up to 2**53, texts or true and false")
    if any(_same(a, b) for n, a in enumerate(parameter.choices) for b in parameter.choices[:n]):
        raise ValueError(f"choices has the same value twice: {list(parameter.choices)!r:.200}")
    if not any(_same(parameter.value, choice) for choice in parameter.choices):
        raise ValueError(
            f"value {parameter.value!r:.80} must be one of choices: {list(parameter.choices)!r:.200}"
        )


def _check_range(parameter: Parameter) -> None:
    value, low, high = parameter.value, parameter.low, parameter.high
    if isinstance(value, bool | str):
        raise ValueError(f"value {value!r:.80} is no number, so it needs choices, a list of what it may be")
    if low is None or high is None:
        raise ValueError("a number needs low and high, or choices")
    if not all(_plain(number) for number in (value, low, high)):
        raise ValueError("value, low and high must be finite, and whole numbers at most 2**53")
    if isinstance(value, int) and not (isinstance(low, int) and isinstance(high, int)):
        raise ValueError(
            f"value {value!r} is a whole number, so low and high must be; write {value}.0 for a float"
        )
    if low > high:
        raise ValueError(f"low {low!r} is above high {high!r}")
    if not low <= value <= high:
        raise ValueError(f"value {value!r} is out of its range: {low!r} to {high!r}")
    if parameter.log and low <= 0:
        raise ValueError(f"log needs a low above 0, not {low!r}")


def _plain(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= LARGEST
    return not isinstance(value, float) or math.isfinite(value)


def _same(one: object, other: object) -> bool:
    """Equal and of one type: `1`, `1.0` and `true` are three values."""
    return type(one) is type(other) and one == other
