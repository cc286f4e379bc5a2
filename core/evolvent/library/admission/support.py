"""requires: the skills that a script calls are there, in use, and in no circle; their rights are its rights."""

from __future__ import annotations

from evolvent.errors import IntegrityError
from evolvent.library.admission.candidate import Candidate, failed, passed
from evolvent.library.composition import REQUIRES_KEY, parts_of, required_modules
from evolvent.library.format import TOOLS_KEY
from evolvent.library.script import without_main
from evolvent.library.store import SkillStore
from evolvent.types import JsonValue, StageResult

__all__ = ["Support"]


class Support:
    """Resolves the skills that a proposal calls to the versions in use, and notes them."""

    def __init__(self, store: SkillStore) -> None:
        self._store = store

    def __call__(self, candidate: Candidate) -> StageResult | None:
        """Run the stage; None for a proposal that calls no skill."""
        skill = candidate.skill
        script = without_main(candidate.script)
        modules = required_modules(script) if script else []
        if not modules:
            return None
        try:
            parts = parts_of(self._store, skill.name, script)
        except IntegrityError as error:
            return failed("requires", str(error), undecided=True)
        direct = {module.replace("_", "-") for module in modules}
        pins = " ".join(sorted(part.pin for part in parts if part.name in direct))
        called = {tool for part in parts for tool in self._store.get(part.name).allowed_tools}
        tools = sorted(called - set(skill.allowed_tools))
        metadata = {**skill.metadata, REQUIRES_KEY: pins}
        if tools:
            metadata[TOOLS_KEY] = " ".join(tools)
        candidate.parts = parts
        candidate.skill = skill.model_copy(update={"metadata": metadata})
        evidence: dict[str, JsonValue] = {
            "requires": [part.pin for part in parts],
            "tools": list[JsonValue](tools),
        }
        return passed("requires", f"rests on {', '.join(part.pin for part in parts)}", **evidence)
