"""Guests that are forked from one warm process: as well walled as those that bubblewrap starts."""

import os

import pytest
from tests.sandbox.inside import QUICK, inside, once, wait_until

from evolvent.types import Limits, Variation
from evolvent_sandbox import seccomp
from evolvent_sandbox.bubblewrap import BubblewrapSandbox

NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")


@pytest.fixture
def unfiltered(monkeypatch):
    """A sandbox whose guests may call everything: what the other walls alone hold."""
    allow = seccomp.assemble([seccomp.Instruction(seccomp.RETURN, seccomp.ALLOW)])
    monkeypatch.setattr(seccomp, "filter_for", lambda: allow)
    with BubblewrapSandbox() as sandbox:
        assert "forked" in sandbox.describe()["start"], sandbox.describe()
        yield sandbox


FACTS = {
    "rights": (
        "names = ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Uid', 'Gid', 'SigIgn')\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "return {line.partition(':')[0]: line.partition(':')[2].split() for line in lines if line.startswith(names)}"
    ),
    "limits": (
        "import resource\n"
        "return {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith('RLIMIT_')}"
    ),
    "descriptors": (
        "import os\n"
        "seen = {}\n"
        "for fd in range(100):\n"
        "    try: found = os.fstat(fd); seen[str(fd)] = [found.st_mode, found.st_rdev, os.get_inheritable(fd)]\n"
        "    except OSError: pass\n"
        "return seen"
    ),
    "files": (
        "import os\n"
        "seen = []\n"
        "for top in ('/', '/dev', '/dev/shm', '/opt', '/etc', '/proc/sys', '/work', '/tmp'):\n"
        "    try: here = os.stat(top)\n"
        "    except OSError as error: seen.append([top, str(error)]); continue\n"
        "    seen.append([top, here.st_mode, here.st_uid, here.st_gid, sorted(os.listdir(top)),\n"
        "        os.statvfs(top).f_flag, os.access(top, os.W_OK)])\n"
        "return seen"
    ),
    "processes": (
        "import os\n"
        "own = [os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), os.getpriority(0, 0)]\n"
        "return [own, sorted(n for n in os.listdir('/proc') if n.isdigit())]"
    ),
    "surroundings": (
        "import os, socket, sys\n"
        "return [dict(os.environ), socket.gethostname(), os.getcwd(), sys.flags.__repr__(), sys.path, os.umask(0)]"
    ),
    "signals": (
        "import signal\n"
        "blocked = str(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        "return [blocked] + [str(signal.getsignal(n)) for n in sorted(signal.valid_signals()) if n not in (9, 19)]"
    ),
    "order of sets": "return list({str(n) for n in range(50)})",
    "terminals": (
        "import os\n"
        "try: return [os.listdir('/dev/pts'), os.ttyname(os.openpty()[1])]\n"
        "except OSError as error: return str(error)"
    ),
    "room": (
        "import os\n"
        "return [os.statvfs(d).f_blocks * os.statvfs(d).f_frsize for d in ('/work', '/dev/shm', '/proc/sys')]"
    ),
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_forked_guest_finds_what_a_started_one_finds(forked, started, fact):
    assert once(forked, FACTS[fact]) == once(started, FACTS[fact])


def test_a_guest_has_no_right_and_is_filtered(forked):
    rights = once(forked, FACTS["rights"])
    assert {rights[f"Cap{kind}"][0] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (rights["NoNewPrivs"], rights["Seccomp"]) == (["1"], ["2"])


def test_every_guest_has_all_its_namespaces_for_itself(forked):
    body = f"import os\nreturn [os.readlink('/proc/self/ns/' + name) for name in {NAMESPACES}]"
    with forked.session(QUICK) as first, forked.session(QUICK) as second:
        seen = [inside(first, body), inside(second, body)]
    host = [os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES]
    for name, *three in zip(NAMESPACES, host, *seen, strict=True):
        assert len(set(three)) == 3, (name, three)


def test_neither_the_zygote_nor_another_guest_can_be_seen_or_signalled(forked):
    with forked.session(QUICK) as victim, forked.session(QUICK) as attacker:
        assert inside(victim, "return 1") == 1
        body = (
            "import os, signal\n"
            "seen = [n for n in os.listdir('/proc') if n.isdigit()]\n"
            "reached = []\n"
            "for pid in range(2, 5000):\n"
            "    try: os.kill(pid, signal.SIGKILL); reached.append(pid)\n"
            "    except ProcessLookupError: pass\n"
            "try: os.kill(-1, signal.SIGKILL); reached.append(-1)\n"
            "except ProcessLookupError: pass\n"
            "for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):\n"
            "    os.kill(0, number)  # its own group: itself, as the first process deaf to them\n"
            "return [seen, reached, os.getppid()]"
        )
        assert inside(attacker, body) == [["1"], [], 0]
        assert inside(victim, "return 2") == 2
    assert forked._zygote.is_alive()


def test_the_walls_hold_without_the_filter_of_calls(unfiltered):
    """Fresh namespaces, mounts and the memory of others are refused by more than one wall."""
    body = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def refused(name, *args):\n"
        "    ctypes.set_errno(0)\n"
        "    return getattr(libc, name)(*args) == -1 and ctypes.get_errno() != 0\n"
        "names = {}\n"
        "for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000):\n"
        "    names[f'unshare {flag:x}'] = refused('unshare', flag)\n"
        "for path in (b'/proc/sys', b'/proc', b'/work', b'/dev/shm', b'/dev/pts', b'/dev', b'/'):\n"
        "    names[f'umount {path}'] = refused('umount2', path, 2)\n"
        "    names[f'mount {path}'] = refused('mount', b'tmpfs', path, b'tmpfs', 0, None)\n"
        "    names[f'remount {path}'] = refused('mount', None, path, None, 32, None)\n"
        "names['hostname'] = refused('sethostname', b'x', 1)\n"
        "names['chroot'] = refused('chroot', b'/work')\n"
        "for name in ('user', 'mnt', 'pid'):\n"
        "    fd = os.open('/proc/self/ns/' + name, os.O_RDONLY)\n"
        "    names['setns ' + name] = refused('setns', fd, 0)\n"
        "for path in ('/proc/sys/user/max_user_namespaces', '/proc/sysrq-trigger', '/etc/x', '/x', '/dev/x'):\n"
        "    try: open(path, 'w').write('1'); names[path] = False\n"
        "    except OSError: names[path] = True\n"
        "return [name for name, so in names.items() if not so]"
    )
    assert once(unfiltered, body) == []


def test_local_sockets_without_a_name_in_the_files_do_not_reach_another_guest(forked):
    with forked.session(QUICK) as first, forked.session(QUICK) as second:
        listen = (
            "import socket, sys\n"
            "sys.kept = socket.socket(socket.AF_UNIX)\n"
            "sys.kept.bind('\\0meet'); sys.kept.listen()\n"
            "return True"
        )
        assert inside(first, listen)
        connect = (
            "import socket\n"
            "try: socket.socket(socket.AF_UNIX).connect('\\0meet')\n"
            "except OSError as error: return type(error).__name__"
        )
        assert inside(second, connect) == "ConnectionRefusedError"


@pytest.mark.parametrize("folder", ["/work", "/tmp", "/dev/shm"])
def test_files_stay_with_their_guest_and_end_with_it(forked, folder):
    with forked.session(QUICK) as first, forked.session(QUICK) as second:
        inside(first, f"open('{folder}/left', 'w').write('x')")
        assert inside(second, f"import os\nreturn os.path.exists('{folder}/left')") is False
    assert once(forked, f"import os\nreturn os.path.exists('{folder}/left')") is False


def test_a_guest_that_uses_up_its_processes_leaves_those_of_others(forked):
    forks = (
        "import os, time\n"
        "made = 0\n"
        "try:\n"
        "    while made < 200:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(20); os._exit(0)\n"
        "        made += 1\n"
        "except OSError: pass\n"
        "return made"
    )
    few = Limits(wall_seconds=20, processes=16)
    with forked.session(few) as first, forked.session(few) as second:
        assert inside(first, forks) < 16
        assert inside(second, forks) >= 8
        pids = [guest.first_pid for guest in (first._guest, second._guest)]
    for pid in pids:
        assert wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"))


def test_another_hash_seed_is_started_and_another_name_is_forked(forked):
    source = "import socket\ndef f(): return [socket.gethostname(), list({str(n) for n in range(50)})]"
    usual = forked.call_function(source, "f", [[]])[0].value
    seeded = (
        forked.varied(Variation(hash_seed=7, hostname="elsewhere")).call_function(source, "f", [[]])[0].value
    )
    named = forked.varied(Variation(hostname="elsewhere")).call_function(source, "f", [[]])[0].value
    assert (seeded[0], named[0]) == ("elsewhere", "elsewhere")
    assert named[1] == usual[1] != seeded[1]
    assert sorted(seeded[1]) == sorted(usual[1])


def test_every_guest_draws_random_numbers_of_its_own(forked):
    draw = "import os, random, uuid\nreturn [random.random(), os.urandom(8).hex(), str(uuid.uuid4())]"
    drawn = [once(forked, draw) for _ in range(3)]
    assert all(len(set(kind)) == 3 for kind in zip(*drawn, strict=True)), drawn


def test_the_host_passes_no_handle_of_a_guest_on_to_what_it_starts(forked):
    with forked.session(QUICK) as session:
        assert not os.get_inheritable(session._guest._pidfd)
