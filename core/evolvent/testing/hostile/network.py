"""Programs that look for a way out of the machine, or to a server on it. None sends beyond the loopback."""

import array
import ctypes
import errno
import os
import socket
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_TEMPLATES = ("sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0")
"""Interfaces that some kernels put into every new network; they are down and lead nowhere."""
_PIDFD = {"pidfd_getfd": 438, "pidfd_open": 434}  # the same on x86_64 and aarch64


def _open(family, kind=socket.SOCK_STREAM, protocol=0):
    """Return a new socket, or None where the family is refused."""
    try:
        return socket.socket(family, kind, protocol)
    except OSError:
        return None


def _dial(family, kind, address):
    """Return a claim when a socket could be made, and another one when it reached the address."""
    client = _open(family, kind)
    if client is None:
        return []
    with client:
        client.settimeout(0.3)
        got = [f"opened a socket of {family.name}, {kind.name}"]
        try:
            client.connect(address)
            client.send(b"evolvent")
        except OSError:
            return got
        return [*got, f"sent to {address}"]


def sends_to_a_tcp_server(bait):
    """Connects over TCP to a server that listens on the host's loopback, by several of its names."""
    names = ("127.0.0.1", "127.0.1.1", "127.255.255.254")
    dialled = [_dial(socket.AF_INET, socket.SOCK_STREAM, (name, bait["tcp_port"])) for name in names]
    return [claim for claims in dialled for claim in claims]


def sends_a_datagram(bait):
    """Sends UDP packets to a server on the host's loopback, connected and unconnected."""
    got = _dial(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", bait["udp_port"]))
    if client := _open(socket.AF_INET, socket.SOCK_DGRAM):
        with client:
            try:
                client.sendto(b"evolvent", ("127.0.0.1", bait["udp_port"]))
                got.append("sent an unconnected datagram")
            except OSError:
                pass
    return got


def sends_over_ipv6(bait):
    """Connects over IPv6 to ::1, and to the host's IPv4 server by its mapped address."""
    got = []
    for name, port in (("::1", bait["tcp_port"]), ("::ffff:127.0.0.1", bait["tcp_port"])):
        got += _dial(socket.AF_INET6, socket.SOCK_STREAM, (name, port))
    return got + _dial(socket.AF_INET6, socket.SOCK_DGRAM, ("::1", bait["udp_port"]))


def fetches_a_page(bait):
    """Uses the ordinary clients of the standard library: HTTP, FTP and mail to the host's loopback."""
    import ftplib
    import smtplib
    import urllib.request

    got, port = [], bait["tcp_port"]
    for name, work in (
        ("HTTP", lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=0.2)),
        ("FTP", lambda: ftplib.FTP().connect("127.0.0.1", port, timeout=0.2)),
        ("SMTP", lambda: smtplib.SMTP("127.0.0.1", port, "sandbox", timeout=0.2)),
    ):
        try:
            work()
            got.append(f"{name} was answered")
        except TimeoutError:  # connected to a server that says nothing
            got.append(f"{name} waited for an answer")
        except OSError:
            continue
    return got


def listens_for_callers(bait):
    """Listens on TCP and UDP, so that somebody on the machine could connect to it."""
    got = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0))):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            if server := _open(family, kind):
                with server:
                    try:
                        server.bind(address)
                        got.append(f"listens on {server.getsockname()}")
                    except OSError:
                        continue
    return got


def calls_an_abstract_socket(bait):
    """Connects to an abstract Unix socket of the host, with every type, padded and unpadded."""
    got = []
    names = (f"\0{bait['abstract']}", f"\0{bait['abstract']}".ljust(108, "\0"))
    for name in names:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            with socket.socket(socket.AF_UNIX, kind) as client:
                try:
                    client.connect(name)
                    got.append(f"connected to {name!r}")
                except OSError as error:
                    if error.errno == errno.EPROTOTYPE:  # there is such a name, of another type
                        got.append(f"found {name!r}")
    return got


