"""`evolvent models`: which models there are, and fetching the embedded ones."""

from __future__ import annotations

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

__all__ = ["app"]

app = typer.Typer(help="List models and fetch the embedded ones.", no_args_is_help=True)


@app.command("list")
def list_(as_json: bool = JSON_OPTION) -> None:
    """List the models that can be named."""
    with friendly_errors():
        from evolvent.plugins import PluginHost
        from evolvent.settings import Settings

        host, settings = PluginHost(), Settings()
        found = [info for name in host.models.names() for info in host.models.get(name).models(settings)]
        if as_json:
            print_json([info.model_dump(mode="json") for info in found])
            return
        rows = [
            [
                info.ref + ("  (default)" if info.ref == settings.model else ""),
                f"{info.size_bytes / 1e6:,.0f} MB" if info.size_bytes else "",
                info.licence,
                "on disk" if info.installed else "",
                info.note,
            ]
            for info in found
        ]
        out().print(table("", ["model", "size", "licence", "state", "note"], rows))
        services = [name for name in host.models.names() if not host.models.get(name).models(settings)]
        talk().print(f"Services, by provider:name: {', '.join(services)}", markup=False)


@app.command()
def pull(ref: str = typer.Argument(help="The model, for example local:qwen2.5-coder-1.5b.")) -> None:
    """Fetch a model, so that it works without a network."""
    with friendly_errors():
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        from evolvent.errors import UsageError
        from evolvent.plugins import PluginHost
        from evolvent.settings import Settings

        provider, colon, name = ref.partition(":")
        if not colon:
            raise UsageError(
                f"{ref!r} is no model; write provider:name, for example 'local:qwen2.5-coder-1.5b'"
            )
        source = PluginHost().models.get(provider)
        settings = Settings()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=talk()) as bar:
            task = bar.add_task(ref, total=None)
            source.pull(name, settings, lambda done, total: bar.update(task, completed=done, total=total))
        talk().print(f"{ref} is on disk and verified", markup=False)
