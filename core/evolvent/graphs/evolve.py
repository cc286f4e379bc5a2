"""The evolve graph, one generation: select → propose → check → stage → measure → gate → archive → promote."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from langgraph.graph import END, START, StateGraph

from evolvent.graphs import steps
from evolvent.graphs.campaign import Campaign, EvolveServices
from evolvent.graphs.evolve_state import EvolveState
from evolvent.types import NodeFinished

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

__all__ = ["build_evolve_graph"]

Node = Callable[[EvolveState, Campaign], dict[str, Any]]
ORDER: tuple[Node, ...] = (
    steps.select,
    steps.propose,
    steps.check,
    steps.stage,
    steps.measure,
    steps.gate,
    steps.archive,
    steps.promote,
)


class _GraphNode(Protocol):
    def __call__(self, state: EvolveState) -> dict[str, Any]: ...


def build_evolve_graph(
    services: EvolveServices, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> CompiledStateGraph[EvolveState, None, EvolveState, EvolveState]:
    """Assemble and compile the graph of one generation; without a checkpointer it can be a subgraph of another one."""
    graph = StateGraph(EvolveState)
    names = [node.__name__ for node in ORDER]
    for node in ORDER:
        graph.add_node(node.__name__, _recorded(node, services))
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=checkpointer, name="evolve")


def _recorded(node: Node, services: EvolveServices) -> _GraphNode:
    """Bind a node to its run's campaign, and let the ledger know when it is done."""

    def run(state: EvolveState) -> dict[str, Any]:
        services.solving.stops.check(state.run_id)
        started = time.monotonic()
        campaign = services.campaign(state.run_id, state.suite, state.options)
        campaign.generation = state.generation
        if not campaign.purse.took_up:
            campaign.purse.take_up(state.begun, campaign.archive.unstored(state.candidates))
        update = node(state, campaign)
        services.solving.ledger.append(
            NodeFinished(
                key=f"node:{state.run_id}:{state.generation}:{node.__name__}",
                run_id=state.run_id,
                node=node.__name__,
                seconds=time.monotonic() - started,
            )
        )
        return update

    run.__name__ = node.__name__
    return run
