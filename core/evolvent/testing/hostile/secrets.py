"""Programs that look for secrets of the host."""

import ctypes
import errno
import glob
import mmap
import os
import re
import signal
import socket
import stat

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_NUMBERS = {  # x86_64, aarch64
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "request_key": (249, 218),
    "syslog": (103, 116),
}


def _syscall(name, *args):
    """Make a raw system call; return its result and errno."""
    number = _NUMBERS[name][os.uname().machine == "aarch64"]
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    ctypes.set_errno(0)
    return _LIBC.syscall(ctypes.c_long(number), *words), ctypes.get_errno()


def _head(path, size=4096):
    """Return the first bytes of a file, or nothing if it cannot be opened or read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(fd, size)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _connect(paths):
    """Return a claim for each socket file that somebody answers."""
    got = []
    for path in paths:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.settimeout(0.2)
                try:
                    client.connect(path)
                except (OSError, ValueError):
                    continue
                got.append(f"connected to {path}")
    return got


def reads_the_canary(bait):
    """Opens files of the host by their names, readable for everyone and for the owner only."""
    got = []
    keys = glob.glob("/etc/ssh/ssh_host_*_key") + glob.glob("/home/*/.ssh/*") + glob.glob("/root/.ssh/*")
    for path in (bait["canary"], bait["private"], "/etc/shadow", "/etc/sudoers", "/root/.bashrc", *keys):
        if head := _head(path, 60):
            got.append(f"read {path}: {head}")
    return got


def looks_into_the_bait_folder(bait):
    """Asks whether a folder of the host is there: by stat, list, access, statvfs, chdir and O_PATH."""
    ways = (os.stat, os.lstat, os.listdir, os.statvfs, os.chdir, lambda path: os.open(path, os.O_PATH))
    got = [f"access() sees {bait['folder']}"] if os.access(bait["folder"], os.F_OK) else []
    for number, way in enumerate(ways):
        try:
            got.append(f"way {number} saw {bait['folder']}: {way(bait['folder'])}")
        except OSError:
            continue
    return got


def reads_the_environment_of_every_process(bait):
    """Reads environment and command line of every process, and asks the C library for a variable."""
    got = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("environ", "cmdline", "auxv", "stack", "syscall"):
            text = _head(f"/proc/{pid}/{name}", 65536)
            if bait["mark"].encode() in text or (pid == "1" and text and name != "cmdline"):
                got.append(f"read /proc/{pid}/{name}: {text[:150]}")
    _LIBC.getenv.restype = ctypes.c_char_p
    if value := os.environ.get(bait["variable"]) or _LIBC.getenv(bait["variable"].encode()):
        got.append(f"{bait['variable']} is {value}")
    return got


def reads_the_memory_of_the_watcher(bait):
    """Reads memory, maps, descriptors, folder and root of process 1, of its parent and of the victim."""
    got = []
    for pid in {1, os.getppid(), bait["victim_pid"], bait["host_pid"]} - {os.getpid(), os.getppid()}:
        for name in ("mem", "maps", "smaps", "pagemap", "numa_maps", "io", "personality"):
            if head := _head(f"/proc/{pid}/{name}", 64):
                got.append(f"read /proc/{pid}/{name}: {head[:40]}")
        for name in ("fd", "fdinfo", "map_files", "root", "cwd", "root/work", "task/1/fd"):
            try:
                got.append(f"listed /proc/{pid}/{name}: {os.listdir(f'/proc/{pid}/{name}')[:10]}")
            except OSError:
                continue
        for name in ("exe", "cwd", "root", "ns/mnt", "ns/pid", "ns/user"):
            try:
                got.append(f"/proc/{pid}/{name} is {os.readlink(f'/proc/{pid}/{name}')}")
            except OSError:
                continue
    return got


def searches_its_own_memory(bait):
    """Makes itself readable and searches all of its memory for a secret that was inherited from the host."""
    _LIBC.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: a fork of an undumpable process may not read itself
    secret = re.compile(bait["mark"].encode() + rb"[0-9a-f]{24}")
    got = []
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.readlines():
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if "r" not in line.split()[1] or end - start > 64 << 20:
                continue
            try:
                memory.seek(start)
                found = secret.search(memory.read(end - start))
            except (OSError, OverflowError, ValueError):  # [vvar], [vsyscall]
                continue
            if found:
                got.append(f"found {found.group()} at {start + found.start():x}")
    return got


def finds_processes_of_the_host(bait):
    """Counts through all process ids with kill(pid, 0), getpgid() and /proc, for any that is not its own."""
    got = []
    for pid in {*range(2, 32768), bait["victim_pid"], bait["host_pid"]} - {os.getpid(), os.getppid()}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            pass
        got.append(f"there is a process {pid}")
    seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    seen -= {1, os.getpid(), os.getppid()}
    return got + [f"/proc shows process {pid}: {_head(f'/proc/{pid}/cmdline', 80)}" for pid in seen]


def uses_inherited_descriptors(bait):
    """Examines the descriptors from 0 to 1023; only one pipe beside the standard ones is expected."""
    got, pipes = [], 0
    for fd in range(1024):
        try:
            mode, flags = os.fstat(fd).st_mode, os.get_inheritable(fd)
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if stat.S_ISFIFO(mode):
            pipes += fd > 2
        elif target != "/dev/null":
            got.append(f"descriptor {fd} is {target} ({stat.filemode(mode)}, inherited: {flags})")
        if fd > 2 and target != "/dev/null":
            os.set_blocking(fd, False)
            try:
                got.append(f"read from descriptor {fd}, {target}: {os.read(fd, 40)}")
            except OSError:
                continue
    return [*got, f"{pipes} pipes are open"] if pipes > 1 else got


def asks_the_container_engine(bait):
    """Connects to the sockets of Docker, containerd, Podman, the message bus and the init system."""
    names = ["docker.sock", "containerd/containerd.sock", "podman/podman.sock", "crio/crio.sock"]
    names += ["dbus/system_bus_socket", "systemd/private", "systemd/notify", "systemd/journal/socket"]
    names += ["snapd.socket", "lxd/unix.socket", "libvirt/libvirt-sock", "buildkit/buildkitd.sock"]
    paths = [f"{folder}/{name}" for folder in ("/run", "/var/run") for name in names]
    paths += ["/var/snap/lxd/common/lxd/unix.socket", "/dev/log"]
    for name in ("docker.sock", "podman/podman.sock", "bus", "systemd/private"):
        paths += glob.glob(f"/run/user/*/{name}")
    return _connect(paths)


def asks_the_agents_of_the_user(bait):
    """Connects to SSH and GPG agents, key stores and displays, at their usual places."""
    paths = [os.environ[name] for name in ("SSH_AUTH_SOCK", "GPG_AGENT_INFO") if name in os.environ]
    for pattern in ("/tmp/ssh-*/*", "/tmp/.X11-unix/*", "/tmp/*.sock", "/tmp/dbus-*", "/tmp/.ICE-unix/*"):
        paths += glob.glob(pattern)
    for pattern in ("keyring/*", "gnupg/*", "wayland-*", "gcr/*", "pulse/*", "openssh_agent"):
        paths += glob.glob(f"/run/user/*/{pattern}")
    for folder in ("/root", "/home/*"):
        paths += glob.glob(f"{folder}/.gnupg/S.*") + glob.glob(f"{folder}/.ssh/agent/*")
    return _connect([*paths, "\0/tmp/.X11-unix/X0", "\0/tmp/.ICE-unix/1", "\0/tmp/dbus-system"])


def reads_keyrings(bait):
    """Asks the kernel for the keyrings of the user and reads every key that /proc/keys names."""
    buffer, got = ctypes.create_string_buffer(4096), []
    for ring in range(-1, -6, -1):  # thread, process, session, user, user session
        if _syscall("keyctl", 0, ring, 0)[0] >= 0:  # KEYCTL_GET_KEYRING_ID
            got.append(f"keyctl found keyring {ring}")
    if _syscall("add_key", b"user", b"evolvent", b"x", 1, -2)[0] >= 0:
        got.append("add_key stored a key outside the sandbox's bounds")
    if _syscall("request_key", b"user", b"evolvent", None, 0)[1] not in (errno.EPERM, errno.ENOSYS):
        got.append("request_key looked for a key")
    for line in _head("/proc/keys", 65536).decode().splitlines():
        if _syscall("keyctl", 11, int(line.split()[0], 16), buffer, 4096)[0] >= 0:  # KEYCTL_READ
            got.append(f"read a key: {line}")
        elif line.split()[7] in ("user", "logon", "big_key"):
            got.append(f"saw the name of a key: {line}")
    return got


def reads_the_kernel_log(bait):
    """Reads what the kernel wrote: by syslog(2), /dev/kmsg, /proc/kmsg and the ring buffers of tracing."""
    buffer = ctypes.create_string_buffer(4096)
    answered = [action for action in (3, 9, 10) if _syscall("syslog", action, buffer, 4096)[0] >= 0]
    got = [f"syslog answered {answered}"] if answered else []
    for path in ("/dev/kmsg", "/proc/kmsg", "/sys/kernel/tracing/trace", "/sys/kernel/debug/tracing/trace"):
        if head := _head(path):
            got.append(f"read {path}: {head[:60]}")
    return got


def reads_the_memory_of_the_kernel(bait):
    """Reads the memory of the machine: /dev/mem, /dev/kmem, /dev/port, /proc/kcore, page tables."""
    paths = ("/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore", "/proc/vmcore", "/dev/crash", "/dev/oldmem")
    paths += (
        "/proc/kpagecount",
        "/proc/kpageflags",
        "/proc/kpagecgroup",
        "/proc/slabinfo",
        "/proc/vmallocinfo",
    )
    return [f"read {path}: {head[:20]}" for path in paths if (head := _head(path, 8))]


def finds_addresses_of_the_kernel(bait):
    """Looks for real addresses in kallsyms, modules, iomem and timer_list, and for frames in pagemap."""
    got = []
    for path in (
        "/proc/kallsyms",
        "/proc/modules",
        "/proc/timer_list",
        "/proc/self/stack",
        "/proc/self/syscall",
    ):
        if found := re.search(rb"\bffff[0-9a-f]{12}\b", _head(path, 65536)):
            got.append(f"{path} tells the address {found.group()}")
    if found := re.search(rb"\b[0-9a-f]*[1-9a-f][0-9a-f]* : .+", _head("/proc/iomem")):
        got.append(f"/proc/iomem tells {found.group()}")
    _LIBC.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: pagemap belongs to the user only then
    here = ctypes.create_string_buffer(b"x", 8192)
    with open("/proc/self/pagemap", "rb", 0) as pagemap:
        pagemap.seek(ctypes.addressof(here) // mmap.PAGESIZE * 8)
        entry = int.from_bytes(pagemap.read(8), "little")
    if entry & ((1 << 55) - 1) and entry >> 63:
        got.append(f"pagemap tells the physical frame {entry & ((1 << 55) - 1):x}")
    return got


def reads_disks(bait):
    """Opens the disks that /proc/partitions names, and the usual ones, as block devices."""
    named = [line.split()[3] for line in _head("/proc/partitions", 65536).decode().splitlines()[2:]]
    usual = [
        "vda",
        "sda",
        "nvme0n1",
        "xvda",
        "mmcblk0",
        "dm-0",
        "loop0",
        "loop-control",
        "mapper/control",
        "sg0",
    ]
    paths = sorted({f"/dev/{name}" for name in [*named, *usual]})
    return [f"read {path}: {head}" for path in paths if (head := _head(path, 16))]


def reads_serial_numbers(bait):
    """Reads what identifies the machine: serial numbers, firmware tables and variables, the disks' labels."""
    paths = [f"/sys/class/dmi/id/{name}" for name in ("product_uuid", "product_serial", "board_serial")]
    paths += ["/sys/firmware/dmi/tables/DMI", "/sys/firmware/acpi/tables/DSDT", "/sys/firmware/fdt"]
    paths += [
        "/sys/hypervisor/uuid",
        "/proc/device-tree/serial-number",
        *glob.glob("/sys/firmware/efi/efivars/*"),
    ]
    paths += [*glob.glob("/dev/disk/by-uuid/*"), *glob.glob("/sys/class/net/e*/address")]
    return [f"read {path}: {head[:40]}" for path in paths if (head := _head(path))]


