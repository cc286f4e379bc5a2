"""The built-in self-modification policies: which variant of the agent program is expanded or measured next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Policy, PolicyFactory
from evolvent_plugins.policies.hgm import HgmPolicy
from evolvent_plugins.policies.map_elites import MapElitesPolicy
from evolvent_plugins.policies.pareto import ParetoPolicy
from evolvent_plugins.policies.scores import (
    BestPolicy,
    DgmHPolicy,
    DgmPolicy,
    HillClimbPolicy,
    RandomPolicy,
)

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = [
    "POLICIES",
    "BestPolicy",
    "DgmHPolicy",
    "DgmPolicy",
    "HgmPolicy",
    "HillClimbPolicy",
    "MapElitesPolicy",
    "ParetoPolicy",
    "RandomPolicy",
    "register_policies",
]

POLICIES: dict[str, Policy] = {
    "random": RandomPolicy(),
    "best": BestPolicy(),
    "hill-climb": HillClimbPolicy(),
    "dgm": DgmPolicy(),
    "dgm-h": DgmHPolicy(),
    "hgm": HgmPolicy(),
    "pareto": ParetoPolicy(),
    "map-elites": MapElitesPolicy(),
}
"""They keep nothing between calls: one of each is enough."""


@hookimpl
def register_policies(register: Callable[[str, PolicyFactory], None]) -> None:
    """Register `random`, `best`, `hill-climb`, `dgm`, `dgm-h`, `hgm`, `pareto` and `map-elites`."""
    for name, policy in POLICIES.items():
        register(name, partial(_given, policy))


def _given(policy: Policy, settings: Settings) -> Policy:
    return policy
