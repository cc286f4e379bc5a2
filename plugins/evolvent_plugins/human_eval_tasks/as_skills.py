"""The benchmark's own solutions as skills: honest code of many kinds, to see whether admission lets it in."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from evolvent.types import JsonValue, SkillProposal, Task
from evolvent_plugins.human_eval_tasks.problems import Problem, load_problems
from evolvent_plugins.human_eval_tasks.translate import NotTranslatable, translate

__all__ = ["solutions_as_skills"]

WRAPPER = '''

def solve(question):
    """Answer "HumanEval n: what is name(arguments)?" for this function; the arguments are JSON."""
    import json
    import re

    match = re.fullmatch(r"HumanEval {number}: what is {function}\\((.*)\\)\\?", question.strip(), re.DOTALL)
    if match is None:
        return None
    try:
        arguments = json.loads("[" + match.group(1) + "]")
    except ValueError:
        return None
    return {function}(*arguments)
'''


def solutions_as_skills(min_cases: int = 8) -> Iterator[tuple[SkillProposal, list[Task]]]:
    """Yield the solutions whose checks have enough cases with plain JSON, each with its cases as tasks."""
    for number, problem in enumerate(load_problems().values()):
        tasks = _tasks(problem, number)
        # A function that has the name of a skill's entry cannot be wrapped.
        if len(tasks) < min_cases or problem.function == "solve":
            continue
        words = problem.function.replace("_", " ")
        about = textwrap.shorten(problem.prompt.partition('"""')[2].partition('"""')[0], 300)
        yield (
            SkillProposal(
                name=f"{problem.function.replace('_', '-').lower().strip('-')}-{number}",
                description=f"Computes {words}; for questions like: HumanEval {number}: what is {problem.function}(…)?",
                body=f"# {words}\n\nDescribed by its author as: {about}",
                script=problem.prompt
                + problem.solution
                + WRAPPER.format(function=problem.function, number=number),
            ),
            tasks,
        )


def _tasks(problem: Problem, number: int) -> list[Task]:
    found: dict[str, Task] = {}
    try:
        expectations = translate(problem.check, problem.function)
    except NotTranslatable:
        return []
    for expectation in expectations:
        arguments, expected = list(expectation.args), expectation.expected
        if expectation.tolerance or not (_is_json(arguments) and _is_json(expected)) or expected is None:
            continue
        shown = ", ".join(json.dumps(argument) for argument in arguments)
        prompt = f"HumanEval {number}: what is {problem.function}({shown})?"
        found.setdefault(
            prompt,
            Task(
                id=f"he-skill-{problem.function}-{len(found)}",
                prompt=prompt,
                evaluator="exact",
                reference=expected,
            ),
        )
    return list(found.values())


def _is_json(value: JsonValue) -> bool:
    """Whether JSON gives a value back as it was: a tuple, or an object with numbers as keys, it does not."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False
