"""Text in and out of files: UTF-8, bounded, nothing guessed."""

from __future__ import annotations

from typing import BinaryIO

from evolvent.errors import UsageError

__all__ = ["MAX_BYTES", "decode", "encode", "read_lines"]

MAX_BYTES = 1_000_000
"""Bytes that one call reads or writes."""
MAX_SCANNED = 256_000_000
"""Bytes that are passed over to come to a line."""


def encode(text: str, shown: str) -> bytes:
    """Return a text as UTF-8.

    Raises:
        UsageError: it is too long.
    """
    data = text.encode()
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"the text for {shown!r} has {len(data)} bytes as UTF-8; a file takes at most {MAX_BYTES}"
        )
    return data


def decode(data: bytes, shown: str) -> str:
    """Return bytes as text.

    Raises:
        UsageError: they are not UTF-8, or hold a NUL.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{shown!r} is not UTF-8 text: byte 0x{data[error.start]:02x} at {error.start}"
        ) from None
    if "\0" in text:
        raise UsageError(f"{shown!r} is not text: it holds a NUL")
    return text


def read_lines(file: BinaryIO, offset: int, limit: int, shown: str) -> tuple[bytes, int | None]:
    """Return whole lines, and the number of the line to go on from when some are left.

    Only a line that is longer than `MAX_BYTES` by itself is cut, at a character.

    Raises:
        UsageError: the first line lies beyond the file, or too far into it.
    """
    number, scanned = 1, 0
    while number < offset:
        skipped = file.readline(MAX_BYTES)
        scanned += len(skipped)
        if not skipped or scanned > MAX_SCANNED:
            where = f"has {number - 1} lines" if not skipped else f"is longer than {MAX_SCANNED} bytes there"
            raise UsageError(f"{shown!r} {where}; line {offset} cannot be read")
        number += skipped.endswith(b"\n")
    kept: list[bytes] = []
    room = MAX_BYTES
    while number < offset + limit:
        line = file.readline(room + 1)
        if not line:
            return b"".join(kept), None
        if len(line) > room:
            if kept:
                return b"".join(kept), number
            return _whole_characters(line[:room]), number + 1
        kept.append(line)
        room -= len(line)
        number += 1
    return b"".join(kept), number if file.read(1) else None


def _whole_characters(data: bytes) -> bytes:
    """Return data without a character that was cut at its end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        size = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if size > back else data
    return data
