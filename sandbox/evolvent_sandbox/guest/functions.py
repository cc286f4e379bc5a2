"""The function server: a fork for each call, values out as bounded JSON, nothing left for the next call.

One request makes one call in a fork of its own, which reads the request itself: no call finds the source, arguments
or value of another in the memory that it inherits.
"""

from __future__ import annotations

import errno
import os
import sys

from . import children
from .encode import NotJson, encode
from .framing import Pipe, PipeClosed
from .scratch import Collector, Scratch
from .surroundings import surround

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["SOURCE_NAME", "call_function", "describe_error", "execute", "limit_behind"]

SOURCE_NAME = "<function>"
MAX_ERROR = 500
MAX_LEFT_OUT = 200
_ERRNO_LIMITS = {
    errno.EFBIG: "file_bytes",
    errno.EMFILE: "open_files",
    errno.ENOMEM: "memory_bytes",
}


def call_function(
    params: dict[str, Any], rpc: Pipe, isolated: bool, scratch: Scratch
) -> tuple[str, bytes | None]:
    """Make one call in a process of its own; return what came of it as JSON, and the process's own reply.

    Raises:
        PipeClosed: the host is gone.
    """
    source, function, limits, args = (params[name] for name in ("source", "function", "limits", "args"))
    variation = params.get("variation")

    def body(reply: Pipe) -> None:
        if variation is not None:
            surround(variation)
        _answer(source, function, args, limits["value_bytes"], reply)

    child = children.start(body, limits, rpc, 1, isolated)
    child.watch(rpc, scratch)
    reply = child.reply if child.ended == "replied" else None
    part = {
        "limit": child.limit,
        "exit_code": child.exit_code,
        "too_large": child.reply_too_large,
        "out_of_memory": child.out_of_memory,
        "stdout": child.output(0),
        "seconds": child.seconds,
        "reply": reply is not None,
    }
    return encode(part, 1 << 30), reply


def execute(params: dict[str, Any], rpc: Pipe, isolated: bool, work: str, scratch: Scratch) -> dict[str, Any]:
    """Lay out files in the working folder, run one command to its end and return what came of it.

    The files to bring back are sent as parts, each followed by its content.

    Raises:
        PipeClosed: the host is gone.
    """
    command, limits = params["command"], params["limits"]
    for path, text in params["files"].items():
        target = os.path.join(work, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(text.encode("latin-1"))

    def body(reply: Pipe) -> NoReturn:
        os.set_inheritable(reply.fd, False)
        os.chdir(work)
        try:
            os.execvpe(command[0], command, params["environment"])  # noqa: S606 - its purpose
        except OSError as error:
            os.write(2, f"cannot run {command[0]!r}: {error.strerror}\n".encode())
            os._exit(127)

    child = children.start(body, limits, rpc, 2, isolated)
    child.watch(rpc, scratch)
    collector = Collector(work, limits["files"], limits["result_bytes"])
    for pattern in params["collect"]:
        for path, content in collector.take(pattern):
            rpc.write('{"part":' + encode({"file": path}, 1 << 16) + "}")
            rpc.write_bytes(content)
    return {
        "left_out": dict(list(collector.left_out.items())[:MAX_LEFT_OUT]),
        "out_of_memory": child.out_of_memory,
        "exit_code": None if child.ended == "limit" else child.exit_code,
        "limit": child.limit,
        "stdout": child.output(0),
        "stderr": child.output(1),
        "truncated": child.truncated,
        "seconds": child.seconds,
    }


def _answer(source: str, function: str, args: list[Any], max_bytes: int, reply: Pipe) -> None:
    """Load the source, call the function and send its value, or why there is none. Runs in the child."""
    line = None
    try:
        names: dict[str, Any] = {"__name__": "evolvent_function", "__builtins__": __builtins__}
        exec(compile(source, SOURCE_NAME, "exec", dont_inherit=True), names)  # noqa: S102 - its purpose
        if function not in names:
            raise NameError(f"the source does not define {function!r}")
        value = names[function](*args)
        text = '{"outcome":"value","value":' + encode(value, max_bytes) + "}"
    except NotJson as error:
        text = encode({"outcome": "not_json", "error": str(error)[:MAX_ERROR]}, 1 << 16)
    except BaseException as error:
        limit = limit_behind(error)
        message, line = describe_error(error, SOURCE_NAME)
        outcome = "exception" if limit is None else "limit"
        text = encode({"outcome": outcome, "limit": limit, "error": message, "line": line}, 1 << 16)
    _flush_stdout()
    try:
        reply.write(text)
    except PipeClosed:
        return


def _flush_stdout() -> None:
    try:
        sys.stdout.flush()
    except BaseException:  # what was printed is evidence only: a broken stdout must not cost the value
        return


def limit_behind(error: BaseException) -> str | None:
    """Return the name of the limit that raised an error, or None."""
    if isinstance(error, MemoryError):
        return "memory_bytes"
    if type(error) is RuntimeError and str(error) == "can't start new thread":
        return "processes"
    if type(error) is BlockingIOError and error.filename is None:
        return "processes"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        room = os.statvfs(".")
        return "files" if room.f_files and not room.f_ffree else "scratch_bytes"
    if isinstance(error, OSError) and error.errno is not None:
        return _ERRNO_LIMITS.get(error.errno)
    return None


def describe_error(error: BaseException, *files: str) -> tuple[str, int | None]:
    """Return `Type: message` and the innermost line of the error that lies in one of `files`."""
    name = str(type.__dict__["__name__"].__get__(type(error)))
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException as broken:  # __str__ is the guest's own code
        message = f"(its message cannot be read: {type(broken).__name__})"
    line = None
    if isinstance(error, SyntaxError) and error.filename in files:
        line = error.lineno
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in files:
            line = trace.tb_lineno
        trace = trace.tb_next
    text = f"{name}: {message}" if message else name
    return text[:MAX_ERROR].encode("utf-8", "replace").decode(), line
