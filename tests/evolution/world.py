"""A small world for evolution: sums as tasks, and programs that can do a declared share of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from evolvent import Runtime
from evolvent.evolution.archive import Archive
from evolvent.hookspecs import hookimpl
from evolvent.practice import EvolveJob
from evolvent.types import Candidate, EvolveOptions, Modification, Split, Task

AGENT = '''import re

LEVEL = {level}


def solve(task, ctx):
    """Add what the task says, where the level reaches it."""
    numbers = re.findall(r"\\d+", task["prompt"])
    if len(numbers) != 2:
        raise ctx.GiveUp("no sum")
    first, second = map(int, numbers)
    hard = (first * 7 + second) % 10
    return first + second if hard < LEVEL else -1
'''
ASKING = """LEVEL = 3


def solve(task, ctx):
    ctx.model.complete([{"role": "user", "content": task["prompt"]}])
    numbers = task["prompt"].removesuffix("?").split("+")
    if len(numbers) != 2:
        return ""
    first, second = map(int, numbers)
    return first + second if (first * 7 + second) % 10 < LEVEL else -1
"""
"""Asks the model, and adds as `program(3)` does."""
META = '''def learn(attempts, ctx):
    return None


def improve(parent, history, ctx):
    """Put a remark before the first line."""
    reply = ctx.model.complete([{"role": "user", "content": "Improve the program."}])
    line = parent["files"]["task_agent.py"].splitlines()[0]
    edit = {"path": "task_agent.py", "search": line, "replace": "# " + str(len(reply.text)) + "\\n" + line}
    return {"hypothesis": "a remark", "edits": [edit]}
'''
SELECT = """def select(archive, rng):
    return rng.choice(archive)["id"]
"""


def program(level: int) -> dict[str, str]:
    """Return a program that solves a share of `level` tenths."""
    return {
        "task_agent.py": AGENT.format(level=level),
        "meta_agent.py": META,
        "select_parent.py": SELECT,
        "prompts/answer.md": "Answer.\n",
    }


class Sums:
    """Sums; the split is drawn from the numbers."""

    families = ("small", "large")

    def __init__(self, rest: str = "") -> None:
        self.name = f"sums:{rest}"
        self._size = int(rest or 100)

    def tasks(self, split: Split, family: str) -> Iterator[Task]:
        """Yield the tasks of a split and family."""
        offset = ("small", "large").index(family) * 1000 + [*Split].index(split) * 100_000
        for number in range(self._size):
            first, second = (
                offset + number,
                int(hashlib.sha256(f"{offset}/{number}".encode()).hexdigest()[:3], 16),
            )
            yield Task(
                prompt=f"{first}+{second}?",
                evaluator="exact",
                reference=first + second,
                split=split,
                family=family,
                suite=self.name,
            )

    def digest(self) -> str:
        """Return a hash of the tasks."""
        return f"sums-{self._size}"


class Step:
    """Raises or lowers the level, at random."""

    def __init__(self, steps: tuple[int, ...] = (-1, 1, 2)) -> None:
        self._steps = steps

    def propose(self, context: Any) -> Modification:
        """Return the changed program."""
        before = dict(context.files(context.parent.id))
        found = re.search(r"LEVEL = (\d+)", before["task_agent.py"])
        assert found
        level = max(0, min(10, int(found[1]) + context.rng.choice(self._steps)))
        text = before["task_agent.py"].replace(found[0], f"LEVEL = {level}")
        text += f"# {context.rng.getrandbits(40):x}\n"  # never the same program twice
        return Modification(
            parent=context.parent.id,
            before=before,
            after={**before, "task_agent.py": text},
            hypothesis=f"level {level}",
        )


class Remark:
    """Asks the parent's meta agent."""

    def propose(self, context: Any) -> Modification | None:
        """Return what it proposes, applied."""
        from evolvent.evolution import apply_edits

        before = dict(context.files(context.parent.id))
        after, hypothesis = apply_edits(before, context.improve())
        return Modification(parent=context.parent.id, before=before, after=after, hypothesis=hypothesis)


class World:
    """The plugin."""

    def __init__(self, **operators: Any) -> None:
        self.operators = {"step": Step(), "remark": Remark(), **operators}

    @hookimpl
    def register_suites(self, register: Callable[..., None]) -> None:
        """Register `sums`."""
        register("sums", Sums)

    @hookimpl
    def register_operators(self, register: Callable[..., None]) -> None:
        """Register the operators of the test."""
        for name, operator in self.operators.items():
            register(name, lambda settings, made=operator: made)


SOLVE = "def solve(task, ctx):\n    {}\n"


class Scripted:
    """Proposes one change of files after the other."""

    def __init__(self, *changes: dict[str, str | None]) -> None:
        self.changes = list(changes)

    def propose(self, context: Any) -> Modification:
        before = dict(context.files(context.parent.id))
        after = {**before, **self.changes.pop(0)}
        return Modification(
            parent=context.parent.id,
            before=before,
            after={path: text for path, text in after.items() if text is not None},
            hypothesis="scripted",
        )


def run(runtime: Runtime, options: EvolveOptions, **given: Any) -> tuple[Any, list[Candidate]]:
    heard: list[Candidate] = []
    job = EvolveJob(runtime, "sums", options, listener=lambda g: heard.extend(g.candidates), **given)
    return job.run(), heard


def archive_of(runtime: Runtime) -> Archive:
    return Archive(runtime.evolution.tables, runtime.evolution.genomes)


def context_of(runtime: Runtime) -> str:
    return runtime.evolution.tables.contexts()[-1]
