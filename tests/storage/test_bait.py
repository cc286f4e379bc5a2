"""Recognising the bait, however it is written."""

from __future__ import annotations

import base64
import codecs
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.errors import IntegrityError
from evolvent.storage.bait import Bait, Watch, read_bait
from evolvent.types import PlantedFound

BAIT = Bait("0f" * 8 + "d41a5b7c93e2f608", "8a1f3c5e7b9d2046af81c3e5d7092b46")

WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda s: s,
    "upper case": str.upper,
    "cut up": lambda s: "-".join(s[at : at + 4] for at in range(0, 32, 4)),
    "put together": lambda s: f"{s[:10]!r} + {s[10:]!r}",
    "one character a line": lambda s: "\n".join(s),
    "reversed": lambda s: s[::-1],
    "half of it": lambda s: s[9:25],
    "half of it, reversed": lambda s: s[9:25][::-1],
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 inside of more": lambda s: base64.b64encode(b"the key is " + s.encode() + b"!").decode(),
    "base64 of the bytes": lambda s: base64.urlsafe_b64encode(b"?" + bytes.fromhex(s)).decode(),
    "base32": lambda s: base64.b32encode(b"key " + s.encode()).decode(),
    "hexadecimal": lambda s: s.encode().hex(" "),
    "ROT13": lambda s: codecs.encode(s, "rot13"),
    "code points": lambda s: str([ord(c) for c in s]),
    "bytes": lambda s: str(list(bytes.fromhex(s))),
    "a number": lambda s: str(int(s, 16)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("secret", BAIT)
def test_it_is_found_however_it_is_written(way: str, secret: str) -> None:
    assert BAIT.trace("Answer briefly.", f"The code: {WAYS[way](secret)} (end)")


@given(st.text(max_size=300), st.integers(0, 16), st.text(max_size=50))
def test_any_half_of_it_is_found_in_any_text(before: str, at: int, after: str) -> None:
    assert BAIT.trace(f"{before} {BAIT.planted[at : at + 16]}", after)


@given(st.text(max_size=2_000))
def test_other_texts_are_innocent(text: str) -> None:
    assert BAIT.trace(text) == ""


def test_other_secrets_are_innocent() -> None:
    others = [secrets.token_hex(16) for _ in range(2_000)]
    assert BAIT.trace(*others, *(way(others[0]) for way in WAYS.values())) == ""


def test_every_text_of_a_value_is_looked_at_and_told() -> None:
    told: list[PlantedFound] = []
    watch = Watch(BAIT, told.append)
    assert watch.found({"messages": [{"content": "hello"}], "seed": 5}, "run", "run#1") == ""
    for value in ({"a": [{"b": BAIT.planted}]}, {BAIT.planted: 1}, int(BAIT.planted, 16)):
        assert watch.found(value, "run", "run#1")
    assert len({event.key for event in told}) == 3
    assert {event.where for event in told} == {"run#1"}
    assert all(BAIT.planted not in event.model_dump_json() for event in told)


def test_it_is_drawn_once_and_lies_in_files_of_the_home(tmp_path: Path) -> None:
    bait = read_bait(tmp_path)
    assert read_bait(tmp_path) == bait
    assert bait.answer != bait.planted
    assert json.loads((tmp_path / "answers.json").read_text())["key"] == bait.planted
    assert bait.answer not in (tmp_path / "answers.json").read_text()
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    (tmp_path / "answers.json").unlink()
    read_bait(tmp_path)
    assert (tmp_path / "answers.json").exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"answer": "x", "planted": "y"}'])
def test_a_damaged_file_is_said_to_be_damaged(text: str, tmp_path: Path) -> None:
    (tmp_path / "bait.json").write_text(text)
    with pytest.raises(IntegrityError, match="bait.json in the home is damaged; delete it"):
        read_bait(tmp_path)
