"""Cut texts so that an embedder sees all of them: models read only the first few hundred word pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

__all__ = ["PASSAGE_BREAK", "KnowsItsWindow", "chunks"]

PASSAGE_BREAK = "\f"
"""A form feed in a document starts a passage of its own, which is never merged with its neighbours."""

FALLBACK_CHARS = 600
"""Characters of a chunk for an embedder that does not know its window: 256 word pieces of English text or
code are rarely fewer characters than this."""
OVERLAP = 60


@runtime_checkable
class KnowsItsWindow(Protocol):
    """An embedder that cuts texts by its own tokens; optional beside LangChain's `Embeddings`."""

    def split_text(self, text: str) -> list[str]:
        """Return pieces that each fit into the model's window and together cover the text."""
        ...


def chunks(text: str, embedder: Embeddings) -> list[str]:
    """Return the pieces of a text that are embedded one by one; nothing of the text is left out."""
    split = embedder.split_text if isinstance(embedder, KnowsItsWindow) else _by_chars
    return [
        piece for passage in text.split(PASSAGE_BREAK) if passage.strip() for piece in split(passage.strip())
    ]


def _by_chars(text: str) -> list[str]:
    """Cut at white space near every 600 characters, with an overlap."""
    pieces = []
    start = 0
    while len(text) - start > FALLBACK_CHARS:
        end = start + FALLBACK_CHARS
        space = max(text.rfind(" ", start + OVERLAP + 1, end), text.rfind("\n", start + OVERLAP + 1, end))
        end = space if space > 0 else end
        pieces.append(text[start:end])
        start = end - OVERLAP
    pieces.append(text[start:])
    return pieces
