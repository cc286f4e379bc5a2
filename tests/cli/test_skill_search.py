"""`evolvent skills search|rebuild-index|tune` on a real home with the default embedder."""

import json

import pytest
from click.testing import Result
from typer.testing import CliRunner

from evolvent.cli.skills import app
from evolvent.held_library import held_library
from evolvent.search.config import ConfigFile, RetrievalConfig
from evolvent.settings import Settings
from evolvent.storage import Home

ROMAN = "Convert the number 1994 to a Roman numeral."


def evolvent(*args: str) -> Result:
    """Run the command in this process, where torch is imported once."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, args)


def test_a_search_says_what_fits_and_why() -> None:
    found = json.loads(evolvent("search", ROMAN, "--json").stdout)
    assert found[0]["name"] == "roman-numerals"
    assert found[0]["offered"]
    assert found[0]["how"] == "index"
    assert found[0]["similarity"] > 0.35
    everything = json.loads(evolvent("search", ROMAN, "--all", "--json").stdout)
    assert {hit["name"] for hit in everything} > {"roman-numerals"}
    assert not all(hit["offered"] for hit in everything)
    assert len(json.loads(evolvent("search", ROMAN, "--all", "--limit", "1", "--json").stdout)) == 1
    shown = evolvent("search", ROMAN)
    assert "probability" in shown.stdout
    assert "roman-numerals" in shown.stdout


def test_nothing_that_fits_is_said() -> None:
    done = evolvent("search", "Who painted the ceiling of the opera?")
    assert done.exit_code == 0
    assert "no skill fits; --all shows" in done.stderr


def test_a_busy_home_is_searched_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVENT_LOCK_WAIT", "0.1")
    home = Home(Settings().home)
    home.acquire(1)
    try:
        done = evolvent("search", ROMAN, "--json")
    finally:
        home.release()
    assert done.exit_code == 0
    assert "by words only" in done.stderr
    found = json.loads(done.stdout)
    assert (found[0]["name"], found[0]["how"], found[0]["offered"]) == ("roman-numerals", "words", None)


def test_the_index_is_built_anew_with_and_without_its_cache() -> None:
    evolvent("search", ROMAN)
    chroma = Settings().home / "chroma"
    kept = (chroma / "skills-embeddings.db").stat().st_ino
    warm = json.loads(evolvent("rebuild-index", "--json").stdout)
    assert (warm["skills"], warm["cold"]) == (3, False)
    assert (chroma / "skills-embeddings.db").stat().st_ino == kept
    done = evolvent("rebuild-index", "--cold")
    assert "3 skills, embedded anew" in done.stderr
    assert json.loads(evolvent("search", ROMAN, "--json").stdout)[0]["name"] == "roman-numerals"


def test_too_few_proven_questions_are_counted() -> None:
    done = evolvent("tune")
    assert done.exit_code == 2
    assert "there are 0, 40 are missing" in done.stderr


def test_tuning_changes_what_held_out_questions_call_better() -> None:
    settings = Settings()
    bad = RetrievalConfig(few=0, threshold=1.0)
    ConfigFile(settings.home).save(bad)
    with held_library(settings) as library:
        for number in range(60):
            library.log.keep(
                f"r{number}#1", f"r{number}", f"Convert the number {number + 1} to a Roman numeral.",
                offered=["roman-numerals"], library=3, judged=True, proven=["roman-numerals"],
            )  # fmt: skip
    dry = json.loads(evolvent("tune", "--dry-run", "--json").stdout)
    assert dry["tuning"]["accepted"]
    assert not dry["applied"]
    assert ConfigFile(settings.home).load() == bad
    done = evolvent("tune")
    assert "applied; the one before is kept" in done.stderr, done.stderr
    assert "threshold: 1.0 →" in done.stdout
    assert ConfigFile(settings.home).load().threshold < 1
    assert ConfigFile(settings.home).previous() == bad


def test_questions_that_no_skill_fits_are_tuned_on_and_never_outnumber_the_proven() -> None:
    with held_library(Settings()) as library, library.retrieval() as retrieval:
        for number in range(300):
            proven = ["roman-numerals"] if number < 100 else []
            library.log.keep(
                f"r{number:03}#1", f"r{number}", f"Question {number}",
                offered=["roman-numerals"], library=3, judged=True, proven=proven,
            )  # fmt: skip
        found = retrieval.labelled()
        assert [bool(q.right) for q in found] == [True] * 100 + [False] * 100
        assert found[-1].query == "Question 299"
        for number in range(300, 600):
            library.log.keep(
                f"r{number:03}#1", f"r{number}", f"Question {number}",
                offered=[], library=3, judged=True, proven=["roman-numerals"],
            )  # fmt: skip
        assert sum(bool(q.right) for q in retrieval.labelled()) == 120
        assert len(retrieval.labelled()) == 240
