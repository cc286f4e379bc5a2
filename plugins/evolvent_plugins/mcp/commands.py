"""`evolvent mcp`: serve the skill library, look at servers, accept changed tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from evolvent_plugins.mcp.library import Library

__all__ = ["app"]

app = typer.Typer(help="Use MCP servers, and be one.", no_args_is_help=True)


@app.command()
def serve(
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve over HTTP instead of stdin and stdout.")
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable of the token that HTTP requests must bring."),
    ] = None,
) -> None:
    """Let other agents search, read and run the skills of this home."""
    with friendly_errors():
        import os
        import signal
        import sys

        from evolvent.errors import UsageError
        from evolvent_plugins.mcp.serving import Address, serve_http, serve_stdio
        from evolvent_plugins.mcp.skill_server import make_server

        if token_env is not None and http is None:
            raise UsageError("--token-env is for --http; on stdin and stdout there is nobody else")
        token = os.environ.get(token_env, "") if token_env is not None else None
        if token_env is not None and not token:
            raise UsageError(f"the environment variable {token_env} of --token-env is not set")
        address = Address(http) if http is not None else None
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by way of `finally`
        library = _library()
        try:
            server = make_server(library)
            if address is None:
                serve_stdio(server)
            else:
                serve_http(server, address, token, lambda line: talk().print(line, markup=False))
        finally:
            library.close()


@app.command("list")
def list_(as_json: bool = JSON_OPTION) -> None:
    """Start every server, and list its tools with what they touch and what the server claims of them."""
    with friendly_errors():
        from evolvent_plugins.mcp import close
        from evolvent_plugins.mcp.listing import list_servers

        try:
            servers = list_servers()
        finally:
            close()
        if as_json:
            print_json(servers)
            return
        rows = [
            [
                f"mcp.{server['name']}.{tool['name']}",
                _touches(tool["touches"]),
                ", ".join(tool["hints"]),
                tool["pin"],
                tool["refused"] or " ".join(tool["description"].split())[:200],
            ]
            for server in servers
            for tool in server["tools"]
        ]
        out().print(table("", ["tool", "touches", "the server says", "pin", "description"], rows))
        for server in servers:
            for line in filter(None, [server["error"], *server["remarks"]]):
                talk().print(f"{server['name']}: {line}", markup=False)


@app.command()
def trust(server: Annotated[str, typer.Argument(help="The server's name.")]) -> None:
    """Accept the tools of a server as they are now."""
    with friendly_errors():
        from evolvent.settings import Settings
        from evolvent_plugins.mcp import close
        from evolvent_plugins.mcp.servers import server_of

        try:
            offers = server_of(server, Settings()).trust()
        finally:
            close()
        for offer in offers:
            if offer.refused:
                talk().print(f"mcp.{server}.{offer.name}: {offer.refused}", markup=False)
        accepted = [offer.name for offer in offers if not offer.refused]
        talk().print(f"{server}: {len(accepted)} tool(s) are accepted as they are now", markup=False)


def _touches(touches: list[str] | None) -> str:
    if touches is None:
        return "undeclared: denied"
    return ", ".join(touches) or "nothing"


def _library() -> Library:
    from evolvent.plugins import PluginHost
    from evolvent.sandboxes import choose_sandbox
    from evolvent.settings import Settings
    from evolvent.storage.home import Home
    from evolvent_plugins.mcp.library import Library

    settings = Settings()
    plugins = PluginHost(settings=settings)
    make_embedder = plugins.embedders.get(settings.embedder)
    return Library(
        Home(settings.home).skills,
        embedder=lambda: make_embedder(settings),
        sandbox=lambda: choose_sandbox(plugins, settings),
        embedder_name=settings.embedder,
        threshold=settings.router_threshold,
    )
