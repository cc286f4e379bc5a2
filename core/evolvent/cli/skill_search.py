"""`evolvent skills search|rebuild-index`: what retrieval finds, and its index. Neither needs a sandbox or a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from evolvent.cli.output import JSON_OPTION, friendly_errors, out, print_json, table, talk

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["rebuild_index", "search"]


def search(
    query: str = typer.Argument(help="The question."),
    limit: int = typer.Option(5, "--limit", min=1, max=100, help="Skills at most."),
    show_all: bool = typer.Option(False, "--all", help="Show candidates below the threshold too."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Say which skills fit a question, and why. While the home is in use, only words are compared."""
    with friendly_errors():
        from evolvent.errors import HomeBusy
        from evolvent.settings import Settings

        settings = Settings()
        try:
            found = _by_router(settings, query, limit, show_all)
        except HomeBusy as error:
            talk().print(f"searched by words only: {error}", markup=False)
            found = _by_words(settings, query, limit)
        if as_json:
            print_json(found)
            return
        rows: list[list[object]] = [
            [
                hit["name"],
                "yes" if hit["offered"] else "" if hit["offered"] is None else "no",
                *(
                    "" if hit[key] is None else f"{hit[key]:.2f}"
                    for key in ("probability", "similarity", "words")
                ),
                hit["description"][:90],
            ]
            for hit in found
        ]
        columns = ["name", "offered", "probability", "similarity", "words", "description"]
        out().print(table("", columns, rows))
        if not found:
            hint = "" if show_all else "; --all shows what is below the threshold"
            talk().print(f"no skill fits{hint}", markup=False)


def rebuild_index(
    cold: bool = typer.Option(
        False, "--cold", help="Forget the remembered embeddings too, and embed everything."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Build the index of the skills anew from their folders."""
    with friendly_errors():
        import time

        from evolvent.held_library import held_library
        from evolvent.settings import Settings

        with held_library(Settings()) as library, library.retrieval() as retrieval:
            retrieval.index.drop(cold)
            started = time.monotonic()
            skills = retrieval.router.size()
            seconds = time.monotonic() - started
        speed = skills / max(seconds, 1e-9)
        if as_json:
            print_json(
                {
                    "skills": skills,
                    "seconds": round(seconds, 3),
                    "skills_per_second": round(speed, 1),
                    "cold": cold,
                }
            )
            return
        how = "embedded anew" if cold else "with the embeddings that were remembered"
        talk().print(f"{skills} skills, {how}: {seconds:.1f} s, {speed:.1f} skills/s", markup=False)


def _by_router(settings: Settings, query: str, limit: int, show_all: bool) -> list[dict[str, Any]]:
    from evolvent.held_library import held_library

    with held_library(settings) as library, library.retrieval() as retrieval:
        router = retrieval.router
        found = []
        for candidate in router.candidates(query):
            offered = router.accepts(candidate)
            if offered or show_all:
                found.append(
                    {
                        "name": candidate.skill.name,
                        "description": candidate.skill.description,
                        "offered": offered,
                        "probability": round(candidate.probability, 4),
                        "similarity": round(candidate.hit.similarity, 4),
                        "words": round(candidate.hit.words, 4),
                        "how": "index",
                    }
                )
        return found[:limit]


def _by_words(settings: Settings, query: str, limit: int) -> list[dict[str, Any]]:
    from evolvent.library.store import SkillStore
    from evolvent.library.word_search import search_words
    from evolvent.storage.home import Home

    skills = SkillStore(Home(settings.home).skills, repair=False).usable()
    return [
        {
            "name": skill.name,
            "description": skill.description,
            "offered": None,
            "probability": None,
            "similarity": None,
            "words": round(share, 4),
            "how": "words",
        }
        for skill, share in search_words(skills, query, limit)
    ]
