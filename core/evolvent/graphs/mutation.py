"""What a mutation operator works with: the parent, its failures, the model, and its own meta agent in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from evolvent.broker import Meter
from evolvent.errors import EvolventError, GuestError, ModelCallError, RunError
from evolvent.graphs.guest import run_guest
from evolvent.storage.archive import TIMED_OUT
from evolvent.types import Budget, JsonValue, Split, Variant

if TYPE_CHECKING:
    from evolvent.broker import Broker
    from evolvent.graphs.campaign import Campaign
    from evolvent.types import Candidate

__all__ = ["Mutation", "Passing"]

FAILURES = 8
"""Failures of the parent that are shown."""
HISTORY = 20
"""Earlier candidates that are shown, the newest ones."""


class Passing(RunError):
    """Something that may pass ended a proposal: it is held against nobody."""


class Mutation:
    """The context of one proposal. All that it asks of the model is budgeted and journaled."""

    def __init__(
        self, campaign: Campaign, candidate: Candidate, archive: Sequence[Variant], rng: Random
    ) -> None:
        self.parent = campaign.archive.variant(candidate.parent)
        self.archive = archive
        self.rng = rng
        self._campaign, self._candidate = campaign, candidate
        self.meter = Meter(
            Budget(
                tokens=campaign.options.propose_tokens,
                seconds=campaign.options.propose_seconds,
                requests=1_000,
            )
        )
        self._sessions = 0
        self._asking: Broker | None = None
        self.improved: str = ""
        """How the parent's `improve()` ended, where it was run."""
        self.passing: str = ""
        """What may pass and ended a request, whatever the operator made of it."""
        self.down: ModelCallError | None = None
        """That the model did not answer."""

    def files(self, variant: str) -> Mapping[str, str]:
        """Return the files of a variant: relative path to text."""
        return self._campaign.archive.genomes.files(variant)

    def failures(self) -> Sequence[Mapping[str, JsonValue]]:
        """Return failed train attempts of the parent: `task`, `answer`, `verdict`."""
        tasks = {task.id: task for task in self._campaign.tasks[Split.TRAIN]}
        found: list[Mapping[str, JsonValue]] = []
        for failure in self._campaign.archive.failures(self.parent.id):
            task = tasks.get(failure.task_id)
            if task is not None:
                verdict: dict[str, JsonValue] = {
                    "score": failure.score,
                    "passed": False,
                    "feedback": failure.feedback,
                    "status": failure.status,
                }
                found.append(
                    {
                        "task": task.view().model_dump(mode="json"),
                        "answer": failure.answer,
                        "verdict": verdict,
                    }
                )
        chance = self._campaign.rng("failures", self._candidate.key)
        return chance.sample(found, min(FAILURES, len(found)))

    def history(self) -> Sequence[Mapping[str, JsonValue]]:
        """Return what was tried before, oldest first."""
        return self._campaign.archive.history(HISTORY)

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Ask the run's model, within the budget of the proposal.

        Raises:
            GuestError: the request was refused, or the budget is spent.
            Passing: the model did not answer.
        """
        if self._asking is None:
            self._asking = self._broker()
        asked: list[JsonValue] = [dict(message) for message in messages]
        try:
            answer = self._asking.handle("model.complete", {"messages": asked, "seed": self._seed()})
        except ModelCallError as error:
            self.passing, self.down = str(error), error
            raise Passing(str(error)) from error
        except GuestError as error:
            if error.kind == "BudgetSpent":
                self.passing = error.message
            raise
        return str(answer["text"]) if isinstance(answer, dict) else ""

    def improve(self, problems: Sequence[str] = ()) -> JsonValue:
        """Run the parent's meta agent in the sandbox and return what it proposes.

        Args:
            problems: what was wrong with what it proposed before in this round.

        Raises:
            GuestError: it raised.
            Passing: the model did not answer, the budget is spent, or it took too long.
        """
        parent: dict[str, JsonValue] = {
            "id": self.parent.id[:10],
            "files": dict(self.files(self.parent.id)),
            "score": self.parent.score,
            "trials": self.parent.trials,
            "failures": [dict(failure) for failure in self.failures()],
            "problems": list(problems),
            "budget": {"tokens": self.meter.tokens_left()},
        }
        history: list[JsonValue] = [dict(tried) for tried in self.history()]
        solving = self._campaign.solving
        try:
            outcome = run_guest(
                replace(solving, genome=self.files(self.parent.id)),
                self._broker(),
                self.meter,
                ("meta_agent", "improve"),
                [parent, history],
                {"feedback": [], "seed": self._seed()},
            )
        except ModelCallError as error:
            self.passing, self.down = str(error), error
            raise Passing(str(error)) from error
        self.improved = outcome.ended
        if outcome.ended in ("returned", "gave_up"):
            return outcome.value if outcome.ended == "returned" else None
        if outcome.ended == "budget":
            self.passing = f"the budget of a proposal was spent: {outcome.detail}"
            if self._took_its_time():
                self.improved = TIMED_OUT
            raise Passing(self.passing)
        kind, _, text = outcome.detail.partition(": ")
        raise GuestError(kind, text)

    def _took_its_time(self) -> bool:
        """Whether the meta agent ran out of time by itself, and not by waiting for the model."""
        waited, allowed = self.meter.usage.seconds, self._campaign.options.propose_seconds
        return self.meter.spent is None and waited < allowed / 2

    def _broker(self) -> Broker:
        self._sessions += 1
        session = f"{self._candidate.key}/propose{self._sessions}"
        return self._campaign.solving.broker(
            self._campaign.run_id, session, self.meter, can_ask=False, counts=False
        )

    def _seed(self) -> int:
        return self.rng.getrandbits(31)


def is_passing(error: BaseException) -> bool:
    """Whether a failure says nothing about the candidate or its parent."""
    return isinstance(error, Passing) or (
        isinstance(error, EvolventError) and not isinstance(error, GuestError)
    )
