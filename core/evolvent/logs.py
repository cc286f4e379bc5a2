"""Logs: JSON lines in `<home>/logs/evolvent.log` by structlog; warnings of Evolvent also on stderr."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evolvent.types import Event

if TYPE_CHECKING:
    from structlog.typing import Processor

__all__ = ["LOG", "configure_logging", "log_events", "log_to", "logged_with"]

LOG = "evolvent.log"
"""Name of the file that is written to; `.1`, `.2` and so on follow it, older and older."""
LEDGER = "evolvent.ledger"
LOGGED = frozenset(
    {
        "run.started",
        "run.finished",
        "skill.decided",
        "lesson.kept",
        "plugin.failed",
        "broker.diverged",
        "daemon.changed",
        "job.moved",
    }
)
"""Kinds of events that go to the log; the ledger has all of them."""


def configure_logging() -> None:
    """Set the command line's logging up: warnings on stderr, the chatter of libraries off."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    for name in ("chromadb", "sentence_transformers", "httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def log_to(folder: Path, megabytes: float = 5.0, files: int = 3) -> Callable[[], None]:
    """Write what Evolvent logs to a file of JSON lines, each with the job and the run that it is about.

    Whatever a model or a task wrote is a JSON string in ASCII there: it cannot end a line, nor steer a terminal.

    Args:
        folder: where the file lies.
        megabytes: after which a new one is begun.
        files: older ones that are kept.

    Returns:
        How to stop.
    """
    import structlog

    handler = logging.handlers.RotatingFileHandler(
        folder / LOG, maxBytes=int(megabytes * 1e6), backupCount=files, delay=True, encoding="utf-8"
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    # The ledger's lines go to the file only: a program that embeds Evolvent keeps its own log quiet.
    everything, ledger = logging.getLogger("evolvent"), logging.getLogger(LEDGER)
    ledger.setLevel(logging.INFO)
    ledger.propagate = False
    for logger in (everything, ledger):
        logger.addHandler(handler)

    def stop() -> None:
        for logger in (everything, ledger):
            logger.removeHandler(handler)
        handler.close()

    return stop


@contextmanager
def logged_with(**known: str) -> Iterator[None]:
    """Add `job_id`, `run_id` and the like to all that is logged in this context, and in threads that are given it."""
    from structlog.contextvars import bound_contextvars

    with bound_contextvars(**known):
        yield


def log_events() -> Callable[[Event], None]:
    """Return a listener of the ledger that logs the events that people look for, with their run's id."""
    import structlog

    log = structlog.wrap_logger(
        logging.getLogger(LEDGER),
        processors=[*_shared_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )

    def hear(event: Event) -> None:
        if event.kind in LOGGED:
            log.info(event.kind, **event.model_dump(mode="json", exclude={"kind", "key", "at"}))

    return hear


def _shared_processors() -> list[Processor]:
    import structlog

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
