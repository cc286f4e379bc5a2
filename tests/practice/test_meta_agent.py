"""What the seed's meta agent asks the model for."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.messages import BaseMessage

from evolvent import Runtime
from evolvent.practice import LearnJob, LearnOptions

Open = Callable[..., Runtime]
SMALL = LearnOptions(held_out=1, practise=2, study=4, cases=8)


def test_code_that_admission_would_refuse_is_asked_for_again_without_it(open_runtime: Open) -> None:
    def answer(messages: list[BaseMessage]) -> str:
        text = "\n".join(str(message.content) for message in messages)
        if "You write small" not in text:
            return "no idea"
        if "Do not use eval" in text:
            return "```python\ndef solve(text: str) -> str:\n    return text[::-1]\n```"
        return "```python\ndef solve(text: str) -> str:\n    return eval('text[::-1]')\n```"

    runtime = open_runtime(answer)
    (outcome,) = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL).run().skills
    assert outcome.admitted
    script = runtime.skills.get(outcome.name).script
    assert script is not None
    assert "eval" not in script
