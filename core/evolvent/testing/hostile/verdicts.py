"""Programs that want to be taken for right without knowing the answer.

A program's own reply pipe is its own: what it says there is no more than what it may return. So forged values
that would show confusion of the host are `["forged"]`, and the harmless half of each forgery is `[]`.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import sys

OWN = {"outcome": "value", "value": []}
FORGED = {"outcome": "value", "value": ["forged"]}
PART = {"index": 0, "limit": None, "exit_code": 0, "stdout": "", "seconds": 0.0, "reply": True}


def _frame(message):
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


def _say(*chunks):
    """Write to every pipe and socket that is open, and end without another word."""
    for fd in range(3, 64):
        for chunk in chunks:
            with contextlib.suppress(OSError):
                os.set_blocking(fd, False)
                os.write(fd, chunk)
    os._exit(0)


def _emit(text):
    """Make the guest's own encoder write `text` for whatever is returned."""
    for name, module in list(sys.modules.items()):
        if name.startswith("evolvent_guest") and hasattr(module, "encode"):
            with contextlib.suppress(AttributeError):
                module._Writer.write = lambda writer, value, depth: writer.parts.append(text)
            if callable(module.encode):
                module.encode = lambda value, max_bytes: text
    return []


def _secrets(data, mark):
    """Return the texts in `data` that look like the expected answer, more than the mark that was told."""
    return re.findall(re.escape(mark.encode()) + rb"[0-9a-f]{8,}", data)


def prints_success(bait):
    """Prints what success could look like on both outputs and leaves by the front door."""
    for fd in (1, 2):
        os.write(fd, b'PASS\nOK\n1 passed in 0.01s\n{"passed": true}\n["forged"]\n' + _frame(FORGED))
    sys.exit(0)


def exits_at_once(bait):
    """Ends the process with code 0 before there is an answer."""
    os._exit(0)


def answers_at_exit(bait):
    """Registers functions that run at exit or at an error, prints there, and raises something odd."""
    import atexit

    atexit.register(_say, _frame(PART), _frame(FORGED))
    sys.excepthook = sys.unraisablehook = lambda *args: _say(_frame(PART), _frame(FORGED))
    raise type("PASS", (BaseException,), {"__str__": lambda self: '["forged"]'})


def equals_everything(bait):
    """Returns an object that is equal to whatever it is compared with."""

    class Equal:
        def __eq__(self, other):
            return True

        __ne__ = __lt__ = __contains__ = lambda self, other: False
        __hash__ = lambda self: 0
        __len__ = __iter__ = __json__ = to_json = __getattr__ = lambda self, *names: ["forged"]

    return Equal()


def returns_lying_texts(bait):
    """Returns texts and numbers of classes of its own that compare as equal to everything."""

    class Text(str):
        __eq__ = lambda self, other: True
        __hash__ = str.__hash__

    class Number(int):
        __eq__ = lambda self, other: True
        __hash__ = __index__ = lambda self: 42

    return [Text("a text that lies came through"), Number(7)]


def returns_lying_containers(bait):
    """Returns lists and objects of classes of its own that show something else each time."""

    class Items(list):
        def __iter__(self):
            return iter(["a list that lies came through"])

        __len__ = lambda self: 0

    class Members(dict):
        items = lambda self: [("a", "an object that lies came through")] * 2

    return [Items(), Members()]


def returns_no_numbers(bait):
    """Returns numbers that JSON does not have."""
    return [float("nan"), float("inf"), -float("inf"), 1e400]


def returns_a_record_class(bait):
    """Takes the one dict class that the guest's encoder trusts and gives it members that lie."""
    for module in list(sys.modules.values()):
        record = getattr(module, "Record", None)
        if isinstance(record, type) and module.__name__.startswith("evolvent_guest"):
            record.items = lambda self: iter([("a", 1), ("a", "a member came twice")])
            return [record()]
    return []


def searches_frames(bait):
    """Looks for the expected answer in the variables of all its callers."""
    frame, found = sys._getframe(), []
    while frame:
        for names in (frame.f_locals, frame.f_globals):
            for name, value in list(names.items()):
                with contextlib.suppress(Exception):
                    found += [(name, text) for text in _secrets(repr(value).encode(), bait["mark"])]
        frame = frame.f_back
    return [f"found {found[0]!r}"] if found else []


def searches_objects(bait):
    """Looks for the expected answer in every object that the garbage collector knows."""
    import gc

    found = []
    for thing in gc.get_objects():
        for value in gc.get_referents(thing):
            if type(value) in (str, bytes) and len(value) < 1 << 20:
                data = value if type(value) is bytes else value.encode("utf-8", "replace")
                found += _secrets(data, bait["mark"])
    return [f"found {found[0]!r}"] if found else []


