"""Which names could be taken for another."""

import pytest

from evolvent.library.similar_names import mistakable

NEAR = {
    "spell-backwards": "spell-backward",
    "backward-spell": "spell-backward",
    "spel-backward": "spell-backward",
    "spell-bakcward": "spell-backward",
    "spellbackward": "spell-backward",
    "add-nurnbers": "add-numbers",
    "rornan-numerals": "roman-numerals",
    "unlt-conversion": "unit-conversion",
    "un1t-conversion": "unit-conversion",
    "date-differences": "date-difference",
    "date-diffrennce": "date-difference",
}
APART = [
    ("encode-caesar", "decode-caesar"),
    ("level-1", "level-2"),
    ("add", "sub"),
    ("gcd", "lcm"),
    ("sort-numbers", "sort-words"),
    ("greatest-common-divisor", "least-common-multiple"),
    ("word-count", "word-length"),
]


@pytest.mark.parametrize("name", NEAR)
def test_names_that_can_be_mistaken(name):
    assert mistakable(name, ["other-thing", NEAR[name]]) == NEAR[name]
    assert mistakable(NEAR[name], [name]) == name


@pytest.mark.parametrize("pair", APART)
def test_names_that_say_different_things(pair):
    assert mistakable(pair[0], [pair[1]]) is None


def test_a_name_is_not_mistaken_for_itself():
    assert mistakable("add-numbers", ["add-numbers"]) is None
