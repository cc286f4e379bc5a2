"""`evolvent panels`: what plugins show of a home."""

from __future__ import annotations

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

__all__ = ["app"]

app = typer.Typer(help="Look at panels: what plugins show of a home.", no_args_is_help=True)


@app.command("list")
def list_(as_json: bool = JSON_OPTION) -> None:
    """List the panels with the plugins that bring them."""
    with friendly_errors():
        from evolvent.plugins import PluginHost

        panels = PluginHost().panels
        rows = [[name, str(item.title), panels.origins[name]] for name, item in sorted(panels.items.items())]
        if as_json:
            print_json([dict(zip(("name", "title", "plugin"), row, strict=True)) for row in rows])
            return
        out().print(table("", ["panel", "title", "plugin"], rows))


@app.command()
def show(name: str = typer.Argument(help="The panel."), as_json: bool = JSON_OPTION) -> None:
    """Show a panel as a table."""
    with friendly_errors():
        from evolvent.home_view import StoredHome
        from evolvent.plugins import PluginHost
        from evolvent.settings import Settings

        settings = Settings()
        data = PluginHost(settings=settings).panel(name, StoredHome(settings.home))
        if as_json:
            print_json(data.model_dump(mode="json"))
            return
        rows = [["" if cell is None else cell for cell in row] for row in data.rows]
        out().print(table(name, data.columns, rows))
        if data.note:
            talk().print(printable(data.note), markup=False)
