"""MEAN and NORMAL as nodes at the head of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core import graph
from magik_core.errors import UsageError
from magik_core.prepare import prepare
from tests.core.graphs import run, source_of

W = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
X = np.random.default_rng(1).integers(0, 256, (1, 3, 8, 8)).astype(np.float32)
IMAGE = "agraph (float[1,3,8,8] x) => (float[1,4,8,8] y) { y = Conv<pads=[1,1,1,1]>(x, w) }"
NHWC = """agraph (float[1,8,8,3] x) => (float[1,4,8,8] y) {
    t = Transpose<perm=[0,3,1,2]>(x) y = Conv<pads=[1,1,1,1]>(t, w) }"""
TWO = """agraph (float[1,3,8,8] a, float[1,3,8,8] b, float[1,5] c) => (float[1,3,8,8] y, float[1,5] z) {
    y = Add(a, b) z = Relu(c) }"""
MEAN, NORMAL = [10.0, 20.0, 30.0], [2.0, 4.0, 8.0]


def heads(model: Any) -> list[str]:
    return [node.name for node in model.graph if graph.is_head(node)]


def test_feeds_are_raw() -> None:
    plain, raw = prepare(source_of(IMAGE, w=W)), prepare(source_of(IMAGE, w=W), mean=MEAN, normal=NORMAL)
    mean, normal = (np.array(n, np.float32).reshape(1, 3, 1, 1) for n in (MEAN, NORMAL))
    np.testing.assert_allclose(run(raw, {"x": X})[0], run(plain, {"x": (X - mean) / normal})[0], rtol=1e-4, atol=1e-3)
    assert [(n.op_type, n.name, graph.static_shape(n.inputs[1])) for n in list(raw.graph)[:2]] == [
        ("Sub", "x/mean", (1, 3, 1, 1)),
        ("Mul", "x/normal", (1, 3, 1, 1)),
    ]


def test_nhwc_inputs_have_channels_last() -> None:
    plain, raw = prepare(source_of(NHWC, w=W)), prepare(source_of(NHWC, w=W), mean=MEAN, normal=NORMAL)
    x = np.ascontiguousarray(X.transpose(0, 2, 3, 1))
    wanted = run(plain, {"x": ((x - np.float32(MEAN)) / np.float32(NORMAL)).astype(np.float32)})[0]
    np.testing.assert_allclose(run(raw, {"x": x})[0], wanted, rtol=1e-4, atol=1e-3)
    assert graph.static_shape(raw.graph[0].inputs[1]) == (1, 1, 1, 3)


@pytest.mark.parametrize(("options", "names"), [
    ({"mean": [0], "normal": [1]}, []),
    ({"mean": MEAN, "normal": [1, 1, 1]}, ["x/mean"]),
    ({"mean": [0, 0, 0], "normal": NORMAL}, ["x/normal"]),
    ({"normal": [255]}, ["x/normal"]),
])  # fmt: skip
def test_what_changes_nothing_is_left_out(options: dict[str, Any], names: list[str]) -> None:
    assert heads(prepare(source_of(IMAGE, w=W), **options)) == names


def test_neither_a_name_nor_a_file_makes_a_head() -> None:
    source = source_of("agraph (float[1,3,8,8] x, float[1,3,1,1] m) => (float[1,3,8,8] y) { y = Sub(x, m) }")
    source.graph[0].name = "x/mean"
    source.graph[0].metadata_props[graph.HEAD] = "mean"
    model = prepare(source)
    assert not heads(model) and not graph.is_raw(model.graph.inputs[0])
    assert [graph.is_raw(value) for value in prepare(source, mean=[1], normal=[]).graph.inputs] == [True, True]


def test_one_number_serves_all_channels() -> None:
    model = prepare(source_of(IMAGE, w=W), mean=[128])
    np.testing.assert_array_equal(graph.constant(model.graph[0].inputs[1]), np.full((1, 3, 1, 1), 128, np.float32))


def test_one_list_serves_all_images() -> None:
    assert heads(prepare(source_of(TWO), mean=[1])) == ["a/mean", "b/mean"]


GRAY = "agraph (float[1,1,8,8] x) => (float[1,1,8,8] y) { y = Relu(x) }"


def test_three_equal_numbers_serve_one_channel() -> None:
    means = [graph.constant(n.inputs[1]) for n in prepare(source_of(GRAY), mean=[[5, 5, 5]]).graph if graph.is_head(n)]
    assert [None if m is None else m.ravel().tolist() for m in means] == [[5.0]]


@pytest.mark.parametrize("mean", [[1, 2, 1], [1, 1]])
def test_other_numbers_do_not_fit_one_channel(mean: list[int]) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(source_of(GRAY), mean=mean)
    assert [(p.found, p.need) for p in caught.value.problems] == [
        (f"{len(mean)} values for FLOAT [1, 1, 8, 8]", "1 value, or 3 equal ones")
    ]


def test_lists_per_input() -> None:
    model = prepare(source_of(TWO), mean=[[1], [0], [1, 2, 3, 4, 5]])
    assert heads(model) == ["a/mean", "c/mean"]
    assert sorted(graph.static_shape(n.inputs[1]) or () for n in model.graph if graph.is_head(n)) == [
        (1, 3, 1, 1),
        (1, 5),
    ]


def test_what_does_not_fit_is_refused_together() -> None:
    with pytest.raises(UsageError) as caught:
        prepare(source_of(TWO), mean=[1, 2], normal=[[1], [1, 2, 3, 4]])
    assert [(p.what, p.where, p.found, p.need) for p in caught.value.problems] == [
        ("MEAN does not fit the channels", "input 'a'", "2 values for FLOAT [1, 3, 8, 8]", "1 or 3 values"),
        ("MEAN does not fit the channels", "input 'b'", "2 values for FLOAT [1, 3, 8, 8]", "1 or 3 values"),
        ("NORMAL does not fit the channels", "input 'b'", "4 values for FLOAT [1, 3, 8, 8]", "1 or 3 values"),
    ]


def test_too_many_lists_and_a_divisor_of_0() -> None:
    with pytest.raises(UsageError) as caught:
        prepare(source_of(IMAGE, w=W), mean=[[1], [2]], normal=[0])
    assert [p.what for p in caught.value.problems] == [
        "MEAN has more lists than the model has inputs",
        "NORMAL is a divisor and cannot be 0",
    ]


def test_integers_cannot_be_normalized() -> None:
    text = "agraph (int64[1,3,8,8] x) => (float[1,3,8,8] y) { y = Cast<to=1>(x) }"
    with pytest.raises(UsageError) as caught:
        prepare(source_of(text), mean=MEAN)
    assert caught.value.problems[0].what == "MEAN needs an input of floats"
    assert caught.value.problems[0].found == "INT64 [1, 3, 8, 8]"
