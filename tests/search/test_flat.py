"""The embeddings of large libraries, in one file and as bytes in memory."""

import sqlite3

import numpy as np
import pytest

from evolvent.search.dense import Chunk, DamagedIndex
from evolvent.search.flat import FlatVectors


def flat(tmp_path, count, size=64):
    vectors = FlatVectors(tmp_path / "flat", "test")
    rows = np.random.default_rng(0).normal(size=(2 * count, size)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors.add([Chunk(f"doc-{n // 2}", "1", n % 2, 2) for n in range(2 * count)], rows)
    return vectors, rows


def test_similarities_of_a_large_library_are_those_of_the_stored_rows(tmp_path):
    vectors, rows = flat(tmp_path, 3_000)
    exact = (rows @ rows[77]).reshape(-1, 2).max(axis=1)
    for depth in (1, 50, 1_500, 3_000):
        found = vectors.nearest(rows[77], depth)
        expected = np.sort(exact)[::-1][:depth]
        near, far = slice(0, 900), slice(900, None)
        scores = [score for _, score in found]
        assert len({document for document, _ in found}) == depth
        assert scores[near] == pytest.approx(expected[near], abs=3e-4)  # half precision
        assert scores[far] == pytest.approx(expected[far], abs=6e-3)
    assert vectors.nearest(rows[77], 1)[0][0] == "doc-38"


def test_a_large_library_is_searched_on_when_another_process_drops_a_document(tmp_path):
    vectors, rows = flat(tmp_path, 50)
    other = FlatVectors(tmp_path / "flat", "test")
    other.drop(["doc-7"])
    assert vectors.nearest(rows[14], 1)[0][0] == "doc-7"
    assert vectors.means(["doc-7", "unknown"])["doc-7"] == pytest.approx(rows[14:16].mean(axis=0), abs=0.01)
    assert other.nearest(rows[14], 50)[0][0] != "doc-7"


def test_a_byte_that_changes_while_a_large_library_is_open_is_noticed(tmp_path):
    vectors, rows = flat(tmp_path, 50)
    with sqlite3.connect(tmp_path / "flat" / "flat.db") as connection:
        connection.execute("UPDATE documents SET data = zeroblob(length(data)) WHERE id = 'doc-5'")
    with pytest.raises(DamagedIndex, match="'doc-5'"):
        vectors.nearest(rows[10], 5)


@pytest.mark.parametrize("size", [0, -3, 10**18, "many", None])
def test_a_length_that_cannot_be_is_damage(tmp_path, size):
    vectors, _ = flat(tmp_path, 50)
    vectors.close()
    with sqlite3.connect(tmp_path / "flat" / "flat.db") as connection:
        connection.execute("UPDATE documents SET size = ? WHERE id = 'doc-5'", (size,))
    with pytest.raises(DamagedIndex):
        FlatVectors(tmp_path / "flat", "test").versions()
