"""`prompt`: the model rewrites one of the parent's prompts after it has seen what went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from evolvent.protocols import MutationContext
from evolvent.types import JsonValue, Modification

__all__ = ["PromptOperator"]

SHOWN = 4
"""Failures in the request."""
MAX_PROMPT = 4000
"""Characters of a rewritten prompt: a longer one crowds out the task."""
USED_BY_THE_TASK_AGENT = 4.0
"""How much likelier a prompt is chosen that the task agent names."""
SYSTEM = (
    "You improve instructions for a language model. You see the present instructions and questions that were "
    "answered wrongly under them. Find what these failures have in common and rewrite the instructions so that all "
    "questions of such kinds are answered better. Keep what works. Never mention single questions or answers. Reply "
    "with the new instructions between ``` and ```."
)
FENCED = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)


class PromptOperator:
    """Asks the run's model once."""

    __slots__ = ()

    def propose(self, context: MutationContext) -> Modification | None:
        """Return the parent with one prompt rewritten; None without prompts, failures, or a usable answer."""
        before = dict(context.files(context.parent.id))
        failures = context.failures()
        prompts = sorted(path for path in before if path.startswith("prompts/") and path.endswith(".md"))
        if not prompts or not failures:
            return None
        agent = before.get("task_agent.py", "")
        weights = [USED_BY_THE_TASK_AGENT if path.rpartition("/")[2] in agent else 1.0 for path in prompts]
        path = context.rng.choices(prompts, weights)[0]
        shown = context.rng.sample(list(failures), min(SHOWN, len(failures)))
        request = [
            f"The present instructions:\n```\n{before[path].strip()}\n```",
            "Answered wrongly:",
            *map(_summary, shown),
            "Write the new instructions.",
        ]
        answer = context.complete(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n\n".join(request)}]
        )
        text = _instructions(answer)
        if not text or text.strip() == before[path].strip():
            return None
        hypothesis = f"{path}, rewritten after {len(failures)} failures: {_feedback(shown)}"
        return Modification(
            parent=context.parent.id,
            before=before,
            after={**before, path: text},
            hypothesis=_clean(hypothesis)[:1000],
        )


def _instructions(answer: str) -> str:
    """Return the text in the fence, or the whole answer where there is none."""
    found = FENCED.search(answer)
    text = _clean(found[1] if found else answer).strip()
    return f"{text}\n" if 0 < len(text) <= MAX_PROMPT else ""


def _summary(failure: Mapping[str, JsonValue]) -> str:
    task, verdict = failure.get("task"), failure.get("verdict")
    prompt = str(task.get("prompt")) if isinstance(task, Mapping) else ""
    lines = [f"Question: {_short(prompt, 500)}", f"Answer: {_short(str(failure.get('answer')), 240)}"]
    if isinstance(verdict, Mapping) and verdict.get("feedback"):
        lines.append(f"Remark: {_short(str(verdict['feedback']), 240)}")
    if isinstance(verdict, Mapping) and verdict.get("expected") is not None:
        lines.append(f"Right answer: {_short(str(verdict['expected']), 160)}")
    return "\n".join(lines)


def _feedback(failures: Sequence[Mapping[str, JsonValue]]) -> str:
    remarks = [f["verdict"].get("feedback") for f in failures if isinstance(f.get("verdict"), Mapping)]  # type: ignore[union-attr]  # a mapping, as just tested
    return " / ".join(dict.fromkeys(_short(str(remark), 120) for remark in remarks if remark)) or "no remarks"


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[-limit // 2 :]}"


def _clean(text: str) -> str:
    """Return a text without what a file cannot hold."""
    return text.encode("utf-8", "ignore").decode().replace("\0", "")
