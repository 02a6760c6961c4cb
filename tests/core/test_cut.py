"""INPUT and OUTPUT: cutting a graph at tensors by name."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core import graph
from magik_core.errors import UsageError
from magik_core.prepare import prepare
from tests.core.graphs import run, source_of

TEXT = """agraph (float[1,4] a, float[1,4] b) => (float[1,4] y) {
    left = Relu(a) right = Exp(b) sum = Add(left, right) y = Mul(sum, k) }"""
K = np.full((1, 4), 2, np.float32)


def names(values: object) -> list[str | None]:
    return [v.name for v in values]  # type: ignore[attr-defined]


def test_outputs_come_in_the_order_asked_for() -> None:
    model = prepare(source_of(TEXT, k=K), outputs=["sum", "left"])
    assert names(model.graph.outputs) == ["sum", "left"]
    assert [node.op_type for node in model.graph] == ["Relu", "Exp", "Add"]
    x = np.ones((1, 4), np.float32)
    np.testing.assert_allclose(run(model, {"a": x, "b": 0 * x})[0], 2 * x)


def test_an_inner_tensor_becomes_an_input_of_its_shape() -> None:
    model = prepare(source_of(TEXT, k=K), inputs=["sum"])
    assert names(model.graph.inputs) == ["sum"]
    assert graph.static_shape(model.graph.inputs[0]) == (1, 4)
    np.testing.assert_array_equal(run(model, {"sum": K})[0], 2 * K)


def test_a_partial_list_keeps_the_inputs_that_are_still_needed() -> None:
    model = prepare(source_of(TEXT, k=K), inputs=["right"])
    assert names(model.graph.inputs) == ["right", "a"]


def test_the_order_of_inputs_can_be_changed() -> None:
    assert names(prepare(source_of(TEXT, k=K), inputs=["b", "a"]).graph.inputs) == ["b", "a"]


def test_both_ends() -> None:
    model = prepare(source_of(TEXT, k=K), inputs=["left"], outputs=["sum"])
    assert names(model.graph.inputs) == ["left", "b"]
    assert [node.op_type for node in model.graph] == ["Exp", "Add"]


def test_what_lies_beyond_the_cut_may_be_unknown() -> None:
    text = "agraph (float[1,4] x) => (float[n,m] y) { r = Relu(x) i = NonZero(r) y = Cast<to=1>(i) }"
    assert [node.op_type for node in prepare(source_of(text), outputs=["r"]).graph] == ["Relu"]


def test_an_inner_input_can_be_given_new_sizes() -> None:
    model = prepare(source_of(TEXT.replace("1,4", "1,n"), k=K[:, :1]), inputs=["sum"], input_shapes=[[1, 7]])
    assert graph.static_shape(model.graph.outputs[0]) == (1, 7)


def test_all_wrong_names_are_reported_with_near_ones() -> None:
    with pytest.raises(UsageError) as caught:
        prepare(source_of(TEXT, k=K), inputs=["lef", "k"], outputs=["y", "rigth", "y", "qqqqq"])
    assert [(p.what, p.where, p.hint) for p in caught.value.problems] == [
        ("the model has no tensor of this name", "INPUT: lef", "did you mean 'left'?"),
        ("a tensor is named twice", "OUTPUT: y", ""),
        ("the model has no tensor of this name", "OUTPUT: rigth", "did you mean 'right'?"),
        ("the model has no tensor of this name", "OUTPUT: qqqqq", ""),
        ("a constant cannot be an input", "INPUT: k", ""),
    ]
