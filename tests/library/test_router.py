"""Routing with the real embedder: the right skill, and none when nothing fits."""

import shutil

import pytest

from evolvent.library import Router, SkillStore
from evolvent.library.format import draft
from evolvent.library.router import SkillFilter
from evolvent.search import VectorIndex
from evolvent.search.config import RetrievalConfig
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


def many(propose, admitted, store, count=4):
    for n in range(count):
        skill = draft(
            propose(name=f"spell-{n}", description=f"Spells a word backward, way {n}.", script=None)
        )
        store.add(skill, admitted(skill))


def test_only_skills_that_pass_the_filter_are_found(store, router, propose, admitted):
    many(propose, admitted, store)
    script = draft(propose())
    store.add(script, admitted(script))
    query = "Spells a word backward"
    assert {h.callable for h in router.search(query)} == {True, False}
    assert [h.name for h in router.search(query, where=SkillFilter(callable=True))] == ["spell-backward"]
    assert not any(h.callable for h in router.search(query, where=SkillFilter(callable=False)))
    only = SkillFilter(names=frozenset({"spell-2"}))
    assert [h.name for h in router.search(query, where=only)] == ["spell-2"]
    assert router.search(query, where=SkillFilter(origin="elsewhere")) == []


def test_utility_decides_between_skills_that_fit_alike_and_only_there(store, index, propose, admitted):
    many(propose, admitted, store)
    far = draft(
        propose(name="violins", description="Tunes the strings of violins.", body="# Tune", script=None)
    )
    store.add(far, admitted(far))

    def worth(skills):
        return {n: (200.0, 1.0) if n in ("spell-3", "violins") else (1.0, 200.0) for n, _ in skills}

    query = "Spells a word backward, way"
    config = RetrievalConfig(mmr_lambda=1.0, utility_weight=0.05)
    router = Router(store, index, -1.0, utility=worth, config=config)
    names = [hit.name for hit in router.search(query, 5)]
    assert names[0] == "spell-3"
    assert names[-1] == "violins"
    plain = {hit.name: hit.score for hit in Router(store, index, -1.0, config=config).search(query, 5)}
    for hit in router.search(query, 5):
        assert abs(hit.score - plain[hit.name]) <= 0.05 * plain[hit.name] + 1e-12


def test_draws_are_the_same_for_the_same_question_and_seed(store, index, propose, admitted):
    many(propose, admitted, store, 8)
    config = RetrievalConfig(utility_weight=0.25)

    def order(seed):
        router = Router(store, index, -1.0, utility=lambda _: {}, seed=seed, config=config)
        return [[hit.name for hit in router.search("word backward" + " again" * n)] for n in range(6)]

    assert order(0) == order(0) != order(1)


def test_what_is_chosen_after_the_best_is_different(store, index, propose, admitted):
    many(propose, admitted, store, 4)
    other = draft(propose(name="reverse-words", description="Puts the words of a sentence backward."))
    store.add(other, admitted(other))
    query = "Spells a word backward"
    diverse = Router(store, index, -1.0, config=RetrievalConfig(mmr_lambda=0.1)).search(query, 2)
    alike = Router(store, index, -1.0, config=RetrievalConfig(mmr_lambda=1.0)).search(query, 2)
    assert diverse[0].name == alike[0].name
    assert diverse[1].name == "reverse-words" != alike[1].name


def test_a_change_of_one_skill_does_not_read_the_others(store, index, propose, admitted, monkeypatch):
    many(propose, admitted, store)
    router = Router(store, index)
    router.refresh()
    monkeypatch.setattr(store, "list", None)
    new = draft(propose(name="violins", description="Tunes the strings of violins."))
    store.add(new, admitted(new))
    assert router.search("Tunes the strings of violins")[0].name == "violins"
    store.retire("violins", "test")
    assert "violins" not in [hit.name for hit in router.search("Tunes the strings of violins")]
