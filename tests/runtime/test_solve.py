"""Solving: from a task to a result, through the real sandbox, stores and graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

from evolvent import Budget, Runtime, Split, Task
from evolvent.errors import MissingPrerequisite, ModelCallError, UnknownName, UsageError
from evolvent.graphs import SolveState, build_solve_graph
from evolvent.library.format import draft
from evolvent.types import (
    AdmissionReport,
    BrokerAnswered,
    NodeFinished,
    RunFinished,
    RunStarted,
    SkillProposal,
    SolveResult,
    StageResult,
)

Open = Callable[..., Runtime]


def judged(prompt: str = "What is 6*7?", expected: str = "42", **fields: object) -> Task:
    return Task.model_validate({"prompt": prompt, "evaluator": "exact", "reference": expected, **fields})


def test_a_right_answer_is_solved(open_runtime: Open) -> None:
    result = open_runtime(["42"]).solve(judged())
    assert (result.status, result.answer) == ("solved", "42")
    assert result.verdict is not None
    assert result.verdict.score == 1.0
    assert result.usage.model_calls == 1
    assert result.usage.tokens > 0


def test_a_question_that_nobody_can_judge_is_answered(open_runtime: Open) -> None:
    result = open_runtime(["Paris"]).solve("What is the capital of France?")
    assert (result.status, result.answer, result.verdict) == ("answered", "Paris", None)


def test_a_wrong_answer_is_tried_again_with_feedback(open_runtime: Open) -> None:
    runtime = open_runtime(["41", "42"])
    result = runtime.solve(judged())
    assert result.status == "solved"
    assert [a.status for a in result.attempts] == ["failed", "solved"]
    second = runtime._model.calls[1].text  # type: ignore[union-attr]
    assert "'41' was not right" in second
    assert "42" not in second, "the feedback gives the answer away"


@pytest.mark.parametrize("split", [Split.GATE, Split.SEALED])
def test_closed_splits_get_one_try_and_leave_no_lesson(open_runtime: Open, split: Split) -> None:
    runtime = open_runtime(["41", "42"])
    result = runtime.solve(judged(split=split))
    assert result.status == "failed"
    assert len(result.attempts) == 1
    assert runtime.lessons.all() == []


def test_a_failure_leaves_a_lesson_that_the_next_attempt_sees(open_runtime: Open) -> None:
    runtime = open_runtime({"": "wrong"})
    first = runtime.solve(judged("Spell the word 'garden' backward, please.", "nedrag"))
    (lesson,) = runtime.lessons.all()
    assert "nedrag" in lesson.text
    assert lesson.sources == tuple(a.id for a in first.attempts)
    runtime.solve(judged("Spell the word 'window' backward, please.", "wodniw"))
    assert "nedrag" in runtime._model.calls[-1].text  # type: ignore[union-attr]
    calls = len(runtime._model.calls)  # type: ignore[union-attr]
    runtime.solve("How far is the moon from the earth in kilometres?")
    assert "nedrag" not in runtime._model.calls[calls].text  # type: ignore[union-attr]


def test_a_seed_skill_answers_without_a_model_call(open_runtime: Open) -> None:
    runtime = open_runtime([])
    question = next(c.question for c in runtime.skills.get("roman-numerals").cases)
    result = runtime.solve(question)
    assert result.skills_used == ("roman-numerals",)
    assert result.usage.tokens == 0
    assert result.answer == runtime.skills.get("roman-numerals").cases[0].expected


def test_the_model_is_not_loaded_for_what_a_skill_answers(open_runtime: Open) -> None:
    runtime = Runtime.open(model="local:qwen2.5-coder-1.5b")
    with runtime:
        question = runtime.skills.get("roman-numerals").cases[0].question
        assert runtime.solve(question).skills_used == ("roman-numerals",)


@pytest.mark.parametrize(
    ("budget", "bound"),
    [(Budget(tokens=0), "tokens"), (Budget(requests=1), "requests"), (Budget(seconds=0.0), "seconds")],
)
def test_a_spent_budget_is_a_result_that_says_so(open_runtime: Open, budget: Budget, bound: str) -> None:
    result = open_runtime(["42"]).solve(judged(), budget=budget)
    assert (result.status, result.detail) == ("budget", bound)


def test_a_model_that_is_down_is_an_error_and_the_run_can_be_resumed(open_runtime: Open) -> None:
    runtime = open_runtime([ConnectionError("refused"), "42"], model_retries=0)
    with pytest.raises(ModelCallError, match="refused"):
        runtime.solve(judged(), run_id="r-1")
    result = runtime.resume("r-1")
    assert result.status == "solved"
    assert result.usage.model_calls == 1


def test_a_finished_run_is_not_run_again(open_runtime: Open) -> None:
    runtime = open_runtime(["42"])
    first = runtime.solve(judged(), run_id="r-1")
    assert runtime.solve(judged(), run_id="r-1") == first
    assert runtime.resume("r-1") == first


def test_events_are_streamed_and_the_result_comes_last(open_runtime: Open) -> None:
    items = list(open_runtime(["42"]).stream(judged()))
    kinds = [type(item) for item in items]
    assert kinds[0] is RunStarted
    assert kinds[-1] is SolveResult
    assert BrokerAnswered in kinds
    assert RunFinished in kinds
    nodes = [item.node for item in items if isinstance(item, NodeFinished)]
    assert nodes == ["recall", "solve", "verify", "learn", "finish"]


async def test_the_async_twins_do_the_same(open_runtime: Open) -> None:
    runtime = open_runtime(["42", "42", "42"])
    assert (await runtime.asolve(judged())).status == "solved"
    items = [item async for item in runtime.astream(judged())]
    assert isinstance(items[-1], SolveResult)
    state = SolveState(run_id="r-graph", task=judged())
    values = await runtime.solve_graph.ainvoke(state, {"configurable": {"thread_id": "r-graph"}})
    assert values["result"].status == "solved"


def test_the_graph_works_as_a_subgraph_of_another_program(open_runtime: Open) -> None:
    runtime = open_runtime(["42"])

    class Outer(BaseModel):
        question: str
        answer: str = ""

    inner = build_solve_graph(runtime.services)

    def ask(state: Outer) -> dict[str, str]:
        values = inner.invoke(SolveState(run_id="r-sub", task=judged(state.question)))
        return {"answer": values["result"].answer}

    graph = StateGraph(Outer)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    assert graph.compile().invoke(Outer(question="What is 6*7?"))["answer"] == "42"


def test_everything_that_is_asked_for_by_a_wrong_name_is_named(open_runtime: Open) -> None:
    runtime = open_runtime()
    with pytest.raises(UnknownName, match="unknown evaluator 'exakt'; did you mean 'exact'"):
        runtime.solve(Task(prompt="x", evaluator="exakt"))
    with pytest.raises(UnknownName, match="unknown run 'r-none'"):
        runtime.resume("r-none")
    with pytest.raises(UnknownName, match="unknown suite"):
        runtime.suite("reasoning-gim:starter")
    with pytest.raises(UsageError, match="names no suite"):
        runtime.suite("starter")
    with pytest.raises(UsageError, match="question is empty"):
        runtime.solve("  ")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("qwen", "write provider:name"),
        ("lokal:qwen", "did you mean 'local'"),
        ("local:gpt", "local:smollm2-135m"),
    ],
)
def test_a_wrong_model_is_refused_when_the_runtime_opens(model: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Runtime.open(model=model)


def test_a_model_that_is_not_on_disk_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVOLVENT_MODELS_DIR", raising=False)
    with (
        Runtime.open(model="local:smollm2-135m") as runtime,
        pytest.raises(MissingPrerequisite, match="evolvent models pull local:smollm2-135m"),
    ):
        runtime.solve("Why is the sky blue?")


def test_what_was_offered_and_proved_right_is_measured(open_runtime: Open) -> None:
    runtime = open_runtime({"": "wrong"})
    case = runtime.skills.get("roman-numerals").cases[0]
    runtime.solve(judged(case.question, str(case.expected)))
    runtime.solve(judged("Name the colour of an orange.", "orange", split=Split.SEALED))
    report = runtime.services.retrievals.report()
    assert report.proven == 1
    assert report.recall[1] == report.mrr == 1.0
    assert report.judged > report.offered >= 1
    labelled = runtime.services.retrievals.labelled()
    assert [(found.query, found.right) for found in labelled] == [(case.question, ("roman-numerals",))]
    sealed = judged(runtime.skills.get("roman-numerals").cases[1].question, "?", split=Split.SEALED)
    runtime.solve(sealed)
    assert runtime.services.retrievals.labelled() == labelled, "what only measures tunes nothing"


def test_a_library_of_which_nothing_is_offered_raises_one_alarm(open_runtime: Open) -> None:
    runtime = open_runtime({"": "wrong"}, retrieval_alarm=2)
    for n in range(4):
        runtime.solve(judged(f"Name the colour of fruit {n}.", "orange", split=Split.SEALED))
    assert [event.kind for event in runtime.ledger.events()].count("retrieval.alarm") == 1


def test_settings_of_retrieval_that_cannot_be_read_do_not_stop_a_home(
    open_runtime: Open, own_home: Path
) -> None:
    own_home.mkdir()
    (own_home / "retrieval.json").write_text('{"depht": 3}')
    runtime = open_runtime(["42"])
    assert runtime.solve(judged()).status == "solved"
    assert "depht" in runtime.retrieval.problem


def test_a_prose_skill_is_shown_to_the_model(open_runtime: Open) -> None:
    runtime = open_runtime(["42"])
    skill = draft(
        SkillProposal(
            name="lamp-posts", description="Counts lamp posts on Elm Street.", body="Count pairs, double."
        )
    )
    stage = StageResult(stage="tests", passed=True)
    report = AdmissionReport(name=skill.name, digest=skill.digest, admitted=True, stages=(stage,))
    runtime.skills.add(skill, report)
    runtime.solve(judged("Count the lamp posts on Elm Street."))
    shown = runtime._model.calls[0].text  # type: ignore[union-attr]
    assert "- lamp-posts: Counts lamp posts on Elm Street." in shown
    assert "Count pairs, double." in shown
