import itertools
import json
import subprocess
import sys
import time

import pytest

from evolvent.errors import UnknownName, UsageError
from evolvent.testing.suite_conformance import check_suite
from evolvent.types import Split
from evolvent_plugins.evaluators import ReasoningGym
from evolvent_plugins.gym import client
from evolvent_plugins.gym.entries import EntryId, family_names, make_entry, score
from evolvent_plugins.gym.hazards import EXPRESSIONS, NOT_SCORABLE, expression_problem
from evolvent_plugins.suite_reasoning_gym import STARTER, ReasoningGymSuite


def first(family, split=Split.TRAIN, count=1):
    return list(itertools.islice(ReasoningGymSuite(family).tasks(split, family), count))


def entry_of(task):
    return EntryId.from_reference(task.reference)


def test_starter_keeps_the_contract_of_suites():
    check_suite(lambda: ReasoningGymSuite("starter"), tasks_each=20)
    assert ReasoningGymSuite("starter").families == STARTER


def test_families_are_listed_once_in_their_order():
    assert ReasoningGymSuite("lcm, gcd,lcm").families == ("lcm", "gcd")
    assert ReasoningGymSuite("lcm").digest() != ReasoningGymSuite("gcd").digest()


@pytest.mark.parametrize(("spec", "guess"), [("gdc", "gcd"), ("gcd,spell_backwards", "spell_backward")])
def test_an_unknown_family_is_named_with_its_nearest_neighbour(spec, guess):
    with pytest.raises(UnknownName, match=f"did you mean '{guess}'"):
        ReasoningGymSuite(spec)


@pytest.mark.parametrize(
    ("spec", "why"), [("", "names no family"), (" , ", "names no family"), ("composite", "mixes")]
)
def test_a_spec_that_names_nothing_usable_says_why(spec, why):
    with pytest.raises(UsageError, match=why):
        ReasoningGymSuite(spec)


def test_no_prompt_of_a_small_generator_is_in_two_splits():
    suite = ReasoningGymSuite("tower_of_hanoi")
    prompts = {
        split: [task.prompt for task in itertools.islice(suite.tasks(split, "tower_of_hanoi"), 200)]
        for split in Split
    }
    for split, found in prompts.items():
        assert found, split
        assert len(set(found)) == len(found)
    assert not set(prompts[Split.TRAIN]) & set(prompts[Split.GATE])
    assert not (set(prompts[Split.TRAIN]) | set(prompts[Split.GATE])) & set(prompts[Split.SEALED])


def test_the_reference_holds_ids_only():
    (task,) = first("gcd")
    assert set(task.reference) == {"dataset", "seed", "index", "size"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_family_gives_tasks_whose_own_answers_pass():
    evaluator = ReasoningGym()
    without_answer = []
    for family in sorted(set(family_names()) - set(NOT_SCORABLE)):
        tasks = first(family, count=3)
        assert len(tasks) == 3, family
        for task in tasks:
            answer = make_entry(entry_of(task)).answer
            if answer is None:
                without_answer.append(family)
                continue
            verdict = evaluator.evaluate(task, answer, None)
            assert verdict.passed, (family, answer, verdict)
            assert not evaluator.evaluate(task, "no such answer", None).passed, family
    assert set(without_answer) == {"boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"}


HASH_DEPENDENT = ("isomorphic_strings", "knight_swap", "polynomial_multiplication", "ransom_note")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_entries_are_the_same_in_a_process_with_another_hash_seed(seed):
    ids = [EntryId(family, 0, index, 64).to_reference() for family in HASH_DEPENDENT for index in range(5)]
    program = (
        "import json\nfrom evolvent_plugins.gym.entries import EntryId, make_entry\n"
        f"print(json.dumps([make_entry(EntryId(**each)).question for each in {ids!r}]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": seed, "PATH": ""},
        capture_output=True,
        check=True,
    )
    assert json.loads(run.stdout) == [make_entry(EntryId.from_reference(each)).question for each in ids]


ATTACK = "__import__('pathlib').Path({path!r}).touch()"


@pytest.mark.parametrize(
    "family",
    [
        "binary_matrix",
        "n_queens",
        "spiral_matrix",
        "string_insertion",
        "countdown",
        "puzzle24",
        "polynomial_multiplication",
        "simple_integration",
        "intermediate_integration",
    ],
)
def test_code_in_an_answer_is_not_run(family, tmp_path):
    trap = tmp_path / "trap"
    (task,) = first(family)
    verdict = ReasoningGym().evaluate(task, ATTACK.format(path=str(trap)), None)
    assert not verdict.passed
    assert not trap.exists()


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "(((9**50)**50)**50)",
        "x.__class__",
        "x[0]",
        "'a'*9",
        "lambda: 1",
        "f(x)",
        "sin(x, y)",
        "1" * 13,
        "(" * 500 + "x" + ")" * 500,
        "1e400",
        "True",
        "x if x else x",
        "1\n+1",
        "+".join(["x"] * 300),
        "\uff58",
    ],
)
def test_only_plain_bounded_arithmetic_reaches_sympy(text):
    assert expression_problem(text, EXPRESSIONS["simple_integration"])


@pytest.mark.parametrize(
    "text", ["-3*x**4/4 + 2*sqrt(x) - sin(2*x)/5 + C", "x**(1/2)", "exp(-x)*log(x)", "3.5*x"]
)
def test_ordinary_integrals_reach_sympy(text):
    assert expression_problem(text, EXPRESSIONS["simple_integration"]) == ""


def test_a_scorer_that_hangs_is_killed_and_the_next_answer_is_judged(monkeypatch):
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.0)
    (task,) = first("gcd")
    entry = make_entry(entry_of(task))
    found = score(entry_of(task), "x" * 20_000)
    monkeypatch.setattr(client, "ANSWER_SECONDS", 20.0)
    assert found.value < 1
    assert score(entry_of(task), entry.answer).value == 1


def test_scores_that_the_library_gives_away_are_not_given():
    evaluator = ReasoningGym()
    for task in first("coin_flip", count=10):
        answer = make_entry(entry_of(task)).answer
        assert evaluator.evaluate(task, answer, None).passed
        assert not evaluator.evaluate(task, "0", None).passed
    for task in first("game_of_life_halting", count=5):
        answer = make_entry(entry_of(task)).answer
        assert not evaluator.evaluate(task, str(answer == "False"), None).passed
    for task in first("puzzle24", count=5):
        assert not evaluator.evaluate(task, "24*1*1*1", None).passed


def test_numbers_are_judged_as_their_text_and_other_types_score_nothing():
    evaluator = ReasoningGym()
    (task,) = first("gcd")
    answer = int(make_entry(entry_of(task)).answer)
    assert evaluator.evaluate(task, answer, None).passed
    for other in (True, None, [answer], {"answer": answer}):
        verdict = evaluator.evaluate(task, other, None)
        assert verdict.score == 0
        assert "must be a string or a number" in verdict.feedback


def test_a_task_of_another_version_of_the_library_is_refused():
    (task,) = first("gcd")
    with pytest.raises(UsageError, match="another version"):
        ReasoningGym().evaluate(task.model_copy(update={"prompt": "Another question"}), "1", None)


def test_one_judgement_is_quick():
    evaluator = ReasoningGym()
    tasks = first("gcd", count=50)
    started = time.perf_counter()
    for task in tasks:
        evaluator.evaluate(task, "1", None)
    assert (time.perf_counter() - started) / 50 < 0.05
