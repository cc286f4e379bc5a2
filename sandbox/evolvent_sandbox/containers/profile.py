"""The system call filter of containers, as an engine reads it.

It begins with the calls that Docker's own default profile allows a container without capabilities
(moby, `profiles/seccomp/default.json`, 2025), without those for 32-bit machines, and takes away what
bubblewrap's filter refuses too: tracing, io_uring, keyrings, bpf, performance counters, userfaultfd, the mount
family, namespaces, memory files and System V objects. Unlike the filter for bubblewrap it is an allow-list.
"""

from __future__ import annotations

import json
from typing import Any

from evolvent_sandbox.seccomp import (
    AF_UNIX,
    IOCTLS,
    NEW_NAMESPACE_FLAGS,
    OWN_KIND,
    PR_SET_PDEATHSIG,
    SELF_ONLY,
)
from evolvent_sandbox.syscalls import DENIED

__all__ = ["ALLOWED", "profile"]

ALLOWED = frozenset(
    """
    accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres
    clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create
    epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat
    fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
    fstatfs fsync ftruncate futex futex_wait futex_waitv futex_wake futimesat get_robust_list
    get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername
    getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid
    getsockname getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch ioprio_get kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown
    lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat madvise membarrier
    mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock
    munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2
    pkey_alloc pkey_free pkey_mprotect poll ppoll pread64 preadv preadv2 process_mrelease pselect6 pwrite64
    pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages
    removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_yield seccomp select sendfile sendmmsg sendmsg sendto
    set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid
    setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid setxattr shutdown sigaltstack
    signalfd signalfd4 splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee
    tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
    timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat utimes
    vfork vmsplice wait4 waitid write writev
    """.split()  # noqa: SIM905 - two hundred quoted names would be harder to read
) - frozenset(DENIED)
"""Allowed whatever their arguments."""


def profile() -> str:
    """Return the profile as the JSON text that `--security-opt seccomp=` takes."""
    rules: list[dict[str, Any]] = [
        {"names": sorted(ALLOWED), "action": "SCMP_ACT_ALLOW"},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        _allow("clone", [_test(0, NEW_NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ")]),
        _allow("prctl", [_test(0, PR_SET_PDEATHSIG, "SCMP_CMP_NE")]),
        *(_allow("ioctl", [_test(1, request)]) for request in IOCTLS.values()),
    ]
    rules += [_allow(name, [_test(0, AF_UNIX)]) for name in ("socket", "socketpair")]
    for name, position in SELF_ONLY.items():
        tests = [_test(position, 0)]
        if name in OWN_KIND:
            tests.append(_test(0, OWN_KIND[name]))
        rules.append(_allow(name, tests))
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": rules,
        }
    )


def _allow(name: str, tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": tests}


def _test(index: int, value: int, operation: str = "SCMP_CMP_EQ") -> dict[str, Any]:
    return {"index": index, "value": value, "valueTwo": 0, "op": operation}
