"""`evolvent genome`: the agent program, and whether a change of it would be let through."""

from __future__ import annotations

from pathlib import Path

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, talk

__all__ = ["app"]

app = typer.Typer(help="Look at the agent program, and review a change of it.", no_args_is_help=True)


@app.command()
def export(
    folder: Path = typer.Argument(help="A new folder for its files."),
    name: str = typer.Option("seed", help="Which of those that ship: seed, or bare (one prompt, one try)."),
) -> None:
    """Write an agent program into a folder, to read or to change it."""
    with friendly_errors():
        from evolvent.errors import UsageError
        from evolvent.graphs.genome import seed_genome

        if folder.exists():
            raise UsageError(f"{str(folder)!r} is there already; give a new folder")
        for path, text in seed_genome(name).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        out().print(str(folder), markup=False, soft_wrap=True)


@app.command()
def review(
    folder: Path = typer.Argument(help="A changed agent program."), as_json: bool = JSON_OPTION
) -> None:
    """Review a changed agent program: by the kernel, then all guards, then the kernel again."""
    with friendly_errors():
        from evolvent.evolution import read_genome, review_modification
        from evolvent.graphs.genome import seed_genome
        from evolvent.plugins import PluginHost
        from evolvent.types import Modification

        modification = Modification(before=seed_genome(), after=read_genome(folder))
        decision = review_modification(modification, PluginHost().review_modification)
        if as_json:
            print_json({"changed": list(modification.changed), **decision.model_dump(mode="json")})
        else:
            out().print(
                f"{decision.verdict} by {decision.by}: {printable(decision.reason) or 'no objection'}",
                markup=False,
                soft_wrap=True,
            )
            talk().print(f"changed: {', '.join(modification.changed) or 'nothing'}", markup=False)
    if decision.verdict != "approve":
        raise typer.Exit(1)
