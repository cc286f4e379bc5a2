"""`evolvent metrics`."""

from __future__ import annotations

import typer

from evolvent.cli.output import friendly_errors, talk
from evolvent.settings import Settings
from evolvent.storage import Home, Ledger, open_database
from evolvent_plugins.metrics.collectors import Metrics

__all__ = ["print_metrics"]


def print_metrics() -> None:
    """Replay the ledger of the home and print the metrics; needs no lock and writes no event."""
    with friendly_errors():
        metrics = Metrics()
        home = Home(Settings().home)
        if home.database.is_file():
            engine = open_database(home.database)
            try:
                for event in Ledger(engine).events():
                    metrics.count(event)
            finally:
                engine.dispose()
        else:
            talk().print(f"The home {str(home.path)!r} is empty: nothing is counted yet.", markup=False)
        typer.echo(metrics.text(), nl=False)
