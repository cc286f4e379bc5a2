"""The skills that ship: valid for any agent, right on their own tests, silent on everything else."""

import pytest
import skills_ref

from evolvent.library.format import read_report
from evolvent.library.script import without_main
from evolvent.library.static_scan import scan_script
from evolvent.library.store import SkillStore, seed_folder
from evolvent.types import SkillState

NAMES = ("date-difference", "roman-numerals", "unit-conversion")


@pytest.fixture
def seeds(tmp_path):
    store = SkillStore(tmp_path / "skills")
    assert store.problems() == []
    return {skill.name: skill for skill in store.list(SkillState.ACTIVE)}


@pytest.mark.parametrize("name", NAMES)
def test_the_official_validator_accepts_it(name):
    assert skills_ref.validate(seed_folder() / name) == []


@pytest.mark.parametrize("name", NAMES)
def test_it_carries_evidence_of_at_least_eight_cases(name, seeds):
    report = read_report(seed_folder() / name)
    assert report.admitted
    assert report.digest == seeds[name].digest
    assert len(seeds[name].cases) >= 8
    assert scan_script(seeds[name].script) == []


@pytest.mark.parametrize("name", NAMES)
def test_all_its_cases_pass_in_the_sandbox(name, seeds, sandbox):
    skill = seeds[name]
    results = sandbox.call_function(skill.script, "solve", [[case.question] for case in skill.cases])
    assert [result.value for result in results] == [case.expected for case in skill.cases]


FOREIGN = [
    "",
    "hello",
    "Convert 4000 to a Roman numeral.",
    "Convert the Roman numeral IIII to a number.",
    "What is XIV plus IX in Roman numerals?",
    "What is civil in a number?",
    "How many days are there between 2023-02-29 and 2023-03-01?",
    "How many working days are there between 2024-01-01 and 2024-02-01?",
    "How many days is it from 2024-01-01 until 2023-12-25?",
    "Convert 5 miles to kilograms.",
    "Convert 3 gallons to liters.",
    "Convert -5 km to miles.",
    "Convert -300 celsius to kelvin.",
    "How many apples are in 3 boxes?",
    "Convert 255 to binary.",
    "Convert 5 miles to kilometers and 3 feet to meters.",
    "Convert 1e5 miles to km.",
    "How many days are there between 2024-01-01 and 2024-02-01?" * 50,
    "x" * 100_000,
    "Convert " + "9" * 5_000 + " miles to",
]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_silent_on_questions_of_other_kinds(name, seeds, sandbox):
    results = sandbox.call_function(seeds[name].script, "solve", [[question] for question in FOREIGN])
    assert [
        (q[:60], r.value, r.error) for q, r in zip(FOREIGN, results, strict=True) if r.value or not r.ok
    ] == []


def test_all_seeds_are_silent_on_every_family_of_reasoning_gym(seeds):
    """In process: the scripts are ours, and there are a hundred families."""
    from reasoning_gym.factory import DATASETS, create_dataset

    solvers = {}
    for name, skill in seeds.items():
        scope = {"__name__": "seed"}
        exec(compile(without_main(skill.script), name, "exec"), scope)
        solvers[name] = scope["solve"]
    answered, asked = [], 0
    for family in sorted(set(DATASETS) - {"composite"}):
        for item in create_dataset(family, size=3, seed=7):
            asked += 1
            answered += [
                (family, name) for name, solve in solvers.items() if solve(item["question"]) is not None
            ]
    assert asked > 200
    assert answered == []
