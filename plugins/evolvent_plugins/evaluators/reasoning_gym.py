"""`reasoning-gym`: the library's own scorer, on an entry made anew from the ids in the reference."""

from __future__ import annotations

from evolvent.errors import UsageError
from evolvent.protocols import FunctionServer
from evolvent.types import JsonValue, Task, Verdict
from evolvent_plugins.gym.entries import EntryId, make_entry, score
from evolvent_plugins.gym.hazards import require_scorable

__all__ = ["ReasoningGym"]

PASS = 1.0 - 1e-9


class ReasoningGym:
    """Judges answers to reasoning-gym tasks; only a full score passes."""

    example = (
        Task(
            prompt="Spell this word backward (example: sun -> nus): ammonia",
            reference={"dataset": "spell_backward", "seed": 0, "index": 1, "size": 64},
        ),
        "ainomma",
    )
    """What `evolvent.testing` checks it with: a task and the right answer."""

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer: a string, or a number, which is judged as its text.

        Raises:
            UsageError: the reference does not name an entry of the installed library that asks this task's
                prompt, or the family cannot be scored.
        """
        entry_id = EntryId.from_reference(task.reference)
        require_scorable(entry_id.dataset)
        entry = make_entry(entry_id)
        if entry.question != task.prompt:
            raise UsageError(
                f"the reference {task.reference!r} of the task {task.id!r} makes another prompt here: "
                "the task comes from another version of reasoning-gym. Take it from the suite again"
            )
        expected = entry.answer
        text = _as_text(answer)
        if text is None:
            return Verdict(
                score=0.0,
                passed=False,
                feedback=f"The answer must be a string or a number, not {type(answer).__name__}.",
                expected=expected,
                evaluator="reasoning-gym",
            )
        found = score(entry_id, text)
        passed = found.value >= PASS
        return Verdict(
            score=1.0 if passed else found.value,
            passed=passed,
            feedback="" if passed else _feedback(found.value, found.note),
            expected=expected,
            evidence={"note": found.note} if found.note else {},
            evaluator="reasoning-gym",
        )


def _as_text(answer: JsonValue) -> str | None:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        try:
            return str(answer)
        except ValueError:  # an integer with more digits than Python turns into text
            return None
    return None


def _feedback(value: float, note: str) -> str:
    text = f"The answer is wrong: it scores {value:.2f} of 1."
    return f"{text} ({note})" if note else text
