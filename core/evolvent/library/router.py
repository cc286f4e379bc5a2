"""Which skills fit a question; none when nothing is near enough.

Candidates come from the index, are judged one by one (`relevance`), and those that are probably right are put in
order: by probability, a bounded bonus for what they proved to be worth, and difference from what is already chosen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from evolvent.library.format import ORIGIN_KEY
from evolvent.library.passages import routing_text
from evolvent.library.relevance import features
from evolvent.library.store import SkillStore
from evolvent.search import Hit, VectorIndex
from evolvent.search.config import RetrievalConfig
from evolvent.types import Frozen, Skill, SkillHit, digest

__all__ = ["Router", "SkillFilter", "UtilitySource"]

UtilitySource = Callable[[Sequence[tuple[str, str]]], Mapping[str, tuple[float, float]]]
"""Takes (name, digest) of skills and returns name -> (alpha, beta) of the Beta distribution of their utility; a
skill that is missing is unknown: Beta(1, 1)."""
UNKNOWN = (1.0, 1.0)


class SkillFilter(Frozen):
    """Which skills may be found; what is None or empty does not restrict."""

    callable: bool | None = None
    """Only those that have (or, when false, have not) a script."""
    names: frozenset[str] | None = None
    """Only these."""
    origin: str = ""
    """Only those with this `evolvent-origin` in their metadata."""
    tools: frozenset[str] | None = None
    """Only those that need no other tools than these."""

    def takes(self, skill: Skill) -> bool:
        """Whether a skill passes."""
        needed = set(skill.allowed_tools)
        return (
            (self.callable is None or self.callable == (skill.script is not None))
            and (self.names is None or skill.name in self.names)
            and (not self.origin or skill.metadata.get(ORIGIN_KEY) == self.origin)
            and (self.tools is None or needed <= self.tools)
        )


class _Candidate(NamedTuple):
    skill: Skill
    hit: Hit
    probability: float
    score: float


class Router:
    """Finds usable skills for a question.

    Args:
        store: where the skills are.
        index: brought up to date with the store before each search.
        threshold: cosine similarity below which a skill is not returned, in place of the calibrated probability.
        config: how retrieval is set.
        utility: what skills proved to be worth; without it all are unknown.
        seed: of the draws of utility; the same seed and question give the same draw.
    """

    def __init__(
        self,
        store: SkillStore,
        index: VectorIndex,
        threshold: float | None = None,
        *,
        config: RetrievalConfig | None = None,
        utility: UtilitySource | None = None,
        seed: int = 0,
    ) -> None:
        self._store, self._index, self._threshold = store, index, threshold
        self.config = config or RetrievalConfig()
        """How retrieval is set; may be replaced at any time."""
        self._utility, self._seed = utility, seed
        self._seen = -1

    def refresh(self) -> None:
        """Bring the index up to date with the store; cheap when nothing changed."""
        revision = self._store.revision
        if revision == self._seen:
            return
        names = self._store.changed_since(self._seen)
        if names is None:
            self._index.sync(_documents(self._store.each()))
        else:
            changed = [skill for name in names if (skill := self._store.find(name)) is not None]
            documents = dict(_documents(changed))
            self._index.update(documents, names - documents.keys())
        self._seen = revision

    def size(self) -> int:
        """Return how many skills may be found."""
        self.refresh()
        return len(self._index)

    def search(
        self, query: str, limit: int | None = None, where: SkillFilter | None = None
    ) -> list[SkillHit]:
        """Return at most `limit` usable skills, best first; only those that are probably right.

        Args:
            query: the question, or what an agent sees at a step.
            limit: default: the configuration's `k`.
            where: which skills may be found.

        Raises:
            IntegrityError: the index is broken and cannot be rebuilt.
            MissingPrerequisite: the embedder cannot be loaded.
        """
        limit = self.config.k if limit is None else limit
        likely = [c for c in self.candidates(query, where) if self.accepts(c)]
        chosen = self._diverse(self._with_utility(query, likely), limit)
        return [
            SkillHit(
                name=c.skill.name,
                description=c.skill.description,
                score=c.score,
                similarity=max(-1.0, min(1.0, c.hit.similarity)),
                probability=c.probability,
                callable=c.skill.script is not None,
            )
            for c in chosen
        ]

    def accepts(self, candidate: _Candidate) -> bool:
        """Whether a candidate is probably right, and so may be returned."""
        if self._threshold is not None:
            return candidate.hit.similarity >= self._threshold
        if len(self._index) < self.config.few and candidate.hit.similarity >= self.config.few_similarity:
            return True
        return candidate.probability >= self.config.threshold

    def candidates(self, query: str, where: SkillFilter | None = None) -> list[_Candidate]:
        """Return the judged candidates for a question, most probable first, also those that are not right."""
        self.refresh()
        allowed = None if where is None else lambda name: where.takes(self._store.get(name))
        hits = self._index.search(query, self.config.pool, self.config, allowed)
        skills = [self._store.get(hit.id) for hit in hits]
        judged = features(query, hits, skills, self._index.idf)
        found = [
            _Candidate(skill, hit, probability, probability)
            for hit, skill, probability in zip(
                hits, skills, map(self.config.calibration.probability, judged), strict=True
            )
        ]
        return sorted(found, key=lambda c: (-c.probability, -c.hit.similarity, c.skill.name))

    def _with_utility(self, query: str, found: list[_Candidate]) -> list[_Candidate]:
        """Add a draw of each skill's utility: Thompson sampling, so that what is new gets its chance.

        Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 1933. A draw
        changes a score by at most the share `utility_weight`, so it decides between skills that fit about equally
        and nothing else.
        """
        if self._utility is None or len(found) < 2 or self.config.utility_weight == 0:
            return found
        known = self._utility([(c.skill.name, c.skill.digest) for c in found])
        drawn = []
        for candidate in found:
            alpha, beta = known.get(candidate.skill.name, UNKNOWN)
            rng = _draw(self._seed, query, candidate.skill)
            bonus = self.config.utility_weight * (2.0 * rng.betavariate(alpha, beta) - 1.0)
            drawn.append(candidate._replace(score=candidate.probability * (1.0 + bonus)))
        return sorted(drawn, key=lambda c: (-c.score, c.skill.name))

    def _diverse(self, found: list[_Candidate], limit: int) -> list[_Candidate]:
        """Choose one after the other what scores high and is unlike what is chosen (MMR).

        Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998. The first is always the
        best one.
        """
        weight = self.config.mmr_lambda
        if len(found) <= 2 or limit < 2 or weight == 1:
            return found[:limit]
        alike = self._index.alike([c.hit.id for c in found])
        chosen, left = [0], list(range(1, len(found)))
        while left and len(chosen) < limit:
            best = max(
                left,
                key=lambda i: (
                    weight * found[i].score - (1 - weight) * max(float(alike[i][j]) for j in chosen),
                    -i,
                ),
            )
            chosen.append(best)
            left.remove(best)
        return [found[i] for i in chosen]


def _draw(seed: int, query: str, skill: Skill) -> random.Random:
    """Return a generator that is the same whenever the same is asked, so that a replay is."""
    return random.Random(digest([seed, query, skill.name, skill.digest]))  # noqa: S311  # no secret


def _documents(skills: Iterable[Skill]) -> Iterator[tuple[str, tuple[str, str, Mapping[str, str]]]]:
    for skill in skills:
        if skill.state.usable:
            text = routing_text(skill)
            yield skill.name, (digest(text), text, {})
