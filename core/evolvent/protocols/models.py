"""Language models and embedders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from evolvent.types import ModelInfo

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

    from evolvent.settings import Settings

__all__ = ["EmbedderFactory", "ModelProvider"]


class ModelProvider(Protocol):
    """Makes chat models, and says which ones it has."""

    def create(self, name: str, settings: Settings) -> BaseChatModel:
        """Return the model; `name` is what follows `provider:`.

        Raises:
            UnknownName: the provider has no such model.
            MissingPrerequisite: the model must be fetched, or a package installed, first.
        """
        ...

    def models(self, settings: Settings) -> list[ModelInfo]:
        """Return the models that it can name; empty when only its service knows. Never asks a network."""
        ...

    def pull(self, name: str, settings: Settings, progress: Callable[[int, int], None]) -> None:
        """Fetch a model for use without a network; `progress(done_bytes, total_bytes)`. Idempotent.

        Raises:
            UnknownName: the provider has no such model.
            UsageError: this provider has nothing to fetch.
            IntegrityError: what was fetched is not what was promised; nothing of it is kept.
            MissingPrerequisite: no space, or no source could be reached.
        """
        ...


EmbedderFactory = Callable[["Settings"], "Embeddings"]
