"""Parsing what came out of a sandbox: bounded, exact, and nothing but plain JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from evolvent.types import JsonValue

__all__ = ["MAX_DEPTH", "StrictJsonError", "loads"]

MAX_DEPTH = 60
"""Levels of nesting: the guest's 50 for a value, and the envelopes around it."""
MAX_DIGITS = 4300


class StrictJsonError(ValueError):
    """The bytes are not strict, bounded JSON."""


def loads(data: bytes, max_bytes: int, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Parse untrusted bytes.

    Refused are: more than `max_bytes`, nesting deeper than `max_depth`, duplicate keys, NaN and infinities
    (overflowing floats included), integers of more than 4300 digits, lone surrogates, and anything that is
    not UTF-8 JSON.

    Raises:
        StrictJsonError: the bytes are refused; the message says why.
    """
    if len(data) > max_bytes:
        raise StrictJsonError(f"{len(data)} bytes, more than the {max_bytes} allowed")
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
    except StrictJsonError:
        raise
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise StrictJsonError(f"nested deeper than {max_depth} levels") from None
    except ValueError as error:
        raise StrictJsonError(f"not JSON: {error}") from None
    if text.count("[") + text.count("{") > max_depth:
        _check_depth(value, max_depth)
    if "\\ud" in text or "\\uD" in text:
        _check_unicode(value)
    result: JsonValue = value
    return result


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise StrictJsonError("an object has a key twice")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS + 1:
        raise StrictJsonError(f"an integer of {len(digits)} digits, more than the {MAX_DIGITS} allowed")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise StrictJsonError(f"the number {digits[:40]} is too large")
    return value


def _constant(name: str) -> Any:
    raise StrictJsonError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(max_depth):
        level = [
            item
            for holder in level
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(item, dict | list)
        ]
    if level:
        raise StrictJsonError(f"nested deeper than {max_depth} levels")


def _check_unicode(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            try:
                item.encode()
            except UnicodeEncodeError:
                raise StrictJsonError("a text holds a lone surrogate") from None
        elif isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
