"""Programs that want to leave something for the next run, or to change what serves it.

The harness compares what a probe sees afterwards, so most return nothing. Claimed is only what must be
refused at once: that the first process was changed, or that an object was made which outlives its process.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time

CLOSED = (OSError, ValueError)
NUMBERS = {
    "x86_64": {"mq_open": 240, "shmget": 29, "semget": 64, "msgget": 68, "add_key": 248},
    "aarch64": {"mq_open": 180, "shmget": 194, "semget": 190, "msgget": 186, "add_key": 217},
}
NUMBERS["x86_64"] |= {"inotify_add_watch": 254, "inotify_init1": 294, "timer_create": 222}
NUMBERS["x86_64"] |= {"ioprio_set": 251, "ioprio_get": 252}
NUMBERS["aarch64"] |= {"inotify_add_watch": 27, "inotify_init1": 26, "timer_create": 107}
NUMBERS["aarch64"] |= {"ioprio_set": 30, "ioprio_get": 31}


def _syscall(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    number = ctypes.c_long(NUMBERS[os.uname().machine][name])
    result = libc.syscall(number, *(ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args))
    return result, ctypes.get_errno()


def _daemon(work):
    """Run `work` again and again in a process without session and parent that ignores all signals."""
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        with contextlib.suppress(BaseException):
            work()


def leaves_files_everywhere(bait):
    """Writes a file into every folder that takes one, mount points first."""
    mounts = [line.split()[4] for line in open("/proc/self/mountinfo")]
    folders = ["/tmp", "/var/tmp", "/run", "/home", "/opt", "/opt/evolvent", "/etc", "/dev", "/proc/1"]
    for folder in [*mounts, *folders, *sys.path, os.path.dirname(os.__file__)]:
        for name in ("left.py", ".left", "sitecustomize.py"):
            with contextlib.suppress(OSError):
                with open(os.path.join(folder, name), "w") as file:
                    file.write("left = True")
    return []


def leaves_odd_names(bait):
    """Leaves names with line breaks, names that are no text, links to each other, pipes and sockets."""
    import socket

    for name in (b"..left", b"a\nb", b"\xff\xfe", b"-rf", b" ", b"x" * 255):
        for folder in (b".", b"/dev/shm"):
            with contextlib.suppress(OSError):
                os.mkdir(folder + b"/" + name)
                os.symlink(b"../" + name, folder + b"/" + name + b"/loop")
                os.mkfifo(folder + b"/" + name + b"/pipe")
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_UNIX).bind("left.sock")
    return []


def leaves_closed_folders(bait):
    """Leaves files in folders that nobody may enter, and closes the working folder itself."""
    for root in ("/work", "/dev/shm", "/tmp"):
        with contextlib.suppress(OSError):
            os.makedirs(f"{root}/closed/inner")
            with open(f"{root}/closed/inner/file", "w") as file:
                file.write("left")
            os.chmod(f"{root}/closed/inner", 0)
            os.chmod(f"{root}/closed", 0)
            os.chmod(root, 0)
    return []


def leaves_marks_on_folders(bait):
    """Leaves no file, but changes times, modes and extended attributes of the folders themselves."""
    for folder in (".", "/tmp", "/dev/shm", "/", "/dev"):
        for mark in (
            lambda: os.utime(folder, (1, 1)),
            lambda: os.chmod(folder, 0o1777),
            lambda: os.setxattr(folder, "user.left", b"1"),
            lambda: os.chown(folder, -1, os.getgid()),
        ):
            with contextlib.suppress(OSError):
                mark()
    return []


def moves_the_working_folder(bait):
    """Goes elsewhere, and tries to rename, remove, replace and cover the working folder."""
    here = os.getcwd()
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    os.rmdir("../elsewhere")
    for attempt in (
        lambda: os.rename(here, here + ".old"),
        lambda: os.rmdir(here),
        lambda: os.symlink("/", here),
        lambda: os.chroot("/dev/shm"),
        lambda: os.rename("/tmp", "/old"),
        lambda: os.unlink("/tmp"),
    ):
        with contextlib.suppress(OSError):
            attempt()
    return []


def leaves_a_daemon(bait):
    """Leaves a process of its own session without parent that ignores signals and goes on writing files."""

    def write():
        for folder in ("/work", "/dev/shm"):
            with open(f"{folder}/{time.monotonic_ns()}", "w") as file:
                file.write("still here")

    _daemon(write)
    return []


def leaves_a_brood(bait):
    """Leaves processes that fork faster than one can look: each lives for a moment, one always does."""

    def breed():
        if os.fork():
            os._exit(0)

    for _ in range(5):
        _daemon(breed)
    return []


def leaves_sleepers(bait):
    """Leaves stopped processes, zombies and a reaper that takes in the orphans of others."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    for number in range(10):
        if os.fork() == 0:
            if number % 2:
                os.setsid()
                os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0)
    _daemon(signal.pause)
    return []


