"""An evaluator with partial scores."""

from __future__ import annotations

from typing import Any

from evolvent import Task, Verdict


class Close:
    """Scores a number by how near it is to the reference; only the very number passes."""

    example = (Task(prompt="How many letters has the word four?", evaluator="close", reference=4), "4")

    def evaluate(self, task: Task, answer: Any, functions: Any) -> Verdict:
        """Judge an answer; it is untrusted JSON."""
        try:
            distance = abs(float(str(answer).strip()) - float(task.reference))  # type: ignore[arg-type]
        except (ValueError, TypeError, OverflowError):
            distance = float("inf")
        if distance != distance:  # NaN is near nothing
            distance = float("inf")
        feedback = "" if distance == 0 else "That is not the number."
        return Verdict(
            score=1 / (1 + distance),
            passed=distance == 0,
            feedback=feedback,
            expected=task.reference,
            evaluator="close",
        )
