"""How retrieval is set: kept as data, put back, and never in the way of opening a home."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.search.config import FEATURES, Calibration, ConfigFile, RetrievalConfig
from evolvent.search.fusion import fuse


def test_without_a_file_the_default_is_used(tmp_path):
    file = ConfigFile(tmp_path)
    assert (file.load(), file.previous(), file.problem) == (RetrievalConfig(), None, "")


def test_what_is_saved_is_read_and_can_be_put_back(tmp_path):
    file = ConfigFile(tmp_path)
    first, second = RetrievalConfig(k=3), RetrievalConfig(k=7)
    file.save(first)
    file.save(second)
    assert (file.load(), file.previous()) == (second, first)
    assert file.revert() == first
    assert (file.load(), file.previous(), file.revert()) == (first, None, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["retrieval.json"]


@pytest.mark.parametrize("text", ["", "{", '{"depth": 0}', '{"depht": 3}', "\x00\xff"])
def test_a_file_that_cannot_be_used_is_kept_and_reported(tmp_path, text):
    file = ConfigFile(tmp_path)
    file.path.write_text(text, encoding="latin-1")
    assert file.load() == RetrievalConfig()
    assert "retrieval.json cannot be used" in file.problem
    assert file.path.read_text(encoding="latin-1") == text


def test_a_calibration_of_an_earlier_version_is_replaced_with_its_threshold_and_reported(tmp_path):
    """Its weights are for other features, so its probabilities and the threshold for them mean something else."""
    old = Calibration(intercept=-5.8, weights={"similarity": 0.5, "least": 7.6, "ahead": 4.7})
    file = ConfigFile(tmp_path)
    file.path.write_text(RetrievalConfig(calibration=old, threshold=0.3, k=3).model_dump_json())
    assert file.load() == RetrievalConfig(k=3)
    assert "calibration.weights for ['ahead', 'least', 'similarity']" in file.problem
    file.save(RetrievalConfig(k=4))
    assert (file.load(), file.problem) == (RetrievalConfig(k=4), "")


features = st.fixed_dictionaries({name: st.floats(-10, 10) for name in FEATURES})


@given(features, st.floats(0, 5))
def test_a_probability_grows_with_similarity_and_stays_one(values, more):
    calibration = Calibration()
    low = calibration.probability(values)
    high = calibration.probability({**values, "similarity": values["similarity"] + more})
    assert 0 < low <= high < 1


ranking = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1)), unique_by=lambda p: p[0])


@given(ranking, ranking, st.sampled_from(["rrf", "weighted"]))
def test_fusion_keeps_every_document_and_no_other(dense, lexical, fusion):
    scores = fuse(dense, lexical, RetrievalConfig(fusion=fusion))
    assert set(scores) == {doc for doc, _ in [*dense, *lexical]}
    alone = fuse(dense, lexical, RetrievalConfig(fusion=fusion, lexical_weight=0.0))
    assert all(scores[doc] >= alone[doc] for doc in alone)
