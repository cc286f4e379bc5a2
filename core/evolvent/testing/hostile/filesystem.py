"""Programs that write where they may not, or open files past the folders that they are given."""

import ctypes
import errno
import fcntl
import glob
import os
import shutil
import stat
import struct
import subprocess
import sys
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_NUMBERS = {  # x86_64, aarch64
    "fanotify_init": (300, 262),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "openat2": (437, 437),
}
_OWN = ("/work", "/tmp", "/dev/shm", "/dev/mqueue")
"""Where a program may write."""


def _syscall(name, *args):
    """Make a raw system call; return its result and errno."""
    number = _NUMBERS[name][os.uname().machine == "aarch64"]
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    ctypes.set_errno(0)
    return _LIBC.syscall(ctypes.c_long(number), *words), ctypes.get_errno()


def _worked(*tries):
    """Make calls; return what is claimed for each that raised no OSError."""
    got = []
    for claim, call, *args in tries:
        try:
            call(*args)
        except OSError:
            continue
        got.append(claim)
    return got


def _head(path, *way):
    """Return the first bytes of a file, or nothing if it cannot be opened or read."""
    try:
        with open(path, "rb", 0, *way) as file:
            return file.read(80)
    except OSError:
        return b""


def _can_be_written(path):
    """Say whether a file can be opened for writing; nothing is written."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ETXTBSY  # only because it is being executed
    return True


def _system_files():
    """Return what everything inside depends on: interpreter, libraries, modules, the guest's package."""
    files = {os.path.realpath(sys.executable), os.__file__, ctypes.__file__, "/etc/ld.so.cache"}
    files |= {path for path in ("/etc/passwd", "/etc/ld.so.preload", "/bin/sh") if os.path.exists(path)}
    for module in list(sys.modules.values()):
        files.add(getattr(module, "__file__", None) or os.__file__)
    for folder in sys.path:
        files.update(glob.glob(f"{folder}/evolvent*/*.py"))
    files.update(glob.glob("/lib*/**/ld-linux*") + glob.glob("/usr/lib/*/libc.so.6"))
    return sorted(path for path in files if os.path.isfile(path))


def makes_device_nodes(bait):
    """Makes device files of its own for disks, memory, terminals and the kernel log, and opens them."""
    got = []
    for folder in _OWN:
        for kind, major, minor in (
            (stat.S_IFBLK, 254, 0),
            (stat.S_IFBLK, 8, 0),
            (stat.S_IFCHR, 1, 1),
            (stat.S_IFCHR, 1, 11),
            (stat.S_IFCHR, 1, 3),
            (stat.S_IFCHR, 10, 229),
        ):
            path = f"{folder}/device"
            if _worked(("", os.mknod, path, kind | 0o666, os.makedev(major, minor))):
                got.append(f"made {path}, device {major}:{minor}; it reads {_head(path)[:16]}")
                os.unlink(path)
    return got


def makes_a_setuid_interpreter(bait):
    """Copies the interpreter, gives the copy to root with the setuid bit, and runs it."""
    try:
        shutil.copyfile(sys.executable, "python")
    except OSError:  # larger than a file may be
        return []
    got = _worked(
        ("gave a file to root", os.chown, "python", 0, 0), ("changed a group", os.chown, "python", -1, 0)
    )
    os.chmod("python", 0o6755)
    command = [
        os.path.abspath("python"),
        "-I",
        "-S",
        "-c",
        "import posix; print(posix.geteuid(), posix.getegid())",
    ]
    environment = {"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"}
    try:
        said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True).stdout.split()
    except OSError:
        said = []
    os.unlink("python")
    if said and said != [str(os.geteuid()), str(os.getegid())]:
        got.append(f"became {said}")
    return got


def runs_setuid_programs(bait):
    """Runs the setuid programs of the system, if there are any, and sees whether one becomes root."""
    got = []
    for name in ("su", "sudo", "mount", "newgrp", "passwd", "pkexec", "chsh", "fusermount3", "ping"):
        for path in (f"/usr/bin/{name}", f"/bin/{name}"):
            if not os.path.isfile(path) or not os.stat(path).st_mode & stat.S_ISUID:
                continue
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            with subprocess.Popen([path], stdin=subprocess.PIPE, **quiet) as child:
                with open(f"/proc/{child.pid}/status") as file:  # not waited for: there even if it has ended
                    users = next(line for line in file if line.startswith("Uid:")).split()[1:]
                if set(users) != {str(os.getuid())}:
                    got.append(f"{path} runs as {users}")
                _worked(("", child.kill))
            break
    return got


