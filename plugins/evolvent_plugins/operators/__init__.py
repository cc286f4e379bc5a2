"""The built-in mutation operators: how a child of an agent program comes about.

`meta-agent` lets the program's own meta agent edit it, `parameters` turns declared parameters, `crossover` takes a
piece of another branch of the archive, `prompt` rewrites a prompt. The kernel checks what they return like anyone's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from evolvent.hookspecs import hookimpl
from evolvent.protocols import MutationOperator, OperatorFactory

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["register_operators"]


@hookimpl
def register_operators(register: Callable[[str, OperatorFactory], None]) -> None:
    """Register `meta-agent`, `parameters`, `crossover` and `prompt`."""
    for name in ("meta-agent", "parameters", "crossover", "prompt"):
        register(name, partial(_make, name))


def _make(name: str, settings: Settings) -> MutationOperator:
    """Make one; what checks programs is imported with the first that is used."""
    from evolvent_plugins.operators.crossover import CrossoverOperator
    from evolvent_plugins.operators.meta_agent import MetaAgentOperator
    from evolvent_plugins.operators.parameters import ParametersOperator
    from evolvent_plugins.operators.prompt import PromptOperator

    made: dict[str, Callable[[], MutationOperator]] = {
        "meta-agent": MetaAgentOperator,
        "parameters": ParametersOperator,
        "crossover": CrossoverOperator,
        "prompt": PromptOperator,
    }
    return made[name]()