def leaves_a_listener(bait):
    """Leaves a server on a named and an abstract local socket that stores descriptors for later."""
    import socket

    listeners = []
    for name in ("left.sock", "\0left"):
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[-1].bind(name)
        listeners[-1].listen()
    _daemon(lambda: listeners[-1].accept())
    return []


def leaves_threads(bait):
    """Returns while its threads go on working, and one holds the lock that imports need."""
    import _imp
    import threading

    def spin():
        while True:
            sys.modules["left"] = os

    for _ in range(8):
        threading.Thread(target=spin, daemon=True).start()
    threading.Thread(target=lambda: (_imp.acquire_lock(), time.sleep(60)), daemon=True).start()
    time.sleep(0.05)
    return []


def leaves_descriptors(bait):
    """Opens folders, sockets and pipes at every number, makes them inheritable and replaces 0, 1 and 2."""
    with contextlib.suppress(OSError):
        for number in range(63, 2, -1):
            fd = os.open("/", os.O_RDONLY)
            os.set_inheritable(fd, True)
    for number in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.dup2(3, number)
    return []


def poisons_modules(bait):
    """Replaces modules, built-in functions and the ways by which modules are found."""
    import builtins
    import importlib.machinery
    import json

    json.dumps = json.JSONEncoder.default = lambda *args, **kwargs: '{"outcome":"value","value":["poisoned"]}'
    builtins.len = builtins.open = builtins.sorted = lambda *args, **kwargs: 7
    builtins.left = sys.modules["left"] = os
    sys.path.insert(0, "/work")
    sys.path_importer_cache.clear()
    sys.meta_path.insert(0, importlib.machinery.FrozenImporter)
    sys.settrace(lambda *args: None)
    sys.setswitchinterval(100)
    os.listdir = os.fork = os.getcwd = lambda *args: []
    os.environ["PYTHONSTARTUP"] = "/work/left.py"
    return []


def poisons_the_guest(bait):
    """Replaces the functions of the server's own package, found among the loaded modules."""
    for name, module in list(sys.modules.items()):
        if name.startswith("evolvent_guest") or name == "__main__":
            for key, value in list(vars(module).items()):
                if callable(value) and not isinstance(value, type):
                    setattr(module, key, lambda *args, **kwargs: '["poisoned"]')
    return []


def poisons_caches(bait):
    """Writes compiled modules beside the server's package, the standard library and the running script."""
    import importlib.util
    import marshal

    code = marshal.dumps(compile("left = True", "left", "exec"))
    body = importlib.util.MAGIC_NUMBER + bytes(12) + code
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for path in filter(None, files):
        for target in (path, importlib.util.cache_from_source(path) if path.endswith(".py") else path + "c"):
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "wb") as file:
                    file.write(body)
    return []


def changes_the_server_object(bait):
    """Searches memory for the server's objects and changes their fields, code and descriptors."""
    import gc

    for thing in gc.get_objects():
        if type(thing).__module__.startswith("evolvent_guest"):
            for name in list(getattr(thing, "__dict__", ())):
                with contextlib.suppress(AttributeError, TypeError):
                    setattr(thing, name, None)
            with contextlib.suppress(AttributeError, TypeError):
                type(thing).serve = type(thing).watch = type(thing).write = lambda *args: None
    return []


def changes_itself(bait):
    """Changes what processes inherit: limits, niceness, umask, affinity, scheduling, signals, the group."""
    for attempt in (
        *[lambda kind=kind: resource.setrlimit(kind, (0, 0)) for kind in range(16) if kind not in (0, 9)],
        lambda: os.nice(19),
        lambda: os.umask(0o777),
        lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)),
        lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        lambda: signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2),
        lambda: os.setpgid(0, 0),
        lambda: ctypes.CDLL(None).prctl(38, 1, 0, 0, 0),  # PR_SET_NO_NEW_PRIVS
    ):
        with contextlib.suppress(*CLOSED):
            attempt()
    return []