def writes_outside_the_scratch_folder(bait):
    """Tries to create a file in every folder that it can see, one after the other."""
    got, until = [], time.monotonic() + 0.8
    for folder, below, _ in os.walk("/"):
        if folder.count("/") > 4 or folder in ("/proc", "/sys", *_OWN) or time.monotonic() > until:
            below.clear()
        if folder in ("/proc", *_OWN):
            continue
        path = os.path.join(folder, f"evolvent-{os.getpid()}")
        if os.access(folder, os.W_OK) and _worked(("", os.mkdir, path)):
            os.rmdir(path)
            got.append(f"made {path}")
    return got


def fills_the_bait_folder(bait):
    """Creates, renames and removes files in the host's folder, which everyone may write there."""
    folder, canary = bait["folder"], bait["canary"]
    return _worked(
        ("made a file", os.mknod, f"{folder}/planted"),
        ("made a folder", os.mkdir, f"{folder}/planted-folder"),
        ("made a link", os.symlink, "/etc/passwd", f"{folder}/planted-link"),
        ("wrote the canary", os.truncate, canary, 0),
        ("moved the canary", os.rename, canary, f"{canary}.moved"),
        ("changed the mode", os.chmod, canary, 0o777),
        ("took the canary away", os.unlink, canary),
    )


def remounts_what_is_read_only(bait):
    """Remounts the read-only places for writing: by mount with several flags and by mount_setattr."""
    got = []
    for path in (b"/", b"/usr", b"/usr/lib", b"/dev", b"/opt/evolvent", b"/etc", b"/proc", b"/work"):
        for flags in (
            32,
            32 | 4096,
            32 | 4096 | 2 | 4,
            32 | 16384,
        ):  # MS_REMOUNT, MS_BIND, nosuid, nodev, MS_REC
            if _syscall("mount", None, path, None, flags, None)[0] == 0:
                got.append(f"remounted {path} with {flags}")
        for clear in (1, 2, 4, 8):  # MOUNT_ATTR_RDONLY, NOSUID, NODEV, NOEXEC
            attributes = struct.pack("4Q", 0, clear, 0, 0)
            if _syscall("mount_setattr", -100, path, 0x8000, attributes, 32)[0] == 0:
                got.append(f"took attribute {clear} from {path}")
    return got


def follows_links_into_other_roots(bait):
    """Opens the canary through links to the root or the working folder of other processes."""
    got, canary = [], bait["canary"]
    for pid in (1, os.getppid(), bait["victim_pid"], bait["host_pid"], "self", "thread-self"):
        for name in ("root", "cwd", "fd/0", "fd/3", "task/1/root", "map_files"):
            path = f"/proc/{pid}/{name}"
            os.symlink(path, "link")
            for way in (f"link{canary}", f"link/../../../..{canary}", f"{path}{canary}"):
                if head := _head(way):
                    got.append(f"read {way}: {head}")
            os.unlink("link")
    return got


def links_system_files(bait):
    """Makes hard links to system files and to the canary, to write them or to keep them."""
    got = []
    for path in (bait["canary"], bait["private"], "/proc/1/exe", "/proc/1/environ", *_system_files()[:20]):
        for flags in (0, 0x400):  # AT_SYMLINK_FOLLOW
            if _LIBC.linkat(-100, path.encode(), -100, b"/work/hard", flags) == 0:
                os.unlink("/work/hard")
                got.append(f"linked {path}")
    return got


def overwrites_its_own_program(bait):
    """Opens the program that runs it for writing, through /proc/self/exe, as the way out of runc did."""
    names = ["/proc/self/exe", "/proc/1/exe", f"/proc/{os.getppid()}/exe", f"/proc/{bait['victim_pid']}/exe"]
    paths = [*names, *(path for name in names if (path := _target(name)))]
    got = [f"{path} can be written" for path in paths if _can_be_written(path)]
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], env={}, stdin=subprocess.PIPE)
    if _can_be_written(f"/proc/{child.pid}/exe"):
        got.append("the program of a child can be written")
    child.kill()
    child.communicate()
    return got


