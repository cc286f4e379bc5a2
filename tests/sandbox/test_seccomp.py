"""The filter: its logic by interpreting the assembled program, its effect by system calls from inside."""

import errno
import struct

import pytest

from evolvent.errors import MissingPrerequisite
from evolvent_sandbox import seccomp
from evolvent_sandbox.syscalls import DENIED, NUMBERS

MACHINES = ["x86_64", "aarch64"]


def judge(machine, name_or_number, *args, arch=None):
    """Interpret the assembled bytes as the kernel would and return the verdict."""
    number = NUMBERS[machine][name_or_number] if isinstance(name_or_number, str) else name_or_number
    arch = seccomp.ARCHITECTURES[machine] if arch is None else arch
    data = struct.pack("=IIQ6Q", number, arch, 0, *(list(args) + [0] * (6 - len(args))))
    code = seccomp.filter_for(machine)
    at = word = 0
    while True:
        op, if_true, if_false, k = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if op == seccomp.LOAD_WORD:
            word = struct.unpack_from("=I", data, k)[0]
        elif op == seccomp.RETURN:
            return k
        else:
            test = {
                seccomp.JUMP_EQUAL: word == k,
                seccomp.JUMP_GREATER_EQUAL: word >= k,
                seccomp.JUMP_ANY_BIT: bool(word & k),
            }[op]
            at += if_true if test else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_every_denied_call_gets_eperm(machine):
    named = [name for name in DENIED if name in NUMBERS[machine]]
    assert len(named) > 60
    assert {name for name in named if judge(machine, name) != seccomp.EPERM} == set()


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_are_judged_by_their_arguments(machine):
    assert judge(machine, "clone3") == seccomp.ENOSYS
    assert judge(machine, "clone", 17) == seccomp.ALLOW
    assert judge(machine, "clone", 0x10000000 | 17) == seccomp.EPERM
    assert judge(machine, "socket", 1) == seccomp.ALLOW
    assert [judge(machine, "socket", family) for family in (2, 10, 16, 17, 40)] == [seccomp.EPERM] * 5
    assert judge(machine, "socket", 0xFFFF_FFFF_0000_0002) == seccomp.EPERM, "only the low word counts"
    assert judge(machine, "ioctl", 0, 0x5401) == seccomp.ALLOW
    assert judge(machine, "ioctl", 0, 0x5412) == judge(machine, "ioctl", 0, 0x541C) == seccomp.EPERM
    assert judge(machine, "prlimit64", 0) == seccomp.ALLOW
    assert judge(machine, "prlimit64", 1) == seccomp.EPERM
    assert judge(machine, "setpriority", 0, 1) == seccomp.EPERM


def test_other_architectures_and_x32_are_killed():
    assert judge("x86_64", 0, arch=0x40000003) == seccomp.KILL_PROCESS
    assert judge("x86_64", 0x40000000 | 39) == seccomp.KILL_PROCESS
    assert judge("aarch64", 0, arch=0xC000003E) == seccomp.KILL_PROCESS
    assert judge("x86_64", 39) == seccomp.ALLOW


def test_an_unknown_machine_is_named():
    with pytest.raises(MissingPrerequisite, match="riscv64"):
        seccomp.program("riscv64")


def test_the_kernel_enforces_the_filter_inside(run_inside):
    names = [
        "ptrace",
        "unshare",
        "keyctl",
        "bpf",
        "io_uring_setup",
        "userfaultfd",
        "perf_event_open",
        "mount",
    ]
    names += ["process_vm_readv", "open_by_handle_at", "personality", "syslog", "memfd_create", "shmget"]
    import platform

    numbers = {name: NUMBERS[platform.machine()][name] for name in names}
    body = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "seen = {}\n"
        f"for name, number in {numbers!r}.items():\n"
        "    result = libc.syscall(number, 0, 0, 0, 0, 0)\n"
        "    seen[name] = [result, ctypes.get_errno()]\n"
        "return seen"
    )
    assert run_inside(body) == {name: [-1, errno.EPERM] for name in names}


def test_the_compatibility_entry_of_x86_kills_the_process(bubblewrap):
    import platform

    if platform.machine() != "x86_64":
        pytest.skip("int 0x80 is x86")
    source = (
        "import ctypes, mmap\n"
        "def f():\n"
        "    page = mmap.mmap(-1, 4096, prot=7)\n"
        "    page.write(bytes.fromhex('b814000000cd80c3'))\n"
        "    address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()\n"
    )
    result = bubblewrap.call_function(source, "f", [[]])[0]
    assert result.outcome == "died"
    assert "SIGSYS" in result.error
