"""`evolvent skills export`: folders for others."""

from __future__ import annotations

from pathlib import Path

import typer

from evolvent.cli.output import friendly_errors, printable, talk

__all__ = ["export"]


def export(
    names: list[str] = typer.Argument(help="The skills."),
    to: Path = typer.Option(..., "--to", help="Folder to write to."),
    sign: bool = typer.Option(False, "--sign", help="Sign with minisign; a key is made on first use."),
    key: Path | None = typer.Option(
        None, "--key", help="Minisign secret key; default: signing.key in the home."
    ),
    force: bool = typer.Option(False, "--force", help="Replace folders that are there."),
) -> None:
    """Write skills as Agent Skills folders, with their tests and evidence, for other agents or another library."""
    with friendly_errors():
        from evolvent.library.exporting import export_skill
        from evolvent.library.signing import public_key, signing_key
        from evolvent.library.store import SkillStore
        from evolvent.settings import Settings
        from evolvent.storage.home import Home

        settings = Settings()
        store = SkillStore(Home(settings.home).skills, repair=False)
        chosen = signing_key(key or settings.signing_key_path) if sign or key else None
        for skill in [store.get(name) for name in dict.fromkeys(names)]:
            folder = export_skill(store, skill.name, to, chosen, force=force)
            talk().print(printable(f"{skill.name} {skill.digest} → {folder}"), markup=False)
        if chosen is not None:
            talk().print(f"signed; whoever trusts it names this key: {public_key(chosen)}", markup=False)
