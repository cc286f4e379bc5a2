"""`evolvent tokens`: who may talk to the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from evolvent.storage import Tokens

__all__ = ["app"]

app = typer.Typer(help="Make, list and revoke tokens of the daemon's HTTP API.", no_args_is_help=True)

DAY = 86_400.0


@app.command()
def create(
    name: str = typer.Argument(help="What it is for."),
    scope: list[str] = typer.Option(
        ["read"], help="read, submit (hand in jobs, too) or admin (decide, too)."
    ),
    days: float | None = typer.Option(None, help="Days until it expires; default: never."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Make a token. It is printed once, on stdout, and cannot be shown again."""
    with friendly_errors():
        from evolvent.errors import UnknownName
        from evolvent.types import Scope

        for given in scope:
            if given not in list(Scope):
                raise UnknownName("scope", given, Scope)
        token, info = _tokens().create(name, map(Scope, scope), None if days is None else days * DAY)
        if as_json:
            print_json({"token": token, **info.model_dump(mode="json")})
            return
        talk().print(f"token {info.id}, {', '.join(info.scopes)}; it is not shown again", markup=False)
        out().print(token, markup=False, soft_wrap=True)


@app.command("list")
def list_(
    every: bool = typer.Option(False, "--all", help="Show expired and revoked ones too."),
    as_json: bool = JSON_OPTION,
) -> None:
    """List the tokens, oldest first. Their secrets are not kept."""
    with friendly_errors():
        tokens = _tokens()
        found = tokens.list() if every else tokens.valid()
        if as_json:
            print_json([info.model_dump(mode="json") for info in found])
            return
        rows = [
            [
                i.id,
                i.name,
                ", ".join(i.scopes),
                i.created_at[:16],
                (i.expires_at or "never")[:16],
                i.revoked_at,
            ]
            for i in found
        ]
        columns = ["token", "name", "scopes", "made (UTC)", "expires", "revoked"]
        out().print(table("", columns, [["" if cell is None else cell for cell in row] for row in rows]))


@app.command()
def revoke(
    which: str = typer.Argument(help="Its id, or its name where only one has it."),
) -> None:
    """Make a token worthless; a daemon heeds it within a second."""
    with friendly_errors():
        info = _tokens().revoke(which)
        talk().print(f"revoked: {info.id} {info.name}", markup=False)


def _tokens() -> Tokens:
    from evolvent.settings import Settings
    from evolvent.storage import Home, Tokens, open_database

    home = Home(Settings().home)
    home.create()
    return Tokens(open_database(home.database))
