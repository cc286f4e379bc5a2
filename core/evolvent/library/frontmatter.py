"""The text of a SKILL.md: YAML front matter between two fences, and a Markdown body.

The YAML that is accepted is the strict subset of the Agent Skills reference implementation: block style,
every scalar a string, no duplicate keys, no anchors, aliases or tags.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evolvent.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import yaml

__all__ = ["STANDARD_KEYS", "Front", "parse_skill_md", "render_skill_md"]

Front = dict[str, str | dict[str, str]]
"""The front matter: standard keys, where only `metadata` holds a mapping."""

STANDARD_KEYS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
"""Top-level keys of the Agent Skills specification, in the order in which they are written."""

_FENCE = "---"


def render_skill_md(front: Mapping[str, str | Mapping[str, str]], body: str) -> str:
    """Return the text of a SKILL.md; the same input always gives the same text."""
    lines = [_FENCE]
    for key in STANDARD_KEYS:
        value = front.get(key)
        if isinstance(value, str):
            lines.append(f"{key}: {value if key == 'name' else _quoted(value)}")
        elif value:
            lines.append(f"{key}:")
            lines += [f"  {_key(name)}: {_quoted(text)}" for name, text in sorted(value.items())]
    return "\n".join([*lines, _FENCE, "", body.strip(), ""])


def parse_skill_md(text: str, where: str = "SKILL.md") -> tuple[Front, str]:
    """Split a SKILL.md into front matter and body.

    Args:
        text: the file's text.
        where: what error messages call the file.

    Raises:
        IntegrityError: the front matter is missing, not closed, not the allowed YAML, or holds other keys
            than the standard ones.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != _FENCE:
        raise IntegrityError(f"{where}: must start with YAML front matter: a first line of '---'")
    closing = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if closing is None:
        raise IntegrityError(f"{where}: the front matter is not closed with a line of '---'")
    header = "\n".join(lines[1:closing])
    if _FENCE in header:
        raise IntegrityError(f"{where}: the front matter may hold '---' only as its fences")
    front = _load(header, where)
    extra = sorted(set(front) - set(STANDARD_KEYS))
    if extra:
        raise IntegrityError(
            f"{where}: unknown keys {', '.join(extra)}; allowed: {', '.join(STANDARD_KEYS)}"
            " (anything else belongs under metadata)"
        )
    for key, value in front.items():
        if isinstance(value, dict) != (key == "metadata"):
            kind = "a mapping of strings" if key == "metadata" else "a string"
            raise IntegrityError(f"{where}: {key} must be {kind}")
    return front, "\n".join(lines[closing + 1 :]).strip()


def _quoted(text: str) -> str:
    """Return a double-quoted YAML scalar without line breaks, unprintable characters or a fence."""
    simple = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    out = "".join(simple.get(c) or (c if c.isprintable() else _escape(c)) for c in text)
    return '"' + out.replace(_FENCE, "\\x2d--") + '"'


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z][\w.-]*", name) and _FENCE not in name else _quoted(name)


def _load(header: str, where: str) -> Front:
    import yaml

    try:
        for event in yaml.parse(header, Loader=yaml.BaseLoader):
            _refuse_loose_yaml(event, where)
        node = yaml.compose(header, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise IntegrityError(
            f"{where}: the front matter is not YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(node, yaml.MappingNode):
        raise IntegrityError(f"{where}: the front matter must be a YAML mapping")
    front: Front = {}
    for key, value in _pairs(node, where):
        if isinstance(value, yaml.MappingNode):
            front[key] = {name: _text(item, f"{key}.{name}", where) for name, item in _pairs(value, where)}
        else:
            front[key] = _text(value, key, where)
    return front


def _refuse_loose_yaml(event: yaml.Event, where: str) -> None:
    loose = (
        getattr(event, "flow_style", False)
        or getattr(event, "anchor", None)
        or (getattr(event, "tag", None) not in (None, "!"))
    )
    if loose:
        line = event.start_mark.line + 2 if event.start_mark else 2
        raise IntegrityError(f"{where}:{line}: flow style, anchors, aliases and tags are not allowed")


def _pairs(node: yaml.MappingNode, where: str) -> list[tuple[str, yaml.Node]]:
    pairs = [(_text(key, "a key", where), value) for key, value in node.value]
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise IntegrityError(f"{where}: the key {key!r} stands twice")
        seen.add(key)
    return pairs


def _text(node: yaml.Node, what: str, where: str) -> str:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise IntegrityError(f"{where}: {what} must be a string")
    text = str(node.value)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise IntegrityError(f"{where}: {what} holds half a character (a lone surrogate)")
    return text
