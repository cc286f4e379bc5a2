"""The embedded models as a LangChain chat model."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from evolvent.errors import ModelCallError
from evolvent_plugins.local_llm.engine import Completion, Engine, EngineKey

__all__ = ["LocalChatModel"]

PASSED_ON = ("temperature", "seed", "top_p", "top_k", "min_p", "response_format", "cache_prompt")


class LocalChatModel(BaseChatModel):
    """A GGUF file answered by llama.cpp in this process.

    Every field below but `path`, `threads` and `context` can also be given for one call, as in
    `model.invoke(messages, seed=1)` or `model.bind(temperature=0)`. `response_format` is `{"type":
    "json_schema", "json_schema": {"schema": …}}`: the answer is then held to the schema by a grammar.
    """

    path: Path
    """The model's file, already verified."""
    model_name: str
    """Name in the catalogue."""
    threads: int = Field(default=1, ge=1)
    context: int = Field(default=8192, ge=512)
    """Tokens of prompt and answer together."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds for one call."""
    temperature: float = Field(default=0.2, ge=0)
    max_tokens: int = Field(default=512, ge=1)
    """Tokens of one answer; there is always a bound."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampling; the same request with the same seed gets the same answer."""
    cache_prompt: bool = False
    """Whether to reuse any beginning that the prompt shares with the one before. It saves reading that part
    again, but rounds differently: the answer then depends on the call before. Without it, only a prompt
    that is the same as the one before is not read again, which changes nothing (see `engine.py`)."""

    _engine: Engine | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Load the file, or share it when it is loaded already.

        Raises:
            MissingPrerequisite: the engine's package is not installed.
            ModelCallError: llama.cpp cannot load the file.
        """
        super().model_post_init(context)
        self._engine = Engine.acquire(EngineKey(self.path, self.threads, self.context))
        self._finalizer = weakref.finalize(self, self._engine.release)

    _finalizer: Any = PrivateAttr(default=None)

    def close(self) -> None:
        """Free the engine unless another model uses it. May be called twice."""
        self._engine = None
        self._finalizer()

    @property
    def _llm_type(self) -> str:
        return "evolvent-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "temperature": self.temperature, "seed": self.seed}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "local", "ls_model_name": self.model_name, "ls_model_type": "chat"}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        done = self._complete(self._request(messages, stop, kwargs), kwargs)
        message = AIMessage(
            content=done.text, usage_metadata=_usage(done), response_metadata=self._metadata(done)
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        pieces: SimpleQueue[str | Completion | BaseException] = SimpleQueue()
        abandoned: list[bool] = []

        def on_text(text: str) -> None:
            if abandoned:
                raise ModelCallError("the stream was closed by its reader")
            pieces.put(text)

        def answer() -> None:
            try:
                pieces.put(self._complete(request, kwargs, on_text))
            except BaseException as error:  # raised again in the reader's thread
                pieces.put(error)

        worker = Thread(target=answer, name="evolvent-local-model", daemon=True)
        worker.start()
        try:
            while isinstance(piece := pieces.get(), str):
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
        finally:
            abandoned.append(True)
            worker.join()
        if isinstance(piece, BaseException):
            raise piece
        last = AIMessageChunk(
            content="", usage_metadata=_usage(piece), response_metadata=self._metadata(piece)
        )
        yield ChatGenerationChunk(message=last)

    def _complete(self, request: dict[str, Any], kwargs: dict[str, Any], on_text: Any = None) -> Completion:
        if self._engine is None:
            raise ModelCallError(f"the model 'local:{self.model_name}' was closed; create it again")
        return self._engine.complete(request, float(kwargs.get("timeout", self.timeout)), on_text)

    def _request(
        self, messages: list[BaseMessage], stop: Sequence[str] | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        unknown = set(kwargs) - {*PASSED_ON, "max_tokens", "timeout"}
        if unknown:
            allowed = ", ".join(sorted((*PASSED_ON, "max_tokens", "stop", "timeout")))
            raise ModelCallError(f"embedded models do not take {sorted(unknown)!r}; they take: {allowed}")
        request: dict[str, Any] = {
            "messages": convert_to_openai_messages(messages, text_format="string"),
            "temperature": self.temperature,
            "seed": self.seed,
            "cache_prompt": self.cache_prompt,
            "max_tokens": int(kwargs.get("max_tokens") or self.max_tokens),
        }
        request.update({name: kwargs[name] for name in PASSED_ON if kwargs.get(name) is not None})
        if stop:
            request["stop"] = list(stop)
        return request

    def _metadata(self, done: Completion) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "model_provider": "local",
            "finish_reason": done.finish_reason,
            "timings": done.timings,
        }


def _usage(done: Completion) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=done.prompt_tokens,
        output_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
        input_token_details={"cache_read": done.cached_tokens},
    )
