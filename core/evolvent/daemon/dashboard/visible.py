"""Text that a model or a task wrote, as it may be shown: nothing in it acts, nothing hides, and it is not endless."""

from __future__ import annotations

import json
import re
import unicodedata

from evolvent.types import JsonValue

__all__ = ["SHOWN", "as_text", "cut", "visible"]

SHOWN = 20_000
"""Characters of one text that are shown."""

_PLAIN = re.compile(r"[\n\t\x20-\x7e]*")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode's categories of controls, formats (such as those that turn the direction of writing), surrogates, private
characters and separators of lines and paragraphs."""


def as_text(value: JsonValue) -> str:
    """Return a JSON value as text: a text as it is, everything else as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def cut(text: str, limit: int = SHOWN) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= limit else text[:limit]


def visible(text: str) -> str:
    r"""Return a text with its control characters made visible.

    They become what programmers write for them: an ANSI escape begins with `\x1b`, a mark that turns the direction of
    writing is `\u{202e}`. Line ends and tabs stay. Unicode's pictures of controls are in few fonts.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_seen, text.replace("\r\n", "\n")))


def _seen(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (0x20 <= code < 0x7F):
        return character
    if code < 0x20 or 0x7F <= code < 0xA0:
        return f"\\x{code:02x}"
    if unicodedata.category(character) in _HIDDEN:
        return f"\\u{{{code:x}}}"
    return character
