"""Trials in real solves: what is withheld, what the guest sees of it, and what is never drawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evolvent import Budget, Runtime, Split, Task
from evolvent.library.format import draft
from evolvent.types import AdmissionReport, SkillProposal, SkillState, StageResult

Open = Callable[..., Runtime]
ALWAYS, NEVER = {"trial_share": 0.999999, "probation_share": 0.999999}, {"trial_share": 0.0}
ONCE = Budget(attempts=1)


def numeral(number: int = 1994, answer: str = "MCMXCIV", **fields: object) -> Task:
    """A task that the seed skill roman-numerals answers."""
    prompt = f"Convert {number} to a Roman numeral."
    return Task.model_validate({"prompt": prompt, "evaluator": "exact", "reference": answer, **fields})


def rows(runtime: Runtime) -> list[tuple[str, str, float, float | None]]:
    skill = runtime.skills.get("roman-numerals")
    found = runtime.trials.of(skill.name, skill.digest)
    return [(t.attempt_id.partition("#")[2], t.arm, t.propensity, t.score) for t in found]


def test_a_withheld_skill_looks_like_one_that_does_not_apply(open_runtime: Open) -> None:
    runtime = open_runtime({"": "MCMXCIV"}, **ALWAYS)
    result = runtime.solve(numeral(), run_id="r-1", budget=ONCE)
    assert (result.status, result.skills_used) == ("solved", ())
    assert result.attempts[0].skills_withheld == ("roman-numerals",)
    assert result.usage.model_calls == 1
    ((number, arm, propensity, score),) = rows(runtime)
    assert (number, arm, score) == ("1", "without", 1.0)
    assert propensity == pytest.approx(0.000001)
    asked = [
        exchange
        for exchange in runtime.memory.episodes.get("r-1#1").exchanges
        if exchange.method == "skills.run"
    ]
    assert {str(e.result) for e in asked} == {str(asked[0].result)}, "as of one that does not apply"
    assert asked[0].result == {"applicable": False, "answer": None, "error": ""}


def test_a_given_skill_answers_and_counts(open_runtime: Open) -> None:
    runtime = open_runtime([], **NEVER)
    result = runtime.solve(numeral(), budget=ONCE)
    assert (result.skills_used, result.attempts[0].skills_withheld) == (("roman-numerals",), ())
    assert rows(runtime) == [("1", "with", 1.0, 1.0)]


@pytest.mark.parametrize("split", [Split.GATE, Split.SEALED])
def test_what_only_measures_is_never_drawn_nor_recorded(open_runtime: Open, split: Split) -> None:
    runtime = open_runtime([], **ALWAYS)
    assert runtime.solve(numeral(split=split)).skills_used == ("roman-numerals",)
    assert rows(runtime) == []


def test_what_nobody_can_judge_is_drawn_only_where_it_is_wanted(open_runtime: Open) -> None:
    question = Task(prompt=numeral().prompt)
    runtime = open_runtime({"": "?"}, **ALWAYS)
    assert runtime.solve(question).skills_used == ("roman-numerals",)
    assert rows(runtime) == [("1", "with", 1.0, None)]
    runtime = open_runtime({"": "?"}, **ALWAYS, trials="all")
    assert runtime.solve(question).answer == "?"
    runtime = open_runtime([], **ALWAYS, trials="off")
    assert runtime.solve(numeral()).skills_used == ("roman-numerals",)
    assert open_runtime([], **ALWAYS).solve(numeral(), trials=False).skills_used == ("roman-numerals",)


def test_a_pinned_skill_is_never_withheld(open_runtime: Open) -> None:
    runtime = open_runtime([], **ALWAYS)
    runtime.skills.pin("roman-numerals")
    assert runtime.solve(numeral()).skills_used == ("roman-numerals",)


def test_a_skill_in_use_that_harms_is_retired_with_an_event(open_runtime: Open) -> None:
    """Every answer of the skill is judged wrong, and the model is always right: nobody else must say so."""
    runtime = open_runtime({"": "right"}, trial_share=0.5)
    for number in range(60):
        if runtime.skills.get("roman-numerals").state is SkillState.RETIRED:
            break
        runtime.solve(numeral(1900 + number, "right", id=f"t{number}"), budget=ONCE)
    skill = runtime.skills.get("roman-numerals")
    assert skill.state is SkillState.RETIRED
    assert skill.reason.startswith("harms: score")
    moved = [event for event in runtime.ledger.events() if event.kind == "skill.moved"]
    assert [(e.before, e.after, e.by) for e in moved] == [("active", "retired", "trials")]
    assert runtime.solve(numeral(id="after")).skills_used == (), "it is not offered any more"


def test_a_skill_without_a_script_is_withheld_from_the_prompt(open_runtime: Open) -> None:
    runtime = open_runtime({"": "42"}, **ALWAYS)
    proposal = SkillProposal(
        name="six-times-seven",
        description="How to multiply six by seven. Use it for products of six and seven.",
        body="# Six times seven\n\nIt is forty-two, as every reader knows.",
    )
    skill = draft(proposal)
    stage = StageResult(stage="guards", passed=True, reason="a person vouches")
    report = AdmissionReport(name=skill.name, digest=skill.digest, admitted=True, stages=(stage,))
    runtime.skills.add(skill, report)
    prompt = "How do I multiply six by seven?"
    task = Task(prompt=prompt, evaluator="exact", reference="42")
    result = runtime.solve(task, budget=ONCE)
    assert result.attempts[0].skills_withheld == ("six-times-seven",)
    assert "every reader" not in runtime._model.calls[-1].text  # type: ignore[union-attr]
    assert "every reader" in _told(runtime, task)


def _told(runtime: Runtime, task: Task) -> str:
    runtime.solve(task, budget=ONCE, trials=False)
    return str(runtime._model.calls[-1].text)  # type: ignore[union-attr]


def test_what_is_not_in_use_cannot_be_read(open_runtime: Open) -> None:
    from evolvent.broker import Meter
    from evolvent.errors import GuestError

    runtime = open_runtime()
    runtime.skills.retire("roman-numerals", "not wanted")
    runtime.runs.start("r-1", "solve", "t", {})
    broker = runtime.services.broker("r-1", "r-1#1", Meter(Budget()))
    with pytest.raises(GuestError, match="is retired; it is not offered"):
        broker.handle("skills.read", {"name": "roman-numerals"})
