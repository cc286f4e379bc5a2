"""Parsed code, and its nodes in a row: what several looks at the same text share. Nobody may change what they get."""

from __future__ import annotations

import ast
from functools import lru_cache

__all__ = ["nodes_of", "parsed"]

RECENT = 32


@lru_cache(maxsize=RECENT)
def parsed(text: str) -> ast.Module:
    """Return the tree of a source.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it holds a NUL.
        RecursionError: it is nested too deeply.
    """
    return ast.parse(text)


@lru_cache(maxsize=RECENT)
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return a tree's nodes in the order of `ast.walk`, in a fraction of its time."""
    nodes = [tree]
    for node in nodes:  # grows while it is read
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                nodes += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                nodes.append(value)
    return tuple(nodes)