def _target(link):
    """Return where a link leads, or nothing."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def sets_privileged_attributes(bait):
    """Sets what only root may on its own file: immutability, capabilities and trusted attributes."""
    with open("file", "wb") as file:
        capabilities = struct.pack("<5I", 0x02000001, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
        values = {"trusted.overlay.opaque": b"y", "security.capability": capabilities}
        tries = [(f"set {name}", os.setxattr, "file", name, value) for name, value in values.items()]
        for flag in (0x10, 0x20):  # FS_IMMUTABLE_FL, FS_APPEND_FL; the command is FS_IOC_SETFLAGS
            tries.append(
                (f"set flag {flag:#x}", fcntl.ioctl, file.fileno(), 0x40086602, struct.pack("q", flag))
            )
        got = _worked(*tries)
    os.unlink("file")
    return got


def climbs_out_of_its_folder(bait):
    """Goes up by `..` to the bait: by paths, by openat from every folder it has, and by openat2."""
    got, climb = [], "../" * 20 + bait["canary"].lstrip("/")
    for folder in (".", "/", "/dev", "/proc/self", "/usr/lib", "/dev/pts", os.path.dirname(os.__file__)):
        if not os.path.isdir(folder):
            continue
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        if head := _head(
            climb, None, None, None, True, lambda path, flags, fd=fd: os.open(path, flags, dir_fd=fd)
        ):
            got.append(f"read the canary from {folder}: {head}")
        for path in (climb, bait["canary"], "/proc/1/root" + bait["canary"]):
            for resolve in (0, 2, 16):  # RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT
                how = struct.pack("3Q", os.O_RDONLY, 0, resolve)
                if _syscall("openat2", fd, path.encode(), how, 24)[0] >= 0:
                    got.append(f"openat2 opened {path} from {folder}")
        os.close(fd)
    return got


def moves_a_folder_from_under_itself(bait):
    """Keeps a folder open while it is moved or removed, and goes up from there until the real root."""
    os.makedirs("a/b/c")
    fds = [os.open("a/b/c", os.O_RDONLY), os.open("a/b", os.O_PATH)]
    os.rename("a/b", "moved")
    os.rmdir("moved/c")
    got, climb = [], "../" * 20 + bait["canary"].lstrip("/")
    for fd in fds:
        got += _worked(
            (f"opened the canary from descriptor {fd}", lambda fd=fd: os.open(climb, 0, dir_fd=fd))
        )
        os.fchdir(fd)
        if head := _head(climb):
            got.append(f"read the canary by fchdir: {head}")
        os.chdir("/work")
        os.close(fd)
    os.rmdir("moved")
    os.rmdir("a")
    return got


def reopens_descriptors_for_writing(bait):
    """Opens system files as paths (O_PATH) or for reading, and these descriptors again for writing."""
    got = []
    for path in _system_files():
        for flags in (os.O_PATH, os.O_RDONLY):
            try:
                fd = os.open(path, flags)
            except OSError:
                continue
            for way in ("/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"):
                if _can_be_written(f"{way}/{fd}"):
                    got.append(f"{path} can be written through {way}")
            got += _worked((f"changed the mode of {path}", os.chmod, f"/proc/self/fd/{fd}", 0o644))
            os.close(fd)
    return got


def replaces_modules_of_the_system(bait):
    """Overwrites the interpreter, its modules and the guest's package, or puts files beside them."""
    got, files = [], _system_files()
    for path in files:
        if _can_be_written(path):
            got.append(f"{path} can be written")
        mode = stat.S_IMODE(os.stat(path).st_mode)
        got += _worked((f"touched {path}", os.utime, path), (f"set the mode of {path}", os.chmod, path, mode))
    for folder in {os.path.dirname(path) for path in files}:
        for name in ("sitecustomize.py", "__pycache__/planted.pyc", "planted.pth"):
            path = f"{folder}/{name}"
            if not os.path.exists(path) and _worked(("", os.mknod, path)):
                os.unlink(path)
                got.append(f"made {path}")
    return got


def swaps_device_files(bait):
    """Puts other files in the place of /dev/null and /dev/urandom, which the next program uses."""
    got = []
    for name in ("null", "urandom", "fd", "stdout"):
        path = f"/dev/{name}"
        if _worked(("", os.rename, path, f"{path}.old")):
            os.rename(f"{path}.old", path)
            got.append(f"moved {path}")
        got += _worked((f"linked to {path}.new", os.symlink, "/work/fake", f"{path}.new"))
    return got + _worked(
        ("changed the mode of /dev/null", os.chmod, "/dev/null", 0o666),
        ("made a file in /dev", os.mknod, "/dev/planted"),
        ("made a file in /dev/pts", os.mknod, "/dev/pts/9"),
    )


def changes_folders_of_the_system(bait):
    """Changes the modes and times of folders outside its own, and moves them away and back."""
    got = []
    for path in ("/", "/usr", "/usr/lib", "/etc", "/opt", "/proc", "/dev", "/home", "/sys", "/var", "/root"):
        if not os.path.isdir(path):
            continue
        mode = stat.S_IMODE(os.stat(path).st_mode)
        got += _worked(
            (f"changed the mode of {path}", os.chmod, path, mode), (f"touched {path}", os.utime, path)
        )
        if _worked(("", os.rename, path, f"{path}-moved")):
            os.rename(f"{path}-moved", path)
            got.append(f"moved {path}")
    return got


def watches_files_of_everybody(bait):
    """Opens fanotify, which reports what every process on the machine does with files."""
    tried = [(flags, *_syscall("fanotify_init", flags, 0)) for flags in (0, 4, 0x200, 0x600)]
    return [f"fanotify_init({flags}) returned {result}" for flags, result, _ in tried if result >= 0]
