"""The nodes of the evolve graph, one a file: `EvolveState -> partial EvolveState`."""

from evolvent.graphs.steps.archive import archive
from evolvent.graphs.steps.check import check
from evolvent.graphs.steps.gate import gate
from evolvent.graphs.steps.measure import measure
from evolvent.graphs.steps.promote import promote
from evolvent.graphs.steps.propose import propose
from evolvent.graphs.steps.select import select
from evolvent.graphs.steps.stage import stage

__all__ = ["archive", "check", "gate", "measure", "promote", "propose", "select", "stage"]
