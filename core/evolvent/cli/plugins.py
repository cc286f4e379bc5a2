"""`evolvent plugins`: which there are, what they bring, whether they work, and new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from evolvent.plugins import PluginsFile
    from evolvent.types import PluginInfo

__all__ = ["app"]

app = typer.Typer(
    help="List and check plugins, switch them on and off, write new ones.", no_args_is_help=True
)


@app.command("list")
def list_(as_json: bool = JSON_OPTION) -> None:
    """List the plugins that are installed, with what each brings or why it is not loaded."""
    with friendly_errors():
        from evolvent.plugins import PluginHost

        infos = PluginHost().infos
        if as_json:
            print_json([info.model_dump(mode="json") for _, info in sorted(infos.items())])
            return
        rows = [
            [
                info.name,
                f"{info.distribution} {info.version}" if info.distribution else "in memory",
                info.state,
                _brings(info),
                f"{info.load_ms:.1f} ms" if info.state == "loaded" else "",
            ]
            for _, info in sorted(infos.items())
        ]
        out().print(table("", ["plugin", "from", "state", "brings", "load"], rows))
        for info in infos.values():
            if info.state == "failed":
                talk().print(f"{info.name} failed; {info.mend}", markup=False)


@app.command()
def show(name: str = typer.Argument(help="The plugin."), as_json: bool = JSON_OPTION) -> None:
    """Show everything known of a plugin."""
    with friendly_errors():
        from evolvent.errors import UnknownName
        from evolvent.plugins import PluginHost

        infos = PluginHost().infos
        if name not in infos:
            raise UnknownName("plugin", name, infos)
        info = infos[name]
        if as_json:
            print_json(info.model_dump(mode="json"))
            return
        facts = {
            "module": info.module,
            "from": f"{info.distribution} {info.version}" if info.distribution else "in memory",
            "state": info.state,
            "reason": info.reason,
            "mend": info.mend,
            "hooks": ", ".join(info.hooks),
            **{what: ", ".join(names) for what, names in info.registers.items()},
            "remarks": "\n".join(info.remarks),
            "load": f"{info.load_ms:.1f} ms",
        }
        out().print(table("", [name, "fact"], [[key, fact] for key, fact in facts.items() if fact]))


@app.command()
def disable(name: str = typer.Argument(help="The plugin.")) -> None:
    """Keep a plugin from being loaded, whatever it does."""
    with friendly_errors():
        _check_installed(name)
        _disabled().disable(name)
        talk().print(
            f"{name} is not loaded any more; evolvent plugins enable {name} takes it back", markup=False
        )


@app.command()
def enable(name: str = typer.Argument(help="The plugin.")) -> None:
    """Load a plugin again that was disabled."""
    with friendly_errors():
        disabled = _disabled()
        if name not in disabled.disabled():
            _check_installed(name)
        disabled.enable(name)
        talk().print(f"{name} is loaded again", markup=False)


@app.command()
def new(
    name: str = typer.Argument(help="Its name, such as word-count; the package is evolvent-NAME."),
    kind: str = typer.Option("tool", help="What it brings: tool, evaluator or guard."),
    to: Path = typer.Option(Path(), help="Folder that gets the package's folder."),
) -> None:
    """Write the package of a new plugin: one working hook, tests that pass, ready to install."""
    with friendly_errors():
        from evolvent.plugins.scaffold import new_plugin

        folder = new_plugin(name, to, kind)
        out().print(str(folder), markup=False, soft_wrap=True)
        talk().print(
            f"Next:\n  cd {folder}\n  pip install -e '.[test]'\n  pytest", markup=False, soft_wrap=True
        )


@app.command()
def doctor(
    name: str | None = typer.Argument(None, help="Only this plugin."), as_json: bool = JSON_OPTION
) -> None:
    """Check plugins: that they load, their own self-checks, and the contracts of what they register."""
    with friendly_errors():
        from evolvent.errors import UnknownName
        from evolvent.plugins import PluginHost
        from evolvent.settings import Settings
        from evolvent.testing.plugin_checks import PluginCheck, conformance_of

        settings = Settings()
        host = PluginHost(settings=settings)
        if name is not None and name not in host.infos:
            raise UnknownName("plugin", name, host.infos)
        checks = [
            PluginCheck(
                plugin=n, kind="load", name=n, outcome="failed", reason=f"{reason}; {host.infos[n].mend}"
            )
            for n, reason in host.failures.items()
            if name in (None, n)
        ]
        with talk().status("checking"):
            checks += conformance_of(host, settings, only=name)
        if as_json:
            print_json([check.model_dump(mode="json") for check in checks])
        else:
            rows = [[c.plugin, c.kind, c.name, c.outcome, c.reason] for c in checks]
            out().print(table("", ["plugin", "kind", "name", "outcome", "why"], rows))
        failed = sum(check.outcome == "failed" for check in checks)
        talk().print(f"{len(checks)} checks, {failed} failed", markup=False)
    if failed:
        raise typer.Exit(1)


def _brings(info: PluginInfo) -> str:
    """Return what a plugin registered and which other hooks it has, or why it is not loaded."""
    things = [f"{what}: {', '.join(names)}" for what, names in info.registers.items()]
    hooks = [hook for hook in info.hooks if not hook.startswith("register_")]
    if hooks:
        things.append(f"hooks: {', '.join(hooks)}")
    return "; ".join(things) or info.reason


def _disabled() -> PluginsFile:
    from evolvent.plugins import PluginsFile
    from evolvent.settings import Settings

    return PluginsFile(Settings().home)


def _check_installed(name: str) -> None:
    """Check that a plugin is installed, without loading any: the one to disable may be the one that hangs.

    Raises:
        UnknownName: it is not.
    """
    from importlib.metadata import entry_points

    from evolvent.errors import UnknownName

    names = sorted({entry.name for entry in entry_points(group="evolvent")})
    if name not in names:
        raise UnknownName("plugin", name, names)
