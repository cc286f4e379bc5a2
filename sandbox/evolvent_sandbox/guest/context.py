"""What a guest program may ask the host for: the `ctx` of `solve(task, ctx)`."""

from __future__ import annotations

from types import MappingProxyType

from .encode import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Request = Callable[[str, dict[str, Any]], Any]

__all__ = ["BrokerError", "Context", "GiveUp"]


class GiveUp(Exception):
    """Raised by an agent program that will not answer; the message says why."""


class BrokerError(Exception):
    """The host refused a request or could not fulfil it; `kind` names the error there."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind, self.message = kind, message


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _record(value: Any) -> Any:
    if isinstance(value, dict):
        return Record((key, _record(item)) for key, item in value.items())
    if isinstance(value, list):
        return [_record(item) for item in value]
    return value


class Model:
    """The language model of the run."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def complete(
        self,
        messages: list[dict[str, str]],
        schema: dict[str, Any] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
        stop: list[str] | None = None,
    ) -> Any:
        """Return what the model wrote: `.text`, `.value` (parsed when `schema` is given), `.usage`.

        Raises:
            BrokerError: the budget is spent or the model did not answer.
        """
        answer = self._request(
            "model.complete",
            _given(
                messages=messages,
                schema=schema,
                temperature=temperature,
                max_tokens=max_tokens,
                seed=seed,
                stop=stop,
            ),
        )
        return Record(text=answer["text"], value=answer.get("value"), usage=answer.get("usage") or {})


class Skills:
    """The skill library."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def search(self, query: str, limit: int = 3) -> list[Any]:
        """Return hits with `.name`, `.description`, `.score`, `.similarity`, `.callable`, best first."""
        return list(_record(self._request("skills.search", {"query": query, "limit": limit})))

    def context(self, query: str, tokens: int = 800, callable: bool | None = None) -> Any:
        """Return what a prompt should say of the skills that fit: `.text`, and `.skills` with `.name` and `.level`.

        One line for each skill comes first, then whole bodies as long as the budget of tokens lasts. `callable`
        keeps only skills that have a script (True) or have none (False).
        """
        return _record(self._request("skills.context", _given(query=query, tokens=tokens, callable=callable)))

    def read(self, name: str) -> Any:
        """Return the skill: `.name`, `.description`, `.body`, `.script` (or None)."""
        return _record(self._request("skills.read", {"name": name}))

    def run(self, name: str, question: str) -> Any:
        """Run a skill's script in a sandbox of its own: `.applicable`, `.answer`, `.error`."""
        answer = self._request("skills.run", {"name": name, "question": question})
        return Record(applicable=answer["applicable"], answer=answer.get("answer"), error=answer.get("error"))


class Memory:
    """Lessons of earlier attempts."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def search(self, query: str, limit: int = 3) -> list[Any]:
        """Return lessons with `.text` and `.situation`, best first."""
        return list(_record(self._request("memory.search", {"query": query, "limit": limit})))


class Tools:
    """Tools that the host's owner allows."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def list(self) -> list[Any]:
        """Return tools that may be called: `.name`, `.description`, `.parameters`, `.permission` (allow or ask)."""
        return [_record(tool) for tool in self._request("tools.list", {})]

    def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """Return the tool's answer, a JSON value.

        Raises:
            BrokerError: `kind` is `UnknownName`, `UsageError`, `ToolDenied`, `ToolRejected` or `ToolFailed`.
        """
        return self._request("tools.call", {"name": name, "arguments": arguments})


class Context:
    """Everything that a guest program gets beside its task."""

    GiveUp = GiveUp
    BrokerError = BrokerError

    def __init__(self, request: Request, given: dict[str, Any]) -> None:
        self._request = request
        self.model = Model(request)
        self.skills = Skills(request)
        self.memory = Memory(request)
        self.tools = Tools(request)
        self.feedback = list(given.get("feedback") or [])
        self.seed = int(given.get("seed") or 0)
        self.parameters = MappingProxyType(dict(given.get("parameters") or {}))

    def run_python(
        self, source: str, function: str, calls: list[list[Any]], wall_seconds: float | None = None
    ) -> list[Any]:
        """Call `function(*args)` of `source` for each `args` of `calls`, in a sandbox of its own.

        Returns one result a call: `.outcome`, `.value`, `.error`, `.line`, `.stdout`, `.seconds`.
        """
        params = _given(source=source, function=function, calls=calls, wall_seconds=wall_seconds)
        return [_shallow(result) for result in self._request("run_python", params)]

    def budget(self) -> Any:
        """Return what is left: `.tokens_left`, `.seconds_left`, `.requests_left`."""
        return _record(self._request("budget", {}))

    def log(self, text: str) -> None:
        """Write a line into the run's trajectory."""
        self._request("log", {"text": str(text)})


def _shallow(result: Any) -> Any:
    return Record(result) if isinstance(result, dict) else result
