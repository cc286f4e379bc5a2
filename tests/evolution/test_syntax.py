"""Parsed code that several looks share."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import evolvent
from evolvent.syntax import nodes_of, parsed

SOURCES = sorted(Path(evolvent.__file__).parent.glob("seed/*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_nodes_are_those_of_the_standard_walk_in_its_order(path: Path) -> None:
    tree = parsed(path.read_text())
    assert list(nodes_of(tree)) == list(ast.walk(tree))


def test_equal_texts_share_a_tree_and_others_do_not() -> None:
    assert parsed("a = 1") is parsed("a = 1")
    assert nodes_of(parsed("a = 1")) is not nodes_of(parsed("a = 2"))
    with pytest.raises(SyntaxError):
        parsed("a =")
