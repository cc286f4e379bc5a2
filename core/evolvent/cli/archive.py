"""`evolvent archive`: the programs that evolution made, and which of them is active."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, printable, table, talk

if TYPE_CHECKING:
    from evolvent.evolution.archive import Archive
    from evolvent.types import Variant

__all__ = ["app"]

app = typer.Typer(
    help="Look at the archive of agent programs, and choose the active one.", no_args_is_help=True
)

VARIANT = typer.Argument(help="Its id or the beginning of it; also: active, best.")


@app.command()
def tree(
    limit: int = typer.Option(
        200, min=1, help="Variants that are shown, the best ones with their ancestors."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print the lineage with scores and intervals."""
    with friendly_errors():
        from evolvent.cli.archive_tree import draw_tree
        from evolvent.evolution.lines import lines_of

        archive = _archive()
        if as_json:
            print_json([_data(archive, v) for v in archive.variants()])
            return
        shown, hidden = lines_of(archive, limit)
        out().print(draw_tree(archive, shown))
        if hidden:
            talk().print(f"{hidden} more variants; --limit shows them, --json has them all", markup=False)


@app.command()
def show(variant: str = VARIANT, as_json: bool = JSON_OPTION) -> None:
    """Show a variant: where it comes from, what it was for, what it did."""
    with friendly_errors():
        archive = _archive()
        id_ = archive.resolve(variant)
        data = _data(archive, archive.variant(id_))
        data["gates"] = [row.decision for row in archive.tables.gates(variant=id_)]
        data["files"] = {path: len(text) for path, text in archive.genomes.files(id_).items()}
        if as_json:
            print_json(data)
            return
        rows = [
            [name, printable(str(value))] for name, value in data.items() if value not in ("", [], None, {})
        ]
        out().print(table("", ["", ""], rows))


@app.command()
def diff(
    old: str = typer.Argument(help="A variant."),
    new: str = typer.Argument("", help="Another one; default: the parent of the first is compared with it."),
) -> None:
    """Show what changed between two variants, and why."""
    with friendly_errors():
        archive = _archive()
        before, after = archive.resolve(old), archive.resolve(new) if new else ""
        if not after:
            parents = archive.stored(before).parents
            if not parents:
                from evolvent.errors import UsageError

                raise UsageError(f"{before[:10]} is a seed: it has no parent to compare with")
            before, after = parents[0], before
        for line in _why(archive, before, after):
            out().print(printable(line), markup=False, soft_wrap=True)
        out().print(printable(archive.genomes.diff(before, after)), markup=False, soft_wrap=True)


@app.command()
def best(as_json: bool = JSON_OPTION) -> None:
    """Show the variant with the highest train score."""
    with friendly_errors():
        from evolvent.errors import UsageError

        archive = _archive()
        found = archive.best()
        if found is None:
            raise UsageError("nothing was measured yet; begin with: evolvent evolve SUITE")
        data = _data(archive, archive.variant(found))
        if as_json:
            print_json(data)
        else:
            out().print(_line(archive, archive.variant(found)), markup=False, soft_wrap=True)


@app.command()
def promote(
    variant: str = VARIANT,
    because: str = typer.Option("", help="Why; it is kept."),
) -> None:
    """Make a variant the active program: what `solve` and `learn` use."""
    _activate(variant, because or "promoted by a person")


@app.command()
def rollback(because: str = typer.Option("", help="Why; it is kept.")) -> None:
    """Make the program active that was active before."""
    _activate("", because or "rolled back by a person")


@app.command()
def verify(as_json: bool = JSON_OPTION) -> None:
    """Prove hashes, lineage and scores: recompute what can be, and name what does not fit."""
    with friendly_errors():
        from evolvent.evolution.verification import verify_archive

        archive = _archive()
        faults = verify_archive(archive)
        if as_json:
            print_json({"variants": len(archive), "faults": faults})
        else:
            for fault in faults:
                out().print(printable(fault), markup=False, soft_wrap=True)
            talk().print(f"{len(archive)} variants, {len(faults)} faults", markup=False)
    if faults:
        raise typer.Exit(1)


@app.command()
def export(
    variant: str = VARIANT,
    to: Path = typer.Option(..., "--to", help="A new file that ends with .tar.gz."),
    skills: bool = typer.Option(True, help="Take the usable skills along."),
) -> None:
    """Write a variant with its ancestors and the skills into one file."""
    with friendly_errors():
        from evolvent.evolution.transfer import export_lineage
        from evolvent.library import SkillStore
        from evolvent.settings import Settings
        from evolvent.storage import Home

        archive = _archive()
        store = SkillStore(Home(Settings().home).skills, repair=False) if skills else None
        count = export_lineage(archive, archive.resolve(variant), to, store)
        talk().print(f"{count} {'variant' if count == 1 else 'variants'}: {to}", markup=False, soft_wrap=True)