def calls_a_socket_file(bait):
    """Connects to the socket file of the host by its path, through other roots and a symbolic link."""
    path, got = bait["socket_file"], []
    os.symlink(path, "listener.sock")
    roots = ("", "/proc/1/root", "/proc/self/root", "/proc/self/cwd/../../..", "/opt/evolvent/../..")
    for name in ["listener.sock", *(root + path for root in roots)]:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_UNIX, kind) as client:
                try:
                    client.connect(name)
                    got.append(f"connected to {name}")
                except OSError as error:
                    if error.errno == errno.EPROTOTYPE:
                        got.append(f"found {name}")
    os.unlink("listener.sock")
    return got


def sends_raw_packets(bait):
    """Opens raw sockets, and the ICMP sockets that need no rights, to build packets itself."""
    got = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM, socket.SOCK_RDM, 10):  # 10: SOCK_PACKET
            for protocol in (1, 2, 41, 58, 255):
                if raw := _open(family, kind, protocol):
                    got.append(f"opened {raw}")
                    raw.close()
    return got


def listens_to_all_packets(bait):
    """Opens packet sockets, which see what every program of the machine sends and receives."""
    got = []
    for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM, 10):
        if tap := _open(socket.AF_PACKET, kind, socket.htons(3)):  # ETH_P_ALL
            got.append(f"opened {tap}")
            tap.close()
    return got


def talks_to_the_kernel_by_netlink(bait):
    """Opens netlink sockets of every protocol: routes, audit, firewall, device events, connector, crypto."""
    got = []
    for protocol in range(23):
        for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
            if link := _open(socket.AF_NETLINK, kind, protocol):
                got.append(f"opened netlink protocol {protocol}")
                link.close()
    return got


def calls_the_hypervisor(bait):
    """Opens vsock sockets and /dev/vsock, the ways from a virtual machine to its host."""
    got = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        if call := _open(socket.AF_VSOCK, kind):
            got.append(f"opened {call}")
            call.close()
    for path in (
        "/dev/vsock",
        "/dev/vhost-vsock",
        "/dev/vport0p0",
        "/dev/virtio-ports/org.qemu.guest_agent.0",
    ):
        try:
            os.close(os.open(path, os.O_RDWR))
            got.append(f"opened {path}")
        except OSError:
            continue
    return got


def tries_every_address_family(bait):
    """Asks for sockets of every address family but AF_UNIX, also of ones that do not exist."""
    got = []
    for family in (*range(2, 64), 0, 255, -1, (1 << 31) + 1):
        for kind in range(1, 7):
            fd = _LIBC.socket(ctypes.c_int(family & 0xFFFFFFFF), kind | socket.SOCK_CLOEXEC, 0)
            if fd >= 0:
                got.append(f"opened a socket of family {family}, type {kind}")
                os.close(fd)
    return got


def pairs_sockets_of_other_families(bait):
    """Asks for connected pairs of sockets in every family but AF_UNIX."""
    pair, got = (ctypes.c_int * 2)(), []
    for family in range(2, 46):
        for kind in (1, 2, 5):
            if _LIBC.socketpair(family, kind, 0, pair) == 0:
                got.append(f"made a pair of family {family}, type {kind}")
                os.close(pair[0])
                os.close(pair[1])
    return got


