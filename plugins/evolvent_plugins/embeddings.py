"""The default embedder, `all-minilm-l6-v2`."""

from __future__ import annotations

import threading
import weakref
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


_shared: weakref.WeakValueDictionary[str, Embeddings] = weakref.WeakValueDictionary()
_guard = threading.Lock()


def _create(settings: Settings) -> Embeddings:
    """Return the embedder; its model is loaded on first use, once for all runtimes that are open at a time."""
    from evolvent_plugins.minilm import NAME, MiniLMEmbeddings

    with _guard:
        found = _shared.get(NAME)
        if found is None:
            found = _shared[NAME] = MiniLMEmbeddings()
        return found
