"""What every mutation operator must do; plugin authors call `check_operator` in their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from random import Random

from evolvent.protocols import MutationOperator
from evolvent.testing.contract import asked, other_chance, require
from evolvent.types import JsonValue, Modification, Variant

__all__ = ["check_operator"]

FILES = {
    "task_agent.py": "def solve(task, ctx):\n    return ctx.model.complete(task['prompt'])\n",
    "meta_agent.py": "def learn(attempts, ctx):\n    return None\n",
    "prompts/solve.md": "Answer the question.\n",
}
OTHER_FILES = {**FILES, "prompts/solve.md": "Think step by step, then answer.\n"}
ANSWERS = (
    "",
    "I have no idea.",
    "{}",
    '{"files": 3, "hypothesis": null}',
    '{"files": {"task_agent.py": null, "/etc/passwd": "x", "../up.py": "y"}}',
    "```python\ndef solve(task, ctx):\n    return 'better'\n```",
    "```task_agent.py\ndef solve(:\n```\n```",
    "<<<<<<< SEARCH\nno such text\n=======\n>>>>>>> REPLACE",
    "--- a/task_agent.py\n+++ b/task_agent.py\n@@ -1,9 +1,9 @@\n-nothing\n+something\n",
    "[" * 3_000,
    "x\x00\ud800é🙂" * 50,
    "word " * 20_000,
)
"""What a model may answer; none of it is what an operator hopes for."""
SEED = 3


def check_operator(operator: MutationOperator) -> None:
    """Check a mutation operator against its contract.

    Whatever the model answers, and with failures of the parent or none, it returns None or a Modification of the
    parent: `before` are the parent's files, `after` differs from them, has relative paths and holds text. The same
    state of `rng` and the same answers get the same questions and the same proposal. The archive stays as it is.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    for number, answer in enumerate(ANSWERS):
        for failures in (FAILURES, ()) if number == 1 else (FAILURES,):
            where = f"propose() with the model answering {answer!r:.40}"
            first, again = (
                _propose(operator, where, _Context(answer, failures), chance) for chance in (1, 2)
            )
            require(
                first == again,
                f"{where} differs from one time to the next; with the same state of rng and the same answers of the "
                "model it must ask and propose the same",
            )


def _propose(
    operator: MutationOperator, where: str, context: _Context, chance: int
) -> tuple[Modification | None, list[str]]:
    with other_chance(chance):
        made = asked(
            where, "it must return a Modification, or None without an idea", lambda: operator.propose(context)
        )
    require(
        list(context.archive) == _archive(),
        f"{where} changes the archive; it may only read it",
    )
    if made is not None:
        require(
            isinstance(made, Modification),
            f"{where} returns {made!r:.80}; it must return a Modification, or None",
        )
        _check_modification(where, made)
    return made, context.asked


def _check_modification(where: str, made: Modification) -> None:
    require(
        made.parent in ("", "parent"),
        f"{where} changes {made.parent!r}; it must change the context's parent",
    )
    require(
        made.before == FILES,
        f"{where}: `before` is not the parent's files; it must be, all of them, unchanged",
    )
    require(
        made.after,
        f"{where}: `after` is empty; it must hold all files of the proposed program",
    )
    require(
        made.after != made.before,
        f"{where}: `after` equals `before`; without a change it must return None instead",
    )
    for path, text in made.after.items():
        plain = isinstance(path, str) and not set(path) & set("\\\0\n:")
        require(
            plain and not path.startswith("/") and ".." not in path.split("/"),
            f"{where}: the path {path!r:.80}; a path must be relative and stay inside",
        )
        require(
            path and str(PurePosixPath(path)) == path,
            f"{where}: the path {path!r:.80}; a path must be in its shortest form",
        )
        require(
            isinstance(text, str) and "\0" not in text and _encodes(text),
            f"{where}: {path!r} does not hold text; a file must be text that UTF-8 can encode, without NUL",
        )


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


FAILURES: tuple[Mapping[str, JsonValue], ...] = (
    {
        "task": {"id": "t-1", "prompt": "What is 6 times 7?", "inputs": {}},
        "answer": "41",
        "verdict": {"score": 0.0, "passed": False, "feedback": "The answer is not the expected one."},
    },
    {
        "task": {"id": "t-2", "prompt": "Spell sun backward.", "inputs": {}},
        "answer": None,
        "verdict": {"score": 0.0, "passed": False, "feedback": ""},
    },
)


def _archive() -> list[Variant]:
    return [
        Variant(id="seed", trials=10, passed=4, score=0.4),
        Variant(id="other", parents=("seed",), generation=1, trials=10, passed=6, score=0.6),
        Variant(id="dead", parents=("seed",), generation=1, viable=False),
        Variant(id="parent", parents=("seed",), generation=1, trials=10, passed=5, score=0.5),
    ]


class _Context:
    """A MutationContext whose model always gives the same answer."""

    def __init__(self, answer: str, failures: Sequence[Mapping[str, JsonValue]]) -> None:
        self.archive: Sequence[Variant] = _archive()
        self.parent = self.archive[-1]
        self.rng = Random(SEED)  # noqa: S311 - chance that must be repeatable
        self.asked: list[str] = []
        self._answer = answer
        self._failures = failures

    def files(self, variant: str) -> Mapping[str, str]:
        """Return a copy of a variant's files."""
        known = {"seed": FILES, "parent": FILES, "dead": FILES, "other": OTHER_FILES}
        return dict(known[variant])

    def failures(self) -> Sequence[Mapping[str, JsonValue]]:
        """Return what the parent failed at."""
        return list(self._failures)

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Answer."""
        for message in messages:
            if message.get("role") not in ("system", "user", "assistant") or not isinstance(
                message.get("content"), str
            ):
                raise TypeError(f"a message must have a role and a text as content, not {message!r:.80}")
        self.asked.append(repr([dict(message) for message in messages]))
        return self._answer
