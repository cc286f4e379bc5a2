"""Makes a server's schema safe to look at and cheap to check against.

A schema comes from a stranger, and so may the arguments that are checked against it. Patterns can take for ever on
a chosen text, references can fetch addresses, go in circles or double at each step. So only keywords whose check is
proportional to the arguments are kept, and references within the schema are written out. The server checks
arguments against its own schema anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["plain_schema", "readable"]

NODES = 1_000
"""Subschemas that are written out; what lies beyond accepts anything."""
_VALUES = frozenset(
    {
        "const", "default", "description", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format",
        "maximum", "maxItems", "maxLength", "maxProperties", "minimum", "minItems", "minLength", "minProperties",
        "required", "title", "type",
    }
)  # fmt: skip
_SCHEMA = frozenset({"additionalProperties", "items", "not"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})


def readable(value: Any, lines: bool = True) -> Any:
    """Return a JSON value whose texts hold no control, format or private characters.

    Those steer terminals, turn the direction of writing round, or are invisible to people and not to models.
    """
    if isinstance(value, str):
        kept = "\n\t" if lines else ""
        return "".join(
            " " if c.isspace() and c not in kept else c for c in value if c.isprintable() or c.isspace()
        )
    if isinstance(value, Mapping):
        return {readable(key): readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list) else value


def plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of an object without references, patterns and rare keywords.

    Raises:
        ValueError: it is no JSON schema, or not of an object.
    """
    from jsonschema import Draft202012Validator, SchemaError

    plain = _Writer(schema).written(schema, ())
    try:
        Draft202012Validator.check_schema(plain)
    except SchemaError as error:
        place, why = ".".join(map(str, error.absolute_path)), readable(error.message, lines=False)
        raise ValueError(f"its schema is no JSON schema: {place}: {why[:200]}") from error
    if plain.setdefault("type", "object") != "object":
        raise ValueError("its schema is not that of an object")
    plain.setdefault("properties", {})
    result: dict[str, Any] = readable(plain)
    return result


class _Writer:
    """Writes the references of one schema out."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._left = NODES

    def written(self, node: Any, above: tuple[str, ...]) -> Any:
        """Return a subschema; `above` names the references that it lies in."""
        self._left -= 1
        if self._left < 0:
            return {}
        if not isinstance(node, dict):
            return node
        made: dict[str, Any] = {}
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in above:
            target = self.written(self._target(reference), (*above, reference))
            made = dict(target) if isinstance(target, dict) else {}
        for key, value in node.items():
            if key in _VALUES:
                made[key] = value
            elif key == "properties" and isinstance(value, dict):
                made[key] = {name: self.written(item, above) for name, item in value.items()}
            elif key in _SCHEMA:
                made[key] = self.written(value, above)
            elif key in _LISTS and isinstance(value, list):
                made[key] = [self.written(item, above) for item in value]
        return made

    def _target(self, reference: str) -> Any:
        node: Any = self._root
        if not reference.startswith("#"):
            return {}
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key, {}) if isinstance(node, dict) else {}
        return node
