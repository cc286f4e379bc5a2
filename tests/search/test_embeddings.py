"""The default embedder, real."""

import subprocess
import sys

import torch
from hypothesis import given
from hypothesis import strategies as st

from evolvent.testing.embedder_conformance import WordEmbeddings, check_embedder
from evolvent_plugins.minilm_batches import BatchEncoder, batches

SENTENCE = "sort the numbers of a list then give their sum in hexadecimal and say why 17 is prime"


def test_the_default_embedder_conforms(minilm):
    check_embedder(minilm)


def test_the_instant_embedder_conforms():
    check_embedder(WordEmbeddings())


def test_vectors_have_length_one(minilm):
    vector = minilm.embed_query("hello")
    assert len(vector) == 384
    assert abs(sum(x * x for x in vector) - 1) < 1e-4


def test_every_piece_fits_the_model_window(minilm):
    pieces = minilm.split_text("supercalifragilistic 漢字 1234567890 " * 300)
    sizes = [len(minilm._model.tokenizer(piece)["input_ids"]) for piece in pieces]
    assert max(sizes) <= minilm._model.max_seq_length


LAZY = """
import os, sys
from evolvent import Settings
from evolvent_plugins import embeddings

found = {}
embeddings.register_embedders(found.__setitem__)
embedder = found["all-minilm-l6-v2"](Settings())
assert not {"torch", "sentence_transformers", "transformers"} & set(sys.modules)
before = {key for key in os.environ if key.startswith(("HF_", "TRANSFORMERS_"))}
embedder.embed_query("x")
assert {key for key in os.environ if key.startswith(("HF_", "TRANSFORMERS_"))} == before
"""


def test_it_is_registered_lazily_quiet_and_leaves_the_environment_alone():
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_embedded_in_batches_is_what_full_precision_says(minilm):
    words = SENTENCE.split()
    texts = [" ".join(words[n % 7 :] * (1 + n % 11)) + f" {n}" for n in range(40)]
    exact = minilm._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    rows = minilm.embed_documents(texts)
    cosines = [
        sum(a * b for a, b in zip(row, full, strict=True)) for row, full in zip(rows, exact, strict=True)
    ]
    assert min(cosines) > 0.999


def test_rounded_weights_move_no_embedding_far(minilm):
    texts = ["Is 91 prime?", "x " * 300, "漢字", "def solve(parts): return sorted(parts)" * 9]
    model = minilm._model
    rows = BatchEncoder(model[0].auto_model, model.tokenizer, model.max_seq_length, bfloat16=True).encode(
        texts
    )
    exact = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    assert (rows * exact).sum(axis=1).min() > 0.99
    assert not any(p.dtype == torch.bfloat16 for p in model.parameters())


@given(lengths=st.lists(st.integers(2, 256), max_size=60), tokens=st.integers(1, 4096))
def test_batches_hold_each_text_once_and_keep_to_their_size(lengths, tokens):
    found = list(batches(lengths, tokens))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert lengths[batch[0]] == max(lengths[i] for i in batch)
        assert len(batch) == 1 or lengths[batch[0]] * len(batch) <= tokens
