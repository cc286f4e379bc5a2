"""Which skills fit a question; none when nothing is near enough."""

from __future__ import annotations

from evolvent.library.store import SkillStore
from evolvent.search.chunks import PASSAGE_BREAK
from evolvent.search.index import VectorIndex
from evolvent.types import Skill, SkillHit, SkillState, digest

__all__ = ["Router", "routing_text"]

EXAMPLES = 4
"""Questions of the tests that are indexed with a skill: tasks look more like examples than like
descriptions."""
EXAMPLE_CHARS = 1_000


class Router:
    """Finds active skills for a question.

    Args:
        store: where the skills are.
        index: brought up to date with the store before each search.
        threshold: cosine similarity below which a skill is not returned.
    """

    def __init__(self, store: SkillStore, index: VectorIndex, threshold: float = 0.35) -> None:
        self._store, self._index, self._threshold = store, index, threshold
        self._seen = -1

    def refresh(self) -> None:
        """Bring the index up to date with the store; cheap when nothing changed."""
        revision = self._store.revision
        if revision == self._seen:
            return
        documents = {}
        for skill in self._store.list(SkillState.ACTIVE):
            text = routing_text(skill)
            documents[skill.name] = (digest(text), text, {"digest": skill.digest})
        self._index.sync(documents)
        self._seen = revision

    def search(self, query: str, limit: int = 5) -> list[SkillHit]:
        """Return at most `limit` active skills, best first; only those that are similar enough.

        Raises:
            IntegrityError: the index is broken and cannot be rebuilt.
            MissingPrerequisite: the embedder cannot be loaded.
        """
        self.refresh()
        hits = [hit for hit in self._index.search(query, limit) if hit.similarity >= self._threshold]
        skills = [self._store.get(hit.id) for hit in hits]
        return [
            SkillHit(
                name=skill.name,
                description=skill.description,
                score=hit.score,
                similarity=max(-1.0, min(1.0, hit.similarity)),
                callable=skill.script is not None,
            )
            for hit, skill in zip(hits, skills, strict=True)
        ]


def routing_text(skill: Skill) -> str:
    """Return what of a skill is indexed: name, description and whole body, then each example as a passage."""
    head = f"{skill.name.replace('-', ' ')}\n{skill.description}"
    passages = [head, skill.body]
    if skill.script is not None:
        passages += [case.question[:EXAMPLE_CHARS] for case in skill.cases[:EXAMPLES]]
    return PASSAGE_BREAK.join(passage.replace(PASSAGE_BREAK, " ") for passage in passages)
