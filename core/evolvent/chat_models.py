"""The chat model that the settings name."""

from __future__ import annotations

import contextlib

from evolvent.broker import ModelCaller
from evolvent.errors import UnknownName, UsageError
from evolvent.plugins import PluginHost
from evolvent.settings import Settings

__all__ = ["check_model", "open_model"]


def check_model(plugins: PluginHost, settings: Settings) -> tuple[str, str]:
    """Return provider and name of the model that the settings name.

    Raises:
        UsageError: it is not written as `provider:name`.
        UnknownName: nobody registered the provider, or it does not have the model.
    """
    provider, colon, name = settings.model.partition(":")
    if not colon or not name:
        raise UsageError(
            f"{settings.model!r} is no model; write provider:name, for example "
            "'local:qwen2.5-coder-1.5b' or 'openai:gpt-5-mini'; see `evolvent models list`"
        )
    known = [info.ref for info in plugins.models.get(provider).models(settings)]
    if known and settings.model not in known:
        raise UnknownName("model", settings.model, known)
    return provider, name


def open_model(plugins: PluginHost, settings: Settings, closing: contextlib.ExitStack) -> ModelCaller:
    """Load the model; what it holds is freed with `closing`.

    Raises:
        MissingPrerequisite: it must be fetched first.
    """
    provider, name = check_model(plugins, settings)
    model = plugins.models.get(provider).create(name, settings)
    close = getattr(model, "close", None)
    if callable(close):
        closing.callback(close)
    return ModelCaller(model, settings.model, settings.model_retries, price=plugins.price)
