"""Drawing the lineage as a tree."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from evolvent.cli.output import printable

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from evolvent.evolution.archive import Archive
    from evolvent.types import Variant

__all__ = ["draw_tree", "label_of"]


def draw_tree(archive: Archive, shown: set[str]) -> Tree:
    """Return the tree of first parents, oldest first."""
    from rich.tree import Tree

    children: dict[str, list[Variant]] = defaultdict(list)
    for variant in archive.variants():
        if variant.id in shown:
            first = variant.parents[0] if variant.parents and variant.parents[0] in shown else ""
            children[first].append(variant)
    root = Tree("archive")
    nodes = {"": root}
    pending = [""]
    while pending:
        above = pending.pop()
        for variant in children[above]:
            nodes[variant.id] = nodes[above].add(_text(archive, variant))
            pending.append(variant.id)
    return root


def label_of(archive: Archive, variant: Variant) -> str:
    """Return one line on a variant: id, score with interval, operator, hypothesis."""
    from evolvent.evolution.intervals import score_interval

    stored = archive.stored(variant.id)
    if variant.trials:
        low, high = score_interval(variant)
        score = f"{variant.score:.3f} [{low:.2f}, {high:.2f}] of {variant.trials}"
    else:
        score = "not measured"
    marks = [
        " active" if variant.id == archive.genomes.active() else "",
        "" if variant.viable else " not viable",
    ]
    second = f" and {variant.parents[1][:10]}" if len(variant.parents) > 1 else ""
    idea = " ".join(stored.hypothesis.split())
    return f"{variant.id[:10]}{''.join(marks)}  {score}  {stored.operator}{second}  {idea}"[:160]


def _text(archive: Archive, variant: Variant) -> Text:
    from rich.text import Text

    label = printable(label_of(archive, variant))
    return Text(label, style="bold green" if variant.id == archive.genomes.active() else "")
