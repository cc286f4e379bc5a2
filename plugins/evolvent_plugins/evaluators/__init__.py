"""The built-in evaluators; each judges on the host, from values."""

from __future__ import annotations

from collections.abc import Callable

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Evaluator
from evolvent_plugins.evaluators.exact import Exact
from evolvent_plugins.evaluators.human_eval import HumanEval
from evolvent_plugins.evaluators.numeric import Numeric
from evolvent_plugins.evaluators.python_tests import PythonTests
from evolvent_plugins.evaluators.reasoning_gym import ReasoningGym
from evolvent_plugins.evaluators.regex import Regex

__all__ = ["Exact", "HumanEval", "Numeric", "PythonTests", "ReasoningGym", "Regex", "register_evaluators"]


@hookimpl
def register_evaluators(register: Callable[[str, Evaluator], None]) -> None:
    """Register the built-in evaluators."""
    register("exact", Exact())
    register("human-eval", HumanEval())
    register("numeric", Numeric())
    register("python-tests", PythonTests())
    register("reasoning-gym", ReasoningGym())
    register("regex", Regex())
