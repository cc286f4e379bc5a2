"""A runtime with real stores and the real sandbox, and a model that is scripted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from evolvent import Runtime
from evolvent.testing import ScriptedModel

Open = Callable[..., Runtime]


@pytest.fixture
def open_runtime(own_home: Path) -> Iterator[Open]:
    """Open runtimes on the test's home; each is closed before the next one opens, and at the end."""
    with ExitStack() as stack:

        def open_(script: Any = None, **settings: Any) -> Runtime:
            stack.close()
            model = ScriptedModel(script={"": "unscripted"} if script is None else script)
            return stack.enter_context(Runtime.open(chat_model=model, **settings))

        yield open_
