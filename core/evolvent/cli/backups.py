"""`evolvent backup` and `evolvent restore`."""

from __future__ import annotations

from pathlib import Path

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, print_json, talk

__all__ = ["backup", "restore"]


def backup(
    file: Path | None = typer.Argument(
        None, help="A new file, *.tar.gz; default: one in the home's folder backups."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Write the whole home into one file, also while a daemon works in it."""
    with friendly_errors():
        from evolvent.settings import Settings
        from evolvent.storage import Home
        from evolvent.storage.backups import back_up

        with talk().status("copying"):
            made = back_up(Home(Settings().home), file)
        size = made.stat().st_size
        if as_json:
            print_json({"file": str(made), "bytes": size})
        else:
            typer.echo(made)
            talk().print(f"{size / 1e6:.1f} MB. Get it back with: evolvent restore FILE", markup=False)


def restore(
    file: Path = typer.Argument(help="Of `evolvent backup`."),
    replace: bool = typer.Option(
        False, "--replace", help="Move what is in the home beside it, and put the backup in its place."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Make the home what it was when a backup was made. No daemon may run in it."""
    with friendly_errors():
        from evolvent.settings import Settings
        from evolvent.storage import Home
        from evolvent.storage.backups import restore as put_back

        home = Home(Settings().home)
        with talk().status("unpacking and checking"):
            done = put_back(file, home, replace=replace)
        if as_json:
            print_json(
                {
                    "home": str(home.path),
                    "made_at": done.manifest.made_at,
                    "files": len(done.manifest.members),
                    "queued": done.queued,
                    "before": None if done.before is None else str(done.before),
                }
            )
            return
        talk().print(
            f"the home {home.path} is as it was at {done.manifest.made_at}: {len(done.manifest.members)} files"
            + (f", {done.queued} interrupted jobs are queued again" if done.queued else ""),
            markup=False,
            soft_wrap=True,
        )
        if done.before is not None:
            talk().print(f"what was there before: {done.before}", markup=False, soft_wrap=True)
