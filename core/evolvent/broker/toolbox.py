"""Calling tools for a guest: known, well-formed, allowed, approved, bounded, and never twice to effect."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ValidationError

from evolvent.broker.offered_tools import OfferedTools
from evolvent.broker.requests import ToolCallRequest
from evolvent.broker.tool_policy import ToolPolicy
from evolvent.errors import EvolventError, GuestError, UnknownName, UsageError, error_text
from evolvent.plugins import RELAY, Call, OfferedTool, TookTooLong
from evolvent.storage import Effects
from evolvent.types import Decision, JsonValue, ToolCall, Touch

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["Ask", "SessionTool", "ToolReview", "Toolbox"]

MAX_RESULT = 1_000_000
"""Characters of JSON that a tool may answer."""
EFFECTS = frozenset({Touch.WRITES_FILES, Touch.SPENDS_MONEY, Touch.IRREVERSIBLE})
"""What must not happen twice because a run was resumed."""

SessionTool = Callable[[dict[str, JsonValue]], JsonValue]
"""A tool that the kernel itself grants to one session."""
ToolReview = Callable[[ToolCall], Decision]

_log = logging.getLogger(__name__)


class Ask(Protocol):
    """Asks a person."""

    def __call__(
        self, place: str, kind: Literal["tool_call"], subject: dict[str, JsonValue], reason: str
    ) -> Decision:
        """Return what the person decided; the run is put off until there is an answer."""
        ...


@dataclass
class Toolbox:
    """The tools of one guest session.

    Every call passes, in this order: the tool is known; its arguments fit its schema; the policy file; the guards; a
    person, where one of them says so; the policy file again.
    """

    offered: OfferedTools
    policy: ToolPolicy
    review: ToolReview
    ask: Ask
    effects: Effects
    run_id: str
    mode: Literal["interactive", "daemon"] = "interactive"
    seconds: float = 60.0
    granted: Mapping[str, SessionTool] = field(default_factory=dict)
    place: Callable[[], str] = lambda: ""
    """Where in the session the current request is: the same when a resumed session asks again."""
    diverged: Callable[[], bool] = lambda: False
    """Whether the session asked something else than before it was interrupted."""

    def list(self) -> list[JsonValue]:
        """Return the tools that are not denied: `name`, `description`, `parameters` (JSON schema), `permission`."""
        found: list[JsonValue] = []
        for tool in self.offered.all():
            permission = self.policy.rule(self._call(tool, {})).permission
            if permission == "deny":
                continue
            try:
                about, schema = str(tool.tool.description), _schema(tool.tool)
            except Exception as error:
                _log.warning(
                    "plugin %s: the tool %s has no schema: %s", tool.plugin, tool.name, error_text(error)
                )
                continue
            found.append(
                {"name": tool.name, "description": about, "parameters": schema, "permission": permission}
            )
        return found

    def call(self, request: ToolCallRequest) -> JsonValue:
        """Call a tool.

        Raises:
            UnknownName: there is no such tool.
            UsageError: the arguments do not fit its schema.
            GuestError: `ToolDenied` by the policy file, `ToolRejected` by a guard or a person, `ToolFailed`.
        """
        if request.name in self.granted:
            return self.granted[request.name](request.arguments)
        tool = self._find(request.name)
        try:
            arguments = _checked(tool, request.arguments)
        except UsageError:
            raise
        except Exception as error:  # a plugin's schema or validator
            raise GuestError("ToolFailed", f"the arguments cannot be checked: {error_text(error)}") from error
        call = self._call(tool, request.arguments)
        self._admit(call)
        if tool.touches is None or tool.touches & EFFECTS:
            self._once(call)
        return self._invoke(tool, arguments)

    def _find(self, name: str) -> OfferedTool:
        try:
            return self.offered.get(name)
        except UnknownName as error:
            raise UnknownName("tool", name, [*error.known, *self.granted]) from None
        except EvolventError as error:
            raise GuestError("ToolFailed", f"the tool {name!r} cannot be had here: {error}") from error
        except Exception as error:
            raise GuestError(
                "ToolFailed", f"the tool {name!r} could not be made: {error_text(error)}"
            ) from error

    def _call(self, tool: OfferedTool, arguments: dict[str, JsonValue]) -> ToolCall:
        return ToolCall(
            tool=tool.name, arguments=arguments, touches=tool.touches, run_id=self.run_id, mode=self.mode
        )

    def _admit(self, call: ToolCall) -> None:
        """Let the policy file, the guards and a person decide.

        Raises:
            GuestError: one of them says no.
        """
        ruling = self.policy.rule(call)
        if ruling.permission == "deny":
            raise GuestError("ToolDenied", f"{call.tool!r} is denied: {ruling.reason}")
        decision = self.review(call)
        if decision.verdict not in ("approve", "escalate"):
            raise GuestError("ToolRejected", f"{decision.by} rejects {call.tool!r}: {decision.reason}")
        if decision.verdict == "escalate":
            self._ask(call, f"{decision.by}: {decision.reason}")
        elif ruling.permission == "ask":
            self._ask(call, ruling.reason)
        if self.policy.rule(call).permission == "deny":
            raise GuestError("ToolDenied", f"{call.tool!r} is denied")

    def _ask(self, call: ToolCall, reason: str, again: str = "") -> None:
        subject = call.model_dump(mode="json", include={"tool", "arguments", "touches"})
        if subject["touches"] is not None:
            subject["touches"] = sorted(subject["touches"])
        decision = self.ask(self.place() + again, "tool_call", subject, reason)
        if decision.verdict != "approve":
            raise GuestError("ToolRejected", f"{call.tool!r} was not approved: {decision.reason}")

    def _once(self, call: ToolCall) -> None:
        """Write down that a call with effects is about to be made; ask before it may be made a second time."""
        place, run = self.place(), self.run_id
        begun = self.effects.begun(place)
        if begun:
            reason = "the run was interrupted while it made this call: it may have taken effect already"
            self._ask(call, reason, again=f":again{begun}")
        elif self.diverged() and self.effects.begun_in(place.rpartition(":")[0].rpartition(":")[0]):
            reason = "the agent goes another way than before it was interrupted: it may have made this call already"
            self._ask(call, reason, again=":diverged")
        self.effects.begin(place, run, call.tool)

    def _invoke(self, tool: OfferedTool, arguments: Any) -> JsonValue:
        (outcome,) = RELAY.run([Call(lambda: _run(tool.tool, arguments), self.seconds)])
        if isinstance(outcome.error, TookTooLong):
            raise GuestError("ToolFailed", f"{tool.name!r} {outcome.error} (EVOLVENT_TOOL_SECONDS)")
        if outcome.error is not None:
            _log.info("tool %s failed", tool.name, exc_info=outcome.error)
            raise GuestError("ToolFailed", f"{tool.name!r} failed: {error_text(outcome.error)}")
        try:
            text = json.dumps(_plain(outcome.value), allow_nan=False)
        except Exception as error:  # what a plugin made: a cycle, a set, a model that cannot be dumped
            told = error_text(error)
            raise GuestError(
                "ToolFailed", f"{tool.name!r} answered something that is not JSON: {told}"
            ) from error
        if len(text) > MAX_RESULT:
            raise GuestError(
                "ToolFailed",
                f"{tool.name!r} answered {len(text)} characters; at most {MAX_RESULT} are passed on",
            )
        made: JsonValue = json.loads(text)
        return made


def _run(tool: BaseTool, arguments: dict[str, Any]) -> Any:
    """Run a tool with exactly the arguments that were reviewed.

    Not by `invoke`: it unpacks arguments that look like a tool call of a model, `{"type": "tool_call", "args": ...}`.
    """
    if getattr(tool, "func", tool) is None and getattr(tool, "coroutine", None) is not None:
        import asyncio

        return asyncio.run(tool.arun(arguments))  # a tool that is only async
    return tool.run(arguments)


def _checked(tool: OfferedTool, arguments: dict[str, JsonValue]) -> dict[str, Any]:
    """Return the arguments if they fit the tool's schema.

    Raises:
        UsageError: they do not.
    """
    schema = tool.tool.args_schema
    if isinstance(schema, dict):
        import jsonschema
        from referencing import Registry

        bare = _without_patterns(schema)
        kind = jsonschema.validators.validator_for(bare, default=jsonschema.Draft202012Validator)
        found = kind(bare, registry=Registry()).iter_errors(arguments)  # an own registry: nothing is fetched
        faults = [f"{fault.json_path}: {fault.message[:300]}" for fault in islice(found, 5)]
    else:
        faults = _pydantic_faults(tool.tool, arguments)
    if faults:
        raise UsageError(f"the arguments of {tool.name!r} do not fit: {'; '.join(faults[:5])}")
    return arguments


def _without_patterns(schema: Any, names: bool = False) -> Any:
    """Return a schema without regular expressions: some take for ever on a text that a guest chooses.

    Args:
        schema: a JSON schema, or a part of one.
        names: whether its keys are names of properties, not keywords.
    """
    if isinstance(schema, dict):
        return {
            key: _without_patterns(part, names=not names and key in ("properties", "$defs", "definitions"))
            for key, part in schema.items()
            if names or key not in ("pattern", "patternProperties", "format")
        }
    return [_without_patterns(part) for part in schema] if isinstance(schema, list) else schema


def _pydantic_faults(tool: BaseTool, arguments: dict[str, JsonValue]) -> list[str]:
    schema: Any = tool.tool_call_schema  # without what LangChain would inject
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return []  # a schema of pydantic 1: the tool checks by itself when it is run
    fields = schema.model_fields
    twice = [key for key, field in fields.items() if field.alias and {key, field.alias} <= arguments.keys()]
    known = {name for key, field in fields.items() for name in (key, field.alias) if name}
    allowed = ", ".join(sorted(known)) or "none"
    faults = [f"{key!r} is given by two names" for key in twice if fields[key].alias != key]
    faults += [f"{name!r} is no argument; arguments: {allowed}" for name in arguments if name not in known]
    try:
        schema.model_validate(arguments)
    except ValidationError as error:
        faults += [
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
    return faults


def _schema(tool: BaseTool) -> JsonValue:
    schema = tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_jsonschema()
    made: JsonValue = json.loads(json.dumps(schema))
    return made


def _plain(value: Any) -> Any:
    """Return what a tool answered as JSON values where there is an obvious way."""
    from langchain_core.messages import BaseMessage

    if isinstance(value, BaseMessage):
        return value.text
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
