"""Programs that run as a command and leave results which a collector must not follow, wait for or believe."""

import contextlib
import os
import stat
import sys

TARGETS = ("/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/environ", "../main.py")


def _out(*parts):
    path = os.path.join("out", *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _write(path, text):
    with contextlib.suppress(OSError), open(path, "wb") as file:
        file.write(text)


def _imported():
    """Return the name of an evil module that was imported unasked."""
    import builtins
    import json

    json.dumps([])
    names = getattr(builtins, "EVIL", None)
    return [f"imported {names}"] if names else []


def leaves_symbolic_links(bait):
    """Leaves results that are symbolic links to files of the host and the system."""
    for number, target in enumerate((*TARGETS, bait["canary"], bait["private"])):
        os.symlink(target, _out(f"link{number}"))
        os.symlink(os.path.join("../../../../../..", target.lstrip("/")), _out("sub", f"link{number}"))
    return []


def leaves_linked_folders(bait):
    """Leaves folders of results that are links to folders of the host, to the root and to themselves."""
    _out("x")
    for name, target in (("root", "/"), ("etc", "/etc"), ("bait", bait["folder"]), ("up", ".."), ("me", ".")):
        os.symlink(target, _out(name))
    return []


def leaves_a_linked_out(bait):
    """Makes the folder of results itself a symbolic link to a folder of the host."""
    os.symlink(bait["folder"], "out")
    return []


def leaves_an_out_that_is_etc(bait):
    """Makes the folder of results a chain of symbolic links that ends at /etc."""
    os.symlink("/etc", "second")
    os.symlink("second", "first")
    os.symlink("first", "out")
    return []


def leaves_hard_links(bait):
    """Leaves results that are second names of files outside of the working folder."""
    got = []
    targets = (os.__file__, sys.executable, "/etc/passwd", bait["canary"], bait["private"], "/proc/self/exe")
    for number, target in enumerate(targets):
        with contextlib.suppress(OSError):
            os.link(target, _out(f"name{number}"), follow_symlinks=True)
            got.append(f"made a second name of {target}")
    return got


def leaves_pipes(bait):
    """Leaves results that are named pipes, at which a reader would wait for ever."""
    for name in ("pipe", "sub/pipe"):
        os.mkfifo(_out(name))
    os.symlink("pipe", _out("link"))
    return []


def leaves_a_pipe_as_out(bait):
    """Makes the folder of results itself a named pipe."""
    os.mkfifo("out")
    return []


def leaves_devices(bait):
    """Leaves results that are devices: memory, disks, an endless zero, a terminal."""
    got = []
    devices = ((1, 1), (1, 3), (1, 5), (1, 9), (5, 0), (8, 0), (10, 200), (254, 0))
    for kind in (stat.S_IFCHR, stat.S_IFBLK):
        for major, minor in devices:
            with contextlib.suppress(OSError):
                os.mknod(_out(f"{kind}-{major}-{minor}"), kind | 0o666, os.makedev(major, minor))
                got.append(f"made the device {major}:{minor}")
    for name in ("zero", "random", "tty", "stdin"):
        os.symlink(f"/dev/{name}", _out(name))
    return got


def leaves_sockets(bait):
    """Leaves results that are sockets with a listener that never answers."""
    import signal
    import socket

    for path in (_out("socket"), _out("sub", "socket")):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    return []


def leaves_sparse_giants(bait, *, file_bytes=17592186044416):
    """Leaves results of many terabytes that take no space."""
    for number in range(8):
        with contextlib.suppress(OSError), open(_out(f"giant{number}"), "wb") as file:
            file.truncate(1 << 43)
    return []


def leaves_more_than_allowed(bait):
    """Leaves results that are each small enough and together far too large, and some that just are not."""
    for number in range(60):
        _write(_out(f"{number}"), b"1" * 1_000_000)
    _write(_out("large"), b"1" * (15 << 20))
    return []


def leaves_too_many_files(bait, *, wall_seconds=2.0):
    """Leaves twenty thousand empty results, so that a list of them is large already."""
    for number in range(20_000):
        with contextlib.suppress(OSError):
            os.mknod(_out(f"{number % 10}", f"{'n' * 200}{number}"))
    return []


def leaves_odd_result_names(bait):
    """Leaves results whose names climb up, break lines, are no text, or mean something elsewhere."""
    _out("x")
    names = [b"..x", b"...", b"a\nb", b"\x1b[31mred", b"\xff\xfe", b"*", b"-rf", b"C:\\x", b"..\\x"]
    for name in (*names, b"~root", b"n" * 255, "\u202etxt.exe".encode(), b"$(touch x)", b"{out}"):
        _write(b"out/" + name, b"odd")
        with contextlib.suppress(OSError):
            os.mkdir(b"out/dir" + name[:200])
            _write(b"out/dir" + name[:200] + b"/" + name, b"odd")
    return []


def leaves_closed_results(bait):
    """Leaves results that nobody may read, in folders that nobody may enter, owned by as many as it can."""
    _write(_out("closed", "file"), b"closed")
    _write(_out("file"), b"closed")
    os.chmod("out/closed", 0)
    os.chmod("out/file", 0)
    with contextlib.suppress(OSError):
        os.chown("out", 0, 0)
    os.chmod("out", 0)
    os.chmod(".", 0)
    return []


def leaves_set_user_id_programs(bait):
    """Leaves programs that would run as their owner, and gives them rights of the root user."""
    import shutil

    got = []
    shutil.copyfile(sys.executable, _out("program"))
    os.chmod("out/program", 0o6777)
    for name, value in (("security.capability", bytes.fromhex("0100000202000000000000000000000000000000")),):
        with contextlib.suppress(OSError):
            os.setxattr("out/program", name, value)
            got.append("gave a file capabilities")
    with contextlib.suppress(OSError):
        os.chown("out/program", 0, 0)
        got.append("gave a file to root")
    return got


def swaps_while_collected(bait):
    """Leaves a process that swaps a folder of results and a link to the host's folder without end."""
    import signal

    os.makedirs("out/good")
    _write("out/good/file", b"good")
    os.symlink(bait["folder"], "out/bad")
    os.symlink("/etc", "etc")
    if os.fork() == 0:
        os.setsid()
        for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            for a, b in (("out/good", "out/bad"), ("out", "etc")):
                with contextlib.suppress(OSError):
                    os.rename(a, "swap")
                    os.rename(b, a)
                    os.rename("swap", b)
    return []


def grows_while_collected(bait):
    """Leaves processes that lengthen, cut and replace a result while it is read."""
    _write(_out("file"), b"start")
    if os.fork() == 0:
        os.setsid()
        while True:
            with contextlib.suppress(OSError), open("out/file", "r+b") as file:
                file.write(b"x" * 65536)
                file.truncate(10 << 20)
                file.truncate(0)
                os.replace("out/file", "out/other")
                os.replace("out/other", "out/file")
    return []


def leaves_evil_archives(bait):
    """Leaves archives whose members climb up and are links; as content they are harmless."""
    import tarfile
    import zipfile

    with tarfile.open(_out("results.tar"), "w") as archive:
        for name, kind, target in (
            ("../../escaped", tarfile.REGTYPE, ""),
            ("/tmp/escaped", tarfile.REGTYPE, ""),
            ("link", tarfile.SYMTYPE, bait["folder"]),
            ("link/escaped", tarfile.REGTYPE, ""),
            ("second", tarfile.LNKTYPE, "../../../etc/passwd"),
            ("null", tarfile.CHRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o6777
            archive.addfile(member)
    with zipfile.ZipFile(_out("results.zip"), "w") as archive:
        archive.writestr("../../escaped", "x")
    return []


def leaves_evil_documents(bait):
    """Leaves results that harm a reader who believes them: pickles, scripts, terminal codes, huge numbers."""
    import pickle

    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {bait['folder']}/unpickled",)

    _write(_out("result.pkl"), pickle.dumps(Payload()))
    _write(_out("result.json"), b"[" * 100_000 + b"9" * 100_000)
    _write(_out("result.yaml"), b"!!python/object/apply:os.system ['touch escaped']\n")
    _write(_out("conftest.py"), f"open({bait['folder'] + '/imported'!r}, 'w')".encode())
    os.write(2, b"\x1b]0;owned\x07\x1b[2J\xff\xfe" + b"PASS\n" * 10)
    return []


def lays_modules_beside_itself(
    bait,
    *,
    files={
        "json.py": "import builtins; builtins.EVIL = __name__",
        "os.py": "import builtins; builtins.EVIL = __name__",
        "contextlib.py": "import builtins; builtins.EVIL = __name__",
        "encodings.py": "import builtins; builtins.EVIL = __name__",
        "json/__init__.py": "import builtins; builtins.EVIL = __name__",
    },
):
    """Lays modules beside the code that have names of the library and are imported later."""
    return _imported()


def lays_start_files_beside_itself(
    bait,
    *,
    files={
        "sitecustomize.py": "import builtins; builtins.EVIL = __name__",
        "usercustomize.py": "import builtins; builtins.EVIL = __name__",
        "conftest.py": "import builtins; builtins.EVIL = __name__",
        ".pythonrc.py": "import builtins; builtins.EVIL = __name__",
        "site.py": "import builtins; builtins.EVIL = __name__",
        "__main__.py": "import builtins; builtins.EVIL = __name__",
        "evil.pth": "import builtins; builtins.EVIL = __name__",
        "pyvenv.cfg": "home = /work",
        "python._pth": "/work",
    },
):
    """Lays files beside the code that Python and its tools run unasked when they start."""
    return _imported()


def sets_variables_for_python(
    bait,
    *,
    files={
        "evil.py": "import builtins; builtins.EVIL = __name__",
        ".env": "PYTHONPATH=/work",
        "python": "#!/bin/sh\necho evil",
    },
):
    """Lays files that set variables of Python, and looks for variables that it was started with."""
    names = [name for name in os.environ if name.startswith(("PYTHON", "LD_", "EVOLVENT"))]
    flags = [flag for flag in ("isolated", "safe_path", "no_user_site") if not getattr(sys.flags, flag)]
    paths = [path for path in sys.path if os.path.realpath(path or ".").startswith(os.getcwd())]
    return [f"variable {n}" for n in names] + [f"not {f}" for f in flags] + [f"path {p}" for p in paths]


def fills_the_folder_before_it_is_collected(bait):
    """Leaves no room in the working folder for whatever a collector wants to write there."""
    _write(_out("small"), b"small")
    block = b"1" * (1 << 20)
    for number in range(100):
        try:
            with open(f"full{number}", "wb", 0) as file:
                for _ in range(15):
                    file.write(block)
        except OSError:
            break
    return []


def replaces_itself_by_a_link(bait):
    """Replaces its own code and every file that was laid beside it by links to files of the host."""
    os.makedirs("out")
    for name in os.listdir("."):
        if name != "out":
            os.unlink(name)
            os.symlink(bait["canary"], name)
    os.rmdir("out")
    os.symlink(".", "out")
    return []
