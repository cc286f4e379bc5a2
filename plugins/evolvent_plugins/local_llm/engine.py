"""The llama.cpp engine in this process: one server for each (file, threads, context), shared by models.

Repeatability. llama.cpp rounds differently when part of a prompt comes from its cache, because the rest is then
multiplied in batches of another shape; near ties between tokens then fall otherwise. So that an answer depends on
its own request only, a prompt is first read as a whole into an empty cache, and the answer then starts from that
cache, of which only the last token is read again. A prompt that was the last one to be read is not read
again: further answers to it, with other seeds say, cost no reading and are what they would have been alone.
`cache_prompt` gives this up and reuses any common beginning.
Flash attention is off: it adds up what is in the context in as many parts as there are threads, and sums of other
parts round differently too. Without it the number of threads changes the speed and no answer.

Nothing goes over the network: requests are function calls. The library still opens a loopback port of its
own, which is why a random API key closes it. `verbosity = -1` keeps llama.cpp from writing to stderr.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from evolvent.errors import MissingPrerequisite, ModelCallError

__all__ = ["Completion", "Engine", "EngineKey"]

Chunk = dict[str, Any]
BATCH_TOKENS = 256
"""Tokens of a prompt that are read between two looks at the clock."""


@dataclass(frozen=True)
class EngineKey:
    """What makes two models share one engine."""

    path: Path
    threads: int
    context: int


@dataclass(frozen=True)
class Completion:
    """One finished answer of the engine."""

    text: str
    finish_reason: str
    """`stop` or `length`."""
    prompt_tokens: int
    """The whole prompt, the cached part included."""
    cached_tokens: int
    completion_tokens: int
    timings: dict[str, float]


class Engine:
    """A loaded model file. Calls take turns: the engine has one slot."""

    _shared: ClassVar[dict[EngineKey, Engine]] = {}
    _guard: ClassVar[threading.RLock] = threading.RLock()
    """Reentrant, because the garbage collector may release an engine while its thread acquires another."""

    def __init__(self, key: EngineKey) -> None:
        self.key = key
        self._turn = threading.Lock()
        self._users = 0
        self._served = False
        self._read: str | None = None
        self._server = _start_server(key)

    @classmethod
    def acquire(cls, key: EngineKey) -> Engine:
        """Return the engine for `key`, loading the file for its first user.

        Raises:
            MissingPrerequisite: the engine's package is not installed.
            ModelCallError: llama.cpp cannot load the file.
        """
        with cls._guard:
            engine = cls._shared.get(key)
            if engine is not None:
                engine._users += 1
                if engine._server is not None:
                    return engine
            engine = cls._shared[key] = cls(key)
            engine._users += 1
            return engine

    def release(self) -> None:
        """Give the engine back; the last user frees its memory."""
        with self._guard:
            self._users -= 1
            if self._users > 0:
                return
            if self._shared.get(self.key) is self:
                del self._shared[self.key]
        with self._turn:
            if not self._served and self._server is not None:
                # Freeing a server before its loop has begun waits for ever (a race in xllamacpp 2026.10):
                # one token goes through the loop first.
                self._server.handle_completions({"prompt": "a", "n_predict": 1})
            self._server = None

    def complete(
        self, request: dict[str, Any], timeout: float, on_text: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one chat-completions request.

        Args:
            request: as for OpenAI's endpoint; `max_tokens` bounds the answer.
            timeout: seconds, waiting for other calls included; looked at after each token, and after each
                stretch of 256 tokens of the prompt.
            on_text: gets the answer piece by piece.

        Raises:
            ModelCallError: the request is refused (it says why), or the time is up.
        """
        deadline = time.monotonic() + timeout
        if not self._turn.acquire(timeout=timeout):
            raise ModelCallError(
                f"the embedded model was busy for {timeout:g} s; raise EVOLVENT_MODEL_TIMEOUT"
            )
        try:
            if self._server is None:
                raise ModelCallError("the embedded model was closed; create it again")
            stream = _Stream(deadline, on_text)
            refusal = self._answer(request, stream)
        finally:
            self._turn.release()
        if stream.broken is not None:
            raise stream.broken
        if stream.late:
            raise ModelCallError(
                f"the embedded model did not finish within {timeout:g} s ({stream.pieces} pieces written); "
                "raise EVOLVENT_MODEL_TIMEOUT or lower max_tokens"
            )
        if refusal:
            raise ModelCallError(refusal)
        return stream.completion()

    def _answer(self, request: dict[str, Any], stream: _Stream) -> str:
        """Answer into `stream`; return why the request was refused, or "". Needs the turn."""
        if request.get("cache_prompt"):
            self._read = None
            return self._call(request, stream)
        prompt = json.dumps([request["messages"], request.get("response_format")], sort_keys=True)
        if self._read != prompt:
            self._read = None
            reading = _Stream(stream.deadline, None)
            refusal = self._call({**request, "max_tokens": 1, "cache_prompt": False}, reading)
            stream.late, stream.broken = reading.late, reading.broken
            if refusal or reading.late or reading.broken is not None:
                return refusal
            stream.before = reading.last
            self._read = prompt
        refusal = self._call({**request, "cache_prompt": True}, stream)
        if refusal:
            self._read = None
        return refusal

    def _call(self, request: dict[str, Any], stream: _Stream) -> str:
        options = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        try:
            answer = _interruptible(
                lambda: self._server.handle_chat_completions({**request, **options}, stream), stream
            )
        except (ValueError, RuntimeError) as error:
            return f"the embedded model refused the request: {error}"
        self._served = True
        refusal = (answer or stream.error or {}).get("error")
        return _explain(refusal, self.key.context) if refusal else ""


