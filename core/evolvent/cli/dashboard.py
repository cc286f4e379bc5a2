"""`evolvent dashboard`: look at the daemon in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, talk

if TYPE_CHECKING:
    from evolvent.daemon.access import HttpJobs
    from evolvent.types import LoginCode

__all__ = ["dashboard"]


def dashboard(
    open_: bool = typer.Option(
        False, "--open", help="Open it in this machine's browser; wait until it is logged in."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print a link that logs a browser in to the daemon's pages: once, within a minute, for twelve hours."""
    with friendly_errors():
        from evolvent.daemon.access import HttpJobs, open_jobs
        from evolvent.errors import UsageError
        from evolvent.settings import Settings

        access = open_jobs(Settings())
        if not isinstance(access, HttpJobs):
            raise UsageError("no daemon runs in this home; start it with `evolvent daemon start`")
        link, code = access.login_link()
        if as_json:
            print_json({"url": link, "seconds": code.seconds})
        else:
            talk().print(
                f"works once, within {code.seconds:.0f} seconds; who opens it may do everything", markup=False
            )
            out().print(link, markup=False, soft_wrap=True)
        if open_:
            _open(access, link, code)


def _open(access: HttpJobs, link: str, code: LoginCode) -> None:
    import webbrowser

    from evolvent.daemon.private_page import private_page
    from evolvent.errors import RunError

    with private_page(link) as page:
        if not webbrowser.open(page):
            talk().print("no browser was found here; open the link yourself", markup=False)
        elif not access.wait_for_login(code):
            raise RunError(
                f"no browser used the link in {code.seconds:.0f} s, and it has ended; give `evolvent dashboard` and "
                "open its link yourself (a browser that may not read the temporary folder cannot open the page there)"
            )
