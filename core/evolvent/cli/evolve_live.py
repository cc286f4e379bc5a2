"""What a person sees while `evolvent evolve` runs, on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolvent.cli.output import printable, talk

if TYPE_CHECKING:
    from evolvent.graphs.progress import Measuring
    from evolvent.practice.evolving import EvolveJob, Generation
    from evolvent.types import Candidate, Event

__all__ = ["Live"]

NEXT = {
    "select": "writing changes",
    "propose": "checking the changes",
    "check": "measuring the candidates",
    "gate": "recording what came of it",
    "archive": "looking at the sealed tasks of what was accepted",
}
"""What begins when a step of a generation is over."""
LONG = 10.0
"""Seconds that measuring a program must take to get a line of its own."""


class Live:
    """A line that says what is being done, on a terminal; what took long, and each generation, stays there."""

    def __init__(self) -> None:
        self._console = talk()
        self._status = self._console.status("opening the archive") if self._console.is_terminal else None
        self._run_id = ""

    def __enter__(self) -> Live:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def begin(self, job: EvolveJob) -> None:
        """Say what runs, once: after an answer the same run goes on."""
        if self._run_id == job.run_id:
            return
        self._run_id = job.run_id
        how = "going on with the interrupted run" if job.resumed else "run"
        self._console.print(
            f"{how} {job.run_id}: {job.options.generations} generations of {job.options.width}; Ctrl-C keeps what is "
            "finished",
            markup=False,
        )
        self._console.print("measuring the active program first", markup=False)
        self._say("loading the model")

    def event(self, event: Event) -> None:
        """Hear of an event of the ledger."""
        if event.kind == "node.finished" and event.run_id == self._run_id and event.node in NEXT:
            _, _, generation, _ = event.key.split(":")
            self._say(f"generation {generation}: {NEXT[event.node]}")

    def measured(self, now: Measuring) -> None:
        """Show how far a program has come."""
        told = f"{now.variant[:10]} on the {now.split} tasks: {now.done} of {now.of}, mean {now.score:.3f}"
        if now.done == now.of and now.seconds > LONG:
            self._console.print(f"  {told}, {now.seconds:.0f} s", markup=False)
        self._say(told)

    def generation(self, generation: Generation) -> None:
        """Show a finished generation, a line for each candidate."""
        self._console.print(
            f"generation {generation.number}: {generation.variants} variants, best train score {generation.best:.3f}",
            markup=False,
        )
        for candidate in generation.candidates:
            self._console.print(printable(f"  {_told(candidate)}")[:400], markup=False)
        if generation.promoted:
            self._console.print(
                f"  promoted {generation.promoted[:10]}: it is the active program now", markup=False
            )
        self._say(f"after generation {generation.number}: choosing what to change")

    def _say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)


def _told(candidate: Candidate) -> str:
    if candidate.action == "measure":
        return f"measured {candidate.parent[:10]} on one more task"
    name = candidate.variant[:10] or "-"
    why = f" ({candidate.stage}: {candidate.reason})" if candidate.reason else ""
    idea = " ".join(candidate.hypothesis.split())
    return f"{candidate.status:<9} {name} from {candidate.parent[:10]} by {candidate.operator}{why}: {idea}"
