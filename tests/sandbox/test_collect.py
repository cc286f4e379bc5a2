"""Files that come back from a command: only regular ones, that were asked for, without following anything."""

import json
import socket
import threading

import pytest

from evolvent.errors import SandboxLost, UsageError
from evolvent.types import Limits
from evolvent_sandbox.commands import Command
from evolvent_sandbox.guest.scratch import Collector
from evolvent_sandbox.guest_process import GuestProcess

QUICK = Limits(wall_seconds=10)


def run(sandbox, body, collect, limits=QUICK):
    return sandbox.run(["python", "-c", f"import os, socket, time\n{body}"], None, limits, collect=collect)


def test_what_was_not_asked_for_stays_inside(bubblewrap):
    body = "os.mkdir('out'); open('out/a', 'w').write('1'); open('b', 'w').write('2')"
    assert run(bubblewrap, body, []).files == {}
    assert run(bubblewrap, body, ["b"]).files == {"b": b"2"}
    assert run(bubblewrap, body, ["none", "out/none", "none/*"]).files == {}


def test_wildcards_do_not_reach_over_a_slash(bubblewrap):
    body = (
        "os.makedirs('out/deep/er')\n"
        "for path in ('a.txt', 'out/b.txt', 'out/deep/c.txt', 'out/deep/er/d.txt'): open(path, 'w').close()\n"
    )
    assert set(run(bubblewrap, body, ["*"]).files) == {"a.txt"}
    assert set(run(bubblewrap, body, ["*/*.txt"]).files) == {"out/b.txt"}
    assert set(run(bubblewrap, body, ["out/[dx]*/?.txt", "out/b.txt"]).files) == {
        "out/deep/c.txt",
        "out/b.txt",
    }


def test_a_file_named_by_two_patterns_comes_once(bubblewrap):
    done = run(bubblewrap, "open('a', 'w').write('x')", ["a", "*", "[a]"])
    assert done.files == {"a": b"x"}


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        ("os.symlink('/proc/self/status', 'out/x')", "out/x", "not a regular file"),
        ("os.mkfifo('out/x')", "out/x", "not a regular file"),
        ("socket.socket(socket.AF_UNIX).bind('out/x')", "out/x", "not a regular file"),
        ("os.mkdir('out/x')", "out/x", "not a regular file"),
        ("open('y', 'w').close(); os.link('y', 'out/x')", "out/x", "2 names"),
        ("open('out/x', 'wb').write(b'x' * 5000)", "out/x", "result_bytes"),
        ("open('out/x', 'wb').truncate(10**7)", "out/x", "result_bytes"),
        ("open('out/x', 'w').close(); os.chmod('out/x', 0)", "out/x", "Permission denied"),
    ],
)
def test_what_is_no_plain_file_is_left_out_with_the_reason(bubblewrap, body, path, reason):
    limits = Limits(wall_seconds=10, result_bytes=4096)
    done = run(bubblewrap, f"os.mkdir('out'); open('out/good', 'w').write('1')\n{body}", ["out/*"], limits)
    assert done.files == {"out/good": b"1"}
    assert reason in done.left_out[path]


def test_folders_that_are_links_are_not_followed(bubblewrap):
    done = run(bubblewrap, "os.symlink('/proc/self', 'out')", ["out/status", "out/*"])
    assert done.files == {}
    assert "out" in done.left_out


def test_names_that_could_harm_a_terminal_or_a_path_stay_inside(bubblewrap):
    body = "for name in ('a\\nb', '\\x1b[2J', 'ok', b'\\xff', '\\u202e'): open(name, 'w').close()"
    done = run(bubblewrap, body, ["*"])
    assert set(done.files) == {"ok"}
    assert len(done.left_out) == 4
    assert all(path.isascii() and path.isprintable() for path in done.left_out)


def test_too_many_names_are_not_looked_at(bubblewrap):
    done = run(bubblewrap, "for n in range(200): open(f'{n}', 'w').close()", ["1?"], Limits(files=250))
    assert len(done.files) == 10
    crowded = run(
        bubblewrap,
        "os.mkdir('o')\nfor n in range(99): open(f'o/{n}', 'w').close()",
        ["*/*"] * 2,
        Limits(files=110),
    )
    assert "…" in crowded.left_out


def test_files_of_a_command_that_ran_into_a_limit_come_back_too(bubblewrap):
    done = run(bubblewrap, "open('a', 'w').write('so far')\ntime.sleep(60)", ["a"], Limits(wall_seconds=1))
    assert (done.outcome, done.limit, done.files) == ("limit", "wall_seconds", {"a": b"so far"})


