"""Programs that want all of the machine: processes, memory, files, time. Being ended by a limit is fine."""

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import signal
import time

MIB = 1 << 20
PROCESSES, MEMORY, FILE = 64, 512 * MIB, 16 * MIB  # what Limits allows
IDLE = (OSError, MemoryError)
NUMBERS = {
    "x86_64": {"memfd_create": 319, "memfd_secret": 447, "shmget": 29, "msgget": 68, "semget": 64},
    "aarch64": {"memfd_create": 279, "memfd_secret": 447, "shmget": 194, "msgget": 186, "semget": 190},
}
NUMBERS["x86_64"]["timer_create"] = 222
NUMBERS["aarch64"]["timer_create"] = 107


def _syscall(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    number = ctypes.c_long(NUMBERS[os.uname().machine][name])
    result = libc.syscall(number, *(ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args))
    return result, ctypes.get_errno()


def _held_by_children(count, fill):
    """Fork children that fill and keep something; return the sum of what the living hold.

    `fill(note)` calls `note(bytes)` whenever it holds more.
    """
    notes, pids = mmap.mmap(-1, 8 * count), []
    for index in range(count):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            try:
                fill(lambda held, at=8 * index: notes.__setitem__(slice(at, at + 8), held.to_bytes(8, "big")))
                signal.pause()
            finally:
                os._exit(1)
        pids.append(pid)
    deadline, before = time.monotonic() + 1.4, None
    while time.monotonic() < deadline and (before != notes[:] or not any(before)):
        before = notes[:]
        time.sleep(0.25)
    living = [index for index, pid in enumerate(pids) if os.waitpid(pid, os.WNOHANG)[0] == 0]
    return sum(int.from_bytes(notes[8 * index : 8 * index + 8], "big") for index in living)


def fork_storm(bait, *, wall_seconds=1.0):
    """Forks as many waiting children as it can and counts them."""
    started = 0
    while started < 2000:
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            signal.pause()
        started += 1
    return [f"{started} processes at once"] if started > PROCESSES else []


def fork_storm_of_outlaws(bait, *, wall_seconds=1.0):
    """Forks children that leave the session, ignore every signal and go on forking for ever."""
    for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            if os.fork() == 0:
                os.setsid()
        except OSError:
            continue


def relay_of_processes(bait, *, wall_seconds=1.0, cpu_seconds=1):
    """Hands its work to a fresh child before its CPU time is spent, again and again."""
    if os.fork():
        signal.pause()
    while True:
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        if os.fork():
            os._exit(0)
        os.setsid()


def thread_storm(bait, *, wall_seconds=1.0):
    """Starts as many threads as it can, with tiny stacks."""
    import _thread
    import threading

    threading.stack_size(32768)
    gate, started = _thread.allocate_lock(), 0
    gate.acquire()
    while started < 2000:
        try:
            _thread.start_new_thread(gate.acquire, ())
        except RuntimeError:
            break
        started += 1
    return [f"{started} threads at once"] if started > PROCESSES else []


def memory_of_one_process(bait, *, wall_seconds=2.0):
    """Fills its memory with ones, in smaller and smaller pieces."""
    held, total, size = [], 0, 64 * MIB
    while size > MIB and total <= MEMORY:
        try:
            held.append(b"\1" * size)
            total += size
        except MemoryError:
            size //= 2
    return [f"holds {total // MIB} MiB in one process"] if total > MEMORY else []


def memory_of_many_processes(bait, *, wall_seconds=2.0):
    """Lets eight children each fill 250 MiB at the same time."""
    held = []

    def fill(note):
        for number in range(1, 26):
            held.append(b"\1" * (10 * MIB))
            note(number * 10 * MIB)

    total = _held_by_children(8, fill)
    return [f"holds {total // MIB} MiB in many processes"] if total > 1280 * MIB else []


def shared_anonymous_memory(bait, *, wall_seconds=2.0):
    """Maps shared anonymous memory, which belongs to no process, and fills it."""
    held, total = [], 0
    while total <= 2 * MEMORY:
        try:
            held.append(mmap.mmap(-1, 32 * MIB, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
            held[-1].write(b"\1" * (32 * MIB))
        except IDLE:
            break
        total += 32 * MIB
    return [f"holds {total // MIB} MiB of shared memory"] if total > MEMORY else []


def uncounted_memory(bait):
    """Asks the kernel for memory files, System V segments and queues, which no process is charged for."""
    got = []
    name = ctypes.create_string_buffer(b"storm")
    for call, args in (
        ("memfd_create", (name, 0)),
        ("memfd_create", (name, 4)),  # MFD_HUGETLB
        ("memfd_secret", (0,)),
        ("shmget", (0, 64 * MIB, 0o1600)),
        ("msgget", (0, 0o1600)),
        ("semget", (0, 250, 0o1600)),
    ):
        result, _ = _syscall(call, *args)
        if result >= 0:
            got.append(f"{call} gave {result}")
    return got


def fills_the_folders(bait, *, wall_seconds=2.0):
    """Writes files of allowed size into every writable folder until nothing is left."""
    total, block = 0, b"\1" * MIB
    for folder in ("/work", "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/dev/mqueue", "/home"):
        for number in range(100):
            try:
                with open(f"{folder}/full{number}", "xb", 0) as file:  # one folder may have two names
                    for _ in range(FILE // MIB):
                        total += file.write(block)
            except OSError:
                break
    return [f"stored {total // MIB} MiB"] if total > 256 * MIB else []


def fills_deleted_files(bait, *, wall_seconds=2.0):
    """Keeps bytes in files that have no name any more."""
    held, total, block = [], 0, b"\1" * MIB
    try:
        for number in range(60):
            held.append(os.open(f"gone{number}", os.O_RDWR | os.O_CREAT))
            os.unlink(f"gone{number}")
            for _ in range(FILE // MIB):
                total += os.write(held[-1], block)
    except OSError:
        pass
    return [f"stored {total // MIB} MiB in deleted files"] if total > 256 * MIB else []


def sparse_files(bait):
    """Sets the size of a file far beyond what it may write, by three ways."""
    got, size = [], 1 << 40
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for folder in (".", "/dev/shm"):
        for way in (
            lambda fd: os.truncate(fd, size),
            lambda fd: os.posix_fallocate(fd, 0, 2 * FILE),
            lambda fd: os.pwrite(fd, b"x", size),
        ):
            try:
                fd = os.open(f"{folder}/sparse", os.O_RDWR | os.O_CREAT)
                way(fd)
            except OSError:
                continue
            if os.fstat(fd).st_size > FILE:
                got.append(f"a file of {os.fstat(fd).st_size} bytes in {folder}")
    return got


def inode_storm(bait, *, wall_seconds=2.0):
    """Makes empty files, which take no space but memory of the kernel, in every writable folder."""
    made = 0
    for folder in ("/work", "/tmp", "/dev/shm"):
        try:
            for _ in range(120_000):
                os.mknod(f"{folder}/i{made}")
                made += 1
        except OSError:
            continue
    return [f"{made} files at once"] if made > 100_000 else []


def name_storm(bait, *, wall_seconds=2.0):
    """Gives one file as many long names as it can; a name takes memory of the kernel but no block."""
    made, padding = 0, "n" * 240
    try:
        os.mknod("one")
        while made < 120_000:
            os.link("one", f"{padding}{made}")
            made += 1
    except OSError:
        pass
    return [f"{made} names of one file at once"] if made > 100_000 else []


def deep_folders(bait, *, wall_seconds=1.0):
    """Nests folders far deeper than a path can say, and leaves them for whoever cleans up."""
    name, made = "d" * 200, 0
    try:
        for _ in range(3000):
            os.mkdir(name)
            os.chdir(name)
            made += 1
        os.symlink(name, "loop")
        os.chmod(".", 0)
    except OSError:
        pass
    return [f"{made} folders"] if made > 100_000 else []


def pipe_buffers(bait, *, wall_seconds=2.0):
    """Fills the largest pipes it can get, in many processes."""
    import fcntl

    def fill(note):
        total, pipes = 0, []
        for _ in range(25):
            pipes.append(os.pipe())
            os.set_blocking(pipes[-1][1], False)
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipes[-1][1], 1031, MIB)  # F_SETPIPE_SZ
            with contextlib.suppress(BlockingIOError):
                while True:
                    total += os.write(pipes[-1][1], b"\1" * 65536)
        note(total)

    total = _held_by_children(40, fill)
    return [f"holds {total // MIB} MiB in pipes"] if total > 256 * MIB else []


def socket_buffers(bait, *, wall_seconds=2.0):
    """Fills local sockets with messages that nobody reads; each of many processes stops at 64 MiB."""
    import socket

    held = []

    def fill(note):
        total = 0
        while total < 64 * MIB and len(held) < 25:
            held.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
            for end in held[-1]:
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * MIB)
                try:
                    while total < 64 * MIB:
                        total += end.send(b"\1" * 65000)
                except OSError:
                    continue
        note(total)

    total = _held_by_children(24, fill)
    return [f"holds {total // MIB} MiB in sockets"] if total > 1280 * MIB else []


def descriptor_storm(bait):
    """Opens the same file again and again, after asking for more descriptors."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for wanted in (most + 1, 1 << 20, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (OSError, ValueError):
            continue
    held = 0
    try:
        while held < 5000:
            os.dup(0)
            held += 1
    except OSError:
        pass
    return [f"{held} descriptors in one process"] if held > 64 else []


def descriptors_in_flight(bait, *, wall_seconds=1.0):
    """Sends open files into sockets and closes them: they stay open and count for no process."""
    import socket

    held = 0
    pairs = [socket.socketpair() for _ in range(10)]
    for ours, _ in pairs:
        ours.setblocking(False)
        try:
            while held < 20_000:
                files = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
                try:
                    socket.send_fds(ours, [b"x"], files)
                finally:
                    for fd in files:
                        os.close(fd)
                held += len(files)
        except OSError:
            continue
    return [f"{held} files open in sockets"] if held > 1000 else []


def epoll_storm(bait, *, wall_seconds=1.0):
    """Makes watchers of watchers of files, each of which takes memory of the kernel."""
    import select

    polls = []
    try:
        while True:
            polls.append(select.epoll())
            for other in polls[:-1]:
                polls[-1].register(other.fileno())
    except OSError as error:
        return [] if error.errno in (errno.EMFILE, errno.ELOOP, errno.EINVAL) else []


def lock_storm(bait, *, wall_seconds=1.0):
    """Locks every second byte of a file, one lock each, which takes memory of the kernel."""
    import fcntl

    with open("locked", "wb") as file:
        for number in range(1_000_000):
            try:
                fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * number)
            except OSError:
                return []
    return ["a million locks at once"]


def timer_storm(bait, *, wall_seconds=1.0):
    """Starts thousands of fast timers of the kernel whose signals are handled for ever."""
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    timer = ctypes.c_int()
    for _ in range(5000):
        if _syscall("timer_create", 1, None, ctypes.byref(timer))[0] < 0:
            break
    for kind in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(kind, 1e-6, 1e-6)
    while True:
        signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)


def spins(bait, *, wall_seconds=2.0, cpu_seconds=1):
    """Computes for ever and catches everything that could end it."""
    number = 0
    while True:
        try:
            while True:
                number = (number * 5 + 1) % 1_000_003
        except BaseException:
            continue


def spins_in_a_regular_expression(bait, *, wall_seconds=1.0):
    """Matches a pattern that takes exponential time, in C, where no signal handler of Python runs."""
    import re

    return ["matched"] if re.fullmatch(r"(x+x+)+y", "x" * 200) else []


def spins_in_big_numbers(bait, *, wall_seconds=1.0):
    """Computes a power with hundreds of millions of digits, and its text."""
    import sys

    sys.set_int_max_str_digits(0)
    return [] if len(str(9**9**9)) else ["no digits"]


def spins_in_an_iterator(bait, *, wall_seconds=1.0):
    """Looks in an endless iterator of C for something that is not in it."""
    import itertools

    return ["found"] if None in itertools.repeat(0) else []


def ignores_all_signals(bait, *, wall_seconds=2.0, cpu_seconds=1):
    """Handles every signal, SIGXCPU and SIGTERM included, by going on, and blocks them besides."""
    for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
        signal.signal(number, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        pass


def floods_its_output(bait, *, wall_seconds=1.0):
    """Writes without end to standard output and standard error."""
    block = b"PASS\n" * 13000
    while True:
        for fd in (1, 2):
            os.write(fd, block)


def sleeps_for_ever(bait, *, wall_seconds=1.0):
    """Waits for nothing, using no CPU time, in a hundred ways at once."""
    import threading

    for _ in range(5):
        threading.Thread(target=threading.Event().wait).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        time.sleep(3600)


def raises_its_limits(bait):
    """Asks for higher limits: for itself, its parent and the first process."""
    got = []
    for kind in range(resource.RLIMIT_CPU, 16):
        hard = resource.getrlimit(kind)[1]
        for pid in (0, os.getppid(), 1):
            for wanted in ((-1, -1), (hard + 1, hard + 1)) if hard >= 0 else ():
                try:
                    resource.prlimit(pid, kind, wanted)
                    got.append(f"raised limit {kind} of process {pid} from {hard}")
                except (OSError, ValueError):
                    continue
    return got


def ends_by_a_segmentation_fault(bait):
    """Reads an address where nothing can be."""
    return [f"read {ctypes.string_at(1, 4)}"]


def overflows_the_stack(bait, *, wall_seconds=2.0):
    """Nests syntax, texts of JSON and lists so deep that the C stack ends first, each in a child."""
    import json
    import sys

    sys.setrecursionlimit(10**9)
    nested = []
    for _ in range(10**6):
        nested = [nested]
    for attempt in (
        lambda: compile("-" * 10**6 + "1", "<deep>", "eval"),
        lambda: compile("(" * 10**5 + ")" * 10**5, "<deep>", "eval"),
        lambda: json.loads("[" * 10**6),
        lambda: json.dumps(nested),
        lambda: repr(nested),
    ):
        pid = os.fork()
        if pid == 0:
            try:
                attempt()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    return attempt()


def unpacks_a_bomb(bait, *, wall_seconds=2.0):
    """Unpacks a text that was compressed twice and grows to a gigabyte."""
    import gzip

    bomb = gzip.compress(gzip.compress(bytes(16 * MIB)) * 64)
    grown = gzip.decompress(gzip.decompress(bomb))
    return [f"{len(bomb)} bytes grew to {len(grown)}"] if len(grown) > MEMORY else []


def returns_an_exponential_value(bait, *, wall_seconds=2.0):
    """Returns a small value that holds itself twice at every level: 2**45 texts when written down."""
    value = ["laugh"]
    for _ in range(45):
        value = [value, value]
    return value


def returns_a_bottomless_value(bait):
    """Returns lists nested a hundred thousand deep, and a list that holds itself."""
    value = [[]]
    value.append(value)
    for _ in range(100_000):
        value = [value]
    return value


def raises_an_endless_message(bait, *, wall_seconds=1.0):
    """Raises an error whose message is huge, slow and raises errors itself."""

    class Endless(Exception):
        def __str__(self):
            while True:
                try:
                    time.sleep(0.01)
                except BaseException:
                    continue

    raise Endless(b"x" * (64 * MIB)) from MemoryError("x" * (16 * MIB))


def takes_the_asynchronous_requests(bait):
    """Reserves asynchronous requests, of which the machine grants a fixed number to all users together."""
    number, context = {"x86_64": 206, "aarch64": 0}[os.uname().machine], ctypes.c_ulong(0)
    result = ctypes.CDLL(None).syscall(number, 1024, ctypes.byref(context))
    return ["reserved 1024 requests"] if result == 0 else []
