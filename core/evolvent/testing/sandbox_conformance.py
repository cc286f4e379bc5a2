"""What every sandbox must do, as checks that anyone can run on their own.

`assert_conforms(sandbox)` in a test, or `check_sandbox(sandbox)` for a table. The checks run hostile
programs: with a sandbox that isolates nothing pass `isolation=False`, which leaves out those that need walls.
"""

from __future__ import annotations

from collections.abc import Iterator

from evolvent.protocols import Sandbox
from evolvent.testing import sandbox_contract, sandbox_walls
from evolvent.testing.programs import benign_programs
from evolvent.testing.sandbox_checks import CHECKS
from evolvent.types import Limits

__all__ = ["CheckResult", "assert_conforms", "benign_results", "check_results", "check_sandbox"]

CheckResult = tuple[str, bool, str]
"""Name of the check, whether it passed, and what was seen."""

BENIGN = Limits(wall_seconds=30, cpu_seconds=30)
MODULES = (sandbox_contract, sandbox_walls)
"""Importing them fills the list of checks."""


def check_sandbox(sandbox: Sandbox, isolation: bool = True) -> list[CheckResult]:
    """Run all checks; a check that raises has failed, the others still run.

    Args:
        sandbox: an open sandbox; it is not closed.
        isolation: whether to run the checks that need walls, not only the contract of results.
    """
    return list(check_results(sandbox, isolation))


def check_results(sandbox: Sandbox, isolation: bool = True) -> Iterator[CheckResult]:
    """Yield what `check_sandbox` returns, one by one."""
    for name, needs_walls, check in CHECKS:
        if needs_walls and not isolation:
            continue
        try:
            check(sandbox)
            yield name, True, (check.__doc__ or "").strip()
        except Exception as error:
            yield name, False, f"{type(error).__name__}: {error}"


def benign_results(sandbox: Sandbox) -> Iterator[CheckResult]:
    """Run ordinary programs, which every sandbox must let run; yield name, whether it did, and what was seen."""
    for program in benign_programs():
        try:
            result = sandbox.call_function(program.source, program.name, [[]], BENIGN)[0]
        except Exception as error:
            yield program.name, False, f"{type(error).__name__}: {error}"
            continue
        passed = result.ok and result.value == program.expected
        yield program.name, passed, result.error or str(result.value)[:200]


def assert_conforms(sandbox: Sandbox, isolation: bool = True) -> None:
    """Run all checks and the ordinary programs; fail with the list of those that did not pass.

    Raises:
        AssertionError: at least one check failed.
    """
    results = [*check_results(sandbox, isolation), *benign_results(sandbox)]
    failed = [f"{name}: {detail}" for name, passed, detail in results if not passed]
    if failed:
        raise AssertionError(f"sandbox {sandbox.name!r} breaks its contract:\n  " + "\n  ".join(failed))
