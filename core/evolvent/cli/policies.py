"""`evolvent policies`: how variants of the agent program are chosen."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from rich.table import Table

    from evolvent.protocols import Policy
    from evolvent.types import Estimate, Simulation

__all__ = ["app", "compared"]

app = typer.Typer(help="List and compare self-modification policies.", no_args_is_help=True)


@app.command("list")
def list_(as_json: bool = JSON_OPTION) -> None:
    """List the policies with the plugins that bring them."""
    with friendly_errors():
        from evolvent.plugins import PluginHost
        from evolvent.settings import Settings

        policies, settings = PluginHost().policies, Settings()
        rows = []
        for name in policies.names():
            about = inspect.getdoc(policies.get(name)(settings)) or ""
            rows.append([name, policies.origins[name], next(iter(about.splitlines()), "")])
        if as_json:
            print_json([dict(zip(("name", "plugin", "about"), row, strict=True)) for row in rows])
            return
        out().print(table("", ["policy", "plugin", "about"], rows))


@app.command()
def simulate(
    policy: list[str] = typer.Option(
        [], "--policy", metavar="NAME", help="A policy to compare; again for more. Default: all."
    ),
    world: str = typer.Option(
        "mismatched", help="mismatched, aligned or opposed: what a score says of children."
    ),
    seeds: int = typer.Option(20, min=2, help="Archives that each policy grows."),
    evaluations: int = typer.Option(800, min=1, help="Evaluations of each archive."),
    trials: int = typer.Option(
        10, min=1, help="Evaluations of a new variant where the policy does not ask for any itself."
    ),
    plot: Path | None = typer.Option(
        None, metavar="FILE.svg", help="Write the champions' true pass rates against evaluations."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Compare policies on archives that grow in a synthetic world, where the truth is known; no model is called."""
    with friendly_errors():
        from evolvent.cli.policy_plot import check_plot, write_plot
        from evolvent.plugins import PluginHost
        from evolvent.settings import Settings

        if plot is not None:
            check_plot(plot)
        registered, settings = PluginHost().policies, Settings()
        given = {name: registered.get(name)(settings) for name in dict.fromkeys(policy or registered.names())}
        found = _simulated(given, world, seeds, evaluations, trials)
        if plot is not None:
            write_plot(found, plot)
            talk().print(f"wrote {plot}")
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        out().print(compared(found))


def _simulated(
    policies: Mapping[str, Policy], world: str, seeds: int, evaluations: int, trials: int
) -> Simulation:
    from rich.progress import Progress

    from evolvent.evolution.simulation import simulate as run

    with Progress(console=talk(), transient=True) as shown:
        task = shown.add_task("growing archives", total=len(policies) * seeds)
        return run(
            policies,
            world,
            seeds=seeds,
            evaluations=evaluations,
            trials=trials,
            progress=lambda: shown.advance(task),
        )


def compared(found: Simulation) -> Table:
    """Return a simulation as a table, the best policy first and bold."""
    from rich.text import Text

    rows = []
    for outcome in found.outcomes:
        best = outcome is found.outcomes[0]
        cells = [
            outcome.policy,
            _told(outcome.champion),
            "" if best else _told(outcome.behind),
            f"{outcome.variants:.0f}",
        ]
        rows.append([Text(cell, style="bold" if best else "") for cell in cells])
    title = f"{found.world} world: {found.evaluations} evaluations, {found.seeds} seeds, 95 % intervals"
    return table(title, ["policy", "true pass rate of the champion", "behind the best", "variants"], rows)


def _told(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
