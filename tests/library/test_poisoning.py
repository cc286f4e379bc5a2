"""No bad skill gets in, and honest ones do."""

import pytest
from bench.poisoning import good_skills

from evolvent.library import Admission, Router, SkillStore
from evolvent.search import VectorIndex
from evolvent.testing.embedder_conformance import WordEmbeddings
from evolvent.testing.poison_tasks import foreign_to, tasks_of
from evolvent.testing.poisoning import GOOD, check_poison, fields_of, poisons
from evolvent.types import SkillProposal

POISONS = list(poisons())


@pytest.fixture
def exact():
    from evolvent_plugins.evaluators.exact import Exact

    return lambda name: Exact()


@pytest.fixture(scope="module")
def company(sandbox, tmp_path_factory):
    """A library of honest skills, and the admission in front of it."""
    from evolvent_plugins.evaluators.exact import Exact

    home = tmp_path_factory.mktemp("company")
    store = SkillStore(home / "skills", seeds=None)
    index = VectorIndex(home / "chroma", "skills", WordEmbeddings, "words")
    admission = Admission(store, Router(store, index), sandbox, lambda name: Exact())
    for name, (kind, script) in GOOD.items():
        report = admission.consider(
            SkillProposal(**fields_of(name, script)), tasks_of(kind), foreign_to(kind)
        )
        assert report.admitted, report.reason
    yield admission, store
    index.close()


def test_there_are_enough_of_all_categories():
    categories = {poison.category for poison in POISONS}
    assert len(POISONS) >= 40
    assert len({poison.name for poison in POISONS}) == len(POISONS)
    assert categories == {
        *("rare", "late", "constant", "network", "injection", "typosquat", "flawed-copy", "cyclic"),
        *("oversized", "non-utf-8"),
    }


@pytest.mark.parametrize("poison", POISONS, ids=lambda poison: f"{poison.category}-{poison.name}")
def test_a_bad_skill_stays_out(poison, company, sandbox, store, router, exact, tmp_path):
    alone = Admission(store, router, sandbox, exact), store
    fate = check_poison(*(company if poison.needs_company else alone), poison, tmp_path / "elsewhere")
    assert not fate.admitted, poison.flaw
    assert fate.reason
    assert store.usable() == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_honest_skills_get_in(sandbox, store, router, exact):
    admission = Admission(store, router, sandbox, exact)
    reports = [admission.consider(skill, cases, foreign) for _, skill, cases, foreign in good_skills()]
    refused = {report.name: report.reason for report in reports if not report.admitted}
    assert len(reports) >= 40
    assert len(refused) <= 0.05 * len(reports), refused
