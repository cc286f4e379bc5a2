"""The guest's loop: the host calls, the guest answers, and asks the host in between."""

from __future__ import annotations

import os
import sys

from . import children, functions
from .context import BrokerError, Context, GiveUp
from .encode import NotJson, encode
from .framing import Pipe, PipeClosed
from .scratch import Scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Server"]


class Server:
    """Serves `configure`, `load`, `invoke`, `call_function` and `execute` on one pipe."""

    def __init__(self, rpc: Pipe, isolated: bool, work: str, scratch: list[str]) -> None:
        self._rpc = rpc
        self._isolated = isolated
        self._work = work
        self._scratch = Scratch(scratch)
        self._files: list[str] = []
        self._max_bytes = 1 << 20
        self._asked = 0

    def serve(self) -> None:
        """Answer the host's calls until it closes the pipe.

        Raises:
            PipeClosed: the host is gone.
        """
        while True:
            message = self._rpc.read()
            if message["method"] == "call_function":
                self._call_in_a_fork(message["id"])
                continue
            try:
                text = self._dispatch(message["method"], message["params"])
            except BaseException as error:
                self._refuse(message["id"], error)
            else:
                self._rpc.write(f'{{"id":{message["id"]},"result":{text}}}')

    def _call_in_a_fork(self, number: int) -> None:
        """Let a fork read the call, make it and answer; then say whether anything is left of it.

        This process sees neither what goes in nor what comes out, so that no later fork finds it in its memory.
        A fork that is killed may have answered by halves: then this guest ends.
        """
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._answer_call(number)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            os._exit(1)
        children.sweep(self._isolated)
        self._rpc.write('{"clean":%s}' % ("true" if self._scratch.untouched() else "false"))

    def _answer_call(self, number: int) -> None:
        params = self._rpc.read()
        try:
            text, reply = functions.call_function(params, self._rpc, self._isolated, self._scratch)
        except PipeClosed:
            raise
        except BaseException as error:
            self._refuse(number, error)
            return
        self._rpc.write(f'{{"id":{number},"result":{text}}}')
        if reply is not None:
            self._rpc.write_bytes(reply)

    def _dispatch(self, method: str, params: dict[str, Any]) -> str:
        if method == "invoke":
            return self._invoke(**params)
        if method == "load":
            return self._load(params["files"])
        if method == "configure":
            self._max_bytes = params["limits"]["value_bytes"]
            children.apply_limits(params["limits"], self._isolated)
            return "null"
        if method == "execute":
            done = functions.execute(params, self._rpc, self._isolated, self._work, self._scratch)
            return encode(done, 1 << 30)
        raise ValueError(f"unknown method {method!r}")

    def _load(self, files: dict[str, str]) -> str:
        folder = os.path.join(self._work, "program")
        for path, text in files.items():
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
            self._files.append(target)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        os.chdir(folder)
        importlib = __import__("importlib")
        importlib.invalidate_caches()
        for name in [path[:-3].replace("/", ".") for path in files if path.endswith(".py")]:
            sys.modules.pop(name.removesuffix(".__init__"), None)
        return "null"

    def _invoke(self, module: str, function: str, args: list[Any], context: dict[str, Any]) -> str:
        importlib = __import__("importlib")
        target = getattr(importlib.import_module(module), function)
        last = Context(self._ask, context)
        if (
            "rng" in context
        ):  # `select(archive, rng)` asks for nothing: its only source of chance stands in ctx's place
            last = importlib.import_module("random").Random(context["rng"])
        return encode(target(*args, last), self._max_bytes)

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request to the host and wait for its answer."""
        self._asked += 1
        text = encode(params, self._max_bytes)
        self._rpc.write(f'{{"id":{self._asked},"method":{encode(method, 1000)},"params":{text}}}')
        answer = self._rpc.read()
        if "error" in answer:
            raise BrokerError(answer["error"]["kind"], answer["error"]["message"])
        return answer["result"]

    def _refuse(self, number: int, error: BaseException) -> None:
        text, line = functions.describe_error(error, *self._files)
        kind, _, message = text.partition(": ")
        if line is not None and not isinstance(error, GiveUp | BrokerError | NotJson):
            message = (
                f"{message} (line {line} of the program)" if message else f"(line {line} of the program)"
            )
        problem = {"kind": kind, "message": message, "limit": functions.limit_behind(error)}
        self._rpc.write(f'{{"id":{number},"error":{encode(problem, 1 << 16)}}}')
