"""One node a file: `(state, services) -> partial state`, and safe to run twice."""

from evolvent.graphs.nodes.finish import finish
from evolvent.graphs.nodes.learn import learn
from evolvent.graphs.nodes.recall import recall
from evolvent.graphs.nodes.reflect import reflect
from evolvent.graphs.nodes.solve import solve
from evolvent.graphs.nodes.verify import verify

__all__ = ["finish", "learn", "recall", "reflect", "solve", "verify"]
