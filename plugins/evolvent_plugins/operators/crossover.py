"""`crossover`: the parent takes a file, or one function, from another branch of the archive."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from evolvent.evolution import check_surface
from evolvent.protocols import MutationContext
from evolvent.types import Modification, Variant

__all__ = ["CrossoverOperator"]

DONORS = 6
"""Other variants that it looks at before it gives up."""
HEAD_START = 0.05
"""Added to every score, so that a variant without success can be a donor too."""


class CrossoverOperator:
    """Combines what two branches found: better ones give more often."""

    __slots__ = ()

    def propose(self, context: MutationContext) -> Modification | None:
        """Return the parent with a piece of another variant; None when no other branch has a piece that fits."""
        before = dict(context.files(context.parent.id))
        donors = _other_branches(context.archive, context.parent)
        for _ in range(min(DONORS, len(donors))):
            donor = context.rng.choices(donors, [d.score + HEAD_START for d in donors])[0]
            donors.remove(donor)
            theirs = context.files(donor.id)
            files, functions = list(_files(before, theirs)), list(_functions(before, theirs))
            kinds = [kind for kind in (files, functions) if kind]
            if not kinds:
                continue
            what, after = context.rng.choice(context.rng.choice(kinds))
            if check_surface(after) and not check_surface(before):
                continue
            return Modification(
                parent=context.parent.id,
                before=before,
                after=after,
                hypothesis=f"{what} of {donor.id[:12]} (score {donor.score:.2f}) works here too",
                donors=(donor.id,),
            )
        return None


def _other_branches(archive: Sequence[Variant], parent: Variant) -> list[Variant]:
    """Return the viable variants that are neither the parent nor its ancestors or descendants."""
    known = {variant.id: variant for variant in archive}
    kin, frontier = {parent.id}, list(parent.parents)
    while frontier:
        name = frontier.pop()
        if name not in kin:
            kin.add(name)
            frontier += known[name].parents if name in known else ()
    below = {parent.id}
    for variant in archive:  # oldest first: parents come before their children
        if below & set(variant.parents):
            below.add(variant.id)
    return [variant for variant in archive if variant.viable and variant.id not in kin | below]


def _files(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what whole files could be taken, and the program with each."""
    for path in sorted(theirs):
        if ours.get(path) != theirs[path]:
            yield path, {**ours, path: theirs[path]}


def _functions(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield which functions of files that both have could be taken, and the program with each."""
    for path in sorted(ours.keys() & theirs.keys()):
        if not path.endswith(".py") or ours[path] == theirs[path]:
            continue
        mine, other = _sources(ours[path]), _sources(theirs[path])
        for name in sorted(mine.keys() & other.keys()):
            (begin, end, source), (_, _, new) = mine[name], other[name]
            if source != new:
                lines = ours[path].split("\n")
                text = "\n".join([*lines[:begin], new, *lines[end:]])
                yield f"{name}() in {path}", {**ours, path: text}


def _sources(text: str) -> dict[str, tuple[int, int, str]]:
    """Return the top-level functions: name to first line, line behind the last, and source, decorators included."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    lines = text.split("\n")
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            begin = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            found[node.name] = (begin, node.end_lineno, "\n".join(lines[begin : node.end_lineno]))
    return found
