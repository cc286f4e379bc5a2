"""Routing with the real embedder: the right skill, and none when nothing fits."""

import shutil

import pytest

from evolvent.library import Router, SkillStore
from evolvent.library.format import draft
from evolvent.search import VectorIndex
from evolvent.types import SkillCase


def build(folder, minilm, skill, report):
    store = SkillStore(folder / "skills")
    words = ("abc", "xyz")
    cases = tuple(SkillCase(question=f"Spell this word backward: {w}", expected=w[::-1]) for w in words)
    store.add(skill.model_copy(update={"cases": cases}), report)
    return store, VectorIndex(folder / "chroma", "skills", lambda: minilm, "all-minilm-l6-v2")


@pytest.fixture(scope="module")
def library(tmp_path_factory, minilm, propose, admitted):
    """The seed skills and spell-backward, embedded once for all tests."""
    folder = tmp_path_factory.mktemp("library")
    skill = draft(propose())
    store, index = build(folder, minilm, skill, admitted(skill))
    Router(store, index).refresh()
    index.close()
    return folder


@pytest.fixture
def routed(tmp_path, library, minilm):
    shutil.copytree(library, tmp_path, dirs_exist_ok=True)
    store = SkillStore(tmp_path / "skills")
    index = VectorIndex(tmp_path / "chroma", "skills", lambda: minilm, "all-minilm-l6-v2")
    yield store, Router(store, index)
    index.close()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("Spell this word backward: ammonia", "spell-backward"),
        ("Convert 1994 to a Roman numeral.", "roman-numerals"),
        ("What year is MDCCLXXVI?", "roman-numerals"),
        ("How many days are there between 2024-01-01 and 2024-12-24?", "date-difference"),
        ("how far is 12 miles in kilometers", "unit-conversion"),
    ],
)
def test_the_fitting_skill_comes_first(routed, query, name):
    _, router = routed
    hit = router.search(query, 2)[0]
    assert (hit.name, hit.callable) == (name, True)
    assert hit.similarity >= 0.35


@pytest.mark.parametrize(
    "query",
    ["Who painted the Mona Lisa?", "Please write a polite letter to my landlord.", "How do vaccines work?"],
)
def test_abstains_when_nothing_is_near(routed, query):
    _, router = routed
    assert router.search(query) == []


def test_a_retired_skill_is_no_longer_found(routed):
    store, router = routed
    assert router.search("Spell this word backward: ammonia")[0].name == "spell-backward"
    store.retire("spell-backward", "test")
    assert "spell-backward" not in [hit.name for hit in router.search("Spell this word backward: ammonia")]


def test_the_end_of_a_long_body_is_indexed(routed, propose, admitted):
    store, router = routed
    body = "\n\n".join(f"Paragraph {n} about filing paper forms in an office." for n in range(200))
    skill = draft(
        propose(name="forms", description="Forms.", body=body + "\n\nHow to tune a violin's strings.")
    )
    store.add(skill, admitted(skill))
    hit = router.search("tuning the strings of a violin", 1)[0]
    assert hit.name == "forms"
    assert hit.similarity > 0.5


def test_an_empty_library_never_loads_the_embedder(tmp_path):
    def refuse():
        raise AssertionError("the embedder was loaded")

    store = SkillStore(tmp_path / "skills", seeds=None)
    assert Router(store, VectorIndex(tmp_path / "chroma", "skills", refuse)).search("anything") == []
