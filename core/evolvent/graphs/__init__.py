"""The LangGraph graphs."""

from evolvent.graphs.services import Services
from evolvent.graphs.solve import build_solve_graph
from evolvent.graphs.state import STATE_TYPES, Material, SolveState

__all__ = ["STATE_TYPES", "Material", "Services", "SolveState", "build_solve_graph"]
