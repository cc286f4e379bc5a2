"""Values that nobody can change by accident: what one plugin is given, others and the kernel see too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import BaseModel

__all__ = ["ReadOnlyDict", "ReadOnlyList", "read_only"]

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("a plugin gets read-only values; change a copy: copy.deepcopy(value)")


class ReadOnlyDict(dict[str, Any]):
    """A dict that cannot be changed; copies of it can."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def copy(self) -> dict[str, Any]:
        """Return a dict that can be changed."""
        return dict(self)


class ReadOnlyList(list[Any]):
    """A list that cannot be changed; copies of it can."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = insert = _refuse
    pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> Any:
        return list, (list(self),)

    def copy(self) -> list[Any]:
        """Return a list that can be changed."""
        return list(self)


def read_only(value: Any) -> Any:
    """Return a value in which no dict, list or model can be changed; what cannot be changed anyway is not copied."""
    kind = type(value)
    if kind in _PLAIN or kind is ReadOnlyDict or kind is ReadOnlyList:
        return value
    if isinstance(value, Mapping):
        return ReadOnlyDict(
            {key: item if type(item) in _PLAIN else read_only(item) for key, item in value.items()}
        )
    if isinstance(value, list):
        return ReadOnlyList([item if type(item) in _PLAIN else read_only(item) for item in value])
    if isinstance(value, set):
        return frozenset(value)
    if kind is tuple:
        items = [read_only(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else tuple(items)
    if isinstance(value, BaseModel):
        fields = value.__dict__
        changed = {name: new for name, old in fields.items() if (new := read_only(old)) is not old}
        return value.model_copy(update=changed) if changed else value
    return value
