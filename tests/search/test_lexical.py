"""BM25 over documents that come and go."""

import random

import bm25s
import numpy as np
import pytest

from evolvent.search.lexical import K1, B, LexicalIndex, tokens

VOCABULARY = [f"term{n}" for n in range(300)]


def documents(count, seed=0):
    rng = random.Random(seed)
    return {f"d{n:04}": " ".join(rng.choices(VOCABULARY, k=rng.randint(5, 60))) for n in range(count)}


def filled(texts, **options):
    index = LexicalIndex(**options)
    for doc_id, text in texts.items():
        index.put(doc_id, text)
    return index


def test_ranks_like_bm25s_itself():
    texts = documents(300)
    index = filled(texts, tail_min=0)
    reference = bm25s.BM25(k1=K1, b=B, method="lucene")
    reference.index([tokens(text) for text in texts.values()], show_progress=False)
    for query in (["term3", "term7"], ["term100"], ["term5", "term250", "term17"]):
        scores = reference.get_scores(query)
        expected = [list(texts)[i] for i in np.argsort(-scores, kind="stable")[:10] if scores[i] > 0]
        assert index.top(" ".join(query), 10) == expected


def test_documents_of_the_tail_rank_as_after_a_rebuild():
    texts = documents(500)
    lazy = filled({}, tail_min=50, tail_share=0.0)
    for doc_id, text in list(texts.items())[:460]:
        lazy.put(doc_id, text)
    lazy.top("term1", 1)
    for doc_id, text in list(texts.items())[460:]:
        lazy.put(doc_id, text)
    eager = filled(texts, tail_min=0)
    agreeing = [
        len(set(lazy.top(f"{a} {b}", 10)) & set(eager.top(f"{a} {b}", 10)))
        for a, b in zip(VOCABULARY[:100], VOCABULARY[100:200], strict=True)
    ]
    assert np.mean(agreeing) > 9.3


def test_a_dropped_document_is_never_found():
    texts = documents(100)
    index = filled(texts, tail_min=0)
    index.top("term1", 5)
    gone = index.top("term1 term2", 3)
    lazily = index
    lazily._tail_min = 1_000
    for doc_id in gone:
        lazily.drop(doc_id)
    assert not set(gone) & set(lazily.top("term1 term2", 50))


def test_a_replaced_document_is_found_by_its_new_words_only():
    index = filled({"a": "apple", "b": "banana"}, tail_min=0)
    assert index.top("apple", 5) == ["a"]
    index.put("a", "cherry")
    assert index.top("apple", 5) == []
    assert index.top("cherry", 5) == ["a"]


@pytest.mark.parametrize("query", ["", "   ", "the of and", "unknownword", "!?"])
def test_a_query_without_known_words_finds_nothing(query):
    assert filled({"a": "apple pie", "b": "the banana"}).top(query, 5) == []


def test_empty_documents_do_no_harm():
    index = filled({"a": "", "b": "the", "c": "apple"}, tail_min=0)
    assert index.top("apple", 5) == ["c"]
