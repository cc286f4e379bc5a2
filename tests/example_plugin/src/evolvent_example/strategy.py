"""A strategy that uses a tool which a person must approve."""

from __future__ import annotations

from typing import Any

from evolvent.types import TaskView


class NoteTaker:
    """Notes the question, and answers with what the tool said."""

    def solve(self, task: TaskView, ctx: Any) -> Any:
        """Return an answer."""
        return ctx.ask("tools.call", {"name": "letters.note", "arguments": {"text": task.prompt}})
