"""The vector index: right, persistent, and rebuildable whatever happens to Chroma's folder."""

import logging
import os
import random
import sqlite3

import pytest

from evolvent.search import VectorIndex, dense
from evolvent.testing.embedder_conformance import WordEmbeddings


def documents(count, seed=0):
    rng = random.Random(seed)
    words = [f"word{n}" for n in range(400)]
    texts = {f"doc-{n}": " ".join([f"topic{n}", *rng.choices(words, k=30)]) for n in range(count)}
    return {doc_id: ("1", text, {"n": doc_id}) for doc_id, text in texts.items()}


@pytest.fixture
def open_index(tmp_path):
    opened = []

    def open_(embedder=None, name="words", kind="skills"):
        embedder = embedder or WordEmbeddings()
        opened.append(VectorIndex(tmp_path / "chroma", kind, lambda: embedder, name))
        return opened[-1]

    yield open_
    for index in opened:
        index.close()


def question(n):
    """A part of the text of a document, enough to find it by words and by direction."""
    return " ".join(documents(n + 1)[f"doc-{n}"][1].split()[:16])


def names(hits):
    return [hit.id for hit in hits]


def test_an_empty_index_answers_without_loading_the_embedder(tmp_path):
    def refuse():
        raise AssertionError("the embedder was loaded")

    index = VectorIndex(tmp_path / "chroma", "skills", refuse)
    index.sync({})
    assert index.search("anything") == []
    assert not (tmp_path / "chroma").exists()


def test_finds_by_meaning_and_words_with_similarities(open_index):
    index = open_index()
    index.sync(documents(50))
    best = index.search(question(17), 3)
    assert best[0].id == "doc-17"
    assert [hit.score for hit in best] == sorted((hit.score for hit in best), reverse=True)
    assert all(-1 <= hit.similarity <= 1.001 for hit in best)
    assert index.metadata("doc-17") == {"n": "doc-17"}


def test_only_the_difference_is_embedded(open_index):
    embedder = WordEmbeddings()
    index = open_index(embedder)
    index.sync(documents(30))
    first = embedder.calls
    index.sync({**documents(31), "doc-3": ("2", "changed entirely zebra", {})})
    assert embedder.calls == first + 2
    assert index.search("zebra", 1)[0].id == "doc-3"


def test_a_reopened_index_embeds_nothing_again(open_index):
    open_index().sync(documents(30))
    embedder = WordEmbeddings()
    again = open_index(embedder)
    again.sync(documents(30))
    assert embedder.calls == 0
    assert again.search(question(8), 1)[0].id == "doc-8"


def test_removed_documents_are_gone_after_reopening(open_index):
    index = open_index()
    index.sync(documents(10))
    fewer = {k: v for k, v in documents(10).items() if k != "doc-4"}
    index.sync(fewer)
    assert "doc-4" not in names(index.search(question(4), 10))
    index.close()
    again = open_index()
    again.sync(fewer)
    assert "doc-4" not in names(again.search(question(4), 10))


def test_another_embedder_rebuilds_the_index(open_index):
    open_index(name="words").sync(documents(10))
    wider = WordEmbeddings(size=128)
    again = open_index(wider, name="wider-words")
    again.sync(documents(10))
    assert wider.calls == 10
    assert again.search(question(5), 1)[0].id == "doc-5"


def test_queries_are_embedded_once(open_index):
    embedder = WordEmbeddings()
    index = open_index(embedder)
    index.sync(documents(5))
    before = embedder.calls
    assert index.search("topic1") == index.search("topic1")
    assert embedder.calls == before + 1


def test_the_end_of_a_long_text_is_seen(open_index):
    index = open_index()
    filler = " ".join(f"filler{n}" for n in range(2_000))
    end = " ".join(f"needle{n}" for n in range(30))
    index.sync({"long": ("1", f"{filler} {end}", {}), "other": ("1", filler, {})})
    best, other = index.search(end, 2)
    assert best.id == "long"
    assert best.similarity > 0.6 > 0.3 > other.similarity


def test_two_kinds_do_not_mix(open_index):
    skills, lessons = open_index(kind="skills"), open_index(kind="lessons")
    skills.sync({"a": ("1", "apple", {})})
    lessons.sync({"b": ("1", "apple", {})})
    assert (names(skills.search("apple")), names(lessons.search("apple"))) == (["a"], ["b"])


def overwrite(path):
    path.write_bytes(b"garbage" * 1_000)