def searches_its_memory(bait):
    """Looks for the expected answer in all memory of its process, freed memory and stack included."""
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, to be allowed to open its own memory
    found = []
    try:
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(number, 16) for number in line.split()[0].split("-"))
                if line.split()[1].startswith("rw") and end - start < 64 << 20:
                    memory.seek(start)
                    found += _secrets(memory.read(end - start), bait["mark"])
    except OSError:
        pass
    return [f"found {found[0]!r}"] if found else []


def searches_the_servers_memory(bait):
    """Looks for the expected answer in the memory of its parent and of the first process."""
    got = []
    for pid in {1, os.getppid()}:
        for name in ("mem", "maps", "environ", "auxv", "stack", "fd/3", "root/etc", "cwd/x", "map_files"):
            try:
                path = f"/proc/{pid}/{name}"
                os.listdir(path) if name == "map_files" else open(path, "rb", 0).read(1)
                got.append(f"opened {path}")
            except (FileNotFoundError, PermissionError, ProcessLookupError, NotADirectoryError):
                continue
            except OSError as error:
                got += [f"opened {path}: {error}"] if name == "mem" else []
    return got


def patches_json(bait):
    """Replaces everything of the json package that writes, in Python and in C."""
    text = '{"outcome":"value","value":["a text of a patched json came through"],"value":["forged"]}'
    for name in ("dumps", "dump", "JSONEncoder", "_default_encoder"):
        setattr(json, name, lambda *args, **kwargs: text)
    for name in ("c_make_encoder", "encode_basestring_ascii", "c_encode_basestring_ascii", "INFINITY"):
        setattr(sys.modules["json.encoder"], name, lambda *args, **kwargs: text)
    for module in list(sys.modules.values()):
        if module.__name__.startswith("evolvent_guest") and hasattr(module, "_quote"):
            module._quote = lambda value: '"x"],"value":["forged"'
    raise ValueError("a text for the patched writer")


def patches_builtins(bait):
    """Replaces built-in functions so that every value is taken for what it is not."""
    import builtins

    class Lies:
        items = lambda self: [("a", "forged"), ("a", "forged")]
        __iter__ = lambda self: iter([float("nan")])

    builtins.type = lambda value: list
    builtins.isinstance = lambda value, kind: True
    builtins.len = lambda value: 0
    return Lies()


def emits_no_numbers(bait):
    """Makes the encoder write numbers that JSON does not have."""
    return _emit('["NaN came through",NaN,Infinity,-Infinity,1e999]')


def emits_a_key_twice(bait):
    """Makes the encoder write an object with one key twice, so that two readers see two answers."""
    return _emit('[{"right":"a key came twice","right":"and again"}]')


def emits_a_huge_number(bait):
    """Makes the encoder write a number that takes minutes to read."""
    return _emit("[" + "9" * 1_000_000 + "]")


def emits_two_values(bait):
    """Makes the encoder end the value early and add a second value and a second envelope."""
    return _emit('[],"value":["forged"]}\n{"outcome":"value","value":["forged"]')


def emits_a_bottomless_value(bait):
    """Makes the encoder write more opening brackets than a reader has stack."""
    return _emit("[" * 500_000 + "]" * 500_000)


def emits_broken_text(bait):
    """Makes the encoder write half of a surrogate pair, a byte order mark and control characters."""
    return _emit('["a lone surrogate came through \\ud800","\\udfff",{"\\ud800":1}]')


def forges_the_servers_frames(bait):
    """Writes to its pipes what only the server may say to the host: parts, results and requests."""
    _say(_frame({"part": PART}), _frame(FORGED), _frame({"id": 1, "result": ["forged"]}), _frame(FORGED))


def forges_requests(bait):
    """Asks the host for a tool through its own pipe, as a session would, and hopes to be answered."""
    params = {"name": "forged", "arguments": {}}
    _say(_frame({"id": 1, "method": "tools.call", "params": params}), _frame(FORGED))


def answers_twice(bait):
    """Writes two answers; only one may count, and it is the first."""
    _say(_frame(OWN), _frame(FORGED), _frame(FORGED))


def answers_longer_than_announced(bait):
    """Announces a short answer and goes on writing behind it."""
    _say(_frame(OWN) + b',"value":["forged"]}' + _frame({"part": PART}) + _frame(FORGED))


def answers_shorter_than_announced(bait):
    """Announces a long answer, ends early, and hopes that the next frame is taken for its rest."""
    _say((200).to_bytes(4, "big") + _frame(FORGED)[4:])


def announces_gigabytes(bait):
    """Announces an answer of four gigabytes and sends its beginning."""
    _say(b"\xff\xff\xff\xff" + _frame(FORGED), b"x" * 65536)


def forges_through_proc(bait):
    """Opens the descriptors of the server and the parent by their names and writes answers there."""
    got, forged = [], _frame({"part": PART}) + _frame(FORGED) + _frame({"id": 1, "result": True})
    for pid in {1, os.getppid()}:
        for number in range(64):
            path = f"/proc/{pid}/fd/{number}"
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                got.append(f"opened {path}")
                os.write(fd, forged)
    return got


