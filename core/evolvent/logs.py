"""Logs: structlog, as JSON lines in `<home>/logs/evolvent.log`, warnings also on stderr."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

__all__ = ["configure_logging", "log_to"]


def configure_logging() -> None:
    """Quiet the libraries on a terminal; warnings of Evolvent itself still show."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")
    logging.getLogger("evolvent").setLevel(logging.INFO)


def log_to(folder: Path) -> logging.Handler:
    """Write everything that Evolvent logs to a rotating file of JSON lines; returns the handler to remove."""
    import structlog

    handler = logging.handlers.RotatingFileHandler(
        folder / "evolvent.log", maxBytes=5_000_000, backupCount=3, delay=True, encoding="utf-8"
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.getLogger("evolvent").addHandler(handler)
    return handler
