"""The file of servers, in the format that MCP clients share, with our fields beside theirs."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from evolvent.errors import UsageError
from evolvent.types import Touch

__all__ = ["NAME", "Config", "ServerConfig", "expand", "read_config"]

NAME = re.compile(r"[a-z0-9_-]{1,32}")
"""What a server may be called; guests write `name.tool`."""
FILE_BYTES = 1_000_000
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class ToolConfig(BaseModel):
    """What people say of one tool."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    touches: tuple[Touch, ...] | None = None


class ServerConfig(BaseModel):
    """One server of the file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command: str | None = Field(default=None, min_length=1)
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str | None = Field(default=None, pattern=r"^https?://")
    headers: dict[str, str] = Field(default_factory=dict)
    type: Literal["stdio", "http", "streamable-http", "streamable_http"] | None = Field(
        default=None, validation_alias=AliasChoices("type", "transport")
    )
    touches: tuple[Touch, ...] | None = None
    """What all its tools touch; None: nothing is declared, so they are denied."""
    tools: dict[str, ToolConfig] = Field(default_factory=dict)
    disabled: bool = False
    include: tuple[str, ...] | None = None
    """Names of the only tools to offer, `*` and `?` allowed."""
    exclude: tuple[str, ...] = ()
    timeout: float = Field(default=30.0, gt=0, le=3600)
    """Seconds for connecting, and for each call."""

    @model_validator(mode="before")
    @classmethod
    def _no_near_misses(cls, given: Any) -> Any:
        """Refuse keys that are nearly ours: other clients' own keys are passed over, a typing error is not."""
        known = [*cls.model_fields, "transport"]
        for key in given if isinstance(given, dict) else ():
            close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.8)
            if key not in known and close:
                raise ValueError(f"has the unknown key {key!r}; did you mean {close[0]!r}?")
        return given

    @model_validator(mode="after")
    def _one_transport(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError('needs either "command" (a program to start) or "url" (of a running server)')
        if self.type is not None and (self.type == "stdio") == (self.command is None):
            fits = '"stdio"' if self.command else '"http" or "streamable-http"'
            raise ValueError(f"has type {self.type!r}, which does not fit; beside its other keys {fits} does")
        return self

    def offers(self, tool: str) -> bool:
        """Whether a tool is among those to offer."""
        included = self.include is None or any(fnmatchcase(tool, pattern) for pattern in self.include)
        return included and not any(fnmatchcase(tool, pattern) for pattern in self.exclude)

    def touches_of(self, tool: str) -> tuple[Touch, ...] | None:
        """Return what the file declares for a tool: its own entry, else the server's, else None."""
        own = self.tools.get(tool)
        return self.touches if own is None or own.touches is None else own.touches


@dataclass(frozen=True)
class Config:
    """What the file says."""

    path: Path
    servers: dict[str, ServerConfig] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """Server name to what is wrong with its entry."""

    def server(self, name: str) -> ServerConfig:
        """Return one server.

        Raises:
            UsageError: it is not there, is disabled, or its entry is damaged.
        """
        if name in self.faults:
            raise UsageError(self.faults[name])
        if name not in self.servers:
            known = ", ".join(sorted(self.servers)) or "none"
            raise UsageError(f"{self.path} has no MCP server {name!r}; it has: {known}")
        if self.servers[name].disabled:
            raise UsageError(f'the MCP server {name!r} is disabled; take "disabled" out of {self.path}')
        return self.servers[name]


def read_config(path: Path) -> Config:
    """Read the file of servers; without a file there are none.

    Raises:
        UsageError: it cannot be read, or is not an object with `mcpServers`. What is wrong with single servers
            does not raise but is noted in `faults`.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return Config(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES:
        raise UsageError(f"{path} has more than {FILE_BYTES} bytes; a file of MCP servers is a few lines")
    try:
        content = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}; "
            'the file looks like {"mcpServers": {"name": {"command": "…", "args": []}}}'
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
    entries = content.get("mcpServers") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise UsageError(
            f'{path}: needs an object "mcpServers" of name to server, such as '
            '{"mcpServers": {"name": {"command": "…", "args": []}}}'
        )
    servers: dict[str, ServerConfig] = {}
    faults: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            if not NAME.fullmatch(name):
                raise UsageError("this name cannot be used; at most 32 of a-z, 0-9, - and _ are allowed")
            servers[name] = _server(entry)
        except UsageError as error:
            faults[name] = f"{path}, mcpServers.{name!r}: {error}"
    return Config(path, servers, faults)


def expand(text: str, where: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a text with each `${NAME}` replaced from the environment.

    Raises:
        UsageError: a variable is not set, or is no name.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise UsageError(f"{where}: {match[0]!r} names no environment variable; write ${{NAME}}")
        if name not in environment:
            raise UsageError(f"{where}: the environment variable {name} is not set; export it first")
        return environment[name]

    return _VARIABLE.sub(value, text)


def _server(entry: Any) -> ServerConfig:
    if not isinstance(entry, dict):
        raise UsageError(f"is {type(entry).__name__}; it must be an object")
    try:
        return ServerConfig.model_validate(entry)
    except ValidationError as error:
        faults = []
        for fault in error.errors(include_url=False, include_input=False)[:5]:
            place = ".".join(map(str, fault["loc"]))
            faults.append(f"{place}: {fault['msg']}" if place else fault["msg"].removeprefix("Value error, "))
        raise UsageError("; ".join(faults)) from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [key for key, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {double!r} occurs twice in one object")
    return made
