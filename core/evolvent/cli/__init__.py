"""The command line: presentation only."""

from __future__ import annotations

import typer

from evolvent.cli import (
    approvals,
    archive,
    daemon,
    genome,
    jobs,
    memory,
    models,
    panels,
    plugins,
    policies,
    runs,
    sandbox,
    skills,
    tokens,
)
from evolvent.cli.backups import backup, restore
from evolvent.cli.dashboard import dashboard
from evolvent.cli.doctor import doctor
from evolvent.cli.evolve import evolve
from evolvent.cli.learn import learn
from evolvent.cli.plugin_commands import PluginCommands
from evolvent.cli.solve import solve

__all__ = ["app", "main"]

app = typer.Typer(
    name="evolvent",
    cls=PluginCommands,
    help="An agent runtime that writes, verifies and keeps its own skills.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from evolvent import __version__

        typer.echo(f"evolvent {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    from evolvent.logs import configure_logging

    configure_logging()


app.command()(learn)
app.command()(solve)
app.command()(evolve)
app.command()(doctor)
app.command()(jobs.submit)
app.command()(dashboard)
app.command()(backup)
app.command()(restore)
app.add_typer(skills.app, name="skills")
app.add_typer(memory.app, name="memory")
app.add_typer(models.app, name="models")
app.add_typer(runs.app, name="runs")
app.add_typer(plugins.app, name="plugins")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(approvals.app, name="approvals")
app.add_typer(archive.app, name="archive")
app.add_typer(genome.app, name="genome")
app.add_typer(policies.app, name="policies")
app.add_typer(panels.app, name="panels")
app.add_typer(tokens.app, name="tokens")
app.add_typer(daemon.app, name="daemon")
app.add_typer(jobs.app, name="jobs")


def main() -> None:
    """Run the command line."""
    app()
