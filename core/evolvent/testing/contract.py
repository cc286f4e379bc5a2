"""What conformance suites share: asking what is checked, and telling values and chance apart from their likes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from evolvent.types import JsonValue
from evolvent.types._base import canonical_json

__all__ = ["asked", "other_chance", "require", "require_json"]

T = TypeVar("T")
JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def asked(where: str, contract: str, call: Callable[[], T]) -> T:
    """Return what a call returns; what it raises, SystemExit included, breaks the contract.

    Args:
        where: what was called, on what.
        contract: what it must do instead of raising.
        call: the call.

    Raises:
        AssertionError: it raised.
    """
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise AssertionError(f"{where} raised {type(error).__name__}: {error!s:.300}; {contract}") from error


def require(condition: object, message: str) -> None:
    """Fail the check; unlike `assert`, also where Python runs with -O, as a command for people may.

    Raises:
        AssertionError: the condition does not hold.
    """
    if not condition:
        raise AssertionError(message)


def require_json(value: Any, what: str) -> None:
    """Check that a value is plain JSON.

    Raises:
        AssertionError: it is not.
    """
    try:
        JSON.validate_python(value)
        canonical_json(value).encode()
    except (ValidationError, ValueError, TypeError, RecursionError) as error:
        raise AssertionError(
            f"{what} is {value!r:.120}; it must be plain JSON: None, bool, int, finite float, str, list or dict"
        ) from error


@contextmanager
def other_chance(seed: int) -> Iterator[None]:
    """Seed the module `random`, and put its state back: who uses it must not notice the same twice."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
