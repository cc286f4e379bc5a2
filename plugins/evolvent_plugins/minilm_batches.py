"""Many texts through a BERT at once, without wasting the processor.

Almost all time goes into products of matrices: about 21 million multiplications and additions for each token of
all-MiniLM-L6-v2, a padding token as much as any other. So texts are sorted by length, a batch holds about
`BATCH_TOKENS` tokens, and processors that multiply bfloat16 do so. Batches go to two threads of our own with one torch
thread each: torch's own threads wait for each other in every layer, which on a busy machine is slower than one.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[np.float32]]

__all__ = ["BatchEncoder", "batches", "multiplies_bfloat16"]

BATCH_TOKENS = 1_024
"""Tokens of a batch, padding included: its activations stay in the processor's cache."""
WORKERS = 2


def batches(lengths: Sequence[int], tokens: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Yield the positions of texts in batches of like length, longest first.

    Args:
        lengths: tokens of each text.
        tokens: of a batch at most, padding included; a longer text is a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    at = 0
    while at < len(order):
        count = max(1, tokens // max(1, lengths[order[at]]))
        yield order[at : at + count]
        at += count


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; without them they would be slower than float32."""
    import torch

    return bool(torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported())  # type: ignore[no-untyped-call]  # torch's lack


class BatchEncoder:
    """Mean-pooled embeddings of length 1.

    Args:
        bert: the transformer; it is not changed.
        tokenizer: its tokenizer.
        window: tokens that it reads of a text, special ones included.
        bfloat16: whether weights and activations are rounded to it; the cosine to float32 stays above 0.999.
    """

    def __init__(self, bert: Any, tokenizer: Any, window: int, bfloat16: bool) -> None:
        import torch

        self._bert = copy.deepcopy(bert).to(torch.bfloat16).eval() if bfloat16 else bert
        self._tokenizer, self._window = tokenizer, window

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return (texts, size) float32 in the order of the texts."""
        import numpy as np

        found = self._tokenizer(list(texts), truncation=True, max_length=self._window)["input_ids"]
        work = list(batches([len(ids) for ids in found]))
        workers = max(1, min(WORKERS, len(work), os.cpu_count() or 1))
        with ThreadPoolExecutor(workers, "embed") as pool:
            parts = list(pool.map(lambda batch: self._one([found[i] for i in batch]), work))
        rows = np.empty((len(texts), parts[0].shape[1]), np.float32)
        for batch, part in zip(work, parts, strict=True):
            rows[batch] = part
        return rows

    def _one(self, batch: list[list[int]]) -> Rows:
        """Embed one batch; the first of it is the longest."""
        import torch

        from evolvent.search.threads import one_thread

        with one_thread(), torch.inference_mode():
            ids = torch.zeros((len(batch), len(batch[0])), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, own in enumerate(batch):
                ids[row, : len(own)] = torch.tensor(own)
                mask[row, : len(own)] = 1
            states = self._bert(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            rows: Rows = torch.nn.functional.normalize(means, dim=1).numpy()
            return rows