class _Stream:
    """Collects the chunks of one answer and says when to stop."""

    def __init__(self, deadline: float, on_text: Callable[[str], None] | None) -> None:
        self.deadline, self.on_text = deadline, on_text
        self.texts: list[str] = []
        self.finish_reason = ""
        self.last: Chunk = {}
        self.before: Chunk = {}
        """The last chunk of the call that read the prompt."""
        self.error: Chunk | None = None
        self.late = False
        self.stopped = False
        """Set from another thread to end the answer."""
        self.broken: BaseException | None = None

    @property
    def pieces(self) -> int:
        return len(self.texts)

    def __call__(self, chunk: Chunk | list[Chunk]) -> bool:
        """Take one chunk; True stops the engine. Exceptions would be swallowed by it, so they are kept."""
        try:
            for item in chunk if isinstance(chunk, list) else [chunk]:
                self._take(item)
        except BaseException as error:  # raised again by Engine.complete
            self.broken = error
            return True
        if not self.finish_reason and time.monotonic() > self.deadline:
            self.late = True
        return self.late or self.stopped

    def _take(self, chunk: Chunk) -> None:
        if "error" in chunk:
            self.error = chunk
        for choice in chunk.get("choices", ()):
            text = choice.get("delta", {}).get("content")
            if text:
                self.texts.append(text)
                if self.on_text is not None:
                    self.on_text(text)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if "usage" in chunk:
            self.last = chunk

    def completion(self) -> Completion:
        usage = self.last.get("usage")
        if not usage:
            raise ModelCallError("the embedded model ended its answer without saying what it used")
        timings = dict(self.last.get("timings", {}))
        reading = self.before.get("timings")
        if reading:
            timings["prompt_ms"] = timings.get("prompt_ms", 0.0) + reading.get("prompt_ms", 0.0)
        cached = (self.before or self.last)["usage"].get("prompt_tokens_details", {}).get("cached_tokens", 0)
        return Completion(
            text="".join(self.texts),
            finish_reason=self.finish_reason,
            prompt_tokens=usage["prompt_tokens"],
            cached_tokens=cached,
            completion_tokens=usage["completion_tokens"],
            timings=timings,
        )


def _interruptible(call: Callable[[], Any], stream: _Stream) -> Any:
    """Make a native call so that Ctrl-C ends it.

    Python raises KeyboardInterrupt in the main thread, and if that is inside the stream's callback, the engine
    swallows it. So the main thread waits beside the call instead of making it.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:  # raised again in the main thread
            outcome.set_exception(error)

    threading.Thread(target=run, name="evolvent-local-call", daemon=True).start()
    try:
        return outcome.result()
    except BaseException:
        stream.stopped = True
        wait([outcome])
        raise


def _start_server(key: EngineKey) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        # The wheel brings everything but the compiler's runtime, which a minimal system may lack.
        lacking = next((name for name in ("libgomp", "libstdc++") if name in str(error)), "")
        packages = {"libgomp": "libgomp1", "libstdc++": "libstdc++6"}
        command = f"apt-get install {packages[lacking]}" if lacking else "pip install xllamacpp"
        raise MissingPrerequisite(
            f"the engine of embedded models cannot be imported: {error}", command
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(key.path)
    params.n_ctx, params.n_parallel = key.context, 1
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    for cpu in (params.cpuparams, params.cpuparams_batch):
        # Waiting threads sleep: with polling, two busy cores bring decoding from 16 to 3 tokens a second.
        cpu.n_threads, cpu.poll = key.threads, 0
    params.hostnames, params.api_keys = ["127.0.0.1"], [secrets.token_urlsafe(32)]
    params.ui = params.endpoint_slots = params.warmup = False
    params.verbosity = -1
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    # By default it keeps up to 8 GiB of old prompts in memory, and would restore them.
    params.cache_ram_mib, params.cache_idle_slots = 0, False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelCallError(f"llama.cpp cannot load {key.path}: {error}") from error


def _explain(error: Any, context: int) -> str:
    if not isinstance(error, dict):
        return f"the embedded model refused the request: {error!r}"
    if error.get("type") == "exceed_context_size_error":
        return (
            f"the prompt has {error.get('n_prompt_tokens')} tokens, but the embedded model's context is "
            f"{context}; shorten it or raise EVOLVENT_MODEL_CONTEXT"
        )
    return f"the embedded model refused the request: {error.get('message', error)}"
