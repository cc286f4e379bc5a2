"""Calling a chat model: retries, time-outs, structured answers, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tenacity import RetryError, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from evolvent.broker.requests import CompleteRequest
from evolvent.errors import EvolventError, GuestError, MissingPrerequisite, ModelCallError
from evolvent.types import JsonValue, Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

__all__ = ["ModelCaller"]

DEFAULT_MAX_TOKENS = 1024


class ModelCaller:
    """Answers `model.complete` with one LangChain chat model."""

    def __init__(
        self,
        model: BaseChatModel,
        ref: str,
        retries: int = 3,
        max_wait: float = 30.0,
        price: Callable[[str, Usage], float | None] = lambda _ref, _usage: None,
    ) -> None:
        """Wrap a model.

        Args:
            model: any LangChain chat model.
            ref: `provider:name`, for prices and messages.
            retries: further tries after a failure that may pass.
            max_wait: longest pause between two tries, in seconds.
            price: US dollars of a call, where somebody knows better than the public list.
        """
        self._model = model
        self._ref = ref
        self._retries = retries
        self._max_wait = max_wait
        self._own_price = price

    @property
    def ref(self) -> str:
        """`provider:name`."""
        return self._ref

    def complete(self, request: CompleteRequest, tokens_left: int | None) -> tuple[JsonValue, Usage]:
        """Ask the model.

        Args:
            request: a validated request.
            tokens_left: bounds the answer; None means unbounded.

        Returns:
            `{"text", "value", "usage"}` for the guest, and the usage.

        Raises:
            ModelCallError: the model did not answer, retries included; the same request may work later.
            GuestError: `kind="ModelRefused"`: this request will never work (too long, say); `kind="NotJson"`: a
                schema was given and the answer does not parse.
        """
        message = self._invoke(request, tokens_left)
        text = message.text if isinstance(message.text, str) else str(message.text)
        usage = self._usage(message)
        value: JsonValue = None
        if request.schema_ is not None:
            try:
                value = json.loads(text)
            except ValueError as error:
                raise GuestError("NotJson", f"the model did not write JSON: {text[:200]!r}") from error
        spent: dict[str, JsonValue] = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
        }
        return {"text": text, "value": value, "usage": spent}, usage

    def _invoke(self, request: CompleteRequest, tokens_left: int | None) -> AIMessage:
        messages = [(m.role, m.content) for m in request.messages]
        options = self._options(request, tokens_left)
        try:
            for attempt in Retrying(
                stop=stop_after_attempt(1 + self._retries),
                wait=wait_exponential(multiplier=0.5, max=self._max_wait),
                retry=retry_if_exception(_may_pass),
            ):
                with attempt:
                    return self._model.invoke(messages, **options)
        except RetryError as error:
            cause = error.last_attempt.exception()
            raise ModelCallError(
                f"the model {self._ref!r} failed {1 + self._retries} times; the last time: "
                f"{type(cause).__name__}: {str(cause)[:300]}"
            ) from cause
        except MissingPrerequisite:
            raise
        except Exception as error:
            raise GuestError(
                "ModelRefused", f"the model {self._ref!r} refused: {type(error).__name__}: {str(error)[:300]}"
            ) from error
        raise AssertionError("tenacity returns or raises")

    def _options(self, request: CompleteRequest, tokens_left: int | None) -> dict[str, Any]:
        limit = request.max_tokens or DEFAULT_MAX_TOKENS
        if tokens_left is not None:
            limit = max(1, min(limit, tokens_left))
        options: dict[str, Any] = {"max_tokens": limit}
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if request.seed is not None and "seed" in type(self._model).model_fields:
            options["seed"] = request.seed % 2**31
        if request.stop:
            options["stop"] = list(request.stop)
        if request.schema_ is not None:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": request.schema_},
            }
        return options

    def _usage(self, message: AIMessage) -> Usage:
        counted = message.usage_metadata
        if counted is None:
            return Usage(model_calls=1)
        usage = Usage(
            input_tokens=counted["input_tokens"], output_tokens=counted["output_tokens"], model_calls=1
        )
        return usage.model_copy(update={"dollars": self._price(usage)})

    def _price(self, usage: Usage) -> float:
        own = self._own_price(self._ref, usage)
        if own is not None:
            return own
        provider, _, name = self._ref.partition(":")
        if provider in ("local", "ollama", "scripted"):
            return 0.0
        from genai_prices import Usage as Counted
        from genai_prices import calc_price

        counted = Counted(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
        try:
            return float(calc_price(counted, model_ref=name, provider_id=provider).total_price)
        except LookupError:
            return 0.0


def _may_pass(error: BaseException) -> bool:
    """Whether a failure may pass by itself: connections, time-outs, overload, errors of the server."""
    if isinstance(error, EvolventError):
        return False
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in (408, 409, 425, 429) or status >= 500
    return (
        isinstance(error, (ConnectionError, TimeoutError))
        or "Timeout" in type(error).__name__
        or ("Connection" in type(error).__name__)
    )
