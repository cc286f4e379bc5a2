"""`evolvent dashboard`: look at the daemon in a browser."""

from __future__ import annotations

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, talk

__all__ = ["dashboard"]


def dashboard(
    open_: bool = typer.Option(False, "--open", help="Open it in this machine's browser."),
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
        link, seconds = access.login_link()
        if as_json:
            print_json({"url": link, "seconds": seconds})
            return
        talk().print(
            f"works once, within {seconds:.0f} seconds; who opens it may do everything", markup=False
        )
        out().print(link, markup=False, soft_wrap=True)
        if open_:
            import webbrowser

            if not webbrowser.open(link):
                talk().print("no browser was found here; open the link yourself", markup=False)