def halve(path):
    os.truncate(path, path.stat().st_size // 2)


def segment(path, name):
    return next(path.parent.glob(f"*/{name}"))


DAMAGE = {
    "database overwritten": overwrite,
    "database truncated": halve,
    "database empty": lambda path: os.truncate(path, 0),
    "database deleted": lambda path: path.unlink(),
    "segment header deleted": lambda path: segment(path, "header.bin").unlink(),
    "segment pickle deleted": lambda path: segment(path, "index_metadata.pickle").unlink(),
    "segment pickle truncated": lambda path: halve(segment(path, "index_metadata.pickle")),
    "segment data truncated": lambda path: os.truncate(segment(path, "data_level0.bin"), 100),
    "segment data deleted": lambda path: segment(path, "data_level0.bin").unlink(),
    "segment links deleted": lambda path: segment(path, "link_lists.bin").unlink(),
}


@pytest.mark.parametrize("exact_limit", [0, 5_000], ids=["graph", "exact"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_rebuilt_and_nothing_is_lost(
    tmp_path, open_index, monkeypatch, damage, exact_limit
):
    monkeypatch.setattr(dense, "EXACT_LIMIT", exact_limit)
    wanted = documents(1_100)
    index = open_index()
    index.sync(wanted)
    index.close()
    DAMAGE[damage](tmp_path / "chroma" / "skills" / "chroma.sqlite3")
    again = open_index()
    again.sync(wanted)
    for n in (0, 3, 500, 1_099):
        assert again.search(question(n), 3)[0].id == f"doc-{n}"
    assert again._vectors.versions() == dict.fromkeys(wanted, "1")


def test_damage_while_the_index_is_open_is_mended_by_the_next_search(
    tmp_path, open_index, monkeypatch, caplog
):
    monkeypatch.setattr(dense, "EXACT_LIMIT", 0)
    index = open_index()
    index.sync(documents(1_100))
    index._vectors._collection._client.delete_collection("skills")
    with caplog.at_level(logging.WARNING):
        assert index.search(question(7), 1)[0].id == "doc-7"
    assert "rebuilt from its documents" in caplog.text
    assert (tmp_path / "chroma" / "skills.broken").is_dir()


def test_garbage_that_would_crash_the_process_is_noticed_before_it_is_opened(tmp_path, open_index, caplog):
    wanted = documents(1_100)
    index = open_index()
    index.sync(wanted)
    index.close()
    data = segment(tmp_path / "chroma" / "skills" / "chroma.sqlite3", "data_level0.bin")
    data.write_bytes(random.Random(0).randbytes(data.stat().st_size))
    again = open_index()
    again.sync(wanted)
    assert again.search(question(9), 1)[0].id == "doc-9"
    assert "a child process could not open it" in caplog.text


def test_a_folder_without_noted_hashes_is_tried_in_a_child_and_kept(tmp_path, open_index):
    wanted = documents(1_100)
    index = open_index()
    index.sync(wanted)
    index.close()
    (tmp_path / "chroma" / "skills" / "segments.json").unlink()
    embedder = WordEmbeddings()
    again = open_index(embedder)
    again.sync(wanted)
    assert embedder.calls == 0
    assert again.search(question(9), 1)[0].id == "doc-9"


def test_a_document_that_was_written_in_part_is_written_again(tmp_path, open_index):
    index = open_index()
    long = " ".join(f"filler{n}" for n in range(1_000))
    index.sync({"long": ("1", long, {})})
    index._vectors._collection.delete(ids=["long@1#2"])
    index.close()
    (tmp_path / "chroma" / "skills-embeddings.db").unlink()
    embedder = WordEmbeddings()
    again = open_index(embedder)
    again.sync({"long": ("1", long, {})})
    assert embedder.calls > 2
    assert again._vectors.versions() == {"long": "1"}


def test_the_graph_agrees_with_exact_search(open_index, monkeypatch):
    wanted = documents(1_500)
    exact = open_index(kind="exact")
    exact.sync(wanted)
    monkeypatch.setattr(dense, "EXACT_LIMIT", 0)
    graph = open_index(kind="graph")
    graph.sync(wanted)
    queries = [" ".join(text.split()[5:12]) for _, text, _ in list(wanted.values())[::30]]
    found = [len(set(names(exact.search(q))) & set(names(graph.search(q)))) / 5 for q in queries]
    assert sum(found) / len(found) >= 0.98


def test_a_damaged_index_is_rebuilt_without_the_embedder(tmp_path, open_index):
    wanted = documents(300)
    index = open_index()
    index.sync(wanted)
    index.close()
    overwrite(tmp_path / "chroma" / "skills" / "chroma.sqlite3")
    embedder = WordEmbeddings()
    again = open_index(embedder)
    again.sync(wanted)
    assert embedder.calls == 0
    assert again.search(question(9), 1)[0].id == "doc-9"


def test_one_more_document_costs_one_embedding(open_index):
    embedder = WordEmbeddings()
    index = open_index(embedder)
    index.sync(documents(30))
    before = embedder.calls
    index.update({"new": ("1", "zebra crossing", {})}, gone=["doc-3"])
    assert embedder.calls == before + 1
    assert index.search("zebra", 1)[0].id == "new"
    assert "doc-3" not in names(index.search(question(3), 30))


@pytest.fixture
def open_flat(open_index, monkeypatch):
    monkeypatch.setattr("evolvent.search.index.FLAT_FROM", 100)
    return open_index


FLAT_DAMAGE = {
    "overwritten": overwrite,
    "truncated": halve,
    "empty": lambda path: os.truncate(path, 0),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", FLAT_DAMAGE)
def test_a_large_library_survives_damage(tmp_path, open_flat, damage):
    wanted = documents(300)
    index = open_flat()
    index.sync(wanted)
    index.close()
    FLAT_DAMAGE[damage](tmp_path / "chroma" / "skills-flat" / "flat.db")
    embedder = WordEmbeddings()
    again = open_flat(embedder)
    again.sync(wanted)
    assert embedder.calls == 0
    for n in (0, 3, 150, 299):
        assert again.search(question(n), 3)[0].id == f"doc-{n}"


def test_a_changed_byte_in_a_large_library_is_noticed(tmp_path, open_flat):
    wanted = documents(300)
    index = open_flat()
    index.sync(wanted)
    index.close()
    path = tmp_path / "chroma" / "skills-flat" / "flat.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE documents SET data = zeroblob(length(data)) WHERE id = 'doc-5'")
    again = open_flat()
    again.sync(wanted)
    assert again.search(question(5), 1)[0].id == "doc-5"


def test_a_large_library_finds_what_a_small_one_finds(tmp_path, open_index, monkeypatch):
    wanted = documents(400)
    small = open_index(kind="small")
    small.sync(wanted)
    monkeypatch.setattr("evolvent.search.index.FLAT_FROM", 100)
    large = open_index(kind="large")
    large.sync(wanted)
    large.update({f"more-{n}": ("1", f"extra{n} thing{n}", {}) for n in range(300)})
    large.update({}, gone=[f"more-{n}" for n in range(300)])
    for query in [" ".join(text.split()[5:12]) for _, text, _ in list(wanted.values())[::20]]:
        near, far = small.search(query), large.search(query)
        assert names(near) == names(far)
        assert [h.similarity for h in near] == pytest.approx([h.similarity for h in far], abs=2e-3)


def test_a_sync_that_was_broken_off_is_made_up_for(open_index):
    index = open_index()
    index.sync(documents(10))

    def broken():
        yield "doc-3", ("2", "changed entirely zebra", {})
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        index.update(broken())
    index.update({})
    assert index.search("entirely changed zebra", 1)[0].id == "doc-3"
    assert index.search("entirely changed zebra", 1)[0].similarity > 0.9


def test_documents_are_taken_one_at_a_time(open_index):
    index = open_index()
    index.sync(iter(documents(20).items()))
    index.sync((doc_id, document) for doc_id, document in documents(15).items())
    assert len(index) == 15
    assert index.search(question(3), 1)[0].id == "doc-3"
    assert index.metadata("doc-17") == {}


def test_a_damaged_cache_of_embeddings_is_only_slower(tmp_path, open_index):
    index = open_index()
    index.sync(documents(30))
    index.close()
    overwrite(tmp_path / "chroma" / "skills-embeddings.db")
    overwrite(tmp_path / "chroma" / "skills" / "chroma.sqlite3")
    embedder = WordEmbeddings()
    again = open_index(embedder)
    again.sync(documents(30))
    assert embedder.calls == 30
    assert again.search(question(9), 1)[0].id == "doc-9"


def test_only_allowed_documents_are_found(open_index):
    index = open_index()
    index.sync(documents(200))
    hits = index.search(question(7), 5, allowed=lambda doc_id: int(doc_id[4:]) % 50 == 3)
    assert {hit.id for hit in hits} == {"doc-3", "doc-53", "doc-103", "doc-153"}
