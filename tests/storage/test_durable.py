"""Files that are whole, alone or many at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from evolvent.storage.durable import AT_ONCE, write_all


def test_many_files_are_written_waited_for_and_nothing_else_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []
    real, lock = os.fsync, threading.Lock()

    def fsync(handle: int) -> None:
        with lock:
            waited.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    files = {tmp_path / f"{n % 3}" / f"{n}": os.urandom(n) for n in range(2 * AT_ONCE + 3)}
    for n in range(3):
        (tmp_path / f"{n}").mkdir()
    write_all(files, durable=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files
    folders = {str(tmp_path / f"{n}") for n in range(3)}
    assert folders < set(waited)
    assert len(waited) == len(files) + len(folders)
    assert all(Path(name).name.startswith(".") for name in set(waited) - folders), "contents before names"


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_all({tmp_path / "a": b"1", tmp_path / "folder": b"2"}, durable=False)
    assert {path.name for path in tmp_path.iterdir()} <= {"a", "folder"}


def test_nothing_to_write_is_no_error(tmp_path: Path) -> None:
    write_all({}, durable=True)
    assert not list(tmp_path.iterdir())
