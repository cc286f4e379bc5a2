import pytest

from evolvent.errors import UsageError
from evolvent.testing.suite_conformance import check_suite
from evolvent.types import Split
from evolvent_plugins.human_eval_tasks.expectations import translated
from evolvent_plugins.human_eval_tasks.problems import load_problems, preamble
from evolvent_plugins.human_eval_tasks.translate import NotTranslatable, translate
from evolvent_plugins.suite_human_eval import FAMILY, HumanEvalSuite


def test_it_keeps_the_contract_of_suites():
    check_suite(HumanEvalSuite, tasks_each=100)


def test_the_splits_hold_all_problems_once():
    suite = HumanEvalSuite()
    split = {split: [task.id for task in suite.tasks(split, FAMILY)] for split in Split}
    assert [len(split[name]) for name in Split] == [40, 60, 64]
    assert len(set().union(*split.values())) == 164


def test_neither_prompt_nor_reference_holds_the_check():
    problems = load_problems()
    for task in HumanEvalSuite().tasks(Split.GATE, FAMILY):
        problem = problems[task.reference["task_id"]]
        assert task.reference == {"task_id": problem.task_id}
        assert problem.check.strip() not in task.prompt
        assert problem.function in task.prompt


def test_a_part_of_it_cannot_be_named():
    with pytest.raises(UsageError, match="write just human-eval"):
        HumanEvalSuite("easy")


def test_seven_checks_do_more_than_compare_and_are_recorded_instead():
    assert [p.function for p in load_problems().values() if translated(p) is None] == [
        "find_zero",
        "sort_third",
        "decode_cyclic",
        "change_base",
        "decode_shift",
        "add",
        "double_the_difference",
    ]


def test_helper_functions_of_the_prompt_come_before_the_candidate():
    source = preamble(load_problems()["HumanEval/38"])
    assert "def encode_cyclic" in source
    assert "def decode_cyclic" not in source


def check(body):
    return "def check(candidate):\n    " + "\n    ".join(body.splitlines())


def test_a_check_is_read_as_arguments_and_values():
    found = translate(
        check(
            "assert candidate((1, 2), {3: 'a'}) == (3 + 4, [5])\nassert not candidate('x'), 'msg'\n"
            "assert abs(candidate(1.5) - 0.5) < 1e-6\nassert True\nassert candidate() is None"
        ),
        "f",
    )
    assert [(e.args, e.expected, e.tolerance) for e in found] == [
        ([(1, 2), {3: "a"}], [7, [5]], None),
        (["x"], False, None),
        ([1.5], 0.5, 1e-6),
        ([], None, None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "assert candidate(f(1)) == 2",
        "assert candidate(1) == f(2)",
        "for x in [1]:\n    assert candidate(x) == x",
        "assert candidate(1) > 2",
        "assert candidate(1) == {1: 2}",
        "assert True",
    ],
)
def test_a_check_of_another_form_is_not_guessed(body):
    with pytest.raises(NotTranslatable):
        translate(check(body), "f")
