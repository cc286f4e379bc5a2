"""The host's end of a guest's pipe, which one thread reads while another one closes it."""

import contextlib
import socket
import threading
import time

import pytest

from evolvent_sandbox.containers.container import AttachedStream
from evolvent_sandbox.pipes import GuestPipe


class Slow(socket.socket):
    """Takes its time between what the kernel says and what the thread named reader hears."""

    def __init__(self, connection):
        super().__init__(fileno=connection.detach())
        self.reading, self.may_leave = threading.Event(), threading.Event()

    def recv(self, *given):
        self.reading.set()
        try:
            return super().recv(*given)
        finally:
            if threading.current_thread().name == "reader":
                self.may_leave.wait(20)


@pytest.fixture(params=[GuestPipe, AttachedStream])
def kind(request):
    return request.param


def test_a_number_is_nobody_elses_while_a_thread_waits_on_it(kind):
    ours, theirs = socket.socketpair()
    connection = Slow(ours)
    pipe, heard = kind(connection), []
    pipe.settimeout(30)
    reader = threading.Thread(target=lambda: heard.append(pipe.recv(10)), name="reader")
    reader.start()
    assert connection.reading.wait(20)
    number = connection.fileno()
    closer = threading.Thread(target=pipe.close)
    closer.start()
    closer.join(0.3)
    others = [socket.socket() for _ in range(5)]
    assert number not in [other.fileno() for other in others], "it would wait on another's"
    connection.may_leave.set()
    for thread in (reader, closer):
        thread.join(20)
        assert not thread.is_alive()
    assert heard == [b""]
    assert pipe.fileno() == -1
    for each in (*others, theirs):
        each.close()


def test_whoever_reads_or_writes_hears_at_once_that_it_was_closed(kind):
    for use in (lambda pipe: pipe.recv(10), lambda pipe: pipe.sendall(bytes(50_000_000))):
        ours, theirs = socket.socketpair()
        pipe, ended = kind(ours), threading.Event()
        pipe.settimeout(30)

        def run(use=use, pipe=pipe, ended=ended):
            with contextlib.suppress(OSError):
                assert use(pipe) == b""
            ended.set()

        threading.Thread(target=run, daemon=True).start()
        time.sleep(0.05)
        pipe.close()
        pipe.close()
        assert ended.wait(10)
        with pytest.raises(OSError, match="Bad file descriptor"):
            pipe.settimeout(1)
        theirs.close()
