"""Skills in a prompt, no more of them than fits: names first, then whole bodies, best first.

The Agent Skills format calls it progressive disclosure: what a skill is costs a line, how it is done only where it
probably matters. Files beside SKILL.md are never put into a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from evolvent.types import Skill

__all__ = ["Shown", "disclose", "estimated_tokens"]

CHARS_PER_TOKEN = 4
"""Of English text and code, for the tokenizers of current models; a budget needs no better estimate."""


class Shown(NamedTuple):
    """The text for a prompt, and how much of each skill it holds."""

    text: str
    levels: Mapping[str, Literal["description", "body"]]


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text is, for any model."""
    return -(-len(text) // CHARS_PER_TOKEN)


def disclose(skills: Sequence[Skill], tokens: int) -> Shown:
    """Return as much of the skills as fits.

    Args:
        skills: best first. Those without a script come before the others, which are run rather than read.
        tokens: what the text may take, estimated.
    """
    ordered = sorted(skills, key=lambda skill: skill.script is not None)
    lines: dict[str, str] = {}
    left = tokens
    for skill in ordered:
        line = f"- {skill.name}: {' '.join(skill.description.split())}\n"
        if estimated_tokens(line) > left:
            break
        lines[skill.name] = line
        left -= estimated_tokens(line)
    bodies: dict[str, str] = {}
    for skill in ordered:
        body = f"\n## {skill.name}\n\n{skill.body.strip()}\n"
        if skill.name in lines and estimated_tokens(body) <= left:
            bodies[skill.name] = body
            left -= estimated_tokens(body)
    text = "".join(lines.values()) + "".join(bodies.values())
    return Shown(text, {name: "body" if name in bodies else "description" for name in lines})
