"""What every mutation operator must do; plugin authors call `check_operator` in their tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from random import Random

from evolvent.protocols import MutationOperator
from evolvent.testing.contract import asked, other_chance, require
from evolvent.types import JsonValue, Modification, Variant

__all__ = ["check_operator"]

FILES = {
    "task_agent.py": "def solve(task, ctx):\n    return ctx.model.complete(task['prompt'])\n",
    "meta_agent.py": (
        "def learn(attempts, ctx):\n    return None\n\n\ndef improve(parent, history, ctx):\n    return None\n"
    ),
    "select_parent.py": "def select(archive, rng):\n    return archive[0]['id']\n",
    "genome.toml": "[parameters.temperature]\nvalue = 0.2\nlow = 0.0\nhigh = 1.0\n",
    "prompts/solve.md": "Answer the question.\n",
}
OTHER_FILES = {
    **FILES,
    "prompts/solve.md": "Think step by step, then answer.\n",
    "task_agent.py": "def solve(task, ctx):\n    return 'other'\n",
}
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
IMPROVEMENTS: tuple[JsonValue, ...] = (
    None,
    "no proposal",
    {},
    {"hypothesis": None, "edits": 3},
    {"hypothesis": "x", "edits": [{"path": "../up.py", "content": "x"}]},
    {"hypothesis": "x", "edits": [{"path": "task_agent.py", "search": "no such text", "replace": "y"}]},
    {"hypothesis": "x", "edits": [{"path": "task_agent.py", "content": "def solve(:"}]},
    {"hypothesis": "x\ud800\0", "edits": [{"path": "prompts/solve.md", "content": "y\ud800\0"}]},
    {"hypothesis": "Shorter.", "edits": [{"path": "prompts/solve.md", "content": "Answer.\n"}]},
    {"hypothesis": "Nothing.", "edits": [{"path": "prompts/solve.md", "content": "Answer the question.\n"}]},
    [[[]]],
    {"files": {"task_agent.py": ""}},
)
"""What a meta agent may return, one for each answer of the model."""
MAX_REQUESTS = 50
"""Requests to the model and to the meta agent after which a proposal counts as endless."""
SEED = 3


def check_operator(operator: MutationOperator) -> None:
    """Check a mutation operator against its contract.

    Whatever the model answers and the parent's meta agent returns, and with failures of the parent or none, it returns
    None or a Modification of the parent: `before` are the parent's files, `after` differs from them, has relative
    paths and holds text, `donors` are other variants. The same state of `rng` and the same answers get the same
    questions and the same proposal. It asks a bounded number of times. The archive stays as it is.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    for number, answer in enumerate(ANSWERS):
        for failures in (FAILURES, ()) if number == 1 else (FAILURES,):
            where = f"propose() with the model answering {answer!r:.40}"
            first, again = (
                _propose(operator, where, _Context(answer, failures, IMPROVEMENTS[number]), chance)
                for chance in (1, 2)
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
    known = {variant.id for variant in _archive()}
    require(
        set(made.donors) <= known - {"parent"},
        f"{where}: donors are {made.donors!r}; they must be other variants of the archive",
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


HISTORY: list[Mapping[str, JsonValue]] = [
    {
        "id": "parent",
        "hypothesis": "Shorter prompts help.",
        "operator": "prompt",
        "files": ["prompts/solve.md"],
        "outcome": "accepted",
        "score": 0.5,
        "parent_score": 0.4,
    },
    {
        "id": "dead",
        "hypothesis": "",
        "operator": "meta-agent",
        "files": ["task_agent.py"],
        "outcome": "rejected",
        "score": None,
        "parent_score": None,
    },
]


def _archive() -> list[Variant]:
    return [
        Variant(id="seed", trials=10, passed=4, score=0.4),
        Variant(id="other", parents=("seed",), generation=1, trials=10, passed=6, score=0.6),
        Variant(id="dead", parents=("seed",), generation=1, viable=False),
        Variant(id="parent", parents=("seed",), generation=1, trials=10, passed=5, score=0.5),
    ]


class _Context:
    """A MutationContext whose model and meta agent always give the same answer."""

    def __init__(
        self, answer: str, failures: Sequence[Mapping[str, JsonValue]], improvement: JsonValue
    ) -> None:
        self.archive: Sequence[Variant] = _archive()
        self.parent = self.archive[-1]
        self.rng = Random(SEED)  # noqa: S311 - chance that must be repeatable
        self.asked: list[str] = []
        self._answer = answer
        self._failures = failures
        self._improvement = improvement

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
        self._count(repr([dict(message) for message in messages]))
        return self._answer

    def improve(self, problems: Sequence[str] = ()) -> JsonValue:
        """Return what the parent's meta agent proposes."""
        if isinstance(problems, str) or not all(isinstance(problem, str) for problem in problems):
            raise TypeError(f"problems must be a sequence of texts, not {problems!r:.80}")
        self._count(f"improve: {list(problems)!r}")
        return copy.deepcopy(self._improvement)

    def history(self) -> Sequence[Mapping[str, JsonValue]]:
        """Return what was tried."""
        return copy.deepcopy(HISTORY)

    def _count(self, request: str) -> None:
        self.asked.append(request)
        if len(self.asked) > MAX_REQUESTS:
            raise RuntimeError(f"it asked more than {MAX_REQUESTS} times; it must give up after a few")
