"""Made-up inputs, other surroundings and special cases."""

import pytest

from evolvent.library import Admission, telling_tasks
from evolvent.library.admission.inputs import constants_of, make_probes
from evolvent.library.admission.special_cases import watched
from evolvent.types import Task

QUESTIONS = [
    f"Sort these numbers: [{a}, {b}, {c}]" for a, b, c in ((3, 1, 2), (9, 40, 7), (100, 5, 5), (8, 6, 0))
]
WORD = 'import re\n\n\ndef solve(question):\n    match = re.fullmatch(r"Spell this word backward: (\\w+)", question)\n'


def script(*lines, before=""):
    return (
        before
        + WORD
        + "    if match is None:\n        return None\n    w = match[1]\n    "
        + "\n    ".join(lines)
        + "\n"
    )


def test_probes_are_the_same_for_the_same_questions_and_never_a_question_itself():
    first, second = make_probes(QUESTIONS), make_probes(QUESTIONS)
    assert first == second
    assert len(first) > 40
    assert not {probe.question for probe in first} & set(QUESTIONS)


def test_probes_hold_the_edges():
    texts = {probe.question.strip() for probe in make_probes(QUESTIONS, count=200)}
    assert "Sort these numbers: []" in texts
    assert any(text in texts for text in ("Sort these numbers: [3]", "Sort these numbers: [9]"))
    assert "Sort these numbers: [3, 1, 2, 3, 1, 2]" in texts
    near = [probe for probe in make_probes(QUESTIONS) if probe.near]
    assert near
    assert all(probe.question.startswith("Sort these numbers: [") for probe in near)


def test_probes_try_what_the_script_compares_with():
    source = "def solve(q):\n    return 1 if q == 7919 else 'kappa'\n"
    assert {"7918", "7919", "7920", "kappa"} <= set(constants_of(source))
    questions = [f"Is {n} prime?" for n in (2, 9, 11, 24)]
    assert any("7919" in probe.question for probe in make_probes(questions, constants_of(source)))


def test_questions_without_anything_that_varies_and_none_at_all():
    assert make_probes([]) == []
    assert all(not probe.near for probe in make_probes(["What?"]))


IMPURE = {
    "late": (
        script(
            "return w if note(STATE) > 100 else w[::-1]",
            before="STATE = {}\n\n\ndef note(b):\n    b[len(b)] = 1\n    return len(b)\n\n\n",
        ),
        "another answer to the same question at call",
    ),
    "state that does not show": (
        script(
            "note(STATE)", "return w[::-1]", before="STATE = {}\n\n\ndef note(b):\n    b[len(b)] = 1\n\n\n"
        ),
        "keeps state between calls: 'STATE' changed",
    ),
    "special word": (script("return w if w == 'omicron' else w[::-1]"), "was never True"),
    "beyond a length": (script("return w if len(w) > 40 else w[::-1]"), "was never True"),
    "small table": (script("return w[::-1] + {'omicron': 'x'}.get(w, '')"), "was never True"),
}


@pytest.mark.parametrize("case", IMPURE)
def test_properties_find_it_without_an_oracle(
    case, store, router, functions, evaluators, propose, backward_tasks
):
    source, reason = IMPURE[case]
    tasks = [*backward_tasks, Task(prompt="Spell this word backward: ok", evaluator="exact", reference="ko")]
    report = Admission(store, router, functions, evaluators).consider(propose(script=source), tasks)
    assert report.stages[-1].stage == "falsify", report.reason
    assert reason in report.reason


def test_one_answer_to_everything_needs_tasks_with_other_answers(
    store, router, functions, evaluators, propose
):
    source = script("return 'even'").replace("Spell this word backward: (\\w+)", "Is (\\d+) even or odd\\?")
    tasks = [
        Task(prompt=f"Is {n} even or odd?", evaluator="exact", reference="even") for n in range(2, 24, 2)
    ]
    admission = Admission(store, router, functions, evaluators)
    report = admission.consider(propose(script=source), tasks)
    assert "one answer to all its cases" in report.reason
    assert report.stages[-1].evidence["undecided"] is True


def test_answers_to_neighbours_are_of_the_type_of_the_right_ones(
    store, router, functions, evaluators, propose
):
    source = (
        "import re\n\n\ndef solve(question):\n    match = re.fullmatch(r'Halve (\\d+)', question)\n"
        "    if match is None:\n        return None\n    n = int(match[1])\n"
        "    return n / 2 if n % 2 else str(n // 2)\n"
    )
    tasks = [Task(prompt=f"Halve {n}", evaluator="exact", reference=str(n // 2)) for n in range(2, 40, 2)]
    report = Admission(store, router, functions, evaluators).consider(propose(script=source), tasks)
    assert "falsify: answers with a number where its right answers are a text" in report.reason


def test_another_sandbox_gives_the_same(sandbox, store, router, evaluators, propose, backward_tasks):
    admission = Admission(store, router, sandbox, evaluators)
    (order,) = sandbox.call_function(
        "def f():\n    return list({'kelvin', 'newton', 'pascal', 'tesla'})", "f", [[]]
    )
    sets = script(
        f"return w[::-1] if list({{'kelvin', 'newton', 'pascal', 'tesla'}}) == {order.value!r} else w"
    )
    hours = script(
        "return w[::-1] if datetime.datetime.fromtimestamp(0).hour == 0 else w", before="import datetime\n"
    )
    for source in (sets, hours):
        report = admission.consider(propose(script=source), backward_tasks)
        assert not report.admitted
        assert report.stages[-1].stage in ("repeat", "falsify"), report.reason
    good = admission.consider(propose(), backward_tasks)
    assert good.admitted
    (repeat,) = [stage for stage in good.stages if stage.stage == "repeat"]
    assert "hash_seed" in repeat.evidence["varied"]


def test_a_condition_that_gives_no_answer_needs_no_evidence():
    assert [
        case.ways
        for case in watched("def solve(q):\n    if len(q) > 900:\n        return None\n    return q\n")
    ] == [frozenset({False})]
    assert watched("def solve(q):\n    return q if len(q) > 1 else ''\n") == []


def test_telling_tasks_are_half_a_sample_and_half_the_extremes():
    tasks = [Task(id=f"t{n:03}", prompt=f"Double {n * 37 % 1009}", evaluator="exact") for n in range(200)]
    chosen = telling_tasks(tasks, 24)
    assert chosen[:12] == tuple(tasks[:12])
    assert len({task.id for task in chosen}) == 24
    numbers = [int(task.prompt.split()[1]) for task in tasks]
    picked = [int(task.prompt.split()[1]) for task in chosen]
    assert max(numbers) in picked
    assert min(numbers) in picked
    assert telling_tasks(tasks[:5], 24) == tuple(tasks[:5])


@pytest.mark.slow
def test_a_slow_script_is_no_bad_script(sandbox, store, router, evaluators, propose, backward_tasks):
    slow = script("n = sum(i * i for i in range(800_000))", "return w[::-1] if n else None")
    report = Admission(store, router, sandbox, evaluators).consider(propose(script=slow), backward_tasks)
    assert report.admitted, report.reason
