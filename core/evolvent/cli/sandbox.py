"""`evolvent sandbox`: which backends work here, proof that one holds, and building Docker's image."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from evolvent.protocols import Sandbox

__all__ = ["app"]

app = typer.Typer(help="Check the sandbox, list its backends, build Docker's image.", no_args_is_help=True)


class Row(NamedTuple):
    """One thing that was tried."""

    kind: str
    """`contract`, `benign` or `attack`."""
    name: str
    passed: bool
    seen: str


@app.command("list")
def list_(as_json: bool = JSON_OPTION) -> None:
    """List the backends: which one is used, which others work here, and what mends the rest."""
    with friendly_errors():
        from evolvent.errors import MissingPrerequisite, UsageError
        from evolvent.plugins import PluginHost
        from evolvent.sandboxes import PREFERENCE
        from evolvent.settings import Settings

        host, settings = PluginHost(), Settings()
        rows: dict[str, list[str]] = {}
        for name in host.sandboxes.names():
            state, detail, mend = "works", "", ""
            try:
                with closing(host.sandboxes.get(name)(settings)) as sandbox:
                    detail = sandbox.describe().get("isolation", "")
            except MissingPrerequisite as error:
                state, detail, mend = "missing", error.what, error.command
            except UsageError as error:
                state, detail = "refused", str(error)
            rows[name] = [name, state, detail, mend]
        wanted = PREFERENCE if settings.sandbox == "auto" else (settings.sandbox,)
        used = next((name for name in wanted if name in rows and rows[name][1] == "works"), None)
        if used is not None:
            rows[used][1] = "used"
        columns = ["sandbox", "state", "detail", "mend"]
        if as_json:
            print_json([dict(zip(columns, row, strict=True)) for row in rows.values()])
        else:
            out().print(table("", columns, list(rows.values())))


@app.command()
def check(
    name: str = typer.Argument("", help="The backend; by default the one that the settings choose."),
    attacks: bool = typer.Option(False, "--attacks", help="Run the hostile programs too (a minute or two)."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Prove a backend on this machine: its contract, ordinary programs and, if asked for, hostile ones."""
    with friendly_errors(), _opened(name) as sandbox:
        from evolvent.errors import UsageError

        if attacks and not sandbox.isolates:
            raise UsageError(
                f"the {sandbox.name!r} sandbox isolates nothing, and the attacks are real; "
                "run them with 'bubblewrap' or 'docker'"
            )
        started = time.monotonic()
        rows = []
        with talk().status("beginning") as status:
            for row in _tried(sandbox, attacks):
                rows.append(row)
                status.update(f"{len(rows)} tried, last: {row.kind} {row.name}")
                if not row.passed:
                    talk().print(f"failed: {row.kind} {row.name}: {row.seen}", markup=False)
        failed = [row for row in rows if not row.passed]
        if as_json:
            print_json({"sandbox": sandbox.describe(), "checks": [row._asdict() for row in rows]})
        else:
            out().print(table("", ["sandbox", "fact"], list(sandbox.describe().items())))
            out().print(table("", ["kind", "tried", "passed"], _counts(rows)))
            if failed:
                out().print(table("", ["kind", "failed", "seen"], [[r.kind, r.name, r.seen] for r in failed]))
        seconds = time.monotonic() - started
        talk().print(f"{len(rows) - len(failed)} of {len(rows)} passed in {seconds:.0f} s", markup=False)
        if failed:
            raise typer.Exit(1)


@app.command()
def build(
    name: str = typer.Argument("docker", help="The backend."),
    source: str = typer.Option(
        "auto",
        "--from",
        help="registry (python:3.11-slim), debootstrap, interpreter (the running one), the name of an image "
        "with Python, or the path of a root file system.",
    ),
    mirror: str = typer.Option("", help="Address of a Debian mirror, for debootstrap."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Build what a backend runs, for docker its image; afterwards `auto` chooses docker."""
    with friendly_errors():
        from evolvent.errors import UsageError
        from evolvent.plugins import PluginHost
        from evolvent.protocols import SandboxBuilder
        from evolvent.settings import Settings

        builder = PluginHost().sandboxes.get(name)
        if not isinstance(builder, SandboxBuilder):
            raise UsageError(
                f"the {name!r} sandbox needs nothing built; try it with: evolvent sandbox check {name}"
            )
        built = builder.build(
            Settings(), source, mirror or None, lambda line: talk().print(line, markup=False)
        )
        if as_json:
            print_json(built)
        else:
            out().print(table("", ["what", "value"], list(built.items())))


@contextmanager
def _opened(name: str) -> Iterator[Sandbox]:
    from evolvent.plugins import PluginHost
    from evolvent.sandboxes import choose_sandbox
    from evolvent.settings import Settings

    settings = Settings(sandbox=name) if name else Settings()
    with closing(choose_sandbox(PluginHost(), settings)) as sandbox:
        yield sandbox


def _tried(sandbox: Sandbox, with_attacks: bool) -> Iterator[Row]:
    from evolvent.testing.attack_range import Bait, run_attack
    from evolvent.testing.programs import attacks
    from evolvent.testing.sandbox_conformance import benign_results, check_results

    for name, passed, seen in check_results(sandbox, isolation=sandbox.isolates):
        yield Row("contract", name, passed, seen)
    for name, passed, seen in benign_results(sandbox):
        yield Row("benign", name, passed, seen)
    if with_attacks:
        with Bait() as bait:
            for attack in attacks():
                result = run_attack(sandbox, attack, bait)
                seen = "; ".join(result.breaches) or result.outcome
                yield Row("attack", f"{attack.category}: {attack.name}", result.contained, seen)


def _counts(rows: list[Row]) -> list[list[str]]:
    kinds = dict.fromkeys(row.kind for row in rows)
    return [
        [kind, str(len(of_kind)), str(sum(row.passed for row in of_kind))]
        for kind in kinds
        if (of_kind := [row for row in rows if row.kind == kind])
    ]
