"""The one boundary that every effect of a guest crosses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from evolvent.broker.meter import BudgetSpent, Meter
from evolvent.broker.requests import REQUESTS
from evolvent.errors import GuestError, UnknownName, UsageError, error_text
from evolvent.storage import Journal, Ledger
from evolvent.storage.bait import Watch
from evolvent.types import BrokerAnswered, Frozen, JsonValue, ReplayDiverged, Step, Usage, digest

__all__ = ["Answered", "Broker", "Capability"]

Answered = tuple[JsonValue, Usage]
"""A capability's answer and what it cost."""
Capability = Callable[[Any], Answered]
"""Answers a validated request of one method."""

NAMED = frozenset({"tools.call", "skills.run"})
"""Requests whose parameter `name` says what is called."""


class Broker:
    """Answers the requests of one guest session: validates, budgets, journals and records each.

    An answer is stored before the guest hears it. A session that is started again under the same id gets the
    stored answers as long as it asks the same, so nothing is paid for or done twice.
    """

    def __init__(
        self,
        run_id: str,
        capabilities: Mapping[str, Capability],
        meter: Meter,
        journal: Journal,
        ledger: Ledger,
        watch: Watch | None = None,
        check: Callable[[], None] = lambda: None,
        model: Callable[[], str] = lambda: "",
    ) -> None:
        """Answer one session.

        Args:
            run_id: the run.
            capabilities: what answers, by method.
            meter: its budget.
            journal: of the session.
            ledger: told of each answer.
            watch: looks for texts that were planted on the host; None: nothing is looked for.
            check: raises where the run was asked to stop.
            model: names the model that was asked, for the ledger.
        """
        self._run_id = run_id
        self._capabilities = capabilities
        self._meter = meter
        self._journal = journal
        self._ledger = ledger
        self._watch = watch
        self._check = check
        self._model = model
        self._sequence = 0
        self._request_hash = ""
        self._one_at_a_time = threading.RLock()
        """A strategy may ask from several threads; a request has one place, and keeps it until it is answered."""
        self.diverged = False
        """Whether the guest asked something else than before it was interrupted."""
        self.steps: list[Step] = []
        """The trajectory so far."""
        self.exchanges: list[tuple[str, dict[str, JsonValue], JsonValue]] = []
        """Method, parameters and result of every request that was answered."""

    @property
    def run_id(self) -> str:
        """The run that it works for."""
        return self._run_id

    @property
    def session_id(self) -> str:
        """Names the session and its journal."""
        return self._journal.session_id

    @property
    def place(self) -> str:
        """Where in the session the current request is; a resumed session that asks the same again is there again."""
        return f"{self._journal.session_id}:{self._sequence}:{self._request_hash[:16]}"

    def begin_again(self) -> None:
        """Forget the requests so far, for a guest that starts anew: it hears the stored answers as if resumed."""
        with self._one_at_a_time:
            self._sequence, self._request_hash, self.diverged = 0, "", False
            self.steps.clear()
            self.exchanges.clear()

    def handle(self, method: str, params: dict[str, JsonValue]) -> JsonValue:
        """Answer one request.

        Raises:
            GuestError: the request is refused or failed; the guest gets `kind` and `message`.
            RunStopped: the run was asked to stop; nothing is done or journaled.
            EvolventError: the host cannot answer now (model down, sandbox lost); nothing is journaled, so the run
                can be resumed.
        """
        with self._one_at_a_time:
            return self._handle(method, params)

    def _handle(self, method: str, params: dict[str, JsonValue]) -> JsonValue:
        self._check()
        self._sequence += 1
        self._meter.requests += 1
        try:
            request_hash = self._request_hash = digest([method, params], 64)
        except (TypeError, ValueError, RecursionError) as fault:
            raise GuestError("UsageError", f"the request is not JSON: {error_text(fault, 300)}") from fault
        response = self._replayed(request_hash)
        if response is None:
            response = self._answer(method, params)
            if response.get("final"):
                event = self._event(method, params, response)
                request = {"method": method, "params": params}
                self._journal.record(self._sequence, request_hash, response, event, request)
        usage = Usage.model_validate(response["usage"])
        self._meter.charge(usage)
        error = response.get("error")
        summary = str(response["summary"])
        self.steps.append(Step(method=method[:64], summary=summary, usage=usage, ok=error is None))
        if error is not None:
            raise GuestError(error["kind"], error["message"])
        value: JsonValue = response["result"]
        self.exchanges.append((method, params, value))
        return value

    def _replayed(self, request_hash: str) -> dict[str, Any] | None:
        try:
            return self._journal.recall(self._sequence, request_hash)
        except LookupError:
            self._journal.cut(self._sequence)
            self.diverged = True
            key = f"diverged:{self._journal.session_id}:{self._sequence}:{request_hash[:16]}"
            self._ledger.append(
                ReplayDiverged(
                    key=key, run_id=self._run_id, attempt_id=self._journal.session_id, sequence=self._sequence
                )
            )
            return None

    def _answer(self, method: str, params: dict[str, JsonValue]) -> dict[str, Any]:
        """Return the response as it is journaled; `final` is false where asking again may end otherwise."""
        started = time.monotonic()
        try:
            self._meter.check()
            self._look_for_bait(method, params)
            request = self._validated(method, params)
            result, usage = self._capabilities[method](request)
        except BudgetSpent as error:
            return _refusal("BudgetSpent", str(error), final=False)
        except (UsageError, UnknownName) as error:
            return _refusal(type(error).__name__, str(error), final=True)
        except GuestError as error:
            return _refusal(error.kind, error.message, final=True)
        usage = usage.model_copy(update={"seconds": time.monotonic() - started})
        return {
            "result": result,
            "usage": usage.model_dump(),
            "summary": _summary(method, params, result),
            "final": True,
        }

    def _look_for_bait(self, method: str, params: dict[str, JsonValue]) -> None:
        """Refuse what holds a text that was planted on the host; the guest is not told why."""
        if self._watch is not None and self._watch.found(params, self._run_id, self._journal.session_id):
            raise GuestError("UsageError", f"the request {method[:64]!r} is refused")

    def _validated(self, method: str, params: dict[str, JsonValue]) -> Frozen:
        if method not in self._capabilities:
            raise UnknownName("request", method, self._capabilities)
        try:
            return REQUESTS[method].model_validate(params)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(str(part) for part in fault['loc']) or 'request'}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)[:5]
            )
            raise UsageError(f"{method} was not understood: {faults}") from error

    def _event(self, method: str, params: dict[str, JsonValue], response: dict[str, Any]) -> BrokerAnswered:
        name = params.get("name") if method in NAMED else None
        return BrokerAnswered(
            key=f"broker:{self._journal.session_id}:{self._sequence}",
            run_id=self._run_id,
            attempt_id=self._journal.session_id,
            method=method[:64],
            subject=self._model() if method == "model.complete" else str(name or "")[:200],
            ok="error" not in response,
            summary=response["summary"],
            usage=Usage.model_validate(response["usage"]),
        )


def _refusal(kind: str, message: str, *, final: bool) -> dict[str, Any]:
    return {
        "error": {"kind": kind, "message": message[:2000]},
        "usage": Usage().model_dump(),
        "summary": f"{kind}: {message}"[:300],
        "final": final,
    }


def _summary(method: str, params: dict[str, JsonValue], result: JsonValue) -> str:
    """Return what people see of a request: what was asked, what came back."""
    asked = params.get("name") or params.get("query") or params.get("text") or params.get("function") or ""
    if method == "model.complete" and isinstance(result, dict):
        asked, result = "", result.get("text")
    left = " ".join(str(asked).split())[:120]
    right = " ".join(str(result).split())[:160]
    return f"{left} → {right}" if left else right
