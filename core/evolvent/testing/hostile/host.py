"""Programs that attack other processes, the kernel, and the sandbox itself."""

import ctypes
import errno
import fcntl
import glob
import os
import resource
import signal
import socket
import struct
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_NUMBERS = {  # x86_64, aarch64; None where the machine has no such call
    "acct": (163, 89),
    "bpf": (321, 280),
    "capset": (126, 91),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioperm": (173, None),
    "iopl": (172, None),
    "ioprio_get": (252, 31),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "listmount": (458, 458),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "sched_setattr": (314, 274),
    "setdomainname": (171, 162),
    "setfsgid": (123, 152),
    "setfsuid": (122, 151),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_NAMESPACES = {  # the flags of clone(2)
    "time": 0x80,
    "mnt": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
_CWD = -100  # AT_FDCWD


def _syscall(name, *args):
    """Make a raw system call; return its result and errno."""
    number = _NUMBERS[name][os.uname().machine == "aarch64"]
    if number is None:
        return -1, errno.ENOSYS
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    ctypes.set_errno(0)
    return _LIBC.syscall(ctypes.c_long(number), *words), ctypes.get_errno()


def _done(calls):
    """Make system calls; return a claim for each that succeeded."""
    got = []
    for name, *args in calls:
        result, _ = _syscall(name, *args)
        if result >= 0:
            got.append(f"{name}{tuple(arg for arg in args if isinstance(arg, int))} returned {result}")
    return got


def _considered(calls):
    """Make invalid system calls; return a claim for each whose arguments the kernel looked at."""
    refused = (errno.EPERM, errno.EACCES, errno.ENOSYS)
    tried = [(name, *_syscall(name, *args)) for name, *args in calls]
    return [f"{name} came as far as {os.strerror(error)}" for name, _, error in tried if error not in refused]


def _others(bait):
    """Return the processes that are not its own: process 1, the victim and the host's Python."""
    return [pid for pid in (1, bait["victim_pid"], bait["host_pid"]) if pid != os.getpid()]


def _written(path, data):
    """Say whether data could be written to a file that is there."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        os.write(fd, data)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def kills_the_victim(bait):
    """Sends signals to a process of the host by its id: by kill, killpg and sigqueue."""
    got = []
    for pid in _others(bait)[1:]:
        for number in (0, signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
            for kill in (os.kill, os.killpg, _LIBC.sigqueue):
                try:
                    if kill(pid, number, *([None] if kill is _LIBC.sigqueue else [])) != -1:
                        got.append(f"signalled {pid} with {number}")
                except OSError:
                    continue
    return got


def kills_everybody(bait):
    """Stops and kills whoever it may: kill(-1) reaches every process that can be seen but process 1."""
    got = []
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(-1, number)
            got.append(f"somebody else got signal {number}")
        except OSError:
            continue
    return got


def kills_the_watcher(bait):
    """Sends every signal to process 1, which watches it: by id, by group and by descriptor."""
    pidfd = os.pidfd_open(1)
    for number in range(1, 65):
        for kill in (
            lambda number: os.kill(1, number),
            lambda number: os.killpg(1, number),
            lambda number: signal.pidfd_send_signal(pidfd, number),
        ):
            try:
                kill(number)
            except OSError:
                continue
    time.sleep(0.02)
    with open("/proc/1/stat") as file:
        state = file.read().rpartition(")")[2].split()[0]
    return [f"process 1 is in state {state}"] if state in "TtZX" else []


def lets_the_kernel_send_signals(bait):
    """Has SIGKILL and SIGSTOP sent to process 1 and the victim by the kernel, as news about a socket."""
    got = []
    for pid in _others(bait):
        for number in (0, signal.SIGSTOP, signal.SIGKILL):
            ours, theirs = socket.socketpair()
            try:
                fcntl.fcntl(ours, fcntl.F_SETOWN, pid)
                fcntl.fcntl(ours, 10, number)  # F_SETSIG
                fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
                theirs.send(b"x")
            except ProcessLookupError:
                continue
            if pid != 1:
                got.append(f"signals of a socket go to {pid}")
    with open("/proc/1/stat") as file:
        state = file.read().rpartition(")")[2].split()[0]
    return [*got, f"process 1 is in state {state}"] if state in "TtZX" else got


def traces_other_processes(bait):
    """Attaches a debugger to process 1, the victim and the host's Python; asks to be traced by its parent."""
    calls = [("ptrace", how, pid, 0, 0) for pid in _others(bait) for how in (16, 0x4206)]  # ATTACH, SEIZE
    got = _done(calls)
    child = os.fork()
    if child == 0:
        os._exit(_syscall("ptrace", 0, 0, 0, 0)[0] == 0)  # TRACEME
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1:
        got.append("a child let itself be traced")
    return got


def reads_memory_of_other_processes(bait):
    """Reads and writes the memory of other processes with process_vm_readv and process_vm_writev."""
    here = ctypes.create_string_buffer(64)
    vector = struct.pack("QQ", ctypes.addressof(here), 64)
    names = ("process_vm_readv", "process_vm_writev")
    got = _done((name, pid, vector, 1, vector, 1, 0) for name in names for pid in _others(bait))
    pidfds = {pid: _syscall("pidfd_open", pid, 0)[0] for pid in _others(bait)}
    return got + _done(("process_madvise", fd, vector, 1, 20, 0) for fd in pidfds.values())  # MADV_COLD


def takes_descriptors_of_other_processes(bait):
    """Copies descriptors out of process 1, its parent and the victim with pidfd_getfd; compares with kcmp."""
    got = []
    for pid in {*_others(bait), os.getppid()}:
        pidfd = _syscall("pidfd_open", pid, 0)[0]
        got += _done(("pidfd_getfd", pidfd, fd, 0) for fd in range(16))
        got += _done(("kcmp", os.getpid(), pid, kind, 0, 0) for kind in range(7))
    return got


def writes_the_proc_files_of_the_watcher(bait):
    """Writes /proc/1/*, to have process 1 renamed, throttled, or killed first when memory is short."""
    data = {"oom_score_adj": b"1000", "oom_adj": b"15", "comm": b"evil", "autogroup": b"19"}
    data |= {"timerslack_ns": b"999999999", "clear_refs": b"1", "coredump_filter": b"ff", "mem": b"x"}
    data |= {"uid_map": b"0 0 1", "gid_map": b"0 0 1", "setgroups": b"allow", "loginuid": b"0"}
    data |= {"attr/current": b"x", "sched": b"0", "latency": b"erase", "make-it-fail": b"1"}
    tried = [(f"/proc/{pid}/{name}", text) for pid in _others(bait) for name, text in data.items()]
    return [f"wrote {path}" for path, text in tried if _written(path, text)]


def slows_down_the_watcher(bait):
    """Lowers the priority of process 1 by its id, its group and its user, and its scheduling class."""
    got = []
    before = os.getpriority(os.PRIO_PROCESS, 1)
    for kind, who in ((0, 1), (1, 1), (1, 0), (2, 0), (2, os.getuid())):  # process, group, user
        try:
            os.setpriority(kind, who, 19)
        except OSError:
            continue
        if os.getpriority(os.PRIO_PROCESS, 1) != before:
            got.append(f"setpriority({kind}, {who}, 19) changed the niceness of process 1")
            break
    for pid in _others(bait):
        for work in (
            lambda pid: os.sched_setaffinity(pid, {0}),
            lambda pid: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
            lambda pid: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)),
        ):
            try:
                work(pid)
                got.append(f"changed how process {pid} is scheduled")
            except OSError:
                continue
    attributes = struct.pack("IIQiIQQQ", 48, 5, 0, 19, 0, 0, 0, 0)  # SCHED_IDLE
    return got + _done(("sched_setattr", pid, attributes, 0) for pid in _others(bait))


