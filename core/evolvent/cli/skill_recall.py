"""`evolvent skills recall`: is what proves right among what retrieval offers?"""

from __future__ import annotations

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table

__all__ = ["recall"]


def recall(
    window: int = typer.Option(500, "--window", min=1, help="Newest judged attempts that count."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Say how often the skill that proved right was offered, and at which place."""
    with friendly_errors():
        from evolvent.search.recall import Retrievals
        from evolvent.settings import Settings
        from evolvent.storage import Home, Ledger, open_database

        settings = Settings()
        home = Home(settings.home)
        home.create()
        engine = open_database(home.database)
        try:
            log = Retrievals(engine, Ledger(engine), settings.retrieval_alarm)
            report, alarming = log.report(window), log.alarming()
        finally:
            engine.dispose()
        if as_json:
            print_json({**report.model_dump(mode="json"), "alarm": alarming})
            return
        rows: list[list[object]] = [
            ["judged attempts with a library", report.judged],
            ["offered a skill", report.offered],
            ["a skill proved right", report.proven],
            ["mean reciprocal rank", f"{report.mrr:.3f}"],
            ["newest in a row without an offer", f"{report.dry}{' (alarm)' if alarming else ''}"],
        ]
        rows += [[f"recall@{k}", f"{value:.3f}"] for k, value in report.recall.items()]
        out().print(table("", ["what", "value"], rows))
