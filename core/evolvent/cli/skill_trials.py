"""What `evolvent skills trials` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolvent.cli.output import out, printable, table

if TYPE_CHECKING:
    from evolvent.library.evidence import ArmEvidence, Evidence
    from evolvent.types import Skill

__all__ = ["evidence_of", "show_evidence"]


def evidence_of(skill: Skill) -> Evidence:
    """Return what the trials of the present version say; a home without a database has none."""
    from evolvent.library.evidence import weigh
    from evolvent.settings import Settings
    from evolvent.storage import Home, SkillTrials, open_database

    home = Home(Settings().home)
    if not home.database.exists():
        return weigh(skill.name, skill.digest, [])
    engine = open_database(home.database)
    try:
        return weigh(skill.name, skill.digest, SkillTrials(engine).of(skill.name, skill.digest))
    finally:
        engine.dispose()


def show_evidence(skill: Skill, evidence: Evidence) -> None:
    """Print the arms, the differences and the tests."""
    console = out()
    console.print(f"{skill.name}  [{skill.state.value}]  {skill.digest}", style="bold", markup=False)
    if skill.reason:
        console.print(printable(skill.reason), markup=False)
    rows = [_row("with", evidence.given), _row("without", evidence.withheld)]
    console.print(table("", ["solves", "count", "judged", "score, 95 %", "tokens", "seconds"], rows))
    tokens, seconds = evidence.tokens_saved, evidence.seconds_saved
    rows = [
        ["score", _signed(evidence.effect, "+.2f"), _between(evidence.effect_interval, "+.2f")],
        [
            "tokens saved a solve",
            _signed(tokens.mean, "+.0f", tokens.pairs),
            _between(tokens.interval, "+.0f"),
        ],
        [
            "seconds saved a solve",
            _signed(seconds.mean, "+.2f", seconds.pairs),
            _between(seconds.interval, "+.2f"),
        ],
    ]
    console.print(table("What it changes", ["", "mean", "95 %"], rows))
    rows = [
        ["it helps", f"{evidence.helps:.3g}"],
        ["it harms", f"{evidence.harms:.3g}"],
        ["it harms lately", f"{evidence.harms_lately:.3g}"],
        ["it is not worse", f"{evidence.not_worse:.3g}"],
        ["it is cheaper", f"{evidence.cheaper:.3g}"],
    ]
    title = f"Evidence from {evidence.drawn} solves that were drawn; 20 decides, 1000 for harm lately"
    console.print(table(title, ["claim", "e-value"], rows))


def _row(name: str, arm: ArmEvidence) -> list[object]:
    score = "" if arm.score is None else f"{arm.score:.2f}  {_between(arm.interval, '.2f')}"
    tokens = "" if arm.tokens is None else f"{arm.tokens:.0f}"
    seconds = "" if arm.seconds is None else f"{arm.seconds:.2f}"
    return [name, arm.solves, arm.judged, score, tokens, seconds]


def _signed(value: float | None, form: str, pairs: int = 1) -> str:
    return "not known yet" if value is None or not pairs else format(value, form)


def _between(interval: tuple[float, float] | None, form: str) -> str:
    return "" if interval is None else f"{interval[0]:{form}} … {interval[1]:{form}}"