def changes_the_first_process(bait):
    """Lowers limits, affinity and scheduling of the process that serves the next run."""
    got = []
    one_cpu = {min(os.sched_getaffinity(0))}
    for name, attempt in {
        "lowered its limit of files": lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (3, 3)),
        "lowered its limit of memory": lambda: resource.prlimit(1, resource.RLIMIT_AS, (1, 1)),
        "set its processors": lambda: os.sched_setaffinity(1, one_cpu),
        "set its scheduler": lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
        "set its scheduler's parameters": lambda: os.sched_setparam(1, os.sched_param(0)),
        "set its process group": lambda: os.setpgid(1, 0),
    }.items():
        with contextlib.suppress(*CLOSED):
            attempt()
            got.append(name)
    return got


def slows_down_its_user(bait):
    """Lowers the priority of everything that runs as the same user, the first process included."""
    got, before = [], os.getpriority(os.PRIO_PROCESS, 1)
    ways = ((os.PRIO_PROCESS, 1), (os.PRIO_PGRP, 1), (os.PRIO_USER, os.getuid()), (os.PRIO_USER, 0))
    for which, who in ways:
        with contextlib.suppress(OSError):
            os.setpriority(which, who, before + 7)
        now = os.getpriority(os.PRIO_PROCESS, 1)
        if now != before:
            got.append(f"the first process has priority {now}, had {before}, by setpriority({which}, {who})")
            before = now
    return got


def slows_down_its_users_disks(bait):
    """Lowers the input and output priority of the user, the group and the first process."""
    got, idle = [], 3 << 13
    before = _syscall("ioprio_get", 1, 1)[0]
    for which, who in ((3, 0), (3, os.getuid()), (2, 1), (1, 1)):
        _syscall("ioprio_set", which, who, idle)
        if _syscall("ioprio_get", 1, 1)[0] != before:
            got.append(f"set the disk priority of the first process by ioprio_set({which}, {who})")
            break
    return got


def writes_to_the_first_process(bait):
    """Writes to the files in /proc that steer another process, and to those that steer the kernel."""
    got = []
    names = ("oom_score_adj", "timerslack_ns", "coredump_filter", "clear_refs", "autogroup", "comm", "mem")
    paths = [f"/proc/1/{name}" for name in names]
    paths += ["/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"]
    for path in paths:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_WRONLY)
            os.write(fd, b"0")
            got.append(f"wrote to {path}")
    return got


def leaves_kernel_objects(bait):
    """Makes message queues, shared memory, semaphores and keys: objects that outlive their process."""
    got, text = [], ctypes.create_string_buffer(b"left")
    user = ctypes.create_string_buffer(b"user")
    for call, args in (
        ("mq_open", (text, os.O_CREAT | os.O_RDWR, 0o600, None)),
        ("shmget", (0x1EF7, 4096, 0o1600)),
        ("semget", (0x1EF7, 1, 0o1600)),
        ("msgget", (0x1EF7, 0o1600)),
        ("add_key", (user, text, text, 4, -4)),
    ):
        if _syscall(call, *args)[0] >= 0:
            got.append(f"made an object by {call}")
    return got


def holds_locks(bait):
    """Locks files of the system and of the server and leaves a process that holds the locks."""
    import fcntl

    held = []
    for path in (os.__file__, sys.executable, *sys.path, "/work", "/dev/null", "/proc/self/maps"):
        with contextlib.suppress(OSError):
            held.append(open(path, "rb") if os.path.isfile(path) else os.open(path, os.O_RDONLY))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.fcntl(held[-1], fcntl.F_SETLEASE, fcntl.F_RDLCK)
    _daemon(signal.pause)
    return []


def watches_files(bait):
    """Leaves watches of folders, and timers and signals that should arrive at the next run."""
    import fcntl

    watch = _syscall("inotify_init1", 0)[0]
    for path in (b"/work", b"/dev/shm", b"/opt/evolvent"):
        _syscall("inotify_add_watch", watch, ctypes.create_string_buffer(path), 0xFFF)
    with contextlib.suppress(OSError):
        fcntl.fcntl(watch, fcntl.F_SETOWN, 1)
        fcntl.fcntl(watch, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    timer = ctypes.c_int()
    _syscall("timer_create", 1, None, ctypes.byref(timer))
    for number in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(number, 0.3)
    return []


def replaces_its_program(bait):
    """Becomes another program that keeps the pipes, and asks to be started again."""
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            os.set_inheritable(fd, True)
    code = "import os, time\nwhile True: os.fork() or time.sleep(1)"
    os.execv(sys.executable, [sys.executable, "-I", "-c", code])


def outlives_its_host(bait):
    """Unties its life from that of the process that started it."""
    return ["cleared its parent-death signal"] if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0 else []
