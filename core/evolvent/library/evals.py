"""`evals/evals.json`: a skill's test questions in the form that other agents' tools read.

    {"skill_name": "...", "evals": [{"id": 1, "prompt": "...", "expected_output": "...", "files": []}]}

The form is that of https://agentskills.io (evaluating skills). Expected outputs there are words for a judge; where ours
are JSON values that are no text, their canonical JSON is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evolvent.errors import IntegrityError
from evolvent.types import SkillCase, canonical_json

__all__ = ["EVALS_PATH", "evals_json", "read_evals"]

EVALS_PATH = "evals/evals.json"
MAX_BYTES = 4 * 1024 * 1024


class _Eval(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: int | str = ""
    prompt: str = Field(min_length=1)
    expected_output: str = ""
    files: list[str] = Field(default_factory=list)


class _Evals(BaseModel):
    model_config = ConfigDict(extra="ignore")

    skill_name: str = ""
    evals: list[_Eval]


def evals_json(name: str, cases: tuple[SkillCase, ...]) -> str:
    """Return the text of an evals.json with these cases."""
    evals: list[dict[str, Any]] = [
        {
            "id": number,
            "prompt": case.question,
            "expected_output": case.expected
            if isinstance(case.expected, str)
            else canonical_json(case.expected),
            "files": [],
        }
        for number, case in enumerate(cases, 1)
    ]
    return json.dumps({"skill_name": name, "evals": evals}, indent=2, ensure_ascii=False) + "\n"


def read_evals(folder: Path) -> tuple[SkillCase, ...]:
    """Return the cases of a skill's evals.json that need no files and say what is expected; none without the file.

    Raises:
        IntegrityError: it is not of the form.
    """
    path = folder / EVALS_PATH
    if not path.is_file():
        return ()
    if path.stat().st_size > MAX_BYTES:
        raise IntegrityError(f"{folder.name}/{EVALS_PATH}: {path.stat().st_size} bytes; allowed: {MAX_BYTES}")
    try:
        stored = _Evals.model_validate_json(path.read_bytes())
    except (ValidationError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{folder.name}/{EVALS_PATH}: {' '.join(str(error).split())[:300]}") from error
    return tuple(
        SkillCase(question=item.prompt, expected=item.expected_output, task_id=f"eval-{item.id}")
        for item in stored.evals
        if item.expected_output and not item.files
    )
