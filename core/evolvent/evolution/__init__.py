"""Changing the agent program: what may be changed, how a change is written, and who decides on it."""

from evolvent.evolution.edits import EditError, apply_edits, parse_blocks
from evolvent.evolution.parameters import Parameter, parameter_values, perturb, read_parameters, with_values
from evolvent.evolution.review import review_modification
from evolvent.evolution.surface import check_surface, read_genome

__all__ = [
    "EditError",
    "Parameter",
    "apply_edits",
    "check_surface",
    "parameter_values",
    "parse_blocks",
    "perturb",
    "read_genome",
    "read_parameters",
    "review_modification",
    "with_values",
]
