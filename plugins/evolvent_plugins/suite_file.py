"""`file:tasks.jsonl`: the user's own tasks, one JSON object a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from evolvent.errors import UnknownName, UsageError
from evolvent.hookspecs import hookimpl
from evolvent.protocols import SuiteFactory
from evolvent.types import Frozen, JsonValue, Split, Task, digest

__all__ = ["FileSuite", "register_suites"]

DEFAULT_FAMILY = "tasks"
MAX_REPORTED = 10
EXAMPLE = '{"prompt": "What is 6 times 7?", "evaluator": "numeric", "reference": 42}'


class _Line(Frozen):
    prompt: str = Field(min_length=1)
    evaluator: str = Field(min_length=1)
    reference: JsonValue
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    untrusted: tuple[str, ...] = ()
    family: str = Field(default=DEFAULT_FAMILY, min_length=1)
    split: Split | None = None
    id: str = ""


class FileSuite:
    """Tasks from a JSONL file.

    Each line is an object with `prompt`, `evaluator` and `reference`, and optionally `inputs`, `untrusted`, `family`,
    `split` (train, gate or sealed) and `id`. Without `split`, the hash of the prompt puts half of the tasks
    into train, a quarter into gate and a quarter into sealed.
    """

    def __init__(self, path: str) -> None:
        """Read the file that follows `file:`.

        Raises:
            UsageError: it cannot be read, or lines of it are wrong; names each with its number.
        """
        self.name = f"file:{path}"
        self._tasks = _read(Path(path).expanduser(), self.name)
        self._families = tuple(dict.fromkeys(str(task.family) for task in self._tasks))

    @property
    def families(self) -> tuple[str, ...]:
        """The families in the order in which the file names them first."""
        return self._families

    def tasks(self, split: Split, family: str) -> Iterator[Task]:
        """Yield the tasks of a split and family in the file's order.

        Raises:
            UnknownName: the file has no such family.
        """
        if family not in self._families:
            raise UnknownName(f"family of the suite {self.name!r}", family, self._families)
        return (task for task in self._tasks if task.split is split and task.family == family)

    def digest(self) -> str:
        """Return a hash of all tasks; the file's name does not matter."""
        # A field that came later is left out where it says nothing: old suites keep their digest.
        return digest(
            [
                task.model_dump(
                    mode="json", exclude={"suite", "id"} if task.untrusted else {"suite", "id", "untrusted"}
                )
                for task in self._tasks
            ]
        )


def _read(path: Path, suite: str) -> list[Task]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"the task file {str(path)!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the task file {str(path)!r} is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    tasks: list[Task] = []
    problems: list[str] = []
    lines_of: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            task = _task(line, suite)
        except _BadLine as bad:
            problems.append(f"  {path}:{number}: {bad}")
            continue
        if task.id in lines_of:
            problems.append(
                f"  {path}:{number}: the same task as on line {lines_of[task.id]} (id {task.id!r})"
            )
        lines_of.setdefault(task.id, number)
        tasks.append(task)
    if problems:
        shown = "\n".join(problems[:MAX_REPORTED])
        more = f"\n  … and {len(problems) - MAX_REPORTED} more" if len(problems) > MAX_REPORTED else ""
        raise UsageError(
            f"{len(problems)} lines of the task file are wrong:\n{shown}{more}\nA right line: {EXAMPLE}"
        )
    if not tasks:
        raise UsageError(f"the task file {str(path)!r} holds no task. A line looks like: {EXAMPLE}")
    return tasks


class _BadLine(Exception):
    """What is wrong with one line."""


def _task(line: str, suite: str) -> Task:
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _BadLine(f"not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _BadLine(f"a JSON object is needed, not {line.strip()[:40]!r}")
    try:
        parsed = _Line.model_validate(value)
    except ValidationError as error:
        raise _BadLine("; ".join(_say(item) for item in error.errors()[:3])) from None
    if unknown := [name for name in parsed.untrusted if name not in parsed.inputs]:
        raise _BadLine(f"the field 'untrusted' names {unknown[0]!r}, which is no input")
    fields: dict[str, Any] = {
        "id": parsed.id,
        "prompt": parsed.prompt,
        "inputs": parsed.inputs,
        "untrusted": parsed.untrusted,
        "suite": suite,
        "family": parsed.family,
        "split": parsed.split or _split_of(parsed.prompt),
        "evaluator": parsed.evaluator,
        "reference": parsed.reference,
    }
    if not parsed.id:  # the file may be moved or reordered: its name does not make the identity
        fields["id"] = "f-" + digest(
            {"prompt": parsed.prompt, "inputs": parsed.inputs, "reference": parsed.reference}
        )
    return Task(**fields)


def _say(item: Any) -> str:
    field = ".".join(str(part) for part in item["loc"][:1])
    if item["type"] == "missing":
        return f"the field {field!r} is missing"
    if item["type"] == "extra_forbidden":
        return f"the field {field!r} is unknown; allowed are {', '.join(_Line.model_fields)}"
    return f"the field {field!r}: {item['msg']}, not {str(item['input'])[:40]!r}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _split_of(prompt: str) -> Split:
    quarter = hashlib.sha256(prompt.encode()).digest()[0] % 4
    return (Split.TRAIN, Split.TRAIN, Split.GATE, Split.SEALED)[quarter]


@hookimpl
def register_suites(register: Callable[[str, SuiteFactory], None]) -> None:
    """Register the scheme `file`."""
    register("file", FileSuite)
