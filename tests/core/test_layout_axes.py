"""layout.py: axis orders held against what numpy does with the bytes."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from magik_core import layout

Shape = tuple[int, ...]


def memory(source: np.ndarray, axes: Shape) -> bytes:
    """The bytes of a source array stored in an axis order."""
    return np.ascontiguousarray(source.transpose(axes)).tobytes()


def numbered(shape: Shape) -> np.ndarray:
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


@st.composite
def stored_tensors(draw: st.DrawFn, most: int = 5) -> tuple[Shape, Shape]:
    """(source shape, axes)"""
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=most)))
    return shape, tuple(draw(st.permutations(range(len(shape)))))


@st.composite
def factors(draw: st.DrawFn, count: int, most: int = 5) -> Shape:
    """A shape of `count` elements."""
    out: list[int] = []
    while count > 1 and len(out) < most - 1:
        divisors = [d for d in range(1, count + 1) if count % d == 0]
        out.append(draw(st.sampled_from(divisors)))
        count //= out[-1]
    return (*out, count)


@pytest.mark.parametrize(
    ("rank", "axes"), [(0, ()), (1, (0,)), (2, (0, 1)), (3, (0, 2, 1)), (4, (0, 2, 3, 1)), (5, (0, 2, 3, 4, 1))]
)
def test_channels_last(rank: int, axes: Shape) -> None:
    assert layout.channels_last(rank) == axes


@given(stored_tensors())
def test_stored_and_logical_are_inverse(t: tuple[Shape, Shape]) -> None:
    shape, axes = t
    stored = layout.stored(shape, axes)
    assert stored == numbered(shape).transpose(axes).shape
    assert layout.logical(stored, axes) == shape


@given(stored_tensors(), st.randoms(use_true_random=False))
def test_permutation_turns_one_order_into_another(t: tuple[Shape, Shape], rng: object) -> None:
    shape, old = t
    new = tuple(rng.sample(range(len(shape)), len(shape)))  # type: ignore[attr-defined]
    source = numbered(shape)
    turned = source.transpose(old).transpose(layout.permutation(old, new))
    assert np.ascontiguousarray(turned).tobytes() == memory(source, new)


@given(stored_tensors())
def test_is_same_memory(t: tuple[Shape, Shape]) -> None:
    shape, perm = t
    assert layout.is_same_memory(shape, perm) == (memory(numbered(shape), perm) == numbered(shape).tobytes())


@settings(max_examples=400)
@given(st.data())
def test_reshape_moves_nothing(data: st.DataObject) -> None:
    """Where an order is given, the bytes are those of the reshaped source; where none is, there is none."""
    shape, axes = data.draw(stored_tensors(4))
    new = data.draw(factors(math.prod(shape)))
    assume(len(new) <= 5)
    source = numbered(shape)
    stored = memory(source, axes)
    found = layout.reshape(layout.stored(shape, axes), axes, new)
    if found is None:
        assert all(memory(source.reshape(new), order) != stored for order in permutations(range(len(new))))
    else:
        assert sorted(found) == list(range(len(new)))
        assert memory(source.reshape(new), found) == stored


@given(st.data())
def test_groups_pair_up_equal_products(data: st.DataObject) -> None:
    a = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)))
    b = data.draw(factors(math.prod(a)))
    runs = layout.groups(a, b)
    assert [i for run, _ in runs for i in run] == list(range(len(a)))
    assert [j for _, run in runs for j in run] == list(range(len(b)))
    assert all(math.prod(a[i] for i in x) == math.prod(b[j] for j in y) for x, y in runs)


@pytest.mark.parametrize(
    ("shape", "axes", "new", "want"),
    [
        ((2, 4, 5, 3), (0, 2, 3, 1), (2, 60), None),  # NHWC flattened in NCHW order
        ((2, 4, 5, 3), (0, 2, 3, 1), (2, 3, 20), (0, 2, 1)),  # its pixels joined
        ((2, 1, 1, 3), (0, 2, 3, 1), (2, 3), (0, 1)),  # after a global pool
        ((2, 4, 3), (0, 2, 1), (2, 3, 2, 2), (0, 2, 3, 1)),
        ((1, 3), (0, 1), (1, 3, 1, 1), (0, 1, 2, 3)),  # the source's order where it fits
        ((), (), (1, 1), (0, 1)),
        ((1, 1), (1, 0), (), ()),
    ],
)
def test_reshape(shape: Shape, axes: Shape, new: Shape, want: Shape | None) -> None:
    assert layout.reshape(shape, axes, new) == want


def test_count() -> None:
    assert layout.count(()) == 1 and layout.count((2, 3)) == 6
