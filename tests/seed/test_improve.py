"""How the seeds improve themselves: what a model is shown, and how its reply becomes edits that can be applied."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from evolvent import Runtime
from evolvent.broker import Meter
from evolvent.evolution import apply_edits, check_surface
from evolvent.graphs.genome import seed_genome
from evolvent.graphs.guest import run_guest
from evolvent.types import Budget

Open = Callable[..., Runtime]
SEED = seed_genome()
FAILURES = [
    {
        "task": {"id": "t1", "prompt": "What is 6 times 7?" + " very" * 400, "inputs": {}},
        "answer": "The answer is 41.",
        "verdict": {
            "score": 0.0,
            "passed": False,
            "feedback": "It is not the expected one.",
            "expected": None,
        },
    },
    {"task": {"id": "t2", "prompt": "Spell sun backward.", "inputs": {}}, "answer": "sun", "verdict": None},
]
HISTORY = [
    {
        "id": "v1",
        "hypothesis": "Shorter answers are judged better.",
        "operator": "meta-agent",
        "files": ["prompts/answer.md", "task_agent.py"],
        "outcome": "rejected",
        "score": 0.25,
        "parent_score": 0.5,
    }
]
TEXT = "Hypothesis: Answers should be bare.\n```\nAnswer with the bare result.\n```\n"
TAGS = "<instruction>\nGive the number alone.</instruction>\nHypothesis: It has a form."
BLOCK = (
    "Hypothesis: Strip quotes.\n<<<<<<< SEARCH\n    return reply.text.strip()\n=======\n"
    "    return reply.text.strip().strip('\"')\n>>>>>>> REPLACE\n"
)
FUNCTION = '**Hypothesis:** Name inputs.\n```python\ndef question_text(task):\n    return task["prompt"] + "!"\n```\n'


def improve(
    open_runtime: Open, replies: list[str], only: str | None = None, name: str = "seed", **parent: Any
) -> tuple[Any, str]:
    """Run `improve` of a seed with a scripted model; `only` leaves one file to change."""
    shown, left = [], iter(replies)

    def answer(messages: list[BaseMessage]) -> str:
        shown.extend(str(message.content) for message in messages)
        return next(left)

    runtime = open_runtime(answer)
    genome = seed_genome(name)
    runtime.services.genome = genome
    files = {only: genome[only]} if only else genome
    given = {
        "id": "p",
        "files": files,
        "score": 0.5,
        "trials": 4,
        "failures": FAILURES,
        "problems": [],
        "budget": {},
    }
    meter = Meter(Budget())
    broker = runtime.services.broker("run", f"run#{replies}", meter)
    outcome = run_guest(
        runtime.services,
        broker,
        meter,
        ("meta_agent", "improve"),
        [{**given, **parent}, HISTORY],
        {"seed": 1},
    )
    assert outcome.ended == "returned", outcome.detail
    return outcome.value, "\n".join(shown)


@pytest.mark.parametrize(
    ("path", "reply", "hypothesis", "changed"),
    [
        ("prompts/answer.md", TEXT, "Answers should be bare.", "Answer with the bare result.\n"),
        ("prompts/answer.md", TAGS, "It has a form.", "Give the number alone.\n"),
        ("task_agent.py", BLOCK, "Strip quotes.", ".strip('\"')\n"),
        ("task_agent.py", FUNCTION, "Name inputs.", 'return task["prompt"] + "!"\n'),
    ],
)
def test_a_reply_becomes_an_edit_that_fits(
    open_runtime: Open, path: str, reply: str, hypothesis: str, changed: str
) -> None:
    proposal, _ = improve(open_runtime, [reply], path)
    after, why = apply_edits(SEED, proposal)
    assert why == hypothesis
    assert changed in after[path]
    assert check_surface(after) == []
    assert {name for name in SEED if after[name] != SEED[name]} == {path}


def test_a_reply_that_cannot_be_used_is_asked_for_again(open_runtime: Open) -> None:
    missing = BLOCK.replace("    return reply.text.strip()\n=", "    return nothing\n=")
    proposal, shown = improve(open_runtime, [missing, BLOCK], "task_agent.py")
    assert apply_edits(SEED, proposal)[1] == "Strip quotes."
    assert "do not stand in the file exactly once" in shown


@pytest.mark.parametrize(
    "reply", ["", "I have no idea.", "```\n```", "```python\ndef other(:\n```", "<<<<<<< SEARCH\n"]
)
def test_without_a_usable_reply_there_is_no_proposal(open_runtime: Open, reply: str) -> None:
    assert improve(open_runtime, [reply, reply], "task_agent.py")[0] is None


def test_code_is_no_instruction(open_runtime: Open) -> None:
    proposal, shown = improve(
        open_runtime, ["```python\ndef answer():\n    pass\n```", TAGS], "prompts/answer.md"
    )
    assert proposal["edits"] == [{"path": "prompts/answer.md", "content": "Give the number alone.\n"}]
    assert "an instruction is plain English, without any code. Reply again" in shown


def test_the_model_sees_the_file_the_failures_what_was_tried_and_what_could_not_be_used(
    open_runtime: Open,
) -> None:
    _, shown = improve(
        open_runtime, [BLOCK], "task_agent.py", problems=["edit 1 of 1: the search text is empty"]
    )
    assert "def ask_model(task, ctx):" in shown
    assert "The wrong answer: The answer is 41." in shown
    assert "What was wrong: It is not the expected one." in shown
    assert "- Shorter answers are judged better. (score 0.50 -> 0.25, rejected)" in shown
    assert "An earlier reply could not be used: edit 1 of 1: the search text is empty" in shown
    assert len(shown) < 6000


@pytest.mark.parametrize("path", [path for path in SEED if path.endswith(".py")])
def test_a_long_file_is_shown_in_part(open_runtime: Open, path: str) -> None:
    _, shown = improve(open_runtime, ["no", "no"], path)
    assert len(shown) < 16_000


def test_every_seed_of_chance_leads_to_a_request(open_runtime: Open) -> None:
    scope: dict[str, Any] = {}
    exec(SEED["improve.py"].replace("(Path(__file__).parent", "(Path('core/evolvent/seed')"), scope)
    parent = {"files": SEED, "failures": FAILURES, "problems": []}
    chosen = [scope["responsible_file"](parent, [], Random(n)) for n in range(300)]
    assert 80 < chosen.count("task_agent.py") < 180
    assert (
        chosen.count("meta_agent.py") + chosen.count("improve.py") + chosen.count("prompts/improve.md") > 10
    )
    assert "genome.toml" not in chosen
    often = [{**HISTORY[0], "files": ["task_agent.py"]}] * 20
    assert [scope["responsible_file"](parent, often, Random(n)) for n in range(300)].count(
        "task_agent.py"
    ) < 30


def test_bare_has_a_file_changed_after_an_idea_of_its_own(open_runtime: Open) -> None:
    proposal, asked = improve(open_runtime, ["It helps.\n```python\nx = 1\n```"], name="bare")
    before = seed_genome("bare")
    after, why = apply_edits(before, proposal)
    path, idea = why.split(": ", 1)
    assert f"{path}: {idea}\n" in before["prompts/improve.md"]
    assert after == {**before, path: "x = 1\n"}
    assert before[path] in asked
    assert asked.rstrip().endswith(f"{idea}.")
    assert improve(open_runtime, ["no idea"], name="bare")[0] is None
