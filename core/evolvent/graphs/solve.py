"""The solve graph: recall → solve → verify → (reflect → solve)* → learn → finish."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from langgraph.graph import END, START, StateGraph

from evolvent.graphs import nodes
from evolvent.graphs.services import Services
from evolvent.graphs.state import SolveState
from evolvent.types import NodeFinished

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

__all__ = ["build_solve_graph"]

Node = Callable[[SolveState, Services], dict[str, Any]]


class _GraphNode(Protocol):
    def __call__(self, state: SolveState) -> dict[str, Any]: ...


def build_solve_graph(
    services: Services, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> CompiledStateGraph[SolveState, None, SolveState, SolveState]:
    """Assemble and compile the graph; without a checkpointer it can be a subgraph of another one."""
    graph = StateGraph(SolveState)
    for node in (nodes.recall, nodes.solve, nodes.verify, nodes.reflect, nodes.learn, nodes.finish):
        graph.add_node(node.__name__, _recorded(node, services))
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "solve")
    graph.add_edge("solve", "verify")
    graph.add_conditional_edges("verify", after_verify, ["reflect", "learn"])
    graph.add_edge("reflect", "solve")
    graph.add_edge("learn", "finish")
    graph.add_edge("finish", END)
    return graph.compile(checkpointer=checkpointer, name="solve")


def after_verify(state: SolveState) -> Literal["reflect", "learn"]:
    """Try again where the agent may see feedback, failed, and has budget left."""
    attempt = state.attempt
    retry = (
        state.open_book
        and attempt.status == "failed"
        and len(state.attempts) < state.budget.attempts
        and state.budget.spent_by(state.usage) is None
    )
    return "reflect" if retry else "learn"


def _recorded(node: Node, services: Services) -> _GraphNode:
    """Bind a node to its services and plugins, and let the ledger know when it is done."""

    def run(state: SolveState) -> dict[str, Any]:
        services.stops.check(state.run_id)
        started = time.monotonic()
        update = _surrounded(node, state, services)
        services.ledger.append(
            NodeFinished(
                key=f"node:{state.run_id}:{node.__name__}:{len(state.attempts)}",
                run_id=state.run_id,
                node=node.__name__,
                seconds=time.monotonic() - started,
            )
        )
        return update

    run.__name__ = node.__name__
    return run


def _surrounded(node: Node, state: SolveState, services: Services) -> dict[str, Any]:
    """Run a node with what plugins do around it; they see what it does and add to `extras` only."""
    surround = services.around()
    if surround is None:
        return node(state, services)
    before = surround.before(node.__name__, dict(state))
    try:
        if before:
            state = state.model_copy(update={"extras": {**state.extras, **before}})
        update = node(state, services)
    except BaseException:
        surround.close()
        raise
    extras = before | surround.after(update)
    return {**update, "extras": extras} if extras else update
