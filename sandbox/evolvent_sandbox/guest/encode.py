"""Plain, bounded JSON and nothing else: what may leave the sandbox."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as _quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MAX_DEPTH", "NotJson", "Record", "encode"]

MAX_DEPTH = 50


class NotJson(Exception):
    """A value is not plain, bounded JSON."""


class Record(dict):  # type: ignore[type-arg]  # subscripting costs an import of typing at start
    """A JSON object of the host whose keys can also be read as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no field {name!r}; there is {', '.join(map(repr, self))}") from None


def encode(value: object, max_bytes: int) -> str:
    """Return the JSON text (ASCII) of a value of exactly the JSON types; tuples become lists.

    Raises:
        NotJson: NaN, infinity, a cycle, too deep, too large, a lone surrogate, or any other type.
    """
    out = _Writer(max_bytes)
    out.write(value, 1)
    return "".join(out.parts)


class _Writer:
    def __init__(self, max_bytes: int) -> None:
        self.parts: list[str] = []
        self.left = max_bytes
        self.max_bytes = max_bytes

    def put(self, text: str) -> None:
        self.left -= len(text)
        if self.left < 0:
            raise NotJson(f"the value takes more than {self.max_bytes} bytes of JSON")
        self.parts.append(text)

    def write(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind is str:
            self.write_text(value)
        elif kind is int:
            self.put(_digits(value))
        elif kind is bool:
            self.put("true" if value else "false")
        elif value is None:
            self.put("null")
        elif kind is float:
            if value - value != 0.0:
                raise NotJson(f"{value!r} is not JSON")
            self.put(float.__repr__(value))
        elif kind is list or kind is tuple:
            self.write_list(value, depth)
        elif kind is dict or kind is Record:
            self.write_object(value, depth)
        else:
            raise NotJson(f"a value of type {_name(kind)} is not JSON")

    def write_text(self, value: str) -> None:
        if len(value) > self.left:
            raise NotJson(f"the value takes more than {self.max_bytes} bytes of JSON")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotJson("a text holds a lone surrogate, which is not Unicode") from None
        self.put(_quote(value))

    def write_list(self, value: Any, depth: int) -> None:
        _check_depth(depth)
        self.put("[")
        for index, item in enumerate(value):
            if index:
                self.put(",")
            self.write(item, depth + 1)
        self.put("]")

    def write_object(self, value: Any, depth: int) -> None:
        _check_depth(depth)
        self.put("{")
        first = True
        for key, item in value.items():
            if type(key) is not str:
                raise NotJson(f"an object's key is of type {_name(type(key))}; JSON allows only text")
            if not first:
                self.put(",")
            first = False
            self.write_text(key)
            self.put(":")
            self.write(item, depth + 1)
        self.put("}")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotJson(f"the value is nested deeper than {MAX_DEPTH} levels, or refers to itself")


def _digits(value: int) -> str:
    try:
        return int.__repr__(value)
    except ValueError:
        raise NotJson("an integer has more than 4300 digits") from None


def _name(kind: type) -> str:
    return str(type.__dict__["__name__"].__get__(kind))[:80]
