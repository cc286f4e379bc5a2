"""The one process that guests are forked from: how it begins and ends, and what becomes of its guests."""

import os
import signal
import socket
import subprocess
import threading
import time

import pytest
from tests.sandbox.inside import QUICK, inside, once, wait_until

from evolvent.errors import SandboxGone, SandboxLost, SandboxTimeout, UsageError
from evolvent_sandbox import layout
from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.exchange import wait_ready
from evolvent_sandbox.guest_process import GuestProcess
from evolvent_sandbox.layout import Layout
from evolvent_sandbox.patience import Patience
from evolvent_sandbox.zygote import ForkedGuest, Zygote


def test_what_a_guest_started_ends_with_it(forked):
    session = forked.session(QUICK)
    inside(session, "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\nreturn 1")
    pid = session._guest.first_pid
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        (child,) = map(int, file.read().split())
    session.close()
    assert wait_until(lambda: not os.path.exists(f"/proc/{child}"))


def test_the_end_of_the_zygote_ends_its_guests_and_the_next_guest_gets_a_new_one():
    with BubblewrapSandbox() as sandbox, sandbox.session(QUICK) as session:
        pid, zygote = session._guest.first_pid, sandbox._zygote
        os.killpg(zygote.process.pid, signal.SIGKILL)
        assert wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
        with pytest.raises(SandboxLost):
            inside(session, "return 1")
        assert once(sandbox, "return 2") == 2
        assert sandbox._zygote is not zygote


def test_closing_the_sandbox_ends_the_zygote():
    sandbox = BubblewrapSandbox()
    zygote = sandbox._zygote
    assert zygote.is_alive()
    sandbox.close()
    assert zygote.process.returncode == 0, "it ended by itself, and was waited for"


def test_a_machine_that_refuses_namespaces_inside_namespaces_starts_each_guest(monkeypatch):
    forking = Layout.of_zygote

    def without_namespaces(*args):
        return ["--disable-userns", *forking(*args)]

    monkeypatch.setattr(Layout, "of_zygote", without_namespaces)
    with BubblewrapSandbox() as sandbox:
        assert sandbox.describe()["start"].startswith("each guest by bubblewrap (")
        assert "unshare" in sandbox.describe()["start"]
        assert once(sandbox, "return 3") == 3


def test_threads_fork_at_once_and_nothing_is_left_open(forked):
    before = len(os.listdir("/proc/self/fd"))
    values = []

    def work(n):
        values.append(once(forked, f"return {n}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(values) == list(range(24))
    assert wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before + 8), "three for each warm guest"


def test_a_request_that_no_guest_can_come_of_is_an_error_that_says_why(forked):
    shape = forked._shape(QUICK)._replace(scratch_bytes=-1)
    guest = forked._zygote.fork(shape, None, forked._watcher)
    guest.settle()
    assert wait_until(lambda: guest.wait(0, QUICK) is not None)
    assert "mount" in guest.said()
    guest.kill()
    assert once(forked, "return 4") == 4


def test_a_guest_that_uses_up_the_processes_of_the_user_does_not_end_the_zygote_with_all_its_guests(
    monkeypatch,
):
    command = layout.zygote_command

    def with_few(*args):
        *words, code = command(*args)
        return [*words, f"import resource;resource.setrlimit(resource.RLIMIT_NPROC,(16,16));{code}"]

    monkeypatch.setattr(layout, "zygote_command", with_few)
    with BubblewrapSandbox(warm_guests=1) as sandbox, sandbox.session(QUICK) as other:
        zygote = sandbox._zygote
        with sandbox.session(QUICK) as greedy:
            forks = (
                "import os, time\n"
                "made = 0\n"
                "try:\n"
                "    while made < 60:\n"
                "        if os.fork() == 0:\n"
                "            time.sleep(20); os._exit(0)\n"
                "        made += 1\n"
                "except BlockingIOError: pass\n"
                "return made"
            )
            assert 0 < inside(greedy, forks) < 16
            guest = zygote.fork(sandbox._shape(QUICK), None, sandbox._watcher)
            guest.settle()
            assert wait_until(lambda: guest.wait(0, QUICK) is not None)
            assert "BlockingIOError" in guest.said()
            guest.kill()
            assert inside(other, "return 5") == 5
        assert wait_until(zygote.is_alive)
        assert once(sandbox, "return 6") == 6
        assert sandbox._zygote is zygote


def test_a_guest_of_which_the_zygote_has_not_told_is_given_nothing_to_run(forked):
    ours, theirs = socket.socketpair()
    ear, mouth = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mouth.close()  # it was forked, but what the zygote wanted to tell of it was lost
    guest = ForkedGuest(ours, ear, None, forked._watcher)
    theirs.sendall(len(b'{"ready":true}').to_bytes(4, "big") + b'{"ready":true}')
    guest.settle()
    wait_ready(guest)
    with pytest.raises(SandboxLost, match="did not tell"):
        guest.bound(QUICK)
    guest.kill()
    assert theirs.recv(1) == b"", "it ends by itself, as its pipe is closed"
    theirs.close()


def test_a_zygote_that_ends_while_a_guest_is_asked_for_is_replaced(monkeypatch):
    with BubblewrapSandbox(warm_guests=0) as sandbox:
        sandbox.session(QUICK).close()
        zygote, really = sandbox._zygote, Zygote.is_alive
        os.killpg(zygote.process.pid, signal.SIGKILL)
        assert wait_until(lambda: not really(zygote))
        looks = []

        def as_it_was_a_moment_ago(one):
            looks.append(one)
            return len(looks) == 1 or really(one)

        monkeypatch.setattr(Zygote, "is_alive", as_it_was_a_moment_ago)
        assert once(sandbox, "return 7") == 7
        assert sandbox._zygote is not zygote


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.02, 0.03, 0.05, 0.08])
def test_closing_starts_nothing_any_more(moment):
    sandbox, told = BubblewrapSandbox(warm_guests=4), []

    def work():
        try:
            while True:
                sandbox.call_function("def f(): return 1", "f", [[]])
        except Exception as error:
            told.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(moment)
    sandbox.close()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert {type(error) for error in told} <= {UsageError, SandboxLost}, told
    with pytest.raises(UsageError, match="closed"):
        sandbox._launch(sandbox._shape(QUICK))


