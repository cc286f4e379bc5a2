"""What the kernel adds to a solve: graph, checkpoints, store, ledger and sandbox, with an instant model.

Prints JSON: `solve_ms` for a task that a scripted model answers, `skill_ms` for one that a seed skill answers
(one more sandbox), and the same with the query's embedding warm (`*_warm_ms`): a question that was asked before.
"""

import argparse
import json
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
        fresh = [f"Please name the number {n} of the list of all answers" for n in range(rounds)]
        roman = runtime.skills.get("roman-numerals").cases[0]
        print(
            json.dumps(
                {
                    "solve_ms": figures(timed(runtime, fresh, "42")),
                    "solve_warm_ms": figures(timed(runtime, [fresh[0]] * rounds, "42")),
                    "skill_warm_ms": figures(timed(runtime, [roman.question] * rounds, roman.expected)),
                },
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
