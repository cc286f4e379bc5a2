"""The skill library as `evolvent mcp serve` shows it: read only, without the home's lock.

The home's own vector index cannot be shared: opening it writes (it deletes half-written documents, and moves a
folder aside that it takes for damaged), so a second process would destroy what a running `learn` is writing. So each
server embeds the active skills into an index of its own in a temporary folder, in the background: loading the model
takes seconds, and a client waits only so long. Until it is there, and where the embedder cannot be had, skills are
found by their words.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evolvent.errors import EvolventError, UsageError
from evolvent.library import Router, SkillStore
from evolvent.library.word_search import search_words
from evolvent.search import VectorIndex
from evolvent.types import JsonValue, Limits, Skill

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from evolvent.protocols import Sandbox

__all__ = ["Library"]

_log = logging.getLogger(__name__)

INDEX_SECONDS = 15.0
"""That a search waits for the index; clients give up after 30 to 60."""
CLOSE_SECONDS = 2.0
RUN = Limits(wall_seconds=5.0, cpu_seconds=5)


class Library:
    """The active skills of a home.

    Args:
        folder: the skill folders.
        embedder: makes the embedder, on first search.
        sandbox: makes the sandbox, on first run.
        embedder_name: of the settings.
        threshold: of the settings' router.
    """

    def __init__(
        self,
        folder: Path,
        embedder: Callable[[], Embeddings],
        sandbox: Callable[[], Sandbox],
        embedder_name: str,
        threshold: float | None,
    ) -> None:
        self._store = SkillStore(folder, repair=False)
        self._seen = _stamp(folder)
        self._lock = threading.Lock()
        self._make_sandbox = sandbox
        self._sandbox: Sandbox | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="evolvent-mcp-", ignore_cleanup_errors=True)
        self._index = VectorIndex(Path(self._folder.name), "skills", embedder, embedder_name)
        self._router = Router(self._store, self._index, threshold)
        self._searching = threading.Lock()
        self._ready = threading.Event()
        self._indexer: threading.Thread | None = None
        self._trouble = ""

    def skills(self) -> list[Skill]:
        """Return the skills in use as they are on disk now."""
        with self._lock:
            stamp = _stamp(self._store.root)
            if stamp != self._seen:
                self._store.reload()
                self._seen = stamp
        return self._store.usable()

    def skill(self, name: str) -> Skill:
        """Return one active skill.

        Raises:
            UsageError: there is no active skill of this name.
        """
        known = {skill.name: skill for skill in self.skills()}
        if name not in known:
            raise UsageError(f"there is no active skill {name[:64]!r}; list_skills names them all")
        return known[name]

    def search(self, query: str, limit: int) -> dict[str, JsonValue]:
        """Return skills that fit a text, best first, and by what they were found."""
        skills = {skill.name: skill for skill in self.skills()}
        if not query.strip() or not skills:
            return {"skills": [], "found_by": "words"}
        self._begin_index()
        self._ready.wait(INDEX_SECONDS)
        if self._ready.is_set() and not self._trouble:
            with self._searching:
                hits = self._router.search(query, limit)
            found = [(skills[hit.name], hit.similarity) for hit in hits if hit.name in skills]
            return {
                "skills": [
                    {**_summary(skill), "similarity": round(similarity, 3)} for skill, similarity in found
                ],
                "found_by": "meaning and words",
            }
        named = [skill for skill, _ in search_words(list(skills.values()), query, limit)]
        note = self._trouble or "the index is still being made; search again in a minute for better results"
        return {"skills": [_summary(skill) for skill in named], "found_by": "words", "note": note}

    def run(self, name: str, question: str) -> dict[str, JsonValue]:
        """Run a skill's script on a question, in the sandbox.

        Raises:
            UsageError: there is no such active skill, or it has no script.
            MissingPrerequisite: there is no sandbox on this machine.
        """
        skill = self.skill(name)
        if skill.script is None:
            raise UsageError(f"the skill {name!r} has no script; read_skill shows what it says")
        with self._lock:
            if self._sandbox is None:
                self._sandbox = self._make_sandbox()
        functions = self._sandbox.forkserver()
        (call,) = functions.call_function(skill.script, "solve", [[question]], RUN)
        applicable = call.ok and call.value is not None
        return {
            "applicable": applicable,
            "answer": call.value if applicable else None,
            "error": "" if call.ok else (call.error or call.outcome),
        }

    def close(self) -> None:
        """Free the sandbox and the index; searches that wait for it go on without."""
        self._trouble = "the server is closing"
        self._ready.set()
        if self._sandbox is not None:
            self._sandbox.close()
        if self._indexer is not None:
            self._indexer.join(CLOSE_SECONDS)
        if self._indexer is None or not self._indexer.is_alive():
            self._index.close()
        self._folder.cleanup()

    def _begin_index(self) -> None:
        with self._lock:
            if self._indexer is None:
                self._indexer = threading.Thread(target=self._make_index, name="evolvent-index", daemon=True)
                self._indexer.start()

    def _make_index(self) -> None:
        try:
            with self._searching:
                self._router.refresh()
                self._index.search("what can be done", 1)  # loads the embedder, also for an empty library
        except EvolventError as error:
            self._trouble = f"searched by words only: {error}"
            _log.warning("%s", self._trouble)
        except Exception as error:  # whatever a library below raises: words still find skills
            self._trouble = f"searched by words only: the index failed with {type(error).__name__}"
            _log.warning("%s: %s", self._trouble, error)
        self._ready.set()


def _summary(skill: Skill) -> dict[str, JsonValue]:
    return {"name": skill.name, "description": skill.description, "callable": skill.script is not None}


def _stamp(folder: Path) -> int:
    """Return a number that changes with any file below a folder."""
    found: list[tuple[str, int, int, int]] = []
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if not name.startswith((".", "_"))]
        for name in files:
            path = os.path.join(parent, name)
            try:
                status = os.stat(path)
            except OSError:  # replaced meanwhile: noticed at the next look
                continue
            found.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
    return hash(tuple(sorted(found)))
