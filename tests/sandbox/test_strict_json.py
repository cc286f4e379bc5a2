import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent_sandbox import strict_json
from evolvent_sandbox.guest.encode import NotJson, encode

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_what_the_guest_encodes_the_host_reads_back_with_the_same_types(value):
    back = strict_json.loads(encode(value, 1 << 20).encode(), 1 << 20)
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "NaN"),
        ("[-Infinity]", "Infinity"),
        ("1e999", "too large"),
        ('{"a":1,"a":2}', "twice"),
        ("9" * 4302, "4302 digits"),
        ("[" * 61 + "]" * 61, "deeper"),
        ("[" * 100_000 + "]" * 100_000, "deeper"),
        ('"\\ud800"', "surrogate"),
        ('{"\\ud800":1}', "surrogate"),
        ("[1] 2", "not JSON"),
        ("", "not JSON"),
        ("{'a':1}", "not JSON"),
    ],
)
def test_the_host_refuses(text, reason):
    with pytest.raises(strict_json.StrictJsonError, match=reason):
        strict_json.loads(text.encode(), 1 << 20)


def test_the_host_refuses_bytes_beyond_the_bound_before_parsing_them():
    with pytest.raises(strict_json.StrictJsonError, match="100 bytes, more than the 99"):
        strict_json.loads(b" " * 100, 99)


def test_the_host_refuses_what_is_not_utf8():
    with pytest.raises(strict_json.StrictJsonError, match="UTF-8"):
        strict_json.loads(b'"\xff"', 100)


def test_a_value_that_doubles_at_every_level_ends_at_the_size_bound():
    value = [0]
    for _ in range(45):
        value = [value, value]
    with pytest.raises(NotJson, match="more than 10000 bytes"):
        encode(value, 10_000)


def test_deep_but_allowed_nesting_passes_both_ends():
    value = 1
    for _ in range(50):
        value = [value]
    assert strict_json.loads(json.dumps(value).encode(), 1000) == value
    assert encode(value, 1000) == json.dumps(value)
