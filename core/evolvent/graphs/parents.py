"""Choosing parents: a plugin's policy, or the active program's own `select_parent.py` in the sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from evolvent.errors import EvolventError, MissingPrerequisite, PluginError
from evolvent.plugins import RELAY, Call
from evolvent.types import JsonValue, Limits, Move, Population, Variant

if TYPE_CHECKING:
    from evolvent.graphs.campaign import Campaign
    from evolvent.protocols import Sandbox, Session

__all__ = ["GENOME_POLICY", "Chosen", "choose_parent", "select_in_sandbox"]

GENOME_POLICY = "genome"
FALL_BACK = "dgm-h"
SHOWN = 2_000
"""Variants that a program's own selection sees: the best half of them, and the newest."""
SECONDS = 5.0


class Chosen(NamedTuple):
    """A move, and why the program's own selection was not followed, where it was not."""

    move: Move
    fell_back: str = ""


def choose_parent(campaign: Campaign, archive: Population, rng: Random) -> Chosen:
    """Return the next move.

    Raises:
        PluginError: the policy raised, hung, or chose something that is no viable variant.
    """
    if campaign.policy is not None:
        return Chosen(_by_plugin(campaign, campaign.options.policy, archive, rng))
    files = campaign.archive.genomes.files(campaign.incumbent())
    try:
        chosen = select_in_sandbox(campaign.solving.sandbox, files, archive, rng)
    except MissingPrerequisite:
        raise
    except EvolventError as error:
        fallen = f"select_parent.py failed: {error}"[:300]
    else:
        if isinstance(chosen, str) and archive.is_viable(chosen):
            return Chosen(Move(action="expand", variant=chosen))
        fallen = f"select_parent.py chose {chosen!r:.100}, which is no viable variant"
    return Chosen(_by_plugin(campaign, FALL_BACK, archive, rng), fallen)


def select_in_sandbox(
    sandbox: Sandbox, files: Mapping[str, str], archive: Sequence[Variant], rng: Random
) -> object:
    """Return what `select(archive, rng)` of a program chooses; whatever it is.

    Raises:
        RunError: it raised, took too long or broke the protocol.
    """
    viable = [v for v in archive if v.viable]
    if len(viable) > SHOWN:
        best = {v.id for v in sorted(viable, key=lambda v: -v.score)[: SHOWN // 2]}
        newest = {v.id for v in viable[-SHOWN // 2 :]}
        viable = [v for v in viable if v.id in best | newest]
    shown: list[JsonValue] = [v.model_dump(mode="json") for v in viable]
    limits = Limits(wall_seconds=SECONDS, cpu_seconds=round(SECONDS))
    with contextlib.closing(sandbox.session(limits)) as session:
        session.call("load", {"files": dict(files)})
        return ask_selection(session, shown, rng.getrandbits(31))


def ask_selection(session: Session, archive: list[JsonValue], seed: int) -> JsonValue:
    """Return what `select(archive, rng)` chooses in a session that was given the program.

    The host sends a seed, and the program gets a generator that is seeded with it.

    Raises:
        RunError: it raised, took too long or broke the protocol.
    """
    return session.call(
        "invoke",
        {"module": "select_parent", "function": "select", "args": [archive], "context": {"rng": seed}},
    )


def _by_plugin(campaign: Campaign, name: str, archive: Population, rng: Random) -> Move:
    policies, settings = campaign.services.plugins.policies, campaign.solving.settings
    policy = campaign.policy if campaign.policy is not None else policies.get(name)(settings)
    call = Call(lambda: policy.choose(archive, rng), settings.hook_seconds)
    (outcome,) = RELAY.run([call])
    plugin = policies.origins[name]
    if outcome.error is not None:
        told = f"{type(outcome.error).__name__}: {outcome.error}"
        raise PluginError(plugin, f"policy {name!r} failed: {told}") from outcome.error
    move = outcome.value
    if not isinstance(move, Move) or not archive.is_viable(move.variant):
        raise PluginError(plugin, f"policy {name!r} chose {move!r:.200}; it may choose any viable variant")
    return move
