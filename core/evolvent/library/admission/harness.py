"""Many calls of one script in one process of the sandbox: does an answer depend on the calls before it?

The driver is guest code. What it reports comes from the process of the script itself, which could forge it; but a
script that can do that can answer whatever it likes, and is judged by its answers in processes of their own too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from evolvent.protocols import FunctionServer
from evolvent.types import CallResult, JsonValue, Limits, canonical_json

__all__ = [
    "DRIVER",
    "ROW_SECONDS",
    "SLOW_ROW_SECONDS",
    "Outcome",
    "Row",
    "call_in_a_row",
    "outcome_of",
    "same",
]

ROW_SECONDS, SLOW_ROW_SECONDS = 10.0, 40.0
"""Wall clock of many calls in a row, and of those of a slow script."""
MAX_ROW_BYTES = 8 * 1024 * 1024
LONG, SHOWN = 2000, 200
"""A longer answer is compared by its first characters and its hash; the driver does the same."""

DRIVER = '''\
import hashlib
import json
import operator
import re
import types


def outcome(solve, question):
    try:
        value = solve(question)
    except BaseException as error:
        return ["error", type(error).__name__]
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return ["error", "not_json"]
    if len(text) > 2000:
        text = text[:200] + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return ["value", text]


def state(value, seen, depth=0):
    """What of a value could remember a call, as text; results that functools caches are left out."""
    if depth > 12 or id(value) in seen:
        return "."
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, re.Pattern)):
        return repr(value)
    seen = seen | {id(value)}
    look = lambda item: state(item, seen, depth + 1)
    if isinstance(value, dict):
        return "{" + ",".join(look(k) + ":" + look(v) for k, v in list(value.items())) + "}"
    if isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
        return "[" + ",".join(map(look, list(value))) + "]"
    if isinstance(value, (set, frozenset)):
        return "{" + ",".join(sorted(map(look, list(value)))) + "}"
    if isinstance(value, types.FunctionType):
        cells = []
        for cell in value.__closure__ or ():
            try:
                cells.append(cell.cell_contents)
            except ValueError:
                cells.append(None)
        return "f" + look([value.__defaults__, value.__kwdefaults__, value.__dict__, cells])
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return "g" + ("" if frame is None else str(frame.f_lasti) + look(dict(frame.f_locals)))
    if isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
        return "m"
    if isinstance(value, type):
        own = {k: v for k, v in vars(value).items() if not k.startswith("__") or k == "__init__"}
        return "c" + look(own) if value.__module__ == "evolvent_function" else "m"
    if hasattr(value, "__wrapped__"):
        return "w" + look(value.__wrapped__)
    if type(value).__module__ == "itertools" and type(value).__name__ in ("count", "repeat"):
        return repr(value)
    if hasattr(value, "__length_hint__"):
        return "i" + str(operator.length_hint(value, -1))
    own = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if isinstance(name, str) and hasattr(value, name):
                own[name] = getattr(value, name)
    return "o" + look(own)


def states(names):
    return {name: state(value, frozenset()) for name, value in names.items() if name != "__builtins__"}


def drive(source, questions, order):
    names = {"__name__": "evolvent_function", "__builtins__": __builtins__}
    exec(compile(source, "<function>", "exec", dont_inherit=True), names)
    solve = names["solve"]
    before = states(names)
    first, unlike = {}, []
    for step, index in enumerate(order):
        seen = outcome(solve, questions[index])
        if first.setdefault(index, seen) != seen and len(unlike) < 5:
            unlike.append([step, index, seen])
    after = states(names)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return {
        "outcomes": [first.get(index, ["error", "not_called"]) for index in range(len(questions))],
        "unlike": unlike,
        "changed": changed[:5],
    }
'''


class Outcome(NamedTuple):
    """What a script made of a question, in a form that compares: JSON text, or the kind of error."""

    answered: bool
    """Whether it gave an answer; `None`, which says "not applicable", is none."""
    kind: str
    """`value` or `error`."""
    text: str


class Row(NamedTuple):
    """What came of many calls in a row."""

    outcomes: list[Outcome]
    """Of the first call with each question, in the order of the questions."""
    unlike: list[tuple[int, int, Outcome]]
    """Later calls that gave something else: number of the call, index of the question, what it gave."""
    changed: list[str]
    """Names of the module that hold another state after the calls."""


def call_in_a_row(
    functions: FunctionServer,
    script: str,
    questions: Sequence[str],
    order: Sequence[int],
    limits: Limits,
    seconds: float = ROW_SECONDS,
) -> Row | CallResult:
    """Make calls of `solve` in one process, or return why that process did not end well.

    Args:
        functions: the sandbox.
        script: defines `solve(question)`.
        questions: the inputs.
        order: indices of the questions in the order in which to ask them; may repeat.
        limits: of one call; the row gets more time, and room for its report.
        seconds: wall clock of the row.
    """
    seconds = max(seconds, limits.wall_seconds)
    wide = limits.model_copy(
        update={
            "wall_seconds": seconds,
            "cpu_seconds": max(limits.cpu_seconds, round(seconds)),
            "value_bytes": max(limits.value_bytes, MAX_ROW_BYTES),
        }
    )
    (result,) = functions.call_function(DRIVER, "drive", [[script, list(questions), list(order)]], wide)
    if not result.ok or not isinstance(result.value, dict):
        return result
    said: dict[str, JsonValue] = result.value
    outcomes, unlike, changed = said.get("outcomes"), said.get("unlike"), said.get("changed")
    if not (isinstance(outcomes, list) and isinstance(unlike, list) and isinstance(changed, list)):
        return result.model_copy(update={"outcome": "died", "error": "the row of calls sent no report"})
    later = [(row[0], row[1], _read(row[2])) for row in unlike if isinstance(row, list) and len(row) == 3]
    return Row(
        [_read(item) for item in outcomes],
        [(int(str(step)), int(str(index)), found) for step, index, found in later],
        [str(name) for name in changed],
    )


def outcome_of(result: CallResult) -> Outcome:
    """Return the outcome of a call in a process of its own; equal ones compare equal to those of a row."""
    if not result.ok:
        return Outcome(False, "error", result.outcome)
    text = canonical_json(result.value)
    if len(text) > LONG:
        text = text[:SHOWN] + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return Outcome(result.value is not None, "value", text)


def same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are alike; all errors are, because none of them gives an answer."""
    return one == other or one.kind == other.kind == "error"


def _read(item: JsonValue) -> Outcome:
    if not (isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item)):
        return Outcome(False, "error", "malformed")
    kind, text = str(item[0]), str(item[1])
    return Outcome(kind == "value" and text != "null", kind, text)
