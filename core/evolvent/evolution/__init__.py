"""Changing the agent program: how a change is written, what may be changed, who decides on it, and on what evidence."""

from evolvent.evolution.edits import EditError, apply_edits, parse_blocks
from evolvent.evolution.gate import compare, decide, is_promising
from evolvent.evolution.parameters import Parameter, parameter_values, perturb, read_parameters, with_values
from evolvent.evolution.review import review_modification
from evolvent.evolution.spending import AlphaSpending, ErrorBudget
from evolvent.evolution.stages import hopeless, stages
from evolvent.evolution.surface import check_surface, read_genome

__all__ = [
    "AlphaSpending",
    "EditError",
    "ErrorBudget",
    "Parameter",
    "apply_edits",
    "check_surface",
    "compare",
    "decide",
    "hopeless",
    "is_promising",
    "parameter_values",
    "parse_blocks",
    "perturb",
    "read_genome",
    "read_parameters",
    "review_modification",
    "stages",
    "with_values",
]
