"""`evolvent skills tune`: set retrieval by what proved right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from evolvent.search.tuning import Tuning

__all__ = ["tune"]


def tune(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be changed."),
    seed: int = typer.Option(
        0, "--seed", help="Of the search and of the deal into train and held-out questions."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Tune retrieval on questions for which a skill proved right; a change that did not hold is taken back first."""
    with friendly_errors():
        from evolvent.held_library import held_library
        from evolvent.search import tuning
        from evolvent.settings import Settings

        with held_library(Settings()) as library, library.retrieval() as retrieval:
            reverted = None
            changes = library.ledger.newest("retrieval.tuned", 1)
            if changes and not dry_run:
                later = retrieval.labelled(since=changes[0].at)
                reverted = tuning.revert_if_worse(retrieval.file, library.ledger, later, retrieval.rank, seed)
            found = None
            if reverted is None:
                questions = retrieval.labelled()
                tuning.enough(questions)
                talk().print(f"tuning on {len(questions)} questions", markup=False)
                found = tuning.tune(retrieval.file.load(), questions, retrieval.rank, seed=seed)
                if not dry_run:
                    tuning.apply(found, retrieval.file, library.ledger)
        if as_json:
            print_json(
                {
                    "reverted": reverted and reverted.model_dump(mode="json"),
                    "tuning": found and found.model_dump(mode="json"),
                    "applied": bool(found and found.accepted and not dry_run),
                }
            )
            return
        if reverted is not None:
            talk().print(
                f"the last change did not hold on {reverted.questions} later questions"
                f" ({reverted.before:.3f} before it, {reverted.after:.3f} with it) and was taken back",
                markup=False,
            )
        if found is not None:
            _show(found, dry_run)


def _show(found: Tuning, dry_run: bool) -> None:
    rows: list[list[object]] = [
        [
            part,
            trial.questions,
            f"{trial.before:.3f}",
            f"{trial.after:.3f}",
            f"{trial.low:+.3f} … {trial.high:+.3f}",
        ]
        for part, trial in (("train", found.train), ("held out", found.held_out))
    ]
    out().print(table("", ["questions", "count", "score before", "after", "difference, 90 %"], rows))
    for name, (old, new) in found.changes.items():
        out().print(f"{name}: {old} → {new}", markup=False)
    if not found.accepted:
        said = "nothing is changed: the held-out questions do not call any of"
        talk().print(f"{said} {found.tried} configurations better", markup=False)
    else:
        talk().print(
            "not applied (--dry-run)" if dry_run else "applied; the one before is kept", markup=False
        )
