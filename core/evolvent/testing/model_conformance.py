"""What every chat model and model provider must do; plugin authors call these in their tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from evolvent.errors import EvolventError, UsageError
from evolvent.protocols import ModelProvider
from evolvent.settings import Settings
from evolvent.testing.contract import require
from evolvent.types import ModelInfo

__all__ = ["check_chat_model", "check_model_list", "check_model_provider"]

MESSAGES = [SystemMessage("You answer with one word."), HumanMessage("Name a colour.")]


def check_chat_model(model: BaseChatModel, repeatable: bool = True) -> None:
    """Check a chat model against what the broker relies on.

    It answers messages with text and says what the call used, input and output tokens adding up to the total;
    `max_tokens` bounds the answer; the async and the streaming twin answer alike; options can be bound.

    Args:
        model: a model that answers; it is called eight times.
        repeatable: whether the same request with the same seed must get the same answer, whatever was asked
            in between.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    first = model.invoke(MESSAGES, seed=7, temperature=0.7, max_tokens=8)
    _check_answer(first)
    assert _tokens(first) <= 8, f"max_tokens=8 was given, but {_tokens(first)} tokens were written"
    other = model.bind(seed=8, max_tokens=4).invoke("Count from one to twenty.")
    assert _tokens(other) <= 4, "bound options are not used"
    again = model.invoke(MESSAGES, seed=7, temperature=0.7, max_tokens=8)
    if repeatable:
        assert again.text == first.text, f"one request, one seed, two answers: {first.text!r}, {again.text!r}"
    awaited = asyncio.run(model.ainvoke(MESSAGES, seed=7, temperature=0.7, max_tokens=8))
    _check_answer(awaited)
    _check_stream(model, first.text if repeatable else None)


def _check_answer(message: AIMessage) -> None:
    assert isinstance(message, AIMessage), f"the answer is {type(message).__name__}, not AIMessage"
    assert isinstance(message.text, str), "the answer has no text"
    usage = message.usage_metadata
    assert usage is not None, "the answer does not say what it used (usage_metadata)"
    assert usage["input_tokens"] > 0, f"a prompt was given, but input_tokens is {usage['input_tokens']}"
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"], f"{usage} does not add up"


def _check_stream(model: BaseChatModel, expected: str | None) -> None:
    chunks = list(model.stream(MESSAGES, seed=7, temperature=0.7, max_tokens=8))
    assert chunks, "the stream is empty"
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert expected is None or whole.text == expected, (
        f"streamed {whole.text!r}, but answered {expected!r} at once"
    )
    assert whole.usage_metadata is not None, "the stream does not say what it used (usage_metadata)"


def _tokens(message: AIMessage) -> int:
    assert message.usage_metadata is not None, "the answer does not say what it used (usage_metadata)"
    return message.usage_metadata["output_tokens"]


def check_model_provider(provider: ModelProvider, settings: Settings) -> None:
    """Check a provider without calling a model: its list is honest and unknown names are errors of ours.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    listed = check_model_list(provider, settings)
    _expect_error(
        UsageError, lambda: provider.pull("no-such-model-anywhere", settings, lambda done, total: None)
    )
    if listed:
        _expect_error(EvolventError, lambda: provider.create("no-such-model-anywhere", settings))


def check_model_list(
    provider: ModelProvider, settings: Settings, registered: str | None = None
) -> list[ModelInfo]:
    """Check and return what a provider lists: `provider:name` for each model, none twice.

    Args:
        provider: only its `models()` is called, which asks no network.
        settings: for it.
        registered: the name under which it is registered, which each reference must begin with.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    listed = provider.models(settings)
    require(isinstance(listed, list), f"models() returns {listed!r:.80}; it must return a list")
    for info in listed:
        require(isinstance(info, ModelInfo), f"models() lists {info!r:.80}; it must list ModelInfo")
        prefix, _, name = info.ref.partition(":")
        require(prefix and name, f"models() lists {info.ref!r}; a reference must be provider:name")
        require(
            registered in (None, prefix),
            f"models() lists {info.ref!r}, but the provider is {registered!r}; nobody could choose that model",
        )
    require(
        len({info.ref for info in listed}) == len(listed),
        "models() lists a model twice; it must list it once",
    )
    return listed


def _expect_error(kind: type[EvolventError], act: Callable[[], object]) -> None:
    try:
        act()
    except kind:
        return
    raise AssertionError(f"a model that does not exist raises no {kind.__name__}")