@app.command("import")
def import_(file: Path = typer.Argument(help="What `export` wrote.")) -> None:
    """Take a lineage from elsewhere into this archive; its scores stay behind, because they do not compare."""
    with friendly_errors():
        from evolvent.evolution.transfer import import_lineage
        from evolvent.runtime import Runtime

        with Runtime.open() as runtime:
            found = import_lineage(runtime.evolution.tables, runtime.evolution.genomes, file)
        talk().print(f"{found.added} added, {found.known} were here", markup=False)
        talk().print(f"its skills go through admission with: evolvent skills import {file}", markup=False)
        out().print(found.tip, markup=False)


@app.command()
def evaluate(
    suite: str = typer.Argument(help="Any suite, also one that it was not made for."),
    variant: str = typer.Option("active", help="A variant; also: active, best."),
    against: str = typer.Option("", help="Another one to compare with; default: the seed of its line."),
    tasks: int = typer.Option(64, min=1, help="Sealed tasks."),
    seed: int = typer.Option(0, min=0, help="Of the model's sampling."),
    model: str | None = typer.Option(
        None, help="provider:name; default: EVOLVENT_MODEL or the embedded model."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Measure two variants on the sealed tasks of a suite, in pairs: does what was learned carry over?"""
    with friendly_errors():
        from evolvent.practice.transfer import compare_on
        from evolvent.runtime import Runtime

        chosen: dict[str, Any] = {"model": model} if model else {}
        with Runtime.open(**chosen) as runtime:
            found = compare_on(runtime, suite, variant, against, tasks=tasks, seed=seed)
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        c = found.comparison
        rows = [
            [found.against[:10], f"{c.incumbent:.3f}", ""],
            [found.variant[:10], f"{c.candidate:.3f}", f"{c.low:+.3f} … {c.high:+.3f}, p = {c.p_value:.3g}"],
        ]
        out().print(table(f"{suite}: {c.pairs} sealed tasks", ["variant", "score", "gain, 95 %"], rows))


@app.command()
def unfreeze(because: str = typer.Option(..., help="What you found; it is kept.")) -> None:
    """Allow evolution again after it froze itself."""
    with friendly_errors():
        from evolvent.errors import UsageError
        from evolvent.runtime import Runtime

        with Runtime.open() as runtime:
            if not runtime.evolution.tables.lift(because):
                raise UsageError("evolution is not frozen")
        talk().print("evolution may go on", markup=False)


def _archive() -> Archive:
    """Return the archive of the home, to read; nothing is made.

    Raises:
        UsageError: there is none.
    """
    from evolvent.errors import UsageError
    from evolvent.evolution.archive import Archive
    from evolvent.settings import Settings
    from evolvent.storage import Home, open_database
    from evolvent.storage.archive import ArchiveTables
    from evolvent.storage.genomes import GenomeStore

    home = Home(Settings().home)
    if not home.genomes.exists() or not home.database.exists():
        raise UsageError("this home has no archive yet; begin with: evolvent evolve SUITE")
    return Archive(ArchiveTables(open_database(home.database)), GenomeStore(home.genomes))


def _activate(variant: str, because: str) -> None:
    with friendly_errors():
        from evolvent.evolution.archive import Archive
        from evolvent.evolution.promotion import activate, previous
        from evolvent.runtime import Runtime

        with Runtime.open() as runtime:
            evolution = runtime.evolution
            archive = Archive(evolution.tables, evolution.genomes)
            id_ = archive.resolve(variant) if variant else previous(runtime.ledger, archive)
            before = activate(runtime.ledger, archive, id_, because)
        talk().print(f"{id_[:10]} is the active program now; before: {before[:10] or 'none'}", markup=False)


def _data(archive: Archive, variant: Variant) -> dict[str, Any]:
    from evolvent.evolution.intervals import score_interval

    stored = archive.stored(variant.id)

    return {
        "id": variant.id,
        "active": variant.id == archive.genomes.active(),
        "parents": list(variant.parents),
        "generation": variant.generation,
        "run": stored.run_id,
        "operator": stored.operator,
        "hypothesis": stored.hypothesis,
        "viable": variant.viable,
        "reason": stored.reason,
        "trials": variant.trials,
        "passed": variant.passed,
        "score": variant.score if variant.trials else None,
        "interval": list(score_interval(variant)) if variant.trials else None,
        "scores": dict(variant.scores),
        "created_at": stored.created_at,
    }


def _line(archive: Archive, variant: Variant) -> str:
    from evolvent.cli.archive_tree import label_of

    return printable(label_of(archive, variant))


def _why(archive: Archive, before: str, after: str) -> list[str]:
    """Return the hypotheses on the way from one variant to the other, the newest last."""
    told: list[str] = []
    current = after
    while current != before:
        stored = archive.stored(current)
        told.append(
            f"{current[:10]} by {stored.operator}: {' '.join(stored.hypothesis.split()) or 'no hypothesis'}"
        )
        if not stored.parents:
            break
        current = stored.parents[0]
    return told[::-1]
