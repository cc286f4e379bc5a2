"""A chat model that answers at once from a script: a test double for models, usable by plugin authors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import BaseModel, ConfigDict, PrivateAttr

from evolvent.errors import UsageError

__all__ = ["Script", "ScriptedCall", "ScriptedModel"]

Script = Sequence[str | BaseException] | Mapping[str, str] | Callable[[list[BaseMessage]], str]
"""Where the answers come from; see `ScriptedModel`."""

CHARACTERS_PER_TOKEN = 4


class ScriptedCall(BaseModel):
    """One call that the model got."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    messages: tuple[BaseMessage, ...]
    options: dict[str, Any]
    """Keyword arguments of the call, such as `temperature` and `seed`; `stop` when it was given."""
    answer: str

    @property
    def text(self) -> str:
        """The messages' texts, one after the other."""
        return _text(self.messages)


class ScriptedModel(BaseChatModel):
    """Answers without a model, instantly and repeatably.

    The script is one of

    - a **sequence**: the answers in order; an exception in it is raised instead of an answer;
    - a **mapping** of substrings: the first key, in the mapping's order, that occurs in the messages decides;
      the key `""` is the answer for everything else;
    - a **function** of the list of messages.

    ```python
    model = ScriptedModel(script=["first", "second"])
    model.invoke("hello").content      # "first"
    model.calls[0].text                # "hello"
    ```

    Usage is counted as one token for each four characters, rounded up. Calls may come from several threads.
    """

    script: Any
    """The script; see the class."""
    model_name: str = "scripted"

    _calls: list[ScriptedCall] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _next: int = PrivateAttr(default=0)

    @property
    def calls(self) -> tuple[ScriptedCall, ...]:
        """The calls so far, oldest first."""
        return tuple(self._calls)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "scripted", "ls_model_name": self.model_name, "ls_model_type": "chat"}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = self._answer(messages, stop, kwargs)
        message = AIMessage(
            content=answer,
            usage_metadata=_usage(messages, answer),
            response_metadata={"model_name": self.model_name, "finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._answer(messages, stop, kwargs)
        for word in answer.splitlines(keepends=True):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=_usage(messages, answer)))

    def _answer(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> str:
        with self._lock:
            answer = self._look_up(messages)
            for word in stop or ():
                answer = answer.split(word, 1)[0]
            options = {**kwargs, **({"stop": stop} if stop else {})}
            self._calls.append(ScriptedCall(messages=tuple(messages), options=options, answer=answer))
            return answer

    def _look_up(self, messages: list[BaseMessage]) -> str:
        if callable(self.script):
            return str(self.script(messages))
        if isinstance(self.script, Mapping):
            text = _text(messages)
            for key, answer in self.script.items():
                if key and key in text:
                    return str(answer)
            if "" in self.script:
                return str(self.script[""])
            raise UsageError(
                f"the script has no key that occurs in {text[-200:]!r}; it has {list(self.script)!r}. "
                "Add one, or the key '' for everything else"
            )
        if self._next >= len(self.script):
            raise UsageError(f"the script has {len(self.script)} answers, and this is call {self._next + 1}")
        answer = self.script[self._next]
        self._next += 1
        if isinstance(answer, BaseException):
            raise answer
        return str(answer)


def _text(messages: Sequence[BaseMessage]) -> str:
    return "\n".join(str(message.text) for message in messages)


def _usage(messages: list[BaseMessage], answer: str) -> UsageMetadata:
    given, written = (-(-len(text) // CHARACTERS_PER_TOKEN) for text in (_text(messages), answer))
    return UsageMetadata(input_tokens=given, output_tokens=written, total_tokens=given + written)
