"""A model that counts letters, so that everything can be tried without one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evolvent import Settings
from evolvent.errors import UnknownName, UsageError
from evolvent.types import ModelInfo

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class Counting:
    """Provides `counting:v1`."""

    def create(self, name: str, settings: Settings) -> BaseChatModel:
        """Return the model."""
        if name != "v1":
            raise UnknownName("model", f"counting:{name}", ["counting:v1"])
        from evolvent.testing import ScriptedModel

        return ScriptedModel(script=_answer)

    def models(self, settings: Settings) -> list[ModelInfo]:
        """Return the one model."""
        return [ModelInfo(ref="counting:v1", installed=True)]

    def pull(self, name: str, settings: Settings, progress: Callable[[int, int], None]) -> None:
        """Refuse: there is nothing to fetch."""
        raise UsageError("counting:v1 is part of the plugin; there is nothing to fetch")


def _answer(messages: Any, **_: Any) -> str:
    found = re.findall(r"the word (\w+)", str(messages[-1].content))
    return str(len(found[-1])) if found else "I only count letters."