def starves_the_watcher_of_its_disk(bait):
    """Puts process 1 into the idle class of input and output by its id, its group and its user."""
    before = _syscall("ioprio_get", 1, 1)[0]
    for kind, who in ((1, 1), (2, 1), (2, 0), (3, 0), (3, os.getuid())):  # process, group, user
        _syscall("ioprio_set", kind, who, 3 << 13)
        if _syscall("ioprio_get", 1, 1)[0] != before:
            return [f"ioprio_set({kind}, {who}) changed the class of process 1"]
    return []


def sets_limits_of_the_watcher(bait):
    """Sets limits of process 1 and of the victim with prlimit, so that they fail, and reads them."""
    got = []
    for pid in _others(bait):
        for what in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_NPROC):
            try:
                now = resource.prlimit(pid, what)
                got.append(f"read a limit of process {pid}: {now}")
                resource.prlimit(pid, what, now)
                got.append(f"set a limit of process {pid}")
            except OSError:
                continue
    return got


def moves_the_memory_of_the_watcher(bait):
    """Moves the pages of process 1 and of the victim between the machine's memories, and reaps them."""
    mask, page = struct.pack("Q", 1), struct.pack("Q", 0)
    got = []
    for pid in _others(bait):
        got += _done([("migrate_pages", pid, 64, mask, mask), ("move_pages", pid, 1, page, None, page, 0)])
        got += _done([("process_mrelease", _syscall("pidfd_open", pid, 0)[0], 0)])
    return got


