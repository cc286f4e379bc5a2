"""The host's side of one command: its files go in, what came of it comes out."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

from evolvent.errors import SandboxLost, SandboxTimeout, UsageError
from evolvent.types import Execution, JsonValue, Limits
from evolvent_sandbox.calls import GRACE_SECONDS
from evolvent_sandbox.exchange import CALL_OVERHEAD, Exchange, explain_loss
from evolvent_sandbox.guests import Guest
from evolvent_sandbox.session import check_paths

__all__ = ["Command"]

PLAIN_FIELDS = ("exit_code", "limit", "truncated", "seconds")
MAX_REASON = 200


class Command:
    """One command to be run to its end in a guest that nobody has used."""

    def __init__(
        self,
        command: Sequence[str],
        files: Mapping[str, bytes],
        limits: Limits,
        collect: Sequence[str],
        python: Sequence[str],
    ) -> None:
        """Check what is asked for.

        Args:
            command: argument vector; `python` as its first word stands for the words of `python`.
            files: relative path to content.
            limits: what it may use.
            collect: relative paths of files to bring back, with wildcards.
            python: the sandbox's interpreter.

        Raises:
            UsageError: the command is empty, or a path leaves the working folder.
        """
        words = list(command)
        if not words or any(not isinstance(word, str) or "\0" in word for word in words):
            raise UsageError(f"a command is a list of words, the first one a program; got {words!r}")
        if isinstance(collect, str | bytes) or not isinstance(collect, Sequence):
            raise UsageError(f"'collect' is a list of paths; got {collect!r}")
        if wrong := [path for path in collect if not isinstance(path, str)]:
            raise UsageError(f"'collect' is a list of paths; {wrong[0]!r} in it is no text")
        check_paths(files)
        check_paths(collect)
        if words[0] == "python":
            words[:1] = python
        self._limits = limits
        self._patterns = list(collect)
        self._left = limits.result_bytes
        self._brought: dict[str, bytes] = {}
        self._params = {
            "command": words,
            "files": {path: data.decode("latin-1") for path, data in files.items()},
            "environment": {},
            "limits": limits.model_dump(),
            "collect": self._patterns,
        }

    def run(self, guest: Guest) -> Execution:
        """Run it.

        Raises:
            SandboxLost: the sandbox itself failed.
        """
        limits = self._limits
        exchange = Exchange(guest, limits)
        wait = limits.wall_seconds + GRACE_SECONDS

        def bring(part: dict[str, JsonValue]) -> None:
            if len(self._brought) >= limits.files:
                raise SandboxLost(f"the guest brought more than {limits.files} files")
            content = exchange.receive_raw(wait, self._left)
            self._left -= len(content)
            self._brought[self._allowed(part.get("file"))] = content

        try:
            said = exchange.request(
                "execute",
                self._params,
                seconds=wait,
                max_bytes=12 * limits.output_bytes + CALL_OVERHEAD + 1024 * limits.files,
                on_part=bring,
            )
        except SandboxTimeout as error:
            return Execution(outcome="limit", limit=error.limit, seconds=limits.wall_seconds)
        except SandboxLost as lost:
            reason = explain_loss(guest, lost, limits)
            if isinstance(reason, SandboxTimeout):
                return Execution(outcome="limit", limit=reason.limit)
            raise reason from None
        return self._execution(said, guest)

    def _allowed(self, path: JsonValue) -> str:
        """Return the path of a file that the guest brings, if it was asked for.

        Raises:
            SandboxLost: it was not, or it comes twice.
        """
        if not isinstance(path, str) or path in self._brought:
            raise SandboxLost(f"the guest brought a file without a new path: {str(path)[:100]!r}")
        try:
            check_paths([path])
        except UsageError as error:
            raise SandboxLost(f"the guest brought a file that leaves its folder: {error}") from None
        if not any(_matches(path, pattern) for pattern in self._patterns):
            raise SandboxLost(f"the guest brought a file that nobody asked for: {path[:100]!r}")
        return path

    def _execution(self, said: Any, guest: Guest) -> Execution:
        """Check what the guest reports of the command.

        Raises:
            SandboxLost: it is not what the guest must report.
        """
        try:
            facts = {name: said[name] for name in PLAIN_FIELDS}
            if type(facts["exit_code"]) not in (int, type(None)):
                raise ValueError(f"an exit code is a number, not {facts['exit_code']!r:.50}")
            if facts["limit"] is not None and facts["limit"] not in Limits.model_fields:
                raise ValueError(f"there is no limit {facts['limit']!r:.50}")
            killed = facts["exit_code"] == -9 and (said["out_of_memory"] is True or guest.out_of_memory())
            if killed and facts["limit"] is None:
                facts |= {"limit": "total_memory_bytes", "exit_code": None}
            limit, code = facts["limit"], facts["exit_code"]
            outcome = "limit" if limit is not None else "ok" if code == 0 else "failed"
            texts = {name: str(said[name])[: self._limits.output_bytes] for name in ("stdout", "stderr")}
            left_out = {str(path): str(reason)[:MAX_REASON] for path, reason in said["left_out"].items()}
            return Execution(outcome=outcome, files=self._brought, left_out=left_out, **texts, **facts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SandboxLost(f"the guest's report of a command cannot be read: {error}") from None


def _matches(path: str, pattern: str) -> bool:
    """Whether a pattern names a path; its wildcards do not reach over a slash."""
    names, parts = path.split("/"), pattern.split("/")
    return len(names) == len(parts) and all(map(fnmatch.fnmatchcase, names, parts))
