"""The function server: a fork for each call, values out as bounded JSON, nothing left for the next call."""

from __future__ import annotations

import errno
import os
import sys

from . import children
from .encode import NotJson, encode
from .framing import Pipe, PipeClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["SOURCE_NAME", "call_function", "describe_error", "execute", "limit_behind"]

SOURCE_NAME = "<function>"
MAX_ERROR = 500
_ERRNO_LIMITS = {
    errno.EFBIG: "file_bytes",
    errno.ENOSPC: "scratch_bytes",
    errno.EMFILE: "open_files",
    errno.ENOMEM: "memory_bytes",
}


def call_function(params: dict[str, Any], rpc: Pipe, isolated: bool, scratch: list[str]) -> bool:
    """Run the calls in order, sending a part for each; stop early when something was left behind.

    Returns whether all calls were made. After False this guest must not be used again, because a call left
    files that the next one could read.

    Raises:
        PipeClosed: the host is gone.
    """
    source, function, limits = params["source"], params["function"], params["limits"]
    calls = params["calls"]
    for index, args in enumerate(calls):

        def body(reply: Pipe, args: list[Any] = args) -> None:
            _answer(source, function, args, limits["value_bytes"], reply)

        child = children.start(body, limits, rpc, 1, isolated)
        child.watch(rpc)
        _send_part(rpc, index, child)
        if index + 1 < len(calls) and any(os.listdir(folder) for folder in scratch):
            return False
    return True


def execute(params: dict[str, Any], rpc: Pipe, isolated: bool, work: str) -> dict[str, Any]:
    """Lay out files in the working folder, run one command to its end and return what came of it.

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
    child.watch(rpc)
    return {
        "exit_code": None if child.ended == "limit" else child.exit_code,
        "limit": child.limit,
        "stdout": child.output(0),
        "stderr": child.output(1),
        "truncated": child.truncated,
        "seconds": child.seconds,
    }


def _send_part(rpc: Pipe, index: int, child: children.Child) -> None:
    reply = child.reply if child.ended == "replied" else None
    part = {
        "index": index,
        "limit": child.limit,
        "exit_code": child.exit_code,
        "too_large": child.reply_too_large,
        "stdout": child.output(0),
        "seconds": child.seconds,
        "reply": reply is not None,
    }
    rpc.write('{"part":' + encode(part, 1 << 30) + "}")
    if reply is not None:
        rpc.write_bytes(reply)


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
