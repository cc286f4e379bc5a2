"""What an attempt read that may not be learned from unchecked: pure functions over its exchanges.

Labels: `memory:ID` (a lesson was recalled), `empty:tool:NAME` and `failed:tool:NAME` (a tool gave nothing, or an
error), `untrusted:tool:NAME`, `untrusted:skill:NAME`, `untrusted:input:NAME` (text that anyone may have written),
`unknown` (an exchange of an older version, of which only the answer was kept).

The rule is coarse on purpose. A model mixes all that it reads, so a lesson carries every label of its attempts, whether
or not words can be found again (information flow without declassification, as in CaMeL, Debenedetti et al. 2025).
Three things take a label's effect away, and each is a check by the kernel: a worked example that holds nothing but the
task's own words and the judge's answer (`restates_the_judge`); the same lesson from an independent, judged attempt
without labels; a probe of an environment claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from evolvent.memory.likeness import containment
from evolvent.types import Attempt, Exchange, JsonValue, Task, digest

__all__ = ["TaintPolicy", "labels_of", "lesson_id", "recalled_ids", "repeats", "restates_the_judge"]

OVERLAP = 0.5
"""Share of a lesson's shingles in a recalled lesson from which on it repeats it."""
LONG_ANSWER = 100
"""Characters from which on the beginning of an expected answer stands for the whole."""


def _always(_name: str) -> bool:
    return True


def _never(_name: str) -> bool:
    return False


@dataclass(frozen=True)
class TaintPolicy:
    """Whose words are trusted."""

    trusted_tool: Callable[[str], bool] = _always
    """False for tools that touch the network, declare nothing, or belong to a foreign server."""
    foreign_skill: Callable[[str], bool] = _never
    """True for skills that were imported from somewhere else."""
    kernel_tools: frozenset[str] = frozenset({"judge"})
    """Tools that the kernel itself grants to a learning session."""


def lesson_id(text: str, situation: str) -> str:
    """Return a lesson's identity: the same text about the same situation is the same lesson."""
    return "l-" + digest([text, situation])


def recalled_ids(exchanges: Iterable[Exchange]) -> tuple[str, ...]:
    """Return the ids of the lessons that were given to an attempt, in order, each once."""
    found = [
        lesson_id(str(item["text"]), str(item["situation"]))
        for exchange in exchanges
        if exchange.method == "memory.search" and isinstance(exchange.result, list)
        for item in exchange.result
        if isinstance(item, dict) and {"text", "situation"} <= item.keys()
    ]
    return tuple(dict.fromkeys(found))


def labels_of(exchanges: Sequence[Exchange], tasks: Sequence[Task], policy: TaintPolicy) -> tuple[str, ...]:
    """Return the labels of an attempt or a learning session, sorted.

    Args:
        exchanges: all that it asked and heard.
        tasks: what it was about, and what else the learning session was shown.
        policy: whose words are trusted.
    """
    labels = {f"memory:{found}" for found in recalled_ids(exchanges)}
    labels |= {f"untrusted:input:{name}" for task in tasks for name in task.untrusted}
    for exchange in exchanges:
        name = str(exchange.params.get("name", ""))
        if exchange.method == "unknown":
            labels.add("unknown")
        elif exchange.method == "tools.call" and name not in policy.kernel_tools:
            labels |= _tool_labels(name, exchange, policy)
        else:
            labels |= {
                f"untrusted:skill:{s}" for s in _skills_read(exchange, name) if policy.foreign_skill(s)
            }
    return tuple(sorted(labels))


def _skills_read(exchange: Exchange, name: str) -> Iterator[str]:
    """Yield the skills whose words, a description at the least, an exchange showed."""
    if exchange.error is not None:
        return
    if exchange.method in ("skills.run", "skills.read"):
        yield name
    found = exchange.result
    if exchange.method == "skills.context" and isinstance(found, dict):
        found = found.get("skills")
    if exchange.method in ("skills.search", "skills.context") and isinstance(found, list):
        yield from (str(item["name"]) for item in found if isinstance(item, dict) and "name" in item)


def _is_empty(value: JsonValue) -> bool:
    """Whether a value holds nothing, however nested."""
    if isinstance(value, dict):
        return all(_is_empty(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_empty(item) for item in value)
    return value is None or (isinstance(value, str) and not value.strip())


def _tool_labels(name: str, exchange: Exchange, policy: TaintPolicy) -> set[str]:
    labels = set() if policy.trusted_tool(name) else {f"untrusted:tool:{name}"}
    if exchange.error is not None:
        labels.add(f"failed:tool:{name}")
    elif _is_empty(exchange.result):
        labels.add(f"empty:tool:{name}")
    return labels


def repeats(text: str, exchanges: Sequence[Exchange]) -> str:
    """Return the id of a recalled lesson that a text repeats, or an empty string."""
    for exchange in exchanges:
        if exchange.method != "memory.search" or not isinstance(exchange.result, list):
            continue
        for item in exchange.result:
            if isinstance(item, dict) and containment(text, str(item.get("text", ""))) >= OVERLAP:
                return lesson_id(str(item.get("text")), str(item.get("situation")))
    return ""


def restates_the_judge(text: str, attempts: Sequence[Attempt], task: Task) -> bool:
    """Tell whether a text is `Example: <part of the prompt> Answer: <what the judge expects>` and nothing else.

    Such a text has no room for what an attempt read on its way: its words are the task's, its answer the evaluator's.
    """
    head, found, answer = text.rpartition(" Answer: ")
    if not found or not head.startswith("Example: ") or not answer.strip():
        return False
    quoted = head.removeprefix("Example: ").strip()
    if not quoted or quoted not in " ".join(task.prompt.split()):
        return False
    expected = [
        str(a.verdict.expected)
        for a in attempts
        if a.task.id == task.id and a.verdict is not None and a.verdict.expected is not None
    ]
    return any(answer == e or (len(answer) >= LONG_ANSWER and e.startswith(answer)) for e in expected)
