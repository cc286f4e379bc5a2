"""The default embedder, `all-minilm-l6-v2`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evolvent.hookspecs import hookimpl
from evolvent.protocols import EmbedderFactory

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from evolvent.settings import Settings

__all__ = ["register_embedders"]


@hookimpl
def register_embedders(register: Callable[[str, EmbedderFactory], None]) -> None:
    """Register `all-minilm-l6-v2`."""
    register("all-minilm-l6-v2", _create)


def _create(settings: Settings) -> Embeddings:
    """Return the embedder; its model is loaded on first use."""
    from evolvent_plugins.minilm import MiniLMEmbeddings

    return MiniLMEmbeddings()
