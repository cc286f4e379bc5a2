"""Changing the agent program: how a change is written, what may be changed, who decides on it, and on what evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolvent.first_use import first_use

if TYPE_CHECKING:
    from evolvent.evolution.edits import EditError, apply_edits, parse_blocks
    from evolvent.evolution.gate import compare, decide, is_promising
    from evolvent.evolution.parameters import (
        Parameter,
        parameter_values,
        perturb,
        read_parameters,
        with_values,
    )
    from evolvent.evolution.review import review_modification
    from evolvent.evolution.spending import AlphaSpending, ErrorBudget
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
    "is_promising",
    "parameter_values",
    "parse_blocks",
    "perturb",
    "read_genome",
    "read_parameters",
    "review_modification",
    "with_values",
]

__getattr__ = first_use(
    __name__,
    {
        **dict.fromkeys(("EditError", "apply_edits", "parse_blocks"), "evolvent.evolution.edits"),
        **dict.fromkeys(("compare", "decide", "is_promising"), "evolvent.evolution.gate"),
        **dict.fromkeys(
            ("Parameter", "parameter_values", "perturb", "read_parameters", "with_values"),
            "evolvent.evolution.parameters",
        ),
        "review_modification": "evolvent.evolution.review",
        **dict.fromkeys(("AlphaSpending", "ErrorBudget"), "evolvent.evolution.spending"),
        **dict.fromkeys(("check_surface", "read_genome"), "evolvent.evolution.surface"),
    },
)
