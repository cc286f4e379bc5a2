"""The file tools: what they do, and that no path, link or odd file leads out of the workspace."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evolvent.errors import UsageError
from evolvent.types import Touch
from evolvent_plugins.tools import files as module
from evolvent_plugins.tools import search as search_module
from evolvent_plugins.tools.files import make_tools
from evolvent_plugins.tools.text import MAX_BYTES

SECRET = "outside the workspace"


class Tools:
    """The tools by name, called as the host calls them."""

    def __init__(self, root: Path) -> None:
        self.tools = {tool.name: tool for tool in make_tools(root)}

    def __call__(self, name: str, **arguments: Any) -> Any:
        return self.tools[name].invoke(arguments)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a" / "workspace"


@pytest.fixture
def tools(root: Path) -> Tools:
    return Tools(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    return folder


def test_each_tool_declares_what_it_touches(tools: Tools) -> None:
    touches = {name: set(tool.metadata["touches"]) for name, tool in tools.tools.items()}
    reads, writes = {Touch.READS_FILES}, {Touch.WRITES_FILES}
    assert touches == {
        "read": reads,
        "list": reads,
        "search": reads,
        "write": writes,
        "edit": writes,
        "delete": writes | {Touch.IRREVERSIBLE},
    }
    assert all(tool.description and tool.args for tool in tools.tools.values())


def test_the_folder_is_made_for_its_owner_when_something_is_written(tools: Tools, root: Path) -> None:
    assert tools("list") == {"entries": [], "cut": False}
    assert tools("search", text="x")["matches"] == []
    with pytest.raises(UsageError, match=r"'a\.txt' does not exist; see files\.list"):
        tools("read", path="a.txt")
    assert not root.exists()
    assert tools("write", path="deep/er/a.txt", text="héllo\n") == {"bytes": 7}
    for made, mode in ((root, 0o700), (root / "deep/er", 0o700), (root / "deep/er/a.txt", 0o600)):
        assert made.stat().st_mode & 0o777 == mode
    assert tools("read", path="./deep//er/a.txt") == {
        "text": "héllo\n",
        "bytes": 7,
        "cut": False,
        "next": None,
    }


def test_writing_replaces_in_one_step_and_keeps_the_mode(tools: Tools, root: Path) -> None:
    tools("write", path="a.sh", text="one")
    (root / "a.sh").chmod(0o750)
    before = (root / "a.sh").stat().st_ino
    tools("write", path="a.sh", text="two")
    found = (root / "a.sh").stat()
    assert (found.st_mode & 0o777, found.st_ino != before) == (0o750, True)
    assert [entry.name for entry in root.iterdir()] == ["a.sh"]


def test_lines_are_read_page_by_page(tools: Tools) -> None:
    tools("write", path="n.txt", text="".join(f"{n}\n" for n in range(1, 11)))
    first = tools("read", path="n.txt", limit=4)
    assert (first["text"], first["cut"], first["next"]) == ("1\n2\n3\n4\n", True, 5)
    rest = tools("read", path="n.txt", offset=first["next"], limit=6)
    assert (rest["text"], rest["cut"], rest["next"]) == ("5\n6\n7\n8\n9\n10\n", False, None)
    with pytest.raises(UsageError, match="has 10 lines; line 12 cannot be read"):
        tools("read", path="n.txt", offset=12)


def test_a_big_file_is_read_in_parts_of_whole_lines(tools: Tools, root: Path) -> None:
    root.mkdir(parents=True)
    lines = [f"{n:06d} " + "é" * 500 + "\n" for n in range(3000)]
    (root / "big.txt").write_text("".join(lines))
    text, at = "", 1
    while at is not None:
        part = tools("read", path="big.txt", offset=at)
        assert len(part["text"].encode()) <= MAX_BYTES
        text, at = text + part["text"], part["next"]
    assert text == "".join(lines)


def test_one_endless_line_is_cut_at_a_character(tools: Tools, root: Path) -> None:
    root.mkdir(parents=True)
    (root / "line.txt").write_text("x" + "€" * 700_000 + "\nend\n")
    part = tools("read", path="line.txt")
    assert part["text"] == "x" + "€" * 333_333
    assert (part["cut"], part["next"], part["bytes"]) == (True, 2, 2_100_006)
    # The line is passed over in pieces; they count as one line.
    assert tools("read", path="line.txt", offset=2)["text"] == "end\n"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a\0b", b"caf\xe9"])
def test_what_is_no_utf8_text_is_refused(tools: Tools, root: Path, content: bytes) -> None:
    root.mkdir(parents=True)
    (root / "b").write_bytes(content)
    with pytest.raises(UsageError, match="not (UTF-8 )?text"):
        tools("read", path="b")
    with pytest.raises(UsageError, match="not (UTF-8 )?text"):
        tools("edit", path="b", search="a", replace="b")
    assert tools("search", text="a") == {"matches": [], "files": 0, "skipped": 1, "cut": False}


BAD_PATHS = [
    "/etc/passwd",
    "..",
    "../secret.txt",
    "a/../../secret.txt",
    "a/..",
    "a\0b",
    "x" * 300,
    "/".join("x" * 40),
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_leaves_or_cannot_be_is_refused_by_every_tool(tools: Tools, path: str) -> None:
    tools("write", path="a/b", text="1")
    for name, more in (
        ("read", {}),
        ("list", {}),
        ("search", {"text": "x"}),
        ("write", {"text": "x"}),
        ("edit", {"search": "x", "replace": "y"}),
        ("delete", {}),
    ):
        with pytest.raises(UsageError, match="give one relative to the workspace"):
            tools(name, path=path, **more)


@pytest.mark.parametrize("path", ["", ".", "./"])
def test_the_workspace_itself_is_no_file(tools: Tools, path: str) -> None:
    for name, more in (("read", {}), ("write", {"text": "x"}), ("delete", {})):
        with pytest.raises(UsageError, match="is the workspace itself"):
            tools(name, path=path, **more)


def test_symbolic_links_are_never_followed(tools: Tools, root: Path, outside: Path) -> None:
    tools("write", path="in/side.txt", text="1")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret.txt")
    (root / "dangling").symlink_to(outside / "new.txt")
    (root / "within").symlink_to("in")
    for path in ("folder/secret.txt", "file", "within/side.txt"):
        with pytest.raises(UsageError):
            tools("read", path=path)
        with pytest.raises(UsageError):
            tools("edit", path=path, search="out", replace="in")
    for path in ("folder/new.txt", "file", "dangling", "folder/deep/new.txt"):
        with pytest.raises(UsageError):
            tools("write", path=path, text="planted")
    for path in ("folder/secret.txt", "file", "folder"):
        with pytest.raises(UsageError):
            tools("delete", path=path)
    with pytest.raises(UsageError, match="symbolic link"):
        tools("list", path="folder")
    assert tools("search", text=SECRET)["matches"] == []
    assert [(p.name, p.read_text()) for p in outside.iterdir()] == [("secret.txt", SECRET)]
    kinds = {entry["name"]: entry["kind"] for entry in tools("list")["entries"]}
    assert kinds == {
        "dangling": "other",
        "file": "other",
        "folder": "other",
        "in": "folder",
        "within": "other",
    }


def test_a_folder_that_becomes_a_link_in_the_middle_leads_nowhere(
    tools: Tools, root: Path, outside: Path
) -> None:
    """The race: a folder on the way is swapped for a link and back, as fast as possible."""
    tools("write", path="d/secret.txt", text="mine")
    (root / "link").symlink_to(outside)
    stop = threading.Event()

    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    names = [os.fsencode(root / name) for name in ("d", "link")]

    def swap() -> None:
        while not stop.is_set():
            assert exchange(-100, names[0], -100, names[1], 2) == 0  # RENAME_EXCHANGE

    swapper = threading.Thread(target=swap)
    swapper.start()
    read, refused, end = 0, 0, time.monotonic() + 1.5
    try:
        while time.monotonic() < end:
            try:
                assert tools("read", path="d/secret.txt")["text"] == "mine"
                tools("write", path="d/secret.txt", text="mine")
                read += 1
            except UsageError:
                refused += 1
    finally:
        stop.set()
        swapper.join()
    assert min(read, refused) > 0
    assert (outside / "secret.txt").read_text() == SECRET
    assert [p.name for p in outside.iterdir()] == ["secret.txt"]


def test_a_file_with_another_name_elsewhere_is_not_read_nor_written_through(
    tools: Tools, root: Path, outside: Path
) -> None:
    root.mkdir(parents=True)
    os.link(outside / "secret.txt", root / "hard")
    with pytest.raises(UsageError, match="2 names"):
        tools("read", path="hard")
    with pytest.raises(UsageError, match="2 names"):
        tools("edit", path="hard", search="out", replace="in")
    assert tools("search", text=SECRET)["skipped"] == 1
    tools("write", path="hard", text="mine")
    assert (outside / "secret.txt").read_text() == SECRET
    assert tools("read", path="hard")["text"] == "mine"


def test_pipes_sockets_devices_and_folders_are_no_files(tools: Tools, root: Path) -> None:
    root.mkdir(parents=True)
    os.mkfifo(root / "fifo")
    (root / "folder").mkdir()
    made = ["fifo", "folder"]
    if os.geteuid() == 0:
        try:
            os.mknod(root / "zero", 0o600 | 0o020000, os.makedev(1, 5))
            made.append("zero")
        except PermissionError:  # a container may not
            pass
    for name in made:
        with pytest.raises(UsageError, match="only regular files"):
            tools("read", path=name)
        with pytest.raises(UsageError, match="only regular files"):
            tools("write", path=name, text="x")
    with pytest.raises(UsageError, match="left alone"):
        tools("delete", path="fifo")
    assert tools("search", text="x")["matches"] == []


def test_a_pipe_that_takes_the_place_of_a_file_does_not_hang(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Tools(root)
    tools("write", path="f", text="1")
    real = os.open

    def swapped(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if path == "f":
            (root / "f").unlink()
            os.mkfifo(root / "f")
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(UsageError, match="only regular files"):
        tools("read", path="f")


def test_too_much_is_refused_before_anything_changes(tools: Tools, root: Path) -> None:
    tools("write", path="a", text="x" * MAX_BYTES)
    with pytest.raises(UsageError, match="1000002 bytes as UTF-8; a file takes at most 1000000"):
        tools("write", path="a", text="é" * 500_001)
    with pytest.raises(UsageError, match="occurs more than once"):
        tools("edit", path="a", search="x", replace="yy")
    (root / "b").write_text("y" + "x" * MAX_BYTES)
    with pytest.raises(UsageError, match="at most 1000000 can be edited"):
        tools("edit", path="b", search="y", replace="")
    for half in ({"path": "c", "text": "\ud800"}, {"path": "\udcff", "text": ""}):
        with pytest.raises(ValidationError, match="unicode"):
            tools("write", **half)
    assert tools("read", path="a")["bytes"] == MAX_BYTES
    assert sorted(p.name for p in root.iterdir()) == ["a", "b"]


def test_an_edit_needs_a_passage_that_occurs_once(tools: Tools) -> None:
    tools("write", path="p.py", text="a = 1\nb = 2\naXaXa\n")
    assert tools("edit", path="p.py", search="b = 2", replace="b = 3\nc = 4") == {"bytes": 24, "line": 2}
    assert tools("read", path="p.py")["text"] == "a = 1\nb = 3\nc = 4\naXaXa\n"
    with pytest.raises(UsageError, match="occurs more than once"):
        tools("edit", path="p.py", search="aXa", replace="")
    with pytest.raises(UsageError, match="does not occur"):
        tools("edit", path="p.py", search="b = 2", replace="")


def test_deleting_takes_files_and_empty_folders(tools: Tools, root: Path) -> None:
    tools("write", path="d/f", text="1")
    with pytest.raises(UsageError, match="not empty"):
        tools("delete", path="d")
    assert tools("delete", path="d/f") == {"deleted": "d/f"}
    tools("delete", path="d")
    assert list(root.iterdir()) == []
    with pytest.raises(UsageError, match="does not exist"):
        tools("delete", path="d")


def test_a_list_is_sorted_and_bounded(tools: Tools, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b", "a", "c"):
        tools("write", path=name, text=name * 3)
    (root / os.fsdecode(b"\xff")).write_text("")
    assert [entry["name"] for entry in tools("list")["entries"]] == ["?", "a", "b", "c"]
    assert tools("list")["entries"][1] == {"name": "a", "kind": "file", "bytes": 3}
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    found = tools("list")
    assert (len(found["entries"]), found["cut"]) == (2, True)


def test_search_finds_fixed_text_by_glob_and_folder(tools: Tools) -> None:
    tools("write", path="a.md", text="one (.*)\ntwo\n")
    tools("write", path="src/b.py", text="x = 'TWO'\n# two\n")
    found = tools("search", text="two")
    assert found["matches"] == [
        {"path": "a.md", "line": 2, "text": "two"},
        {"path": "src/b.py", "line": 2, "text": "# two"},
    ]
    assert (found["files"], found["cut"]) == (2, False)
    assert [m["line"] for m in tools("search", text="two", glob="*.py", ignore_case=True)["matches"]] == [
        1,
        2,
    ]
    assert [m["path"] for m in tools("search", text="two", path="src")["matches"]] == ["src/b.py"]
    assert len(tools("search", text="two", glob="src/*.py")["matches"]) == 1
    assert len(tools("search", text="(.*)")["matches"]) == 1
    assert tools("search", text="two", limit=1)["cut"] is True


def test_search_ends_at_its_bounds(tools: Tools, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        tools("write", path=f"{number:02}.txt", text="needle\n" + "x" * 1000)
    (root / "large").write_bytes(b"needle" * 1_000_000)
    found = tools("search", text="needle")
    assert (found["files"], found["skipped"], found["cut"]) == (20, 1, False)
    monkeypatch.setattr(search_module, "MAX_TOTAL_BYTES", 5_000)
    found = tools("search", text="needle")
    assert found["cut"]
    assert len(found["matches"]) == 5
    monkeypatch.setattr(search_module, "MAX_VISITED", 3)
    assert len(tools("search", text="needle")["matches"]) <= 3
    monkeypatch.setattr(search_module, "MAX_SECONDS", 0.0)
    assert tools("search", text="needle")["cut"]


def test_a_hostile_glob_takes_no_time(tools: Tools) -> None:
    tools("write", path="a" * 200, text="x")
    started = time.monotonic()
    tools("search", text="x", glob="*a" * 60 + "b")
    assert time.monotonic() - started < 2


def test_no_descriptor_is_left_open(tools: Tools, root: Path) -> None:
    tools("write", path="d/f", text="1")
    (root / "l").symlink_to("d")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        for name, path in (("read", "d/f"), ("read", "l/f"), ("read", "d"), ("list", "d"), ("read", "d/x/y")):
            try:
                tools(name, path=path)
            except UsageError:
                continue
        tools("search", text="1", limit=1)
        tools("write", path="d/f", text="1\n1")
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_message_names_a_folder_of_the_host(tools: Tools, root: Path) -> None:
    tools("write", path="d/f", text="1")
    for name, path in (
        ("read", "nothing"),
        ("list", "d/f"),
        ("read", "d/f/x"),
        ("delete", "d"),
        ("write", "d"),
    ):
        with pytest.raises(UsageError) as caught:
            tools(name, path=path, **({"text": ""} if name == "write" else {}))
        assert str(root.parent) not in str(caught.value)
