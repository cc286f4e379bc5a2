"""What the kernel adds to a solve: graph, checkpoints, store, ledger and sandbox, with an instant model.

Prints JSON. `solve_ms`: a scripted model answers, no skill is near; the question was asked before, so its embedding
is known. `solve_new_question_ms`: the same with questions that must be embedded. `skill_ms`: a seed skill answers, in
one more sandbox. `skill_in_vain_ms`: a near skill declines, then the model answers.
"""

import argparse
import json
import os
import statistics
import tempfile
import time

from evolvent import Runtime, Task
from evolvent.testing import ScriptedModel


def figures(seconds):
    """Summarise durations in milliseconds."""
    ordered = sorted(1000 * s for s in seconds)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * len(ordered))], 1),
        "n": len(ordered),
    }


def timed(runtime, prompts, reference):
    """Solve each prompt and return the durations."""
    seconds = []
    for prompt in prompts:
        task = Task(prompt=prompt, evaluator="exact", reference=reference, split="sealed")
        started = time.perf_counter()
        runtime.solve(task)
        seconds.append(time.perf_counter() - started)
        time.sleep(0.05)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as home,
        Runtime.open(home=home, chat_model=ScriptedModel(script={"": "42"})) as runtime,
    ):
        timed(runtime, ["What is six times seven?"] * 5, "42")
        story = "Tell me a short story about a cat"
        stories = [f"{story} whose number is {n}" for n in range(rounds)]
        roman = runtime.skills.get("roman-numerals").cases[0]
        near = "Please name the number 7 of the list of all answers"
        found = {
            "solve_ms": figures(timed(runtime, [story] * rounds, "42")),
            "solve_new_question_ms": figures(timed(runtime, stories, "42")),
            "skill_ms": figures(timed(runtime, [roman.question] * rounds, roman.expected)),
            "skill_in_vain_ms": figures(timed(runtime, [near] * rounds, "42")),
            "load": round(os.getloadavg()[0], 1),
        }
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
