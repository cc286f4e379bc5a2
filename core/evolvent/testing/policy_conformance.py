"""What every self-modification policy must do; plugin authors call `check_policy` in their tests."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from evolvent.protocols import Policy
from evolvent.testing.contract import asked, other_chance, require
from evolvent.types import Move, Variant

__all__ = ["check_policy", "synthetic_archives"]

SEEDS = range(5)
ACTIONS = ("expand", "measure")


def check_policy(policy: Policy) -> None:
    """Check a policy against its contract.

    On archives of one and of hundreds, with equal scores, without trials, with variants that are not viable and
    with crossovers: `choose` returns a Move that names a viable variant of the archive; the same state of `rng`
    gets the same move, whatever was asked before; `champion` names a viable variant, always the same one; and
    neither changes the archive.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    for what, archive in synthetic_archives().items():
        before = [variant.model_copy(deep=True) for variant in archive]
        for seed in SEEDS:
            move = _move(policy, what, archive, seed, chance=1)
            again = _move(policy, what, archive, seed, chance=2)
            require(
                move == again,
                f"choose() on {what} answers {move.variant!r} and then {again.variant!r}; the same state of rng "
                "must get the same move: rng is the only source of chance",
            )
        _check_champion(policy, what, archive)
        require(
            archive == before,
            f"the policy changes the archive ({what}); it may only read it",
        )


def _move(policy: Policy, what: str, archive: Sequence[Variant], seed: int, chance: int) -> Move:
    rng = Random(seed)  # noqa: S311 - chance that must be repeatable
    with other_chance(chance):
        move = asked(
            f"choose() on {what}",
            "it must return a Move for every archive that has a viable variant",
            lambda: policy.choose(archive, rng),
        )
    require(
        isinstance(move, Move),
        f"choose() on {what} returns {move!r:.80}; it must return a Move",
    )
    require(
        move.action in ACTIONS,
        f"choose() on {what} has the action {move.action!r}; it must be one of {', '.join(ACTIONS)}",
    )
    _check_named("choose()", what, archive, move.variant)
    return move


def _check_champion(policy: Policy, what: str, archive: Sequence[Variant]) -> None:
    named = []
    for chance in (1, 2):
        with other_chance(chance):
            contract = "it must name a viable variant of every archive"
            named.append(asked(f"champion() on {what}", contract, lambda: policy.champion(archive)))
    _check_named("champion()", what, archive, named[0])
    require(
        named[0] == named[1],
        f"champion() on {what} names {named[0]!r} and then {named[1]!r}; the same archive must get the same champion",
    )


def _check_named(method: str, what: str, archive: Sequence[Variant], named: object) -> None:
    by_id = {variant.id: variant for variant in archive}
    require(
        isinstance(named, str),
        f"{method} on {what} names {named!r:.80}; it must give the id of a variant",
    )
    require(
        named in by_id,
        f"{method} on {what} names {named!r:.80}, which is not in the archive; it must be",
    )
    require(
        by_id[str(named)].viable,
        f"{method} on {what} names {named!r}, which is not viable; it must be viable",
    )


def synthetic_archives() -> dict[str, list[Variant]]:
    """Return archives that a run may come to, by what is special about them."""
    seed = Variant(id="seed", trials=8, passed=4, score=0.5)
    return {
        "an archive of one untried seed": [Variant(id="seed")],
        "an archive of one perfect seed": [Variant(id="seed", trials=8, passed=8, score=1.0)],
        "an archive of 300": _grown(300),
        "an archive whose best variants are not viable": [
            *_grown(40),
            *(
                Variant(
                    id=f"dead{n}",
                    parents=("v0",),
                    generation=1,
                    trials=9,
                    passed=9,
                    score=1.0,
                    viable=False,
                )
                for n in range(20)
            ),
        ],
        "an archive whose only viable variant is neither first nor last": [
            seed.model_copy(update={"viable": False}),
            Variant(id="alive", parents=("seed",), generation=1),
            Variant(id="dead", parents=("alive",), generation=2, viable=False),
        ],
        "an archive of equal scores": [seed.model_copy(update={"id": f"v{n}"}) for n in range(30)],
        "an archive without trials": [Variant(id=f"v{n}") for n in range(30)],
        "an archive of one parent with 200 children": [
            seed,
            *(Variant(id=f"v{n}", parents=("seed",), generation=1, viable=False) for n in range(200)),
        ],
    }


def _grown(size: int) -> list[Variant]:
    rng = Random(size)  # noqa: S311 - chance that must be repeatable
    archive = [Variant(id="v0", trials=20, passed=8, score=0.4, scores={"cost": -1.0})]
    for index in range(1, size):
        parents = {rng.choice(archive).id for _ in range(2 if index % 7 == 0 else 1)}
        trials = rng.randrange(21)
        passed = rng.randint(0, trials)
        archive.append(
            Variant(
                id=f"v{index}",
                parents=tuple(sorted(parents)),
                generation=1 + max(v.generation for v in archive if v.id in parents),
                trials=trials,
                passed=passed,
                score=passed / trials if trials else 0.0,
                scores={"cost": -rng.random()} if trials else {},
                viable=rng.random() < 0.8,
            )
        )
    return archive