def test_a_daemon_cannot_change_files_while_they_are_collected(bubblewrap):
    body = (
        "os.mkdir('out'); open('out/a', 'w').write('mine')\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    while True:\n"
        "        for turn in ('link', 'file'):\n"
        "            try:\n"
        "                os.remove('out/a')\n"
        "                if turn == 'link': os.symlink('/proc/1/status', 'out/a')\n"
        "                else: open('out/a', 'w').write('mine')\n"
        "            except OSError: pass\n"
        "time.sleep(0.2)\n"
    )
    for _ in range(5):
        assert set(run(bubblewrap, body, ["out/*"]).files.values()) <= {b"mine", b""}


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", "a//b", ".", "a\0"])
def test_a_pattern_that_leaves_the_folder_is_the_callers_error(bubblewrap, path):
    with pytest.raises(UsageError, match="working folder"):
        bubblewrap.run(["python", "-c", "pass"], None, QUICK, collect=[path])


def test_one_text_is_no_list_of_paths(bubblewrap):
    for wrong, named in (("out", "'out'"), (b"x", "b'x'"), (None, "None"), (["good", 5], "5 in it")):
        with pytest.raises(UsageError, match=f"list of paths; .*{named}"):
            bubblewrap.run(["python", "-c", "pass"], None, QUICK, collect=wrong)


def test_a_working_folder_that_was_closed_leaves_the_report_of_the_command(bubblewrap):
    done = run(bubblewrap, "open('a', 'w').close(); print('done'); os.chmod('.', 0)", ["a"])
    assert (done.outcome, done.stdout, done.files) == ("ok", "done\n", {})
    assert "working folder" in done.left_out["a"]


def test_a_guest_that_brings_no_end_of_files_is_lost():
    files = b"".join(part(f"{n}") + frame(b"") for n in range(20))
    with pytest.raises(SandboxLost, match="more than 16 files"):
        play_guest(files, Command(["x"], {}, Limits(wall_seconds=5, files=16), ["*"], ["python"]))


def test_the_collector_reads_no_file_of_another_file_system(tmp_path):
    (tmp_path / "here").write_bytes(b"1")
    collector = Collector(str(tmp_path), 100, 100)
    collector._device += 1
    assert list(collector.take("*")) == []
    assert collector.left_out == {"here": "it lies on another file system"}


# --- a guest that lies ---


def frame(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return len(data).to_bytes(4, "big") + data


REPORT = {
    "exit_code": 0,
    "limit": None,
    "truncated": False,
    "seconds": 0.1,
    "stdout": "",
    "stderr": "",
    "left_out": {},
    "out_of_memory": False,
}


def part(path):
    return frame({"part": {"file": path}})


def done(**changes):
    return frame({"id": 1, "result": {**REPORT, **changes}})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (part("out/b") + frame(b"x") + done(), "nobody asked for"),
        (part("out/../x") + frame(b"x") + done(), "leaves its folder"),
        (part("/etc/passwd") + frame(b"x") + done(), "leaves its folder"),
        (part(7) + frame(b"x") + done(), "without a new path"),
        ((part("out/a") + frame(b"x")) * 2 + done(), "without a new path"),
        (part("out/a") + frame(b"x" * 101) + done(), "101 bytes; 100 are allowed"),
        (done(exit_code="0"), "cannot be read"),
        (done(limit="no_such_limit", exit_code=None), "cannot be read"),
        (done(left_out=[1]), "cannot be read"),
        (frame({"id": 1, "result": []}), "cannot be read"),
        (frame({"id": 1, "result": {}}), "cannot be read"),
        (frame({"id": 2, "result": REPORT}), "answered request 2"),
        (frame(b'{"id":1,"id":1}'), "a key twice"),
    ],
)
def test_a_guest_that_lies_about_a_command_is_lost(said, message):
    with pytest.raises(SandboxLost, match=message):
        play_guest(said, Command(["x"], {}, Limits(wall_seconds=5, result_bytes=100), ["out/a"], ["python"]))


def play_guest(said, job):
    """Run a command against a guest that says what is given."""
    ours, theirs = socket.socketpair()

    def play():
        theirs.recv(1 << 20)
        theirs.sendall(said)

    player = threading.Thread(target=play)
    player.start()
    try:
        return job.run(FakeGuest(ours))
    finally:
        player.join()
        ours.close()
        theirs.close()


class FakeGuest(GuestProcess):
    """The host's end of a pipe, without any process."""

    def __init__(self, pipe):
        self._pipe = pipe

    def wait(self, seconds, limits):
        return None

    def out_of_memory(self):
        return False


def test_content_comes_without_rights(bubblewrap):
    files = run(bubblewrap, "open('a', 'w').write('x'); os.chmod('a', 0o4755)", ["a"]).files
    assert files == {"a": b"x"}
    assert type(files["a"]) is bytes
