"""A system call filter for guests, assembled as classic BPF.

The filter is a deny-list: bubblewrap already takes away files, network, other processes and capabilities;
this takes away the kernel interfaces that namespaces do not cover. See `seccomp(2)` and the kernel's
`Documentation/userspace-api/seccomp_filter.rst` for the data layout and the return values.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from evolvent.errors import MissingPrerequisite
from evolvent_sandbox.syscalls import DENIED, NUMBERS

__all__ = ["Instruction", "assemble", "filter_for", "program"]

LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_GREATER_EQUAL = 0x35  # BPF_JMP | BPF_JGE | BPF_K
JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
EPERM = 0x00050000 | errno.EPERM
ENOSYS = 0x00050000 | errno.ENOSYS

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000
NEW_NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET together."""
AF_UNIX = 1
PR_SET_PDEATHSIG = 1
"""A guest must not undo that it dies with its parent."""
IOCTLS = {
    "TCGETS": 0x5401,
    "TIOCGPGRP": 0x540F,
    "TIOCGWINSZ": 0x5413,
    "FIONREAD": 0x541B,
    "FIONBIO": 0x5421,
    "FIONCLEX": 0x5450,
    "FIOCLEX": 0x5451,
}
"""What may be asked of a device or file by `ioctl`: is it a terminal and how large, how much can be read, and
what becomes of the descriptor. Typing into terminals, handles of namespaces and all others are refused."""
SELF_ONLY = {
    "prlimit64": 0,
    "setpriority": 1,
    "sched_setaffinity": 0,
    "sched_setscheduler": 0,
    "sched_setparam": 0,
    "sched_setattr": 0,
    "ioprio_set": 1,
}
"""Calls that may name only the caller itself (0), by the position of that argument: a child must not slow
down or starve the process that watches it."""
OWN_KIND = {"setpriority": 0, "ioprio_set": 1}
"""What the first argument of some of them must be: 0 would otherwise mean all processes of the caller's user."""


@dataclass(frozen=True)
class Instruction:
    """One BPF instruction: `code`, jump distances if true and if false, and its constant."""

    code: int
    k: int
    if_true: int = 0
    if_false: int = 0


def assemble(instructions: list[Instruction]) -> bytes:
    """Return the `struct sock_filter` array that `bwrap --seccomp` reads (native byte order)."""
    return b"".join(struct.pack("=HBBI", i.code, i.if_true, i.if_false, i.k) for i in instructions)


def program(machine: str) -> list[Instruction]:
    """Return the filter for a machine, `x86_64` or `aarch64`.

    Raises:
        MissingPrerequisite: there is no filter for this machine.
    """
    if machine not in ARCHITECTURES:
        raise MissingPrerequisite(
            f"no system call filter for machine {machine!r}; there is one for {', '.join(ARCHITECTURES)}",
            "use another sandbox, for example EVOLVENT_SANDBOX=docker",
        )
    numbers = NUMBERS[machine]
    code = [
        Instruction(LOAD_WORD, 4),
        Instruction(JUMP_EQUAL, ARCHITECTURES[machine], 1, 0),
        Instruction(RETURN, KILL_PROCESS),
        Instruction(LOAD_WORD, 0),
    ]
    if machine == "x86_64":
        code += [Instruction(JUMP_GREATER_EQUAL, X32_BIT, 0, 1), Instruction(RETURN, KILL_PROCESS)]
    for name in DENIED:
        if name in numbers:
            code += [Instruction(JUMP_EQUAL, numbers[name], 0, 1), Instruction(RETURN, EPERM)]
    code += [Instruction(JUMP_EQUAL, numbers["clone3"], 0, 1), Instruction(RETURN, ENOSYS)]
    code += _if_call(numbers["clone"], 0, [Instruction(JUMP_ANY_BIT, NEW_NAMESPACE_FLAGS, 0, 1)])
    for name in ("socket", "socketpair"):
        code += _if_call(numbers[name], 0, [Instruction(JUMP_EQUAL, AF_UNIX, 1, 0)])
    code += _if_call(numbers["prctl"], 0, [Instruction(JUMP_EQUAL, PR_SET_PDEATHSIG, 0, 1)])
    requests = list(IOCTLS.values())
    code += _if_call(
        numbers["ioctl"],
        1,
        [Instruction(JUMP_EQUAL, k, len(requests) - index, 0) for index, k in enumerate(requests)],
    )
    for name, position in SELF_ONLY.items():
        first = []
        if name in OWN_KIND:
            first = [Instruction(LOAD_WORD, _low_word(0)), Instruction(JUMP_EQUAL, OWN_KIND[name], 1, 0)]
            first.append(Instruction(RETURN, EPERM))
        code += _if_call(numbers[name], position, [Instruction(JUMP_EQUAL, 0, 1, 0)], first)
    return [*code, Instruction(RETURN, ALLOW)]


def _if_call(
    number: int, argument: int, test: list[Instruction], first: Sequence[Instruction] = ()
) -> list[Instruction]:
    """Judge one call by the low word of an argument; `test` falls through to EPERM or skips it to allow.

    `first` comes before: it falls through to EPERM of its own or skips that to go on.
    """
    judge = [Instruction(LOAD_WORD, _low_word(argument)), *test]
    inner = [*first, *judge, Instruction(RETURN, EPERM), Instruction(RETURN, ALLOW)]
    return [Instruction(JUMP_EQUAL, number, 0, len(inner)), *inner]


def _low_word(argument: int) -> int:
    """Return where the low half of an argument lies in the data that the filter sees."""
    return 16 + 8 * argument


def filter_for(machine: str | None = None) -> bytes:
    """Return the assembled filter for a machine, by default this one.

    Raises:
        MissingPrerequisite: there is no filter for this machine.
    """
    return assemble(program(machine or platform.machine()))
