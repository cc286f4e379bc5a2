"""The genomes that ship with Evolvent: agent programs as text files."""

from __future__ import annotations

from importlib.resources import files

from evolvent.errors import UnknownName

__all__ = ["SEEDS", "seed_genome"]

SEEDS = {"seed": "seed", "bare": "seed/bare"}
"""Name to folder: `seed` is good practice, `bare` is one prompt and one try, for experiments that start low."""


def seed_genome(name: str = "seed") -> dict[str, str]:
    """Return a genome that ships with Evolvent: relative path to text.

    Raises:
        UnknownName: there is none of this name.
    """
    if name not in SEEDS:
        raise UnknownName("seed genome", name, SEEDS)
    root = files("evolvent") / SEEDS[name]
    genome = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in root.iterdir()
        if entry.name.endswith((".py", ".toml"))
    }
    genome |= {
        f"prompts/{entry.name}": entry.read_text(encoding="utf-8")
        for entry in (root / "prompts").iterdir()
        if entry.name.endswith(".md")
    }
    return dict(sorted(genome.items()))
