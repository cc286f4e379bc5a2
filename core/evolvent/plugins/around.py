"""Running plugins around a graph node."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any

from evolvent.plugins.calls import Answer, HookCalls, Implementation
from evolvent.plugins.read_only import read_only
from evolvent.plugins.registry import Registry
from evolvent.types import JsonValue, canonical_json

__all__ = ["NodeSurround"]

HOOK = "around_node"
MAX_VALUE = 65_536
"""Characters of JSON that one state key may hold."""


class NodeSurround:
    """The generators of all plugins around one run of one node; they are ended in reverse order."""

    def __init__(self, calls: HookCalls, keys: Registry[str]) -> None:
        self._calls, self._keys = calls, keys
        self._open: list[tuple[Implementation, Generator[Any, Any, Any]]] = []

    def before(self, node: str, state: Mapping[str, Any]) -> dict[str, JsonValue]:
        """Start all generators; returns what they add to the state."""
        asked = self._calls.of(HOOK)
        added: dict[str, JsonValue] = {}
        answers = self._calls.ask(HOOK, {"node": node, "state": state}, asked)
        for implementation, answer in zip(asked, answers, strict=True):
            if answer.fault:
                continue
            if isinstance(answer.value, Generator):
                self._open.append((implementation, answer.value))
            else:
                self._blame(implementation, f"is no generator: it returned {type(answer.value).__name__}")
        started, self._open = self._open, []
        answers = self._run([i for i, _ in started], [partial(_first, g) for _, g in started])
        for (implementation, generator), answer in zip(started, answers, strict=True):
            if answer.fault:
                continue
            ended, value = answer.value
            if ended:
                self._blame(implementation, "ended without a yield; it yields once, where the node runs")
                continue
            self._open.append((implementation, generator))
            added |= self._allowed(implementation, value)
        return added

    def after(self, update: Mapping[str, Any]) -> dict[str, JsonValue]:
        """Give all generators the node's update; returns what they add to the state."""
        started, self._open = self._open[::-1], []
        added: dict[str, JsonValue] = {}
        seen = read_only(update)
        calls = [partial(_last, generator, seen) for _, generator in started]
        for (implementation, generator), answer in zip(
            started, self._run([i for i, _ in started], calls), strict=True
        ):
            if answer.fault:
                continue
            ended, value = answer.value
            if not ended:
                self._blame(implementation, "yielded twice; it yields once, where the node runs")
                self._run([implementation], [generator.close])
                continue
            added |= self._allowed(implementation, value)
        return added

    def close(self) -> None:
        """End the generators of a node that did not end as it should."""
        started, self._open = self._open[::-1], []
        self._run([i for i, _ in started], [g.close for _, g in started])

    def _run(self, asked: Sequence[Implementation], calls: Sequence[Callable[[], Any]]) -> list[Answer]:
        return self._calls.run([HOOK] * len(asked), asked, calls)

    def _allowed(self, implementation: Implementation, value: Any) -> dict[str, JsonValue]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._blame(implementation, f"gave a {type(value).__name__}; it gives a mapping or None")
            return {}
        own = [key for key, origin in self._keys.origins.items() if origin == implementation.plugin]
        if foreign := [key for key in value if key not in own]:
            self._blame(
                implementation,
                f"gave the state key {foreign[0]!r}, which it did not declare by register_state_keys; "
                f"it declared: {', '.join(sorted(own)) or 'none'}",
            )
            return {}
        try:
            text = canonical_json(dict(value))
        except (TypeError, ValueError, RecursionError) as error:
            self._blame(implementation, f"gave something that is not JSON: {error}")
            return {}
        if len(text) > MAX_VALUE:
            self._blame(implementation, f"gave {len(text)} characters of JSON; at most {MAX_VALUE} are kept")
            return {}
        return dict(value)

    def _blame(self, implementation: Implementation, fault: str) -> None:
        self._calls.blame(implementation.plugin, HOOK, f"{HOOK} {fault}")


def _first(generator: Generator[Any, Any, Any]) -> tuple[bool, Any]:
    try:
        return False, next(generator)
    except StopIteration as end:
        return True, end.value


def _last(generator: Generator[Any, Any, Any], update: Mapping[str, Any]) -> tuple[bool, Any]:
    try:
        return False, generator.send(update)
    except StopIteration as end:
        return True, end.value
