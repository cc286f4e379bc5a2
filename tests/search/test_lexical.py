"""BM25 over documents that come and go."""

import math
import random
from collections import Counter

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.search import lexical
from evolvent.search.lexical import K1, B, LexicalIndex, tokens

VOCABULARY = [f"term{n}" for n in range(300)]


def documents(count, seed=0):
    rng = random.Random(seed)
    return {f"d{n:04}": " ".join(rng.choices(VOCABULARY, k=rng.randint(5, 60))) for n in range(count)}


def filled(texts):
    index = LexicalIndex()
    for doc_id, text in texts.items():
        index.put(doc_id, text)
    return index


def test_ranks_like_bm25s_itself():
    texts = documents(300)
    index = filled(texts)
    reference = bm25s.BM25(k1=K1, b=B, method="lucene")
    reference.index([tokens(text) for text in texts.values()], show_progress=False)
    for query in (["term3", "term7"], ["term100"], ["term5", "term250", "term17"]):
        scores = reference.get_scores(query)
        expected = [list(texts)[i] for i in np.argsort(-scores, kind="stable")[:10] if scores[i] > 0]
        assert index.top(" ".join(query), 10) == expected


def naive(texts, query):
    """Return document -> share, by the formula."""
    held = {doc_id: Counter(tokens(text)) for doc_id, text in texts.items()}
    mean = sum(words.total() for words in held.values()) / (len(held) or 1) or 1.0
    asked = set(tokens(query))
    idf = {}
    for word in asked:
        frequency = sum(word in words for words in held.values())
        idf[word] = math.log(1 + (len(held) - frequency + 0.5) / (frequency + 0.5))
    scores = {}
    for doc_id, words in held.items():
        norm = K1 * (1 - B + B * words.total() / mean)
        score = sum(idf[word] * words[word] / (words[word] + norm) for word in asked & words.keys())
        if score:
            scores[doc_id] = score / sum(idf.values())
    return scores


def check(index, texts, query, depth=10):
    expected = naive(texts, query)
    found = index.scored(query, depth)
    assert len(found) == min(depth, len(expected))
    assert [share for _, share in found] == pytest.approx(
        sorted(expected.values(), reverse=True)[:depth], abs=1e-9
    )
    assert all(share == pytest.approx(expected[doc_id], abs=1e-9) for doc_id, share in found)


def test_shares_are_those_of_bm25s_for_thousands_of_documents():
    texts = documents(4_000, seed=5)
    index = filled(texts)
    reference = bm25s.BM25(k1=K1, b=B, method="lucene")
    reference.index([tokens(text) for text in texts.values()], show_progress=False)
    names, rng = list(texts), random.Random(6)
    for _ in range(100):
        words = rng.sample(VOCABULARY, 5)
        scores = reference.get_scores(words)
        most = sum(index.idf(word) for word in words)
        found = index.scored(" ".join(words), 50)
        order = np.argsort(-scores, kind="stable")
        assert [share for _, share in found] == pytest.approx(
            [scores[i] / most for i in order[:50]], abs=1e-6
        )
        reached = {names[i] for i in order if scores[i] / most > found[-1][1] + 1e-6}
        assert reached <= {doc_id for doc_id, _ in found}


WORDS = ["apple", "pie", "crust", "oven", "sugar"]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.integers(0, 12).map(str),
            st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
        ),
        st.tuples(st.just("drop"), st.integers(0, 12).map(str), st.just("")),
        st.tuples(st.just("ask"), st.just(""), st.lists(st.sampled_from([*WORDS, "none"])).map(" ".join)),
    ),
    max_size=60,
)


@given(steps=STEPS, block_words=st.sampled_from([3, 10, 1_000]), gone_min=st.sampled_from([0, 2, 64]))
def test_scores_are_those_of_the_documents_that_are_there(steps, block_words, gone_min):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "BLOCK_WORDS", block_words)
        patch.setattr(lexical, "GONE_MIN", gone_min)
        index, texts = LexicalIndex(), {}
        for step, doc_id, text in [*steps, ("ask", "", "apple oven")]:
            if step == "put":
                index.put(doc_id, text)
                texts[doc_id] = text
            elif step == "drop":
                index.drop(doc_id)
                texts.pop(doc_id, None)
            else:
                check(index, texts, text)


def test_many_changes_between_searches_leave_few_blocks_and_no_gone_rows():
    index, texts, rng = LexicalIndex(), {}, random.Random(2)
    for round_, (doc_id, text) in enumerate(documents(1_000).items()):
        index.put(doc_id, text)
        texts[doc_id] = text
        if round_ % 3 == 0:
            gone = rng.choice(sorted(texts))
            index.drop(gone)
            del texts[gone]
        if round_ % 50 == 0:
            check(index, texts, " ".join(rng.sample(VOCABULARY, 4)))
        else:
            index.top("term1", 1)
    assert len(index._blocks) <= 12
    assert len(index._ids) <= len(texts) / (1 - lexical.GONE_SHARE) + 1
    check(index, texts, "term1 term2 term3", depth=400)


def test_words_that_no_document_holds_are_forgotten():
    index = filled({f"d{n}": f"once{n} always" for n in range(300)})
    index.top("always", 1)
    for n in range(200):
        index.drop(f"d{n}")
    assert len(index.top("always", 500)) == 100
    assert sorted(index._numbers) == sorted(["always", *(f"once{n}" for n in range(200, 300))])


def test_equal_documents_are_ordered_by_id_at_any_depth():
    index = filled({f"d{n:03}": "apple pie" for n in random.Random(4).sample(range(300), 300)})
    assert index.top("apple", 7) == [f"d{n:03}" for n in range(7)]


def test_a_dropped_document_is_never_found():
    texts = documents(100)
    index = filled(texts)
    index.top("term1", 5)
    gone = index.top("term1 term2", 3)
    for doc_id in gone:
        index.drop(doc_id)
    assert not set(gone) & set(index.top("term1 term2", 50))


def test_a_replaced_document_is_found_by_its_new_words_only():
    index = filled({"a": "apple", "b": "banana"})
    assert index.top("apple", 5) == ["a"]
    index.put("a", "cherry")
    assert index.top("apple", 5) == []
    assert index.top("cherry", 5) == ["a"]


@pytest.mark.parametrize("query", ["", "   ", "the of and", "unknownword", "!?"])
def test_a_query_without_known_words_finds_nothing(query):
    assert filled({"a": "apple pie", "b": "the banana"}).top(query, 5) == []


def test_empty_documents_do_no_harm():
    index = filled({"a": "", "b": "the", "c": "apple"})
    assert index.top("apple", 5) == ["c"]