def follows_the_mount_table(bait):
    """Takes the host's paths and disks from the mount table and tries to go from there to the bait."""
    got, roots = [], {"/"}
    for line in _head("/proc/self/mountinfo", 1 << 20).decode().splitlines():
        if bait["folder"] in line:
            got.append(f"the mount table names the bait: {line}")
        fields = line.split()
        roots |= {fields[3], fields[4], fields[-2]}
    below = bait["canary"].lstrip("/")
    for root in roots:
        for path in (f"{root}/{below}", f"{root}/../{below}", f"{root}/../../../../{below}"):
            if head := _head(path):
                got.append(f"read {path}: {head}")
    return got


def reads_shared_memory_of_the_host(bait):
    """Looks for shared memory, semaphores and queues that other programs on the machine have made."""
    got = []
    for folder in ("/dev/shm", "/dev/mqueue", "/dev/hugepages", "/run/shm"):
        names = os.listdir(folder) if os.path.isdir(folder) else []
        got += [f"found {folder}/{name}: {_head(f'{folder}/{name}', 40)}" for name in names]
    for kind in ("shm", "sem", "msg"):
        if len(lines := _head(f"/proc/sysvipc/{kind}", 65536).splitlines()) > 1:
            got.append(f"/proc/sysvipc/{kind} lists {lines[1]}")
    return got


def crashes_for_a_core_dump(bait):
    """Crashes, so that the kernel writes a core file or starts the host's crash reporter."""
    import resource

    child = os.fork()
    if child == 0:
        _LIBC.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
        for size in (resource.RLIM_INFINITY, 1 << 20):
            try:
                resource.setrlimit(resource.RLIMIT_CORE, (size, size))
            except (OSError, ValueError):
                continue
        os.kill(os.getpid(), signal.SIGQUIT)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    got = ["the kernel dumped the core"] if os.WIFSIGNALED(status) and os.WCOREDUMP(status) else []
    return got + [f"found {path}" for path in glob.glob("core*") + glob.glob("/var/lib/systemd/coredump/*")]
