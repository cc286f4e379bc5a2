from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.evolution.world import World, program

from evolvent import Runtime
from evolvent.testing.runtimes import plugin_runtime
from evolvent.types import EvolveOptions


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[dict[str, str]], str]:
    """Write a program into a folder and return its path."""

    def write(files: dict[str, str]) -> str:
        root = tmp_path / "program"
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return str(root)

    return write


@pytest.fixture
def options(folder: Callable[[dict[str, str]], str]) -> Callable[..., EvolveOptions]:
    """Return options of a small run that begins with a program of some level."""

    def make(level: int = 3, files: dict[str, str] | None = None, **given: Any) -> EvolveOptions:
        small: dict[str, Any] = {
            "generations": 2,
            "width": 2,
            "policy": "best",
            "operators": ("step",),
            "train": 6,
            "gate": 24,
            "sealed": 6,
            "first": 3,
        }
        return EvolveOptions(**{**small, "start": folder(files or program(level)), **given})

    return make


@pytest.fixture
def open_world(own_home: Path) -> Iterator[Callable[..., Runtime]]:
    """Open runtimes on the test's home with the world's plugin; each is closed before the next one opens."""
    with ExitStack() as stack:

        def open_(script: Any = None, world: World | None = None, **settings: Any) -> Runtime:
            stack.close()
            given = {"": "a remark"} if script is None else script
            return stack.enter_context(plugin_runtime(world or World(), script=given, **settings))

        yield open_
