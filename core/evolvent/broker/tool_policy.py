"""The policy file: what tools may do, for each thing that they touch and each way of running."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from evolvent.errors import UsageError
from evolvent.types import Frozen, ToolCall, Touch

__all__ = ["DEFAULT_POLICY", "ModePolicy", "Permission", "Ruling", "ToolPolicy", "load_policy"]

Permission = Literal["allow", "ask", "deny"]
_STRICTNESS: dict[Permission, int] = {"allow": 0, "ask": 1, "deny": 2}


class Ruling(Frozen):
    """What the policy says of one call."""

    permission: Permission
    reason: str = ""


class ModePolicy(Frozen):
    """What tools may do in one mode. What is not mentioned is denied."""

    model_config = ConfigDict(title="mode")

    nothing: Permission = "deny"
    """Tools that declare to touch nothing."""
    reads_files: Permission = "deny"
    writes_files: Permission = "deny"
    network: Permission = "deny"
    spends_money: Permission = "deny"
    irreversible: Permission = "deny"
    tools: dict[str, Permission] = Field(default_factory=dict)
    """Tool to permission, whatever it touches or declares; `files.*` means all tools of a set."""


class ToolPolicy(Frozen):
    """The whole policy file."""

    interactive: ModePolicy = ModePolicy()
    daemon: ModePolicy = ModePolicy()

    def rule(self, call: ToolCall) -> Ruling:
        """Say whether a call is allowed: by the name of its tool, else by the strictest of its touches."""
        mode = self.interactive if call.mode == "interactive" else self.daemon
        named = mode.tools.get(call.tool) or _by_set(mode.tools, call.tool)
        where = f"[{call.mode}]"
        if named is not None:
            return Ruling(permission=named, reason=f"{where} tools says {named!r} for {call.tool!r}")
        if call.touches is None:
            return Ruling(
                permission="deny",
                reason=f"the tool {call.tool!r} does not declare what it touches; name it under {where[:-1]}.tools] to "
                "allow it",
            )
        names = sorted(touch.value for touch in call.touches) or ["nothing"]
        strictest = max(names, key=lambda name: _STRICTNESS[getattr(mode, name)])
        permission: Permission = getattr(mode, strictest)
        return Ruling(permission=permission, reason=f"{where} says {permission!r} for {strictest!r}")


def _by_set(tools: Mapping[str, Permission], name: str) -> Permission | None:
    """Return what is said of the nearest set that a tool is in: for `a.b.c` of `a.b.*`, then of `a.*`."""
    while name := name.rpartition(".")[0]:
        if f"{name}.*" in tools:
            return tools[f"{name}.*"]
    return None


DEFAULT_POLICY = """\
# What tools may do: "allow", "ask" (a person decides, the run waits) or "deny". What is not mentioned is denied.

[interactive]              # evolvent solve, and embedded runtimes
nothing = "allow"          # tools that declare to touch nothing
reads_files = "allow"      # in the workspace
writes_files = "ask"
network = "ask"
spends_money = "ask"
irreversible = "ask"

[interactive.tools]        # by name, whatever they touch: "files.write" = "allow", "files.*" = "allow"

[daemon]                   # runs that nobody watches
nothing = "allow"
reads_files = "allow"
writes_files = "ask"
network = "ask"
spends_money = "deny"
irreversible = "deny"

[daemon.tools]
"""


def load_policy(path: Path) -> ToolPolicy:
    """Read the policy file; without one the defaults hold.

    Raises:
        UsageError: it is no TOML, or says something that is not allowed there.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError:
        text = DEFAULT_POLICY
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the policy file {str(path)!r} cannot be read: {error}") from None
    try:
        return ToolPolicy.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the policy file {str(path)!r} is no TOML: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place, known = ".".join(str(part) for part in fault["loc"]), ", ".join(t.value for t in Touch)
        raise UsageError(
            f"the policy file {str(path)!r} cannot be used: {place}: {fault['msg']} (given: {fault['input']!r}); "
            f"it has [interactive] and [daemon] with nothing, {known} and tools, each 'allow', 'ask' or 'deny'"
        ) from None
