"""`kill -9` in the middle of a restore."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.storage.living import Living, rows

from evolvent.storage import Home
from evolvent.storage.backups import back_up, restore

KILLED = """
import os, signal, sys
from pathlib import Path
from evolvent.storage import Home
from evolvent.storage.backups import restore, restoring
at, file, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if at == "unpacked":
    restoring._check = die
elif at == "checked":
    restoring._swap = die
elif at == "swapped":
    restoring._carry = die
elif at == "carried":
    restoring._kept = die
elif at == "unpacking":
    from evolvent.storage.backups import unpacking
    real, count = unpacking._store, []
    def store(*given):
        count.append(1)
        return die() if len(count) == 3 else real(*given)
    unpacking._store = store
restore(file, Home(home), replace=True)
"""


@pytest.mark.parametrize("at", ["unpacking", "unpacked", "checked", "swapped", "carried"])
def test_kill_9_in_the_middle_of_a_restore(at: str, living: Living, tmp_path: Path) -> None:
    living.submit(1)
    living.genomes.add({"task_agent.py": "#\n"})
    made = back_up(living.home, tmp_path / "copy.tar.gz")
    living.submit(2)
    living.engine.dispose()
    (living.home.path / "models").mkdir()
    (living.home.path / "models/m.gguf").write_text("weights")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, at, str(made), str(living.home.path)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(rows(living.home)) == (1 if at in ("swapped", "carried") else 2), (
        "the one or the other, and whole"
    )

    done = restore(made, living.home, replace=True)
    assert len(rows(living.home)) == 1
    assert (living.home.path / "models/m.gguf").is_file()
    kept = sorted(path for path in tmp_path.iterdir() if "before-restore" in path.name)
    assert done.before in kept
    assert any(len(rows(Home(path))) == 2 for path in kept), "what was there before is nowhere lost"
    assert not [path for path in tmp_path.iterdir() if ".restoring-" in path.name]
