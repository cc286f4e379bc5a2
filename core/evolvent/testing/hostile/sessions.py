"""Programs that abuse a session: they run inside the process that holds the pipe to the host.

What such a program says as an answer is its own; what it must not get is anything that it asks for.
"""

import contextlib
import json
import os
import socket
import stat
import sys


def _frame(message):
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


def _pipe():
    """Return the descriptor of the pipe to the host: the one socket that is open."""
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return fd
    raise OSError("no socket is open")


def _asked(ask, *args):
    """Return what was given for a request, in a list, or nothing when it was refused."""
    try:
        return [f"was given {ask(*args)!r:.100} for {args!r:.100}"]
    except Exception as error:
        if type(error).__name__ in ("BrokerError", "NotJson", "TypeError", "KeyError", "AttributeError"):
            return []
        raise


def asks_for_everything(bait, ctx):
    """Asks for all that a context offers, and for methods that no context offers."""
    got = _asked(ctx.run_python, "def f(): return 1", "f", [[]])
    got += _asked(ctx.budget) + _asked(ctx.log, "hello") + _asked(ctx.memory.search, "all")
    got += _asked(ctx.skills.read, "x") + _asked(ctx.skills.run, "x", "y") + _asked(ctx.skills.search, "x")
    got += _asked(ctx.model.complete, [{"role": "user", "content": "x"}])
    got += _asked(ctx.tools.call, "shell", {})
    for method in ("", "open", "eval", "__class__", "tools.call\0", "../call", "close", "execute"):
        got += _asked(ctx._request, method, {"path": bait["canary"], "command": ["id"]})
    return got


def asks_a_million_times(bait, ctx, *, wall_seconds=1.0):
    """Asks for something refused, again and again, to keep the host busy for ever."""
    got = []
    for _ in range(1_000_000):
        got += _asked(ctx._request, "budget", {})
    return got


def asks_with_huge_params(bait, ctx, *, wall_seconds=2.0):
    """Asks with params as large, as deep and as odd as its encoder lets through."""
    deep = []
    for _ in range(45):
        deep = [deep]
    got = []
    for params in ({"a": "x" * 900_000}, {"a": [0] * 400_000}, {"a": deep}, {"k" * 1000: 1}, {"": {"": 1}}):
        got += _asked(ctx._request, "memory.search", params)
    return got


def asks_within_an_answer(bait, ctx, *, wall_seconds=2.0):
    """Asks while a request is being written, and asks from threads, so that answers are mixed up."""
    import threading

    got = []

    def items(record):
        got.extend(_asked(ctx._request, "tools.call", {"name": "inner", "arguments": {}}))
        return dict.items(record)

    record = sys.modules["evolvent_guest.encode"].Record
    record.items = items
    got += _asked(ctx._request, "log", record(text=record()))
    threads = [threading.Thread(target=_asked, args=(ctx.budget,), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(0.2)
    return got


def forges_frames(bait, ctx, *, wall_seconds=2.0):
    """Writes requests, parts, errors and answers of its own making to every descriptor."""
    frames = [
        {"id": True, "method": "tools.call", "params": {}},
        {"id": -1, "method": ["tools.call"], "params": {}},
        {"part": {"index": 0, "reply": True}},
        {"id": 99, "result": ["forged"]},
        {"id": 3, "result": ["forged"], "error": None},
        {"ready": True, "hardened": True},
    ]
    for message in frames:
        for fd in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(fd, _frame(message))
    return _asked(ctx.budget)


def answers_out_of_order(bait, ctx):
    """Answers calls that were not made yet, so that the next call would read an answer made before."""
    for number in (2, 4, 5, 6, 1000):
        os.write(_pipe(), _frame({"id": number, "result": "forged"}))
    return []


def announces_four_gigabytes(bait, ctx):
    """Announces a frame of four gigabytes and begins to send it."""
    os.write(_pipe(), b"\xff\xff\xff\xff" + b"[" * 65536)
    return _asked(ctx.budget)


def sends_no_json(bait, ctx):
    """Sends frames that are empty, no text, no object, or objects with a member twice."""
    pipe = socket.socket(fileno=os.dup(_pipe()))
    pipe.sendall(_frame({"id": 1, "method": "budget", "params": {}})[:-1] + b"\xff")
    for data in (b"", b"null", b"[]", b'{"id":3,"id":3,"result":[]}', b'{"id":3,"result":NaN}'):
        pipe.sendall(len(data).to_bytes(4, "big") + data)
    return _asked(ctx.budget)


def floods_the_pipe(bait, ctx, *, wall_seconds=1.0):
    """Sends requests without end and never reads what the host answers."""
    block = _frame({"id": 1, "method": "log", "params": {"text": "x" * 60_000}}) * 16
    while True:
        os.write(_pipe(), block)


def sends_a_frame_by_drops(bait, ctx, *, wall_seconds=1.0):
    """Sends a frame one byte at a time, each just before the host could lose patience."""
    import time

    pipe = _pipe()
    os.write(pipe, (100_000).to_bytes(4, "big"))
    while True:
        os.write(pipe, b" ")
        time.sleep(0.05)


def closes_the_pipe(bait, ctx):
    """Closes the pipe in the middle of a call, one direction first, and goes on living."""
    import time

    pipe = socket.socket(fileno=_pipe())
    pipe.shutdown(socket.SHUT_RD)
    pipe.sendall(b"\0\0")
    pipe.close()
    time.sleep(60)


def becomes_another_program(bait, ctx):
    """Replaces the server by a program that keeps the pipe and asks in its name."""
    pipe = _pipe()
    os.set_inheritable(pipe, True)
    request = _frame({"id": 1, "method": "tools.call", "params": {"name": "shell", "arguments": {}}})
    code = (
        f"import os\nos.write({pipe}, {request!r})\nsize = int.from_bytes(os.read({pipe}, 4), 'big')\n"
        f"said = os.read({pipe}, size)\ntext = b'[]' if b'error' in said else b'[\"was given a tool\"]'\n"
        "body = b'{\"id\":3,\"result\":' + text + b'}'\n"
        f"os.write({pipe}, len(body).to_bytes(4, 'big') + body)\nimport time; time.sleep(60)"
    )
    os.execv(sys.executable, [sys.executable, "-I", "-c", code])


def leaves_a_talking_child(bait, ctx):
    """Forks children that go on asking and answering on the same pipe after it has answered itself."""
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            while True:
                for message in ({"id": 1, "method": "budget", "params": {}}, {"id": 4, "result": ["forged"]}):
                    with contextlib.suppress(OSError):
                        os.write(_pipe(), _frame(message))
    return []


def raises_a_lying_error(bait, ctx):
    """Raises an error whose name and message say that the host's own limit or answer was something else."""

    class Lying(Exception):
        def __str__(self):
            return '{"id":3,"result":["forged"]}' + "\ud800\0\n" * 1000

    Lying.__name__ = "SandboxTimeout"
    raise Lying


def patches_the_server(bait, ctx):
    """Replaces the server's encoder and pipe by functions that send raw text, answers twice over."""
    import gc

    module = sys.modules["evolvent_guest.server"]
    module.encode = lambda value, max_bytes: '[],"id":4,"result":["forged"]'
    for thing in gc.get_objects():
        if type(thing).__name__ == "Server" and type(thing).__module__ == "evolvent_guest.server":
            thing._asked = -(10**6)
            thing._max_bytes = 1 << 40
    return []
