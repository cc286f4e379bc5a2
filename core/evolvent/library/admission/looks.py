"""What is looked at before anything runs: `format` and `static`."""

from __future__ import annotations

from evolvent.errors import IntegrityError
from evolvent.library.admission.candidate import Candidate, failed, passed
from evolvent.library.folder_scan import scan_folder
from evolvent.library.format import check_proposal
from evolvent.library.hard_coded import known_answers
from evolvent.library.importing import Arrival
from evolvent.library.similar_names import mistakable
from evolvent.library.static_scan import scan_script
from evolvent.library.store import SkillStore
from evolvent.scanning import scan_prose
from evolvent.storage.bait import Watch
from evolvent.types import JsonValue, StageResult

__all__ = ["Planted", "Static", "check_files", "check_format"]


def check_format(candidate: Candidate) -> StageResult:
    """It can be written as an Agent Skills folder and read back unchanged."""
    try:
        check_proposal(candidate.proposal)
    except IntegrityError as error:
        return failed("format", str(error))
    return passed("format")


def check_files(arrival: Arrival) -> StageResult:
    """No file of a foreign skill's folder holds what has no place in one."""
    reasons = scan_folder(arrival.folder)
    if reasons:
        return failed("files", "; ".join(reasons[:3]), reasons=list[JsonValue](reasons))
    return passed("files", f"{len(arrival.skill.files)} further files")


class Planted:
    """Nothing of it is a text that was planted on the host: whoever wrote that has read where nobody may."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __call__(self, candidate: Candidate) -> StageResult | None:
        """Run the stage; what is innocent is not spoken of."""
        proposal = candidate.proposal.model_dump(mode="json")
        found = self._watch.found(proposal, "", f"skill {candidate.skill.name}")
        return (
            failed("planted", "it holds a text that was planted on the host", form=found) if found else None
        )


class Static:
    """Neither prose nor script holds what no honest skill needs, and its name cannot be taken for another's."""

    def __init__(self, store: SkillStore) -> None:
        self._store = store

    def __call__(self, candidate: Candidate) -> StageResult:
        """Run the stage."""
        skill = candidate.skill
        reasons = scan_prose(skill.description, skill.body)
        if skill.script is not None:
            reasons += scan_script(skill.script, known_answers(candidate.cases), calls_skills=True)
        if reasons:
            return failed("static", "; ".join(reasons[:3]), reasons=list[JsonValue](reasons))
        near = mistakable(skill.name, [other.name for other in self._store.usable()])
        if near is None:
            return passed("static")
        reason = (
            f"{skill.name!r} can be taken for the skill {near!r}; propose it as a new version of {near!r}, or under a"
            " name that says how it differs"
        )
        return failed("static", reason, reasons=[reason], near=near, merge={"into": near})
