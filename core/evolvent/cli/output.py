"""How the command line talks: data on stdout, talk on stderr, errors without tracebacks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["JSON_OPTION", "fail", "friendly_errors", "out", "print_json", "table", "talk"]

JSON_OPTION = typer.Option(False, "--json", help="Print data as JSON.")

EXIT_USAGE = 2
EXIT_PREREQUISITE = 3
EXIT_FAILURE = 1
EXIT_INTERRUPTED = 130


def out() -> Console:
    """Return the console for data."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def talk() -> Console:
    """Return the console for progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table whose cells are taken literally, markup and control characters included."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(printable(str(cell))) for cell in row))
    return made


def printable(text: str) -> str:
    """Return a text without control characters: what a model wrote may not steer the terminal."""
    return "".join(c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def fail(message: str, code: int) -> NoReturn:
    """Print an error and leave."""
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(printable(message), err=True)
    raise typer.Exit(code)


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn errors that Evolvent raises on purpose into a message and an exit code."""
    from pydantic import ValidationError

    from evolvent.errors import EvolventError, MissingPrerequisite, UsageError

    try:
        yield
    except UsageError as error:
        fail(str(error), EXIT_USAGE)
    except MissingPrerequisite as error:
        fail(str(error), EXIT_PREREQUISITE)
    except EvolventError as error:
        fail(str(error), EXIT_FAILURE)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, f['loc']))}: {f['msg']} (given: {f['input']!r})" for f in error.errors()
        ]
        fail(f"{error.title} cannot be used:\n  " + "\n  ".join(faults), EXIT_USAGE)
    except KeyboardInterrupt:
        fail("interrupted; what was finished is kept, and the same command goes on with it", EXIT_INTERRUPTED)
