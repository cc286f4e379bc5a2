"""The body of a response, unpacked no further than it is kept."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from langchain_core.tools import ToolException

__all__ = ["MAX_BODY", "as_text", "read_body"]

MAX_BODY = 1_000_000
"""Bytes of a body, unpacked."""
# Python knows more, and some (punycode, idna) take hours for a megabyte.
_CHARSETS = re.compile(
    r"utf-?8|utf-16(le|be)?|(us-)?ascii|iso-8859-\d{1,2}|windows-125\d|shift_jis|euc-(jp|kr)|gb(2312|k|18030)|big5"
)


def read_body(pieces: Iterable[bytes], encoding: str) -> tuple[bytes, bool]:
    """Return at most `MAX_BODY` bytes of a body, and whether there was more.

    httpx unpacks a piece whole before anybody can count it; so this does it with a bound.

    Raises:
        ToolException: it is packed in a way that was not asked for, or is damaged.
    """
    encoding = encoding.strip().lower()
    unpack = None
    if encoding not in ("", "identity"):
        if encoding not in ("gzip", "x-gzip"):
            raise ToolException(f"the server sent the encoding {encoding[:50]!r}; only gzip was asked for")
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    kept, received = bytearray(), 0
    for piece in pieces:
        received += len(piece)
        try:
            # One more than is kept: so a body of exactly that size does not count as cut.
            kept += piece if unpack is None else unpack.decompress(piece, MAX_BODY + 1 - len(kept))
        except zlib.error as error:
            raise ToolException(f"the body is not the {encoding} that its header says: {error}") from None
        if len(kept) > MAX_BODY:
            return bytes(kept[:MAX_BODY]), True
    if unpack is not None and received and not unpack.eof:
        raise ToolException(f"the body is not the {encoding} that its header says: it ends too early")
    return bytes(kept), False


def as_text(data: bytes, charset: str | None, cut: bool) -> str | None:
    """Return a body as text, or None; a character that the cut took apart does not make it binary."""
    if charset is None or not _CHARSETS.fullmatch(charset.lower()):
        charset = "utf-8"
    try:
        text = data.decode(charset)
    except LookupError:
        return None
    except UnicodeDecodeError as error:
        if not (cut and error.start > len(data) - 4):
            return None
        text = data[: error.start].decode(charset)
    return None if "\0" in text else text
