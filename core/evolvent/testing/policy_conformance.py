"""What self-modification policies and mutation operators must do."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from evolvent.protocols import MutationOperator, Policy
from evolvent.types import JsonValue, Modification, Move, Variant

__all__ = ["archives", "check_operator", "check_policy"]


def archives() -> Iterator[tuple[str, list[Variant]]]:
    """Yield archives that a policy may meet, each with what is special about it."""
    seed = Variant(id="seed", trials=40, passed=10, score=0.25)
    yield "one seed", [seed]
    yield "a seed without trials", [Variant(id="seed")]
    yield "a seed and a broken child", [seed, Variant(id="c", parents=("seed",), generation=1, viable=False)]
    rng = Random(7)  # noqa: S311  # repeatable, not secret
    for about, score in (("scores that differ", None), ("equal scores", 0.5), ("perfect scores", 1.0)):
        archive = [seed]
        for number in range(60):
            passed = rng.randrange(41)
            parents = tuple({rng.choice(archive).id for _ in range(1 + number % 2)})
            archive.append(
                Variant(
                    id=f"v{number:03}",
                    parents=parents,
                    generation=1 + number // 8,
                    trials=40,
                    passed=passed,
                    score=passed / 40 if score is None else score,
                    scores={"cost": -rng.random()},
                    viable=number % 5 != 0,
                )
            )
        yield about, archive


def check_policy(policy: Policy) -> None:
    """Check a policy against its contract.

    It names a viable variant of the archive, whatever the archive is like; the same archive and source of chance give
    the same move; it leaves the archive as it is; its champion is viable too.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    for about, archive in archives():
        viable, before = {v.id for v in archive if v.viable}, copy.deepcopy(archive)
        for seed in range(10):
            first, second = (
                policy.choose(archive, Random(seed)),  # noqa: S311
                policy.choose(archive, Random(seed)),  # noqa: S311
            )
            assert isinstance(first, Move), f"{about}: choose() returned {type(first).__name__}, not a Move"
            assert first.variant in viable, f"{about}: it chose {first.variant!r}, which is no viable variant"
            assert first == second, f"{about}: the same source of chance gave {first} and {second}"
        champion = policy.champion(archive)
        assert champion in viable, f"{about}: its champion {champion!r} is no viable variant"
        assert archive == before, f"{about}: it changed the archive"


class _Context:
    """A mutation context with a model that answers from a list."""

    def __init__(self, answers: Sequence[str], seed: int) -> None:
        self.parent = Variant(id="parent", trials=4, passed=1, score=0.25)
        self.archive: Sequence[Variant] = [self.parent, Variant(id="other", score=0.5)]
        self.rng = Random(seed)  # noqa: S311
        self._answers = iter(answers)

    def files(self, variant: str) -> Mapping[str, str]:
        return {
            "task_agent.py": f'"""{variant}."""\n\n\ndef solve(task, ctx):\n    return ctx.model.complete([]).text\n',
            "meta_agent.py": "def learn(attempts, ctx):\n    return None\n",
            "prompts/answer.md": f"Answer.\nBe {variant}.\n",
            "genome.toml": "[parameters]\ntemperature = { value = 0.5, low = 0.0, high = 1.0 }\n",
        }

    def failures(self) -> Sequence[Mapping[str, JsonValue]]:
        task: JsonValue = {"id": "t", "prompt": "What is 6*7?", "inputs": {}}
        return [{"task": task, "answer": "41", "verdict": {"score": 0.0, "passed": False, "feedback": "no"}}]

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        return next(self._answers, "")


def check_operator(operator: MutationOperator) -> None:
    """Check a mutation operator against its contract.

    It returns None or a Modification of the parent whose paths are relative and that changes something; the same
    chance and model give the same; whatever the model says, it does not raise.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    scripts = (["nonsense"] * 20, [""] * 20, ["{}"] * 20, ["```python\nx = 1\n```"] * 20)
    for answers in scripts:
        for seed in range(5):
            context = _Context(answers, seed)
            try:
                made = operator.propose(context)
                again = operator.propose(_Context(answers, seed))
            except Exception as error:
                raise AssertionError(
                    f"it raised {type(error).__name__}: {error} where the model said {answers[0]!r}"
                ) from error
            assert made == again, "the same chance and the same model gave another modification"
            if made is None:
                continue
            assert isinstance(made, Modification), f"propose() returned {type(made).__name__}"
            assert made.parent == "parent", f"it changes {made.parent!r}, not the parent"
            assert made.before == dict(context.files("parent")), "before is not the parent's files"
            assert made.changed, "it changes nothing; with no idea it returns None"
            odd = [path for path in made.after if path.startswith("/") or ".." in path.split("/")]
            assert not odd, f"the path {odd[0]!r} leaves the program's folder"
