import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent_plugins.evaluators.compare import same_json, same_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON)
def test_every_value_is_the_same_as_itself(value):
    assert same_json(value, value)
    assert same_value(value, value)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (1, True),
        (True, 1),
        (0, False),
        (0, None),
        (False, None),
        (1, "1"),
        ("1", 1),
        (1, 1.0),
        ([1], [True]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, {"b": 1}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ([], {}),
        (1.0, 1.000001),
        (1.0, float("nan")),
        (1.0, float("inf")),
        (1.5, 10**400),
    ],
)
def test_types_and_values_must_both_agree(expected, found):
    assert not same_json(expected, found)


def test_an_expected_float_takes_the_integer_of_the_same_value_and_the_last_bits_do_not_count():
    assert same_json(2.0, 2)
    assert same_json([0.1 + 0.2], [0.3])


def test_same_value_takes_numbers_as_python_does_but_not_truth_values():
    assert same_value([1, {"a": 2.0}], [1.0, {"a": 2}])
    assert not same_value(1, True)
    assert same_value(0.33, 0.3300001, abs_tol=1e-6)
    assert not same_value(0.33, 0.331, abs_tol=1e-6)