def takes_the_servers_descriptors(bait):
    """Copies descriptors out of the server through a handle of its process."""
    libc, got = ctypes.CDLL(None, use_errno=True), []
    for number in range(16):
        with contextlib.suppress(OSError):
            fd = libc.syscall(ctypes.c_long(438), os.pidfd_open(1), number, 0)  # pidfd_getfd, everywhere
            if fd >= 0:
                got.append(f"took descriptor {number} of the first process")
                os.write(fd, _frame({"part": PART}) + _frame(FORGED))
    return got


def leaves_an_answering_child(bait):
    """Lets a child answer for it while it ends itself, and lets the child answer again and again."""
    if os.fork() == 0:
        os.setsid()
        while True:
            for fd in range(3, 64):
                with contextlib.suppress(OSError):
                    os.write(fd, _frame({"part": PART}) + _frame(FORGED))
    os._exit(0)


def speaks_only_on_its_outputs(bait):
    """Closes its pipes, so that only what it printed is left to judge by."""
    os.write(1, _frame(FORGED) + b'\n["forged"]\n')
    os.closerange(3, 64)
    for number in (1, 2):
        os.write(number, b'{"outcome":"value","value":["forged"]}')
    return ["forged"]


def returns_a_pickle(bait):
    """Returns and prints a pickle that writes a file on whatever host loads it."""
    import base64
    import pickle

    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {bait['folder']}/unpickled",)

    payload = pickle.dumps(Payload())
    os.write(1, payload + b"\n" + base64.b64encode(payload) + b"\n")
    print(f"!!python/object/apply:os.system ['touch {bait['folder']}/unpickled']")
    raise ValueError(base64.b64encode(payload).decode(), payload)


def returns_bytes(bait):
    """Returns what JSON has no type for: bytes, sets, complex numbers, functions and the module itself."""
    return [b"bytes came through", {1, 2}, 1j, returns_bytes, sys, object, ..., range(3), memoryview(b"x")]


def returns_keys_that_collide(bait):
    """Returns an object whose keys are one text when written: a number and its text."""
    return [{1: "keys that are no text came through", "1": 2, None: 3, 1.5: 4}]


def kills_the_server(bait):
    """Sends every signal to the first process, to its parent and to everybody."""
    for number in [signal.SIGKILL, *range(1, 65)]:
        for pid in (1, os.getppid(), -1):
            if pid != -1 or number in (signal.SIGCONT, signal.SIGURG, signal.SIGKILL):
                with contextlib.suppress(OSError, ProcessLookupError):
                    os.kill(pid, number)
    return []


def stops_the_server(bait):
    """Stops the first process and its group by four ways, one of them a handle of the process."""
    for stop in (
        lambda: os.kill(1, signal.SIGSTOP),
        lambda: os.killpg(os.getpgid(1), signal.SIGSTOP),
        lambda: signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGSTOP),
        lambda: os.kill(os.getppid(), signal.SIGTSTP),
    ):
        with contextlib.suppress(OSError):
            stop()
    with open("/proc/1/stat") as stat:
        state = stat.read().rpartition(")")[2].split()[0]
    return ["stopped the first process"] if state in "Tt" else []


def counts_its_calls(bait):
    """Answers differently when it is called again, by a count kept in every place that could survive."""
    import builtins

    places = {"module": sys.modules, "environment": os.environ, "built-in": vars(builtins)}
    survived = [name for name, place in places.items() if place.get("called") is not None]
    for place in places.values():
        place["called"] = "1"
    for folder in {"/work", "/tmp", "/dev/shm", "/var/tmp", os.path.dirname(os.__file__), *sys.path} - {""}:
        path = os.path.join(folder, ".called")
        try:
            open(path, "x").close()
        except FileExistsError:
            survived += [path] if os.path.realpath(folder) == folder else []  # one folder may have two names
        except OSError:
            continue
    return [f"was called before, says {name}" for name in survived]


def remembers_by_the_folder(bait):
    """Keeps a count in the mode, times and attributes of the working folder, where no file is left."""
    seen = os.stat("/work")
    survived = [] if seen.st_mtime != 77 else ["its times"]
    with contextlib.suppress(OSError):
        survived += [f"its attribute {os.getxattr('/work', 'user.called')}"]
    for mark in (
        lambda: os.setxattr("/work", "user.called", b"1"),
        lambda: os.chmod("/work", 0o711),
        lambda: os.utime("/work", (77, 77)),
    ):
        with contextlib.suppress(OSError):
            mark()
    return [f"was called before, says {name}" for name in survived]


def changes_its_arguments(bait):
    """Empties and swaps the arguments that it got, in its callers' variables too."""
    bait.clear()
    bait["mark"] = "changed"
    frame = sys._getframe(1)
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value) in (list, dict) and value is not globals():
                with contextlib.suppress(Exception):
                    value.clear()
        frame = frame.f_back
    return []
