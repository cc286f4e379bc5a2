"""What the checks of a sandbox share: their list, and calling one function."""

from __future__ import annotations

from collections.abc import Callable

from evolvent.protocols import Sandbox
from evolvent.types import CallResult, Limits

__all__ = ["CHECKS", "QUICK", "Check", "check", "expect", "one"]

Check = Callable[[Sandbox], None]

QUICK = Limits(wall_seconds=2.0, cpu_seconds=5)
CHECKS: list[tuple[str, bool, Check]] = []
"""Name, whether the check needs walls, and the check, which raises when it fails."""


def check(name: str, needs_walls: bool = False) -> Callable[[Check], Check]:
    """Put the decorated function into the list of checks."""

    def add(function: Check) -> Check:
        CHECKS.append((name, needs_walls, function))
        return function

    return add


def expect(condition: bool, seen: object) -> None:
    """Fail the check and say what was seen.

    Raises:
        AssertionError: the condition does not hold.
    """
    if not condition:
        raise AssertionError(f"saw {str(seen)[:600]}")


def one(sandbox: Sandbox, body: str, limits: Limits = QUICK) -> CallResult:
    """Call `f()` with the given body."""
    source = "def f():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    results = sandbox.call_function(source, "f", [[]], limits)
    expect(len(results) == 1, results)
    return results[0]
