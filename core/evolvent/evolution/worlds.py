"""Synthetic worlds in which it is known how good each agent program is, and how good its children will be.

A variant has two hidden numbers: its skill, the true probability of passing a task, and its metaproductivity, the mean
change of skill from it to its children. Both are inherited. What the Huxley-Gödel Machine (arXiv:2510.21614) calls the
metaproductivity-performance mismatch is that skill says little about metaproductivity; how much it says here is
the world's `alignment`.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from pydantic import Field

from evolvent.types import Frozen

__all__ = ["WORLDS", "Program", "World"]


class World(Frozen):
    """How the hidden numbers of a child follow from those of its parent.

    With independent standard normal z1, z2 and c the alignment:
    skill' = skill + m + step · z1, and m' = mean + memory · (m - mean) + wobble · (c · z1 + sqrt(1 - c²) · z2).

    The numbers were written down before the first simulation ran and not changed after it: the root passes 40 % as
    HGM's initial agent did on its 60 tasks of SWE-bench Verified, one change moves the skill by some 5 points,
    and most changes do a little harm.
    """

    about: str
    """What is particular to it, in a sentence."""
    alignment: float = Field(ge=-1, le=1)
    """Correlation between the changes of skill and of metaproductivity from parent to child."""
    skill: float = Field(default=0.4, gt=0, lt=1)
    """Of the root."""
    step: float = Field(default=0.05, gt=0)
    """Standard deviation of one change of skill."""
    mean: float = -0.01
    """Metaproductivity that lines return to."""
    memory: float = Field(default=0.9, ge=0, le=1)
    """How much of its distance from the mean is inherited."""
    wobble: float = Field(default=0.02, ge=0)
    """Standard deviation of one change of metaproductivity."""
    broken: float = Field(default=0.1, ge=0, lt=1)
    """Share of children that do not pass the checks."""

    def root(self, seed: int) -> Program:
        """Return the program that an archive begins with."""
        return Program(f"{seed}", self.skill, 0.0, 1.0, viable=True)

    def child(self, parent: Program, number: int) -> Program:
        """Return a parent's child of a number, from 0; the same for every policy, whatever it did before."""
        path = f"{parent.path}/{number}"
        rng = Random(path)  # noqa: S311 - chance that must be repeatable
        first, second = rng.gauss(), rng.gauss()
        change = self.alignment * first + math.sqrt(1 - self.alignment**2) * second
        return Program(
            path,
            parent.skill + parent.metaproductivity + self.step * first,
            self.mean + self.memory * (parent.metaproductivity - self.mean) + self.wobble * change,
            max(0.1, parent.cost + rng.gauss(0, 0.1)),
            viable=rng.random() >= self.broken,
        )


class Program(NamedTuple):
    """The truth about one variant; a policy never sees it."""

    path: str
    """Seed and place in the tree of all programs: the source of all its chance."""
    skill: float
    metaproductivity: float
    cost: float
    """Of one task; independent of everything else."""
    viable: bool

    @property
    def rate(self) -> float:
        """The true pass rate: the skill within 1 % and 99 %."""
        return min(0.99, max(0.01, self.skill))

    def luck(self) -> Random:
        """Return the source of its evaluations: the n-th one comes out alike for every policy."""
        return Random(f"{self.path}!")  # noqa: S311 - chance that must be repeatable


WORLDS = {
    "mismatched": World(about="a better variant is hardly a better parent", alignment=0.1),
    "aligned": World(about="a better variant is a better parent", alignment=0.9),
    "opposed": World(about="what helps a variant harms its line", alignment=-0.5),
}
