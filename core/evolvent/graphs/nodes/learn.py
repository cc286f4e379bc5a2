"""learn: the genome's meta agent proposes a skill or a lesson, and the kernel decides on it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from evolvent.broker import Meter
from evolvent.errors import UsageError
from evolvent.graphs.approver import Approver
from evolvent.graphs.guest import run_guest
from evolvent.graphs.services import Services
from evolvent.graphs.state import Material, SolveState
from evolvent.library import Escalate
from evolvent.memory import LessonProposal, decide
from evolvent.memory.taint import labels_of
from evolvent.scanning import scan_prose
from evolvent.types import (
    Attempt,
    Decision,
    Exchange,
    JsonValue,
    Learned,
    Lesson,
    LessonRefused,
    Provenance,
    SkillDecided,
    SkillProposal,
    Task,
    Usage,
    Verdict,
    digest,
)

__all__ = ["learn"]


class _Proposal(BaseModel):
    """What `meta_agent.learn` may return: exactly one of the two."""

    model_config = ConfigDict(extra="forbid")

    skill: SkillProposal | None = None
    lesson: LessonProposal | None = None


def learn(state: SolveState, services: Services) -> dict[str, Any]:
    """Let the meta agent learn from a failure, or from the material that a curriculum gave."""
    if not _worth_learning(state):
        return {}
    material = state.material or Material()
    tasks = {task.id: task for task in (state.task, *material.studied)}
    records = [_record(attempt) for attempt in state.attempts]
    records += [_studied(task, services) for task in material.studied]
    meter = Meter(state.budget)
    broker = services.broker(
        state.run_id,
        f"{state.run_id}#learn",
        meter,
        {"judge": lambda args: _judge(args, tasks, services)},
        can_ask=state.can_ask,
    )
    outcome = run_guest(
        services, broker, meter, ("meta_agent", "learn"), [records], {"feedback": [], "seed": state.seed}
    )
    if outcome.ended != "returned":
        learned = Learned(detail=f"{outcome.ended}: {outcome.detail}", usage=meter.usage)
    else:
        learned = _accept(outcome.value, state, material, services, meter.usage)
    return {"learned": learned, "usage": state.usage + meter.usage}


def _worth_learning(state: SolveState) -> bool:
    if not state.open_book or state.attempt.verdict is None or state.attempt.skills_withheld:
        return False  # what failed for want of a skill that is there teaches nothing
    if state.material is not None:
        return not (state.attempt.verdict.passed and state.attempt.skills_used)
    return not state.attempt.verdict.passed


def _accept(
    value: JsonValue, state: SolveState, material: Material, services: Services, usage: Usage
) -> Learned:
    if value is None:
        return Learned(detail="the meta agent proposed nothing", usage=usage)
    try:
        proposal = _Proposal.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        return Learned(detail=f"the proposal is malformed: {fault['loc']}: {fault['msg']}", usage=usage)
    lesson, report, detail = None, None, ""
    sessions = [*(attempt.id for attempt in state.attempts), f"{state.run_id}#learn"]
    exchanges = services.memory.exchanges(sessions)
    taint = labels_of(exchanges, (state.task, *material.studied), services.taint_policy())
    if proposal.lesson is not None:
        lesson, detail = _keep(proposal.lesson, state, exchanges, taint, services)
    if proposal.skill is not None:
        # Whatever the guest claims, all that it was shown counts as a source.
        shown = (state.task.id, *(task.id for task in material.studied), *proposal.skill.sources)
        skill = proposal.skill.model_copy(update={"sources": tuple(dict.fromkeys(shown))})
        report = services.admission.consider(
            skill, material.cases, foreign=material.foreign, escalate=_asks(state, services)
        )
        services.ledger.append(
            SkillDecided(
                key=f"skill:{state.run_id}:{report.digest}",
                run_id=state.run_id,
                name=report.name,
                digest=report.digest,
                admitted=report.admitted,
                reason=report.reason,
            )
        )
    return Learned(report=report, lesson=lesson, detail=detail, usage=usage, taint=taint)


def _keep(
    proposal: LessonProposal,
    state: SolveState,
    exchanges: list[Exchange],
    taint: tuple[str, ...],
    services: Services,
) -> tuple[Lesson | None, str]:
    """Return the lesson as it was kept, or why it was refused."""
    reasons = scan_prose(proposal.text, proposal.situation, *proposal.conditions, proposal.subject)
    if reasons:
        reason = "; ".join(reasons)
        key = f"lesson-refused:{state.run_id}:{digest(proposal.model_dump(mode='json'))}"
        services.ledger.append(LessonRefused(key=key, run_id=state.run_id, reason=reason))
        return None, f"the lesson is refused: {reason}"
    if services.watch.found(proposal.model_dump(mode="json"), state.run_id, f"lesson of {state.run_id}"):
        return None, "the lesson is refused: it holds a text that was planted on the host"
    decided = decide(proposal, state.task, state.attempts, exchanges, taint)
    provenance = Provenance(
        task_ids=(state.task.id,),
        run_ids=(state.run_id,),
        evaluator=state.task.evaluator or "",
        judged=state.attempt.verdict is not None,
        taint=taint,
    )
    lesson = services.memory.lessons.keep(
        proposal.text,
        proposal.situation,
        [attempt.id for attempt in state.attempts],
        run_id=state.run_id,
        kind=proposal.kind,
        conditions=proposal.conditions,
        subject=proposal.subject,
        provenance=provenance,
        state=decided.state,
        reason=decided.reason,
    )
    return lesson, f"the lesson is {lesson.state.value}: {lesson.reason}" if lesson.reason else ""


def _asks(state: SolveState, services: Services) -> Escalate | None:
    """Return how a person is asked about a skill; None where nobody can be."""
    if not state.can_ask:
        return None
    session = f"{state.run_id}#learn"
    ask = Approver(services.approvals, state.run_id, session, can_ask=True)

    def escalate(proposal: SkillProposal, decision: Decision) -> Decision:
        subject = proposal.model_dump(mode="json")
        place = f"{session}:skill:{digest(subject)}"
        return ask(place, "skill", subject, f"{decision.by}: {decision.reason}")

    return escalate


def _record(attempt: Attempt) -> JsonValue:
    """Return an attempt as the meta agent sees it."""
    return {
        "task": attempt.task.model_dump(mode="json"),
        "answer": attempt.answer,
        "verdict": _shown(attempt.verdict),
    }


def _studied(task: Task, services: Services) -> JsonValue:
    """Return a train task that nobody tried, with its expected answer."""
    verdict = services.evaluators(str(task.evaluator)).evaluate(task, None, services.sandbox.forkserver())
    return {"task": task.view().model_dump(mode="json"), "answer": None, "verdict": _shown(verdict)}


def _shown(verdict: Verdict | None) -> JsonValue:
    if verdict is None:
        return None
    return verdict.model_dump(mode="json", include={"score", "passed", "feedback", "expected"})


def _judge(arguments: dict[str, JsonValue], tasks: dict[str, Task], services: Services) -> JsonValue:
    """Judge an answer to one of the train tasks at hand: the `judge` tool of a learning session."""
    task = tasks.get(str(arguments.get("task_id")))
    if task is None or task.evaluator is None:
        raise UsageError(f"judge takes task_id, one of {sorted(tasks)!r}, and answer")
    verdict = services.evaluators(task.evaluator).evaluate(
        task, arguments.get("answer"), services.sandbox.forkserver()
    )
    return {"score": verdict.score, "passed": verdict.passed}