def makes_new_namespaces(bait):
    """Asks for namespaces of its own with unshare and with raw clone, to become root in one of them."""
    got = _done(("unshare", flag) for flag in _NAMESPACES.values())
    for name, flag in _NAMESPACES.items():
        if name == "time":  # clone would read this bit as a part of the exit signal
            continue
        child = _syscall("clone", flag | signal.SIGCHLD, 0, 0, 0, 0)[0]
        if child == 0:
            os._exit(0)
        if child > 0:
            os.waitpid(child, 0)
            got.append(f"clone made a new {name} namespace")
    return got


def makes_namespaces_with_clone3(bait):
    """Asks clone3 for namespaces: its flags lie in memory, where a system call filter cannot look."""
    got = []
    for name, flag in _NAMESPACES.items():
        arguments = struct.pack("11Q", flag, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
        child = _syscall("clone3", arguments, 88)[0]
        if child == 0:
            os._exit(0)
        if child > 0:
            os.waitpid(child, 0)
            got.append(f"clone3 made a new {name} namespace")
    return got


def enters_other_namespaces(bait):
    """Enters the namespaces of process 1 and of the victim, by files and by process descriptors."""
    got = []
    for pid in (*_others(bait), os.getpid()):
        pidfd = _syscall("pidfd_open", pid, 0)[0]
        got += _done(("setns", pidfd, flag) for flag in _NAMESPACES.values() if pidfd >= 0)
        for name in _NAMESPACES:
            try:
                fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
            except OSError:
                continue
            got += _done([("setns", fd, 0), ("ioctl", fd, 0xB701), ("ioctl", fd, 0xB702)])  # user, parent
            os.close(fd)
    return got


def makes_itself_root_by_maps(bait):
    """Writes the user and group maps of its own namespace, to be user 0 there."""
    maps = {"setgroups": b"deny", "uid_map": b"0 0 4294967295", "gid_map": b"0 0 4294967295"}
    _LIBC.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: else the files belong to root
    return [f"wrote {name}" for name, text in maps.items() if _written(f"/proc/self/{name}", text)]


def mounts_and_unmounts(bait):
    """Mounts file systems, binds the root elsewhere, unmounts /proc and changes the root."""
    os.mkdir("here")
    here = os.path.abspath("here").encode()
    kinds = (b"tmpfs", b"proc", b"sysfs", b"devtmpfs", b"cgroup2", b"overlay", b"fuse", b"ramfs")
    got = _done(("mount", kind, here, kind, 0, b"") for kind in kinds)
    got += _done(("mount", b"/", here, None, flags, None) for flags in (4096, 4096 | 16384, 1 << 18))
    got += _done(("umount2", path, how) for path in (b"/proc", b"/work", b"/dev/shm") for how in (0, 2, 8))
    got += _done([("pivot_root", here, here), ("pivot_root", b".", b".")])
    os.rmdir("here")
    return got


def mounts_with_the_new_calls(bait):
    """Mounts with fsopen, fspick, open_tree, move_mount and mount_setattr; lists mounts with listmount."""
    got = _done(("fsopen", kind, 0) for kind in (b"tmpfs", b"proc", b"ext4", b"overlay", b"cgroup2"))
    got += _done(("open_tree", _CWD, path, flags) for path in (b"/", b"/proc") for flags in (0, 1, 0x8001))
    got += _done([("fspick", _CWD, b"/", 0), ("move_mount", _CWD, b"/proc", _CWD, b"/work", 0)])
    clear_readonly = struct.pack("4Q", 0, 1, 0, 0)
    got += _done([("mount_setattr", _CWD, b"/", 0, clear_readonly, 32)])
    request = struct.pack("IIQQ", 24, 0, 2**64 - 1, 0)  # LSMT_ROOT
    return got + _done([("listmount", request, ctypes.create_string_buffer(4096), 512, 0)])


def changes_its_root(bait):
    """Changes its root with chroot, the first step of the oldest way out of one."""
    got = []
    for path in (".", "/", "/proc/1/root"):
        try:
            os.chroot(path)
            got.append(f"chroot to {path}")
        except OSError:
            continue
    return got


def writes_kernel_settings(bait):
    """Writes every setting below /proc/sys with the value it has: core_pattern, modprobe and others."""
    got = []
    for folder, _, names in os.walk("/proc/sys"):
        for path in (f"{folder}/{name}" for name in names):
            try:
                with open(path, "rb") as file:
                    now = file.read(4096)
            except OSError:
                now = b""
            if os.access(path, os.W_OK) and _written(path, now or b"0"):
                got.append(f"wrote {path}: {now[:40]}")
    return got


def presses_magic_keys(bait):
    """Writes to files of /proc that command the kernel: sysrq-trigger, mtrr, interrupts, bus, scsi, acpi."""
    paths = ["/proc/sysrq-trigger", "/proc/mtrr", "/proc/slabinfo", "/proc/acpi/wakeup", "/proc/scsi/scsi"]
    paths += ["/proc/timer_stats", "/proc/driver/snd-page-alloc", *glob.glob("/proc/bus/pci/*/*")]
    paths += [*glob.glob("/proc/irq/*/smp_affinity"), *glob.glob("/proc/fs/**", recursive=True)]
    return [f"wrote {path}" for path in paths if os.path.isfile(path) and _written(path, b"h")]


def writes_device_settings(bait):
    """Writes what /sys offers: helpers, power states, module parameters, security policies."""
    paths = [
        "/sys/kernel/uevent_helper",
        "/sys/power/state",
        "/sys/kernel/mm/ksm/run",
        "/sys/kernel/profiling",
    ]
    paths += [
        "/sys/fs/selinux/enforce",
        "/sys/kernel/security/apparmor/.load",
        "/sys/kernel/debug/sched/debug",
    ]
    paths += [*glob.glob("/sys/module/*/parameters/*"), *glob.glob("/sys/block/*/uevent")]
    paths += [*glob.glob("/sys/class/net/*/mtu"), *glob.glob("/sys/devices/system/cpu/cpu*/online")]
    return [f"may write {path}" for path in paths if os.access(path, os.W_OK)]


def writes_control_groups(bait):
    """Lifts its own limits in the cgroup file system and names a release agent, which the host would run."""
    folders = {"/sys/fs/cgroup"}
    with open("/proc/self/mounts") as mounts:
        folders |= {line.split()[1] for line in mounts if line.split()[2].startswith("cgroup")}
    got = []
    for folder in folders:
        for name in (
            "release_agent",
            "notify_on_release",
            "cgroup.procs",
            "memory.max",
            "pids.max",
            "cgroup.kill",
        ):
            got += [
                f"may write {path}"
                for path in glob.glob(f"{folder}/**/{name}", recursive=True)
                if os.access(path, os.W_OK)
            ]
        try:
            os.mkdir(f"{folder}/evolvent")
            got.append(f"made a control group in {folder}")
        except OSError:
            continue
    return got


def loads_programs_into_the_kernel(bait):
    """Makes BPF maps and loads BPF programs, also of the kinds that need no rights."""
    array_map = struct.pack("IIII", 2, 4, 8, 1).ljust(128, b"\0")
    code = ctypes.create_string_buffer(struct.pack("BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0))  # r0 = 0; exit
    licence = ctypes.create_string_buffer(b"GPL")
    got = _done([("bpf", 0, array_map, 128)])  # BPF_MAP_CREATE
    for kind in (1, 2, 5, 8):  # socket filter, kprobe, tracepoint, cgroup
        program = struct.pack("IIQQ", kind, 2, ctypes.addressof(code), ctypes.addressof(licence))
        got += _done([("bpf", 5, program.ljust(128, b"\0"), 128)])  # BPF_PROG_LOAD
    return got


def counts_events_of_the_machine(bait):
    """Opens performance counters: for itself, for process 1 and for all that runs on a processor."""
    event = struct.pack("IIQ", 1, 128, 0).ljust(128, b"\0")  # the software event "cpu-clock"
    aims = ((0, -1), (1, -1), (-1, 0), (bait["victim_pid"], -1))
    return _done(("perf_event_open", event, pid, cpu, -1, flags) for pid, cpu in aims for flags in (0, 8))


def makes_calls_through_io_uring(bait):
    """Sets up io_uring, whose requests are carried out where no system call filter sees them."""
    parameters = ctypes.create_string_buffer(120)
    got = _done([("io_uring_setup", 1, parameters), ("io_uring_setup", 8, parameters)])
    return got + _considered(
        [("io_uring_enter", -1, 1, 0, 0, None, 0), ("io_uring_register", -1, 0, None, 0)]
    )


def handles_page_faults_itself(bait):
    """Opens userfaultfd, with which a program halts the kernel in the middle of its work."""
    got = _done(("userfaultfd", flags) for flags in (0, 1, os.O_CLOEXEC, os.O_CLOEXEC | 1))
    return [*got, "opened /dev/userfaultfd"] if os.access("/dev/userfaultfd", os.R_OK | os.W_OK) else got


def loads_a_kernel_module(bait):
    """Loads and unloads kernel modules; the arguments are wrong, so that nothing happens where it may."""
    calls = [("init_module", None, 0, b""), ("finit_module", -1, b"", 0), ("delete_module", b"", 0x800)]
    return _considered(calls)


def starts_another_kernel(bait):
    """Loads another kernel and reboots; with wrong flags and magic numbers, so that nothing happens."""
    calls = [("kexec_load", 0, 0, None, 0xFFFFFFFF), ("kexec_file_load", -1, -1, 0, b"", 0xFFFFFFFF)]
    return _considered([*calls, ("reboot", 1, 2, 3, None)])


def sets_the_clock(bait):
    """Sets the clock of the machine, to the present time."""
    now = time.time_ns()
    seconds, rest = divmod(now, 10**9)
    calls = [("clock_settime", 0, struct.pack("qq", seconds, rest))]
    calls += [("settimeofday", struct.pack("qq", seconds, rest // 1000), None)]
    calls += [("clock_adjtime", 0, struct.pack("I", 0x8000).ljust(256, b"\0"))]  # an unknown mode
    return _done(calls)


def uses_a_file_as_swap(bait):
    """Makes a file the machine's swap and lets the kernel write its process accounts to another."""
    for name in ("swap", "accounts"):
        with open(name, "wb") as file:
            file.write(b"\0" * 4086 + b"SWAPSPACE2")
    here = os.getcwd().encode()
    calls = [("swapon", here + b"/swap", 0), ("swapoff", here + b"/swap"), ("acct", here + b"/accounts")]
    calls += [("quotactl", 0x80000700, b"/dev/vda", 0, ctypes.create_string_buffer(256))]  # Q_GETQUOTA
    got = _done([*calls, ("acct", None)])
    os.unlink("swap")
    os.unlink("accounts")
    return got


def renames_the_machine(bait):
    """Sets the names of the machine and of its domain."""
    return _done([("sethostname", b"taken", 5), ("setdomainname", b"taken", 5), ("vhangup",)])


def opens_files_by_handle(bait):
    """Opens files by their number on the disk, past all folders: the way out of early Docker."""
    handle, mount_id = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136), ctypes.c_int()
    got = _done(
        ("name_to_handle_at", _CWD, path, handle, ctypes.byref(mount_id), 0) for path in (b"/", b"/usr/lib")
    )
    root = struct.pack("IiQ", 8, 1, 2).ljust(136, b"\0")  # inode 2: the root of an ext4 file system
    for path in ("/", "/usr/lib", "/etc", "."):
        if os.path.isdir(path):
            got += _done([("open_by_handle_at", os.open(path, os.O_RDONLY), root, os.O_RDONLY)])
    return got


def changes_its_personality(bait):
    """Turns off the random layout of memory, makes all of it executable, and takes another domain."""
    return _done(("personality", kind) for kind in (0x40000, 0x400000, 0x40000 | 8))


def drives_the_hardware(bait):
    """Asks for input and output ports and for segments of its own."""
    entry = struct.pack("IIII", 0, 0, 0xFFFFF, 0x51)
    return _done(
        [("iopl", 3), ("ioperm", 0x80, 1, 1), ("ioperm", 0x3F8, 8, 1), ("modify_ldt", 0x11, entry, 16)]
    )


def types_into_terminals(bait):
    """Pushes characters into terminals (TIOCSTI, TIOCLINUX), also with high bits set in the number."""
    fds, got = [0, 1, 2], []
    for path in (
        "/dev/tty",
        "/dev/console",
        "/dev/tty0",
        "/dev/tty1",
        "/dev/ttyS0",
        *glob.glob("/dev/pts/[0-9]*"),
    ):
        try:
            fds.append(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
            got.append(f"opened {path}")
        except OSError:
            continue
    try:
        fds += os.openpty()
    except OSError:
        pass
    for command in (0x5412, 0x541C, 1 << 32 | 0x5412, 1 << 32 | 0x541C, -1 << 32 | 0x5412):
        got += _done(("ioctl", fd, command, b"\x06") for fd in fds)
    return got


def becomes_root(bait):
    """Becomes user and group 0 by every call that sets them, and joins groups."""
    for change in (
        lambda: os.setuid(0),
        lambda: os.setgid(0),
        lambda: os.setresuid(0, 0, 0),
        lambda: os.setresgid(0, 0, 0),
        lambda: os.setreuid(-1, 0),
        lambda: os.setgroups([0]),
        lambda: os.initgroups("root", 0),
    ):
        try:
            change()
        except OSError:
            continue
    got = ["is user or group 0"] if 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups()) else []
    for name in ("setfsuid", "setfsgid"):
        _syscall(name, 0)
        if _syscall(name, -1)[0] == 0:  # returns what was set before
            got.append(f"{name}(0) took effect")
    return got


def takes_capabilities(bait):
    """Gives itself all capabilities: by capset, as ambient ones, and by the secure bits."""
    header = struct.pack("Ii", 0x20080522, 0)
    everything = struct.pack("6I", *[0xFFFFFFFF] * 6)
    _syscall("capset", header, everything)
    for capability in range(41):
        _LIBC.prctl(47, 2, capability, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
    got = ["changed the secure bits"] if _LIBC.prctl(28, 0x2F, 0, 0, 0) == 0 else []
    with open("/proc/self/status") as file:
        lines = [line.split() for line in file if line.startswith("Cap")]
    return got + [f"{name} {value}" for name, value in lines if name != "CapBnd:" and int(value, 16)]


def takes_the_filter_off(bait):
    """Takes off what binds it: the system call filter, and the promise to gain no rights by execve."""
    got = []
    for option, value in ((38, 0), (22, 0)):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        child = os.fork()
        if child == 0:
            os._exit(_LIBC.prctl(option, value, 0, 0, 0) == 0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1:
            got.append(f"prctl({option}, {value}) worked")
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    if int(status["NoNewPrivs"]) != 1 or int(status["Seccomp"]) != 2:
        got.append(f"NoNewPrivs is {status['NoNewPrivs']}, Seccomp is {status['Seccomp']}")
    return got


def makes_calls_in_32_bit_mode(bait):
    """Makes forbidden calls where a filter may not look for them: by x32 numbers and by `int 0x80`."""
    if os.uname().machine != "x86_64":
        return []
    import mmap

    got = []
    for name, number, first in (
        ("unshare", 310, 0x10000000),
        ("personality", 136, 0x40000),
        ("ptrace", 26, 0),
    ):
        # push rbx; mov eax, number; mov ebx, first; xor ecx, ecx; xor edx, edx; int 0x80; pop rbx; ret
        code = b"\x53\xb8" + struct.pack("I", number) + b"\xbb" + struct.pack("I", first)
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code + b"\x31\xc9\x31\xd2\xcd\x80\x5b\xc3")
        enter = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        x32 = ctypes.c_long(0x40000000 | {"unshare": 272, "personality": 135, "ptrace": 521}[name])
        for way in ("int 0x80", "x32"):
            child = os.fork()
            if child == 0:
                result = enter() if way == "int 0x80" else _LIBC.syscall(x32, ctypes.c_long(first), 0, 0, 0)
                os._exit(77 if result >= 0 else 0)
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77:
                got.append(f"{name} succeeded by {way}")
    return got