def makes_a_socket_in_32_bit_mode(bait):
    """Makes a TCP socket by calls that a filter may overlook: the x32 number, and `int 0x80`."""
    if os.uname().machine != "x86_64":
        return []
    import mmap

    # push rbx; mov eax, 359 (socket); mov ebx, AF_INET; mov ecx, SOCK_STREAM; xor edx, edx; int 0x80;
    # pop rbx; ret
    code = b"\x53\xb8\x67\x01\0\0\xbb\x02\0\0\0\xb9\x01\0\0\0\x31\xd2\xcd\x80\x5b\xc3"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    enter = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    got = []
    for name, work in (
        ("int 0x80", enter),
        ("x32", lambda: _LIBC.syscall(ctypes.c_long(0x40000029), 2, 1, 0)),
    ):
        child = os.fork()
        if child == 0:
            os._exit(77 if work() >= 0 else 0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77:
            got.append(f"made a TCP socket by {name}")
    return got


def finds_a_route(bait):
    """Looks for interfaces beyond the loopback, for routes, neighbours and addresses."""
    got = []
    for path, header in (("dev", 2), ("route", 1), ("arp", 1), ("ipv6_route", 0), ("if_inet6", 0)):
        try:
            with open(f"/proc/net/{path}") as file:
                lines = file.read().splitlines()[header:]
        except OSError:
            continue
        words = [line.replace(":", " : ").split() for line in lines]
        names = {line[0 if path == "dev" else -1] for line in words if line}
        got += [f"/proc/net/{path} knows {name}" for name in sorted(names - {"lo", *_TEMPLATES})]
    try:
        names = {name for _, name in socket.if_nameindex()}
    except OSError:
        return got
    return got + [f"there is the interface {name}" for name in sorted(names - {"lo", *_TEMPLATES})]


def watches_connections_of_the_host(bait):
    """Reads from /proc who on the machine is connected with whom: TCP, UDP, raw, packet, netlink, Unix."""
    got = []
    for name in ("tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "icmp", "packet", "netlink"):
        for task in ("self", "1", str(bait["victim_pid"])):
            try:
                with open(f"/proc/{task}/net/{name}") as file:
                    lines = file.read().splitlines()[1:]
            except OSError:
                continue
            # The kernel's own netlink sockets of a network namespace have port 0.
            lines = [line for line in lines if name != "netlink" or line.split()[2] != "0"]
            got += [f"/proc/{task}/net/{name}: {line}" for line in lines[:3]]
    with open("/proc/net/unix") as file:
        got += [f"saw {line}" for line in file if bait["abstract"] in line or bait["socket_file"] in line]
    return got


def creates_an_interface(bait):
    """Opens the devices behind which programs make networks of their own: tun, ppp, vhost, KVM."""
    got = []
    for name in ("net/tun", "ppp", "vhost-net", "kvm", "vfio/vfio", "uinput", "rfkill", "infiniband/rdma_cm"):
        try:
            os.close(os.open(f"/dev/{name}", os.O_RDWR))
            got.append(f"opened /dev/{name}")
        except OSError:
            continue
    return got


def receives_a_foreign_descriptor(bait):
    """Lets a child fetch descriptors of process 1 and of the victim, and pass them on over a socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    child = os.fork()
    if child == 0:
        foreign = array.array("i", [*_foreign(1), *_foreign(bait["victim_pid"])])
        theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, foreign)])
        os._exit(0)
    theirs.close()
    ours.settimeout(1.0)
    received = socket.recv_fds(ours, 1, 64)[1]
    os.waitpid(child, 0)
    return [f"received {os.readlink(f'/proc/self/fd/{fd}')}" for fd in received]


def _foreign(pid):
    """Return descriptors of another process, as many as can be had."""
    pidfd = _LIBC.syscall(ctypes.c_long(_PIDFD["pidfd_open"]), pid, 0)
    taken = [_LIBC.syscall(ctypes.c_long(_PIDFD["pidfd_getfd"]), pidfd, fd, 0) for fd in range(16)]
    for fd in range(16):
        try:
            taken.append(os.open(f"/proc/{pid}/fd/{fd}", os.O_PATH))
        except OSError:
            continue
    return [fd for fd in taken if fd >= 0]


def pretends_to_be_another_process(bait):
    """Sends forged credentials over a socket: process 1, user 0, as a server would believe them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    got = []
    for forged in ((1, os.getuid(), os.getgid()), (os.getpid(), 0, 0), (bait["victim_pid"], 0, 0)):
        data = struct.pack("3i", *forged)
        try:
            ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, data)])
            got.append(f"was taken for process, user and group {forged}")
        except OSError:
            continue
    return got
