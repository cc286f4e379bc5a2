"""The script convention: `solve(question)` for callers, and a command line for other agents."""

from __future__ import annotations

import ast

__all__ = ["MAIN_BLOCK", "SCRIPT_PATH", "standalone", "usage_note", "without_main"]

SCRIPT_PATH = "scripts/solve.py"

MAIN_BLOCK = """\
if __name__ == "__main__":  # python scripts/solve.py "question": the answer, or status 3 when not applicable
    import json
    import sys

    _answer = solve(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read())
    if _answer is None:
        sys.exit(3)
    print(_answer if isinstance(_answer, str) else json.dumps(_answer, ensure_ascii=False))
"""

_USAGE = (
    '\n\n## Script\n\n`python scripts/solve.py "question"` prints the answer. It exits with status 3 and'
    " prints nothing when\nthe question is not of the kind that this skill answers; answer it by other"
    " means then.\n"
)


def standalone(source: str) -> str:
    """Return the script with our `__main__` block in place of its own; idempotent.

    A source that does not parse comes back with only its line ends normalised.
    """
    text = without_main(source)
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    return f"{text}\n\n{MAIN_BLOCK}"


def without_main(source: str) -> str:
    """Return the script without any top-level `if __name__ == "__main__":` block."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text.strip("\n") + "\n"
    # Only "\n" ends a line here: str.splitlines would also cut at form feeds, which Python's parser does not.
    lines = text.split("\n")
    for node in tree.body:
        if _is_main_check(node):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join(lines).strip("\n").rstrip() + "\n"


def usage_note(body: str) -> str:
    """Return the body with a paragraph on how to run the script, unless it already mentions it."""
    text = body.replace("\r\n", "\n").strip()
    return text if SCRIPT_PATH in text else (text + _USAGE).strip()


def _is_main_check(node: ast.stmt) -> bool:
    """Whether this is `if __name__ == "__main__":` without an else."""
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        and len(node.test.comparators) == 1
        and isinstance(node.test.comparators[0], ast.Constant)
        and node.test.comparators[0].value == "__main__"
    )
