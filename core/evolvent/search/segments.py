"""Are the files of Chroma's graph what Chroma wrote?

Its native code maps them without checking: a truncated or garbled file ends the whole process with a
segmentation fault, which nothing can catch. So their hashes are kept beside them and compared before anything
is opened. Where they differ, because the files were damaged or because a process was killed before it could
note the new hashes, a child process tries the folder first.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

__all__ = ["SegmentStamp"]

MANIFEST = "segments.json"
CHILD_SECONDS = 120.0
_CHILD = """\
import sys
import numpy as np
import chromadb
from chromadb.config import Settings

client = chromadb.PersistentClient(path=sys.argv[1], settings=Settings(anonymized_telemetry=False))
for found in client.list_collections():
    collection = client.get_collection(found.name, embedding_function=None)
    total = collection.count()
    for offset in range(0, total, 1000):
        page = collection.get(limit=1000, offset=offset, include=["embeddings"])
        rows = np.asarray(page["embeddings"])
        assert len(rows) == min(1000, total - offset), "embeddings are missing"
        assert np.all(np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-2), "embeddings are not of length 1"
        answer = collection.query(query_embeddings=[rows[0]], n_results=min(total, 10))
        assert len(answer["ids"][0]) == min(total, 10), "the graph has lost its nodes"
"""


class SegmentStamp:
    """The hashes of the segment files in one of Chroma's folders."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[int, int, str]] = {}
        self._written: dict[str, str] | None = None

    def trouble(self) -> str:
        """Return why the folder must not be opened in this process, or an empty text."""
        try:
            stated = json.loads((self._path / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            stated = {}
        self._known = {}
        found = self._hashes()
        if found == stated:
            self._written = found
            return ""
        try:
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, str(self._path)],
                capture_output=True,
                text=True,
                timeout=CHILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"opening it took more than {CHILD_SECONDS:.0f} seconds"
        if done.returncode == 0:
            return ""
        last = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
        return f"a child process could not open it ({last[0][:200]})"

    def update(self) -> None:
        """Note the present hashes, after Chroma wrote."""
        hashes = self._hashes()
        if hashes == self._written:
            return
        part = self._path / f"{MANIFEST}.part"
        part.write_text(json.dumps(hashes, sort_keys=True, indent=1), encoding="utf-8")
        part.replace(self._path / MANIFEST)
        self._written = hashes

    def _hashes(self) -> dict[str, str]:
        """Hash the segment files; those whose size and time did not change are not read again."""
        hashes = {}
        for path in sorted(self._path.glob("*/*")):
            name, stat = f"{path.parent.name}/{path.name}", path.stat()
            size, changed, value = self._known.get(name, (-1, -1, ""))
            if (size, changed) != (stat.st_size, stat.st_mtime_ns):
                with path.open("rb") as file:
                    value = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
                self._known[name] = (stat.st_size, stat.st_mtime_ns, value)
            hashes[name] = value
        return hashes
