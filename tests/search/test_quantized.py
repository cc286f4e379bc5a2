"""Which documents are near, by a byte for each number."""

import builtins

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.search.quantized import QuantizedRows


def unit(count, size, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def put_all(held, rows, each):
    names = [f"d{n:04}" for n in range(len(rows) // each)]
    held.put([(name, each) for name in names], rows)
    return names


def near(held, vector, wanted):
    return [name for name, _ in held.near(vector, wanted)]


def exact(names, rows, each, vector, wanted):
    best = (rows @ vector).reshape(-1, each).max(axis=1)
    return [names[i] for i in np.argsort(-best, kind="stable")[:wanted]]


@pytest.fixture(params=[True, False], ids=["torch", "without torch"])
def torch_or_not(request, monkeypatch):
    if request.param:
        return
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.usefixtures("torch_or_not")
@pytest.mark.parametrize("size", [3, 64, 100, 384])
@pytest.mark.parametrize("count", [1, 5, 64, 1_001])
def test_a_document_is_nearest_to_its_own_rows(size, count):
    rows, held = unit(count * 3, size), QuantizedRows()
    names = put_all(held, rows, 3)
    for number in {0, count // 2, count - 1}:
        assert near(held, rows[3 * number + 1], 1) == [names[number]] or size == 3
        assert np.abs(held.rows(names[number]) - rows[3 * number : 3 * number + 3]).max() < 0.5 / 127 + 1e-6


@pytest.mark.usefixtures("torch_or_not")
def test_twice_as_many_hold_nearly_all_that_are_really_near():
    rows, held = unit(20_000, 384), QuantizedRows()
    names = put_all(held, rows, 4)
    shares = []
    for vector in unit(20, 384, seed=1):
        real = exact(names, rows, 4, vector, 50)
        assert [score for _, score in held.near(vector, 50)] == pytest.approx(
            sorted((rows @ vector).reshape(-1, 4).max(axis=1))[::-1][:50], abs=0.004
        )
        shares.append(len(set(real) & set(near(held, vector, 100))) / 50)
    assert np.mean(shares) > 0.998


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "drop"]), st.integers(0, 9).map(str), st.integers(1, 4)), max_size=40
)


@given(steps=STEPS)
def test_what_is_held_is_what_was_put_and_not_dropped(steps):
    held, expected = QuantizedRows(), {}
    for number, (step, name, count) in enumerate(steps):
        if step == "put":
            expected[name] = unit(count, 16, seed=number)
            held.put([(name, count)], expected[name])
        else:
            held.drop(name)
            expected.pop(name, None)
    assert set(near(held, unit(1, 16)[0], 20)) == expected.keys()
    for name, rows in expected.items():
        assert np.abs(held.rows(name) - rows).max() < 0.5 / 127 + 1e-6


def test_room_is_made_without_the_holes():
    held = QuantizedRows()
    rows = unit(6_000, 8)
    for at in range(0, 6_000, 100):
        held.put([(f"d{at + n}", 1) for n in range(100)], rows[at : at + 100])
        for n in range(90):
            held.drop(f"d{at + n}")
    assert len(held._matrix) < 3_000
    assert set(near(held, rows[0], 10_000)) == {
        f"d{at + n}" for at in range(0, 6_000, 100) for n in range(90, 100)
    }
    assert np.abs(held.rows("d5999") - rows[5_999:]).max() < 0.5 / 127 + 1e-6


def test_nothing_is_near_when_nothing_is_held():
    held = QuantizedRows()
    assert held.near(unit(1, 8)[0], 5) == []
    held.put([("a", 2)], unit(2, 8))
    held.drop("a")
    held.drop("unknown")
    assert held.near(unit(1, 8)[0], 5) == []
