"""`evolvent policies`: how variants of the agent program are chosen."""

from __future__ import annotations

import inspect

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table

__all__ = ["app"]

app = typer.Typer(help="List self-modification policies.", no_args_is_help=True)


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
