"""The default embedder, real."""

import subprocess
import sys

from evolvent.testing.embedder_conformance import WordEmbeddings, check_embedder


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