def test_a_guest_whose_bubblewrap_ended_while_it_set_it_up_ends_too():
    """Until its user is mapped it is not yet tied to bubblewrap's life, and waits for ever."""
    ours, theirs = socket.socketpair()
    bubblewrap, first = subprocess.Popen(["true"]), subprocess.Popen(["sleep", "60"])
    guest = GuestProcess(bubblewrap, ours)
    guest._enter(first.pid, os.pidfd_open(first.pid))
    assert wait_until(lambda: guest.wait(0, QUICK) is not None)
    guest.kill()
    theirs.close()
    assert first.wait(5) == -signal.SIGKILL


def test_a_started_guest_that_said_nothing_said_nothing(started):
    guest = started._launch_cold(started._shape(QUICK), None)
    assert guest.said() == ""
    guest.kill()


def end(sandbox):
    os.killpg(sandbox._zygote.process.pid, signal.SIGKILL)


def ended_during(sandbox, work, times):
    """Return what `work` returns while the zygote is killed so many times, each time that it has begun."""
    begun = iter(range(times))

    def watch(launch):
        def launched(shape):
            guest = launch(shape)
            if next(begun, None) is not None:
                threading.Timer(0.3, end, [sandbox]).start()
            return guest

        return launched

    really = sandbox._pool._state.launch
    sandbox._pool._state.launch = watch(really)
    try:
        return work()
    finally:
        sandbox._pool._state.launch = really


SLOW = "import time\ndef f(n):\n    time.sleep(1)\n    return n"


@pytest.fixture
def unwarmed():
    with BubblewrapSandbox(warm_guests=0) as sandbox:
        sandbox.call_function("def f(): return 1", "f", [[]])  # uses up the guest that showed that it works
        yield sandbox


def test_a_call_during_which_the_zygote_ends_is_made_again(unwarmed):
    results = ended_during(unwarmed, lambda: unwarmed.call_function(SLOW, "f", [[1], [2]]), 1)
    assert [(r.outcome, r.value) for r in results] == [("value", 1), ("value", 2)]


def test_a_call_during_which_the_zygote_always_ends_has_died(unwarmed):
    results = ended_during(unwarmed, lambda: unwarmed.call_function(SLOW, "f", [[1]]), 3)
    assert results[0].outcome == "died"
    assert "forked from" in results[0].error


def test_a_call_that_ends_its_own_guest_is_not_made_again(unwarmed):
    source = "import os\ndef f(): os._exit(3)"
    assert unwarmed.call_function(source, "f", [[]])[0].outcome == "died"
    with unwarmed.session(QUICK) as session, pytest.raises(SandboxLost) as lost:
        inside(session, "import os\nos._exit(3)")
    assert not isinstance(lost.value, SandboxGone)


def test_a_command_during_which_the_zygote_ends_is_run_again(unwarmed):
    command = ["python", "-c", "import time; time.sleep(1); print('done')"]
    assert ended_during(unwarmed, lambda: unwarmed.run(command), 1).stdout.strip() == "done"


def test_a_session_says_that_its_zygote_has_ended(unwarmed):
    def work():
        with unwarmed.session(QUICK) as session:
            return inside(session, "import time\ntime.sleep(1)")

    with pytest.raises(SandboxGone, match="forked from"):
        ended_during(unwarmed, work, 1)


def test_a_zygote_that_did_not_start_is_tried_again_later_and_not_for_ever(monkeypatch):
    seconds, proofs, refused = [0.0], [], [True]
    really = Zygote.prove

    def prove(zygote, shape, watcher):
        proofs.append(seconds[0])
        if refused[0]:
            raise SandboxTimeout("no time")
        really(zygote, shape, watcher)

    monkeypatch.setattr(Zygote, "prove", prove)
    with BubblewrapSandbox(warm_guests=0) as sandbox:
        sandbox._patience = Patience(3, 5.0, lambda: seconds[0])
        sandbox._patience.failed()
        assert "no time" in sandbox.describe()["start"]
        assert once(sandbox, "return 1") == 1
        assert len(proofs) == 1, "it was tried a moment ago"
        seconds[0] = 5.0
        assert once(sandbox, "return 2") == 2
        assert len(proofs) == 2
        seconds[0] = 15.0
        refused[0] = False
        assert once(sandbox, "return 3") == 3
        assert "forked" in sandbox.describe()["start"]
        assert len(proofs) == 3
        end(sandbox)
        refused[0] = True
        assert wait_until(lambda: not sandbox._zygote.is_alive())
        for _ in range(6):
            assert once(sandbox, "return 4") == 4
            seconds[0] += 1_000
        assert len(proofs) == 6, "three in a row"
