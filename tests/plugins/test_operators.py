"""The built-in mutation operators: each conforms, and does what its name says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent.evolution import check_surface, parameter_values, read_parameters
from evolvent.graphs.genome import seed_genome
from evolvent.plugins import PluginHost
from evolvent.protocols import MutationOperator
from evolvent.settings import Settings
from evolvent.testing import check_operator
from evolvent.types import JsonValue, Modification, Variant
from evolvent_plugins import operators
from evolvent_plugins.operators.crossover import CrossoverOperator
from evolvent_plugins.operators.meta_agent import MetaAgentOperator
from evolvent_plugins.operators.parameters import ParametersOperator
from evolvent_plugins.operators.prompt import PromptOperator

SEED = seed_genome()
FAILURES = [
    {"task": {"prompt": f"Question {n}?"}, "answer": "x", "verdict": {"feedback": "too long"}}
    for n in range(9)
]


class Context:
    """A context of a small archive: seed <- parent <- child, and seed <- other."""

    def __init__(
        self, *improvements: JsonValue, seed: int = 0, answer: str = "", **files: Mapping[str, str]
    ) -> None:
        self.archive = [
            Variant(id="seed"),
            Variant(id="parent", parents=("seed",), generation=1, trials=4, score=0.5),
            Variant(id="child", parents=("parent",), generation=2, trials=4, score=0.9),
            Variant(id="other", parents=("seed",), generation=1, trials=4, score=0.6),
            Variant(id="dead", parents=("seed",), generation=1, viable=False),
        ]
        self.parent = self.archive[1]
        self.rng = Random(seed)
        self.problems: list[tuple[str, ...]] = []
        self.asked: list[str] = []
        self.tried: list[Mapping[str, JsonValue]] = []
        self._files = {variant.id: dict(SEED) for variant in self.archive} | {
            k: dict(v) for k, v in files.items()
        }
        self._improvements = list(improvements)
        self._answer = answer

    def files(self, variant: str) -> Mapping[str, str]:
        return self._files[variant]

    def failures(self) -> Sequence[Mapping[str, Any]]:
        return FAILURES

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        self.asked.append("\n".join(message["content"] for message in messages))
        return self._answer

    def improve(self, problems: Sequence[str] = ()) -> JsonValue:
        self.problems.append(tuple(problems))
        return self._improvements[min(len(self.problems), len(self._improvements)) - 1]

    def history(self) -> Sequence[Mapping[str, JsonValue]]:
        return self.tried


def registered() -> dict[str, MutationOperator]:
    found: dict[str, Any] = {}
    operators.register_operators(lambda name, factory: found.update({name: factory(Settings())}))
    return found


def proposed(operator: MutationOperator, context: Context) -> Modification:
    made = operator.propose(context)
    assert made is not None
    assert made.before == context.files("parent")
    return made


def test_the_plugin_registers_four_operators() -> None:
    host = PluginHost([])
    host.add(operators, "operators")
    assert sorted(registered()) == ["crossover", "meta-agent", "parameters", "prompt"]
    assert host.infos["operators"].state == "loaded"


@pytest.mark.parametrize("name", ["crossover", "meta-agent", "parameters", "prompt"])
def test_an_operator_conforms(name: str) -> None:
    check_operator(registered()[name])


def edit(path: str = "prompts/answer.md", **what: JsonValue) -> JsonValue:
    return {"hypothesis": "why", "edits": [{"path": path, **(what or {"content": "New.\n"})}]}


def test_the_meta_agents_edits_are_applied() -> None:
    made = proposed(MetaAgentOperator(), Context(edit()))
    assert (made.changed, made.after["prompts/answer.md"]) == (("prompts/answer.md",), "New.\n")
    assert (made.parent, made.hypothesis) == ("parent", "why")


def test_what_does_not_fit_is_told_and_asked_for_again() -> None:
    context = Context(
        edit(search="nowhere", replace="x"), edit("task_agent.py", content="def solve(:\n"), edit()
    )
    assert proposed(MetaAgentOperator(), context).changed == ("prompts/answer.md",)
    first, second, third = context.problems
    assert first == ()
    assert "the search text does not occur in 'prompts/answer.md'" in second[0]
    assert third[0] == second[0]
    assert "'task_agent.py' does not compile: SyntaxError" in third[1]


def test_it_is_asked_again_three_times_and_no_more() -> None:
    context = Context(edit(search="nowhere", replace="x"))
    assert MetaAgentOperator().propose(context) is None
    assert [len(problems) for problems in context.problems] == [0, 1, 2, 3]
    assert MetaAgentOperator().propose(Context(None)) is None


def test_a_program_that_never_compiles_is_returned_for_the_record() -> None:
    made = proposed(MetaAgentOperator(), Context(edit("task_agent.py", content="def solve(:\n")))
    assert "does not compile" in check_surface(made.after)[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_parameters_change_one_or_two_values_within_their_ranges(seed: int) -> None:
    made = proposed(ParametersOperator(), Context(seed=seed))
    assert made.changed == ("genome.toml",)
    assert check_surface(made.after) == []
    old, new = parameter_values(made.before), parameter_values(made.after)
    changed = [name for name in old if old[name] != new[name]]
    assert len(changed) in (1, 2)
    assert all(f"{name}: {old[name]!r} -> {new[name]!r}" in made.hypothesis for name in changed)


def test_parameters_do_not_repeat_what_was_tried() -> None:
    toml = '[parameters.style]\nvalue = "a"\nchoices = ["a", "b", "c"]\n'
    made = []
    for seed in range(30):
        context = Context(seed=seed, parent={**SEED, "genome.toml": toml})
        context.tried = [{"hypothesis": "style: 'a' -> 'b'"}]
        made.append(parameter_values(proposed(ParametersOperator(), context).after)["style"])
    assert made.count("c") > 28


@pytest.mark.parametrize("toml", ["", "[parameters", "[parameters.x]\nvalue = 1\nlow = 1\nhigh = 1\n"])
def test_without_parameters_that_vary_there_is_no_proposal(toml: str) -> None:
    assert ParametersOperator().propose(Context(parent={**SEED, "genome.toml": toml})) is None
    assert read_parameters({}) == {}


OTHER_AGENT = SEED["task_agent.py"].replace('lines = [task["prompt"]]', 'lines = ["Q: " + task["prompt"]]')


def test_crossover_takes_a_function_or_a_file_of_another_branch() -> None:
    theirs = {**SEED, "task_agent.py": OTHER_AGENT.replace("Return the answer to", "Give the answer to")}
    ours = {**SEED, "task_agent.py": SEED["task_agent.py"].replace("ask the model.", "ask it.")}
    found = set()
    for seed in range(40):
        made = proposed(CrossoverOperator(), Context(seed=seed, other=theirs, parent=ours))
        assert made.donors == ("other",)
        assert check_surface(made.after) == []
        found.add(made.hypothesis.split(" of ")[0])
        if made.hypothesis.startswith("question_text()"):
            assert made.after["task_agent.py"] == ours["task_agent.py"].replace(
                'lines = [task["prompt"]]', 'lines = ["Q: " + task["prompt"]]'
            )
    assert found == {"question_text() in task_agent.py", "solve() in task_agent.py", "task_agent.py"}


def test_crossover_takes_nothing_from_its_own_line_or_from_what_is_not_viable() -> None:
    changed = {**SEED, "task_agent.py": OTHER_AGENT}
    assert CrossoverOperator().propose(Context(child=changed, dead=changed)) is None
    assert CrossoverOperator().propose(Context()) is None


def test_crossover_keeps_decorators_and_skips_what_does_not_compile() -> None:
    ours = {
        **SEED,
        "template.py": "import functools\n\n\n@functools.cache\ndef one(x):\n    return 1\n\n\nLAST = 2\n",
    }
    theirs = {**ours, "template.py": ours["template.py"].replace("return 1", "return 11")}
    texts = {
        proposed(CrossoverOperator(), Context(seed=seed, other=theirs, parent=ours)).after["template.py"]
        for seed in range(9)
    }
    assert texts == {theirs["template.py"]}
    broken = {**SEED, "task_agent.py": "def solve(:\n"}
    assert CrossoverOperator().propose(Context(other=broken)) is None


@pytest.mark.parametrize(
    "answer", ["```\nAnswer in one word.\n```", "Answer in one word.", "Here:\n```md\nAnswer in one word.\n"]
)
def test_a_prompt_is_rewritten_from_failures(answer: str) -> None:
    context = Context(answer=answer, seed=2)
    made = proposed(PromptOperator(), context)
    (path,) = made.changed
    assert made.after[path] == "Answer in one word.\n"
    assert "Remark: too long" in context.asked[0]
    assert SEED[path].strip() in context.asked[0]
    assert context.asked[0].count("Question: ") == 4
    assert "rewritten after 9 failures: too long" in made.hypothesis


def test_the_prompt_of_the_task_agent_is_rewritten_most_often() -> None:
    paths = [proposed(PromptOperator(), Context(answer="New.", seed=n)).changed[0] for n in range(60)]
    assert paths.count("prompts/answer.md") > 30
    assert len(set(paths)) == 3


@pytest.mark.parametrize("answer", ["", "```\n```", "x" * 5000, "\ud800"])
def test_a_useless_answer_makes_no_proposal(answer: str) -> None:
    assert PromptOperator().propose(Context(answer=answer)) is None
    same = {path: "Same.\n" for path in SEED if path.endswith(".md")}
    assert PromptOperator().propose(Context(answer="Same.", parent={**SEED, **same})) is None
