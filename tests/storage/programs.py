"""Two small agent programs, and git itself to look at the store with."""

from __future__ import annotations

import subprocess
from pathlib import Path

from evolvent.storage import GenomeStore

FILES = {
    "task_agent.py": "def solve(task, ctx):\n    return 1\n",
    "prompts/answer.md": "Answer.\r\nBriefly.\r\n",
}
OTHER = {**FILES, "prompts/answer.md": "Answer at length."}


def git(store: GenomeStore, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(store.path), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def blob_path(store: GenomeStore, name: str) -> Path:
    return store.path / "objects" / name[:2] / name[2:]
