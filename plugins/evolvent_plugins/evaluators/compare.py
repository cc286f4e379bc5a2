"""Equality of JSON values, type-strictly."""

from __future__ import annotations

import math

from evolvent.types import JsonValue

__all__ = ["same_json", "same_number", "same_value"]

REL_TOL = 1e-9
"""Two floats this close, relative to the larger, are one float: the last bits differ between machines."""


def same_json(expected: JsonValue, found: JsonValue) -> bool:
    """Return whether two JSON values are equal, types included.

    True is not 1 and "1" is not 1. An integer equals a float of the same value only where the *expected*
    one is the float: JSON writers drop the `.0`. Floats are equal within a relative 1e-9.
    """
    if isinstance(expected, bool) or isinstance(found, bool) or expected is None or found is None:
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        if isinstance(expected, int):
            return isinstance(found, int) and expected == found
        return same_number(expected, found, REL_TOL, 0.0)
    if isinstance(expected, str) and isinstance(found, str):
        return expected == found
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same_json, expected, found))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            same_json(expected[key], found[key]) for key in expected
        )
    return False


def same_number(expected: float, found: float, rel_tol: float, abs_tol: float) -> bool:
    """Return whether two finite numbers are close; integers too large for a float only equal themselves."""
    try:
        return math.isclose(expected, found, rel_tol=rel_tol, abs_tol=abs_tol) and math.isfinite(found)
    except OverflowError:
        return expected == found


def same_value(expected: JsonValue, found: JsonValue, abs_tol: float = 0.0) -> bool:
    """Return whether two JSON values are equal as Python's `==` has it for numbers: 1 is 1.0.

    Unlike `==`, True is not 1. `abs_tol` holds for numbers that are not inside a container.
    """
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return same_number(expected, found, 0.0 if abs_tol else REL_TOL, abs_tol)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same_value, expected, found))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            same_value(expected[key], found[key]) for key in expected
        )
    return same_json(expected, found)
