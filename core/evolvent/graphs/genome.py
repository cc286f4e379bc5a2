"""The genome: the agent program as text files."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["seed_genome"]


def seed_genome() -> dict[str, str]:
    """Return the seed genome that ships with Evolvent: relative path to text."""
    root = files("evolvent") / "seed"
    genome = {entry.name: entry.read_text() for entry in root.iterdir() if entry.name.endswith(".py")}
    prompts = root / "prompts"
    genome |= {
        f"prompts/{entry.name}": entry.read_text()
        for entry in prompts.iterdir()
        if entry.name.endswith(".md")
    }
    return dict(sorted(genome.items()))
