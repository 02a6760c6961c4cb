"""Sizes, constants and everything that prepare refuses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from magik_core import graph, spelling
from magik_core.errors import GraphError, MagikError, UsageError
from magik_core.prepare import prepare
from tests.core.graphs import proto_of, random_feeds, run, source_of

W = np.ones((4, 3, 3, 3), np.float32)
CONV = "agraph (float[n,3,h,w] x) => (float[n,4,oh,ow] y) { y = Conv(x, w0) }"


def problems_of(model: ir.Model, error: type[MagikError] = GraphError, **options: Any) -> list[tuple[str, ...]]:
    with pytest.raises(error) as caught:
        prepare(model, **options)
    return [(p.what, p.where, p.found, p.need, p.hint) for p in caught.value.problems]


def ops(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def shape_of(model: ir.Model) -> tuple[int, ...] | None:
    return graph.static_shape(model.graph.outputs[0])


def test_the_source_is_left_alone() -> None:
    source = source_of(CONV, w0=W)
    before = spelling.serialize(source)
    prepare(source, input_shapes=[[1, 3, 8, 8]], mean=[1, 2, 3])
    assert spelling.serialize(source) == before


def test_the_batch_is_one_and_sizes_come_from_outside() -> None:
    assert shape_of(prepare(source_of(CONV, w0=W), input_shapes=[[1, 3, 8, 10]])) == (1, 4, 6, 8)


def test_new_sizes_replace_static_ones_and_what_was_computed_from_them() -> None:
    text = CONV.replace("n,3,h,w", "1,3,6,6").replace("n,4,oh,ow", "1,4,4,4")
    model = prepare(source_of(text, w0=W), input_shapes=[[1, 3, 12, 8]])
    assert shape_of(model) == (1, 4, 10, 6)
    assert run(model, random_feeds(model))[0].shape == (1, 4, 10, 6)


def test_an_open_size_is_an_error_that_says_what_to_write() -> None:
    assert problems_of(source_of(CONV, w0=W), UsageError) == [
        ("the size of an input is not known", "input 'x'", "FLOAT [1, 3, h, w]",
         "a number for every size but the batch", "INPUT_SHAPE: [[1, 3, ?, ?]]"),
    ]  # fmt: skip


def test_every_open_input_is_named() -> None:
    text = """agraph (float[n,k] a, float[n,k] b, float[m,4] c) => (float[n,k] y, float[m,4] z) {
        y = Add(a, b) z = Relu(c) }"""
    found = problems_of(source_of(text), UsageError)
    assert [where for _, where, *_ in found] == ["input 'a'", "input 'b'"]
    assert found[0][4] == "INPUT_SHAPE: [[1, ?], [1, ?], [1, 4]]"


def test_sizes_in_another_order_of_axes() -> None:
    text = CONV.replace("n,3,h,w", "1,3,6,6").replace("n,4,oh,ow", "1,4,4,4")
    assert problems_of(source_of(text, w0=W), UsageError, input_shapes=[[1, 8, 9, 3]]) == [
        ("INPUT_SHAPE does not fit an input", "input 'x'", "[1, 8, 9, 3]", "[1, 3, 6, 6]",
         "sizes are in the source's order, e.g. 1,3,8,9"),
    ]  # fmt: skip


def test_a_size_of_minus_one_is_open() -> None:
    proto = proto_of("agraph (float[1,4] x) => (float[1,4] y) { y = Relu(x) }")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert shape_of(prepare(ir.from_proto(proto))) == (1, 4)


def test_the_last_shape_serves_later_inputs_of_its_rank() -> None:
    text = "agraph (float[n,k] a, float[n,k] b, float[3] c) => (float[n,k] y, float[3] z) { y = Add(a, b) z = Relu(c) }"
    model = prepare(source_of(text), input_shapes=[[2, 5]])
    assert [graph.static_shape(v) for v in model.graph.inputs] == [(2, 5), (2, 5), (3,)]


def test_a_given_size_binds_the_same_symbol_elsewhere() -> None:
    text = "agraph (float[batch,4] a, float[2,batch,4] b) => (float[2,batch,4] y) { y = Add(a, b) }"
    assert shape_of(prepare(source_of(text), input_shapes=[[3, 4]])) == (2, 3, 4)
    assert shape_of(prepare(source_of(text))) == (2, 1, 4)


def test_the_last_shape_is_for_inputs_that_are_open_or_alike() -> None:
    inputs = "float[1, 4] a, float[1, 4] b, float[n, 4] c, float[1, 6] d"
    text = f"g ({inputs}) => (float[n, m] y) {{ y = Concat <axis = 1> (a, b, c, d) }}"
    model = prepare(source_of(text), input_shapes=[[1, 8]])
    assert [shape.numpy() for v in model.graph.inputs if (shape := v.shape)] == [(1, 8), (1, 8), (1, 8), (1, 6)]


def test_an_empty_shape_is_the_models() -> None:
    text = "g (float[n,4] a, float[n,4] b, float[2,4] c) => (float[n,4] y, float[2,4] z) { y = Add(a, b) z = Relu(c) }"
    for shapes in ([[3, 4], []], [[], [3, 4]]):
        model = prepare(source_of(text), input_shapes=shapes)
        assert [graph.static_shape(v) for v in model.graph.inputs] == [(3, 4), (3, 4), (2, 4)]


def test_shapes_that_do_not_fit_are_refused_together() -> None:
    text = "agraph (float[n,4] a, float[n,4] b) => (float[n,4] y) { y = Add(a, b) }"
    assert problems_of(source_of(text), UsageError, input_shapes=[[1, 4, 1], [0, 4], [1, 4]]) == [
        ("INPUT_SHAPE has more shapes than the model has inputs", "", "3 shapes", "at most 2", ""),
        ("INPUT_SHAPE does not fit an input", "input 'a'", "[1, 4, 1]", "2 positive sizes: FLOAT [n, 4]", ""),
        ("INPUT_SHAPE does not fit an input", "input 'b'", "[0, 4]", "2 positive sizes: FLOAT [n, 4]", ""),
    ]


def test_channels_that_do_not_fit_name_the_node() -> None:
    assert problems_of(source_of(CONV, w0=W), input_shapes=[[1, 5, 8, 8]]) == [
        ("the channels of a tensor do not fit its weights", "Conv 'y'", "5 channels in [1, 5, 8, 8]",
         "3 channels for weights of [4, 3, 3, 3]", ""),
    ]  # fmt: skip


def test_sizes_that_do_not_fit_name_the_node() -> None:
    source = source_of("agraph (float[1,4] x) => (float[1,2] y) { y = MatMul(x, w) }", w=np.ones((4, 2), np.float32))
    (problem,) = problems_of(source, input_shapes=[[1, 5]])
    assert problem[0] == "the graph does not hold together"
    assert problem[1] == "MatMul 'y'"
    assert "Incompatible dimensions" in problem[2]


def test_a_reshape_to_the_old_sizes_is_found() -> None:
    text = "agraph (float[1,4] x) => (float[2,2] y) { y = Reshape(x, s) }"
    ((what, where, found, _, hint),) = problems_of(source_of(text, s=np.array([2, 2])), input_shapes=[[1, 6]])
    assert (what, where) == ("a Reshape does not fit the input sizes", "Reshape 'y'")
    assert found == "FLOAT [1, 6] to FLOAT [2, 2]"
    assert hint == "export the model with dynamic sizes, or use the sizes that it was exported with"


SWITCH = """agraph (float[1,4] x, int64 rate) => (float[1,4] y) {
    is = Equal(rate, sixteen)
    y = If(is) <then_branch = yes () => (float[1,4] a) { a = Relu(x) },
                else_branch = no () => (float[1,4] b) { b = Exp(x) }>
}"""


def test_if_of_a_bound_input_is_resolved() -> None:
    source = source_of(SWITCH, sixteen=np.array(16))
    assert ops(prepare(source, constants={"rate": np.array(16)})) == {"Relu": 1}
    model = prepare(source, constants={"rate": np.array(8)})
    assert ops(model) == {"Exp": 1}
    assert [v.name for v in model.graph.inputs] == ["x"]


def test_if_of_an_open_input_is_refused() -> None:
    ((what, where, _, _, hint),) = problems_of(source_of(SWITCH, sixteen=np.array(16)))
    assert what == "control flow depends on a value that is known only at run time"
    assert where.startswith("If ")
    assert hint == "bind the input that decides to a constant: --constant NAME=VALUE"


def test_constants_that_do_not_fit_are_refused_together() -> None:
    constants = {"rat": np.array(16), "rate": np.array([1.5])}
    assert problems_of(source_of(SWITCH, sixteen=np.array(16)), UsageError, constants=constants) == [
        ("a constant names no input of the model", "rat", "", "one of x, rate", "did you mean 'rate'?"),
        ("a constant does not fit its input", "rate", "float64 [1]", "INT64 []", ""),
    ]


def test_everything_unsupported_is_reported_together() -> None:
    text = """agraph (float[4] x, bool t) => (float[k,m] y, float[4] z, float[4] u) {
        i = NonZero(x) y = Cast<to=1>(i) d = Dropout(x, half, yes) z = Abs(d)
        u = If(t) <then_branch = p () => (float[4] a) { a = Relu(x) },
                   else_branch = q () => (float[4] b) { b = Exp(x) }> }"""
    found = problems_of(source_of(text, half=np.float32(0.5), yes=np.array(True)))
    assert sorted({what for what, *_ in found}) == [
        "a node is in training mode",
        "a size is known only at run time",
        "control flow depends on a value that is known only at run time",
    ]


def test_an_output_without_input_is_refused() -> None:
    text = "agraph (float[4] x) => (float[4] y, float[4] z) { y = Relu(x) z = Add(c, c) }"
    assert problems_of(source_of(text, c=np.ones(4, np.float32)))[0][:2] == (
        "an output does not depend on any input",
        "output 'z'",
    )


def test_a_dropout_that_an_input_switches_on_is_refused() -> None:
    text = "agraph (float[4] x, bool t) => (float[4] y) { y = Dropout(x, half, t) }"
    assert problems_of(source_of(text, half=np.float32(0.5)))[0][:2] == ("a node is in training mode", "Dropout 'y'")


def test_a_sequence_is_no_tensor() -> None:
    text = "agraph (float[3,6] x) => (seq(float[a,b]) y) { y = SequenceConstruct(x, x) }"
    (problem,) = problems_of(source_of(text))
    assert problem[:2] == ("a value is no tensor", "SequenceConstruct 'y'")


def test_an_empty_tensor_is_refused() -> None:
    text = "agraph (float[4] x) => (float[0] s, float[4] y) { s = Slice(x, a, a) y = Relu(x) }"
    (problem,) = problems_of(source_of(text, a=np.array([2])))
    assert problem[0] == "a tensor has no elements"
    assert problem[2] == "'s' FLOAT [0]"


def test_unread_inputs_are_dropped() -> None:
    model = prepare(source_of("agraph (float[4] x, float[n] z) => (float[4] y) { y = Relu(x) }"))
    assert [v.name for v in model.graph.inputs] == ["x"]


def test_functions_are_inlined() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21, "own" : 1]>
        agraph (float[4] x) => (float[4] y) { y = own.twice(x) }
        <domain: "own", opset_import: ["" : 21]> twice (a) => (b) { b = Add(a, a) }"""
    assert ops(prepare(ir.from_proto(onnx.parser.parse_model(text)))) == {"Add": 1}


def test_every_value_has_a_static_shape_and_dtype() -> None:
    text = """agraph (float[n,4,6] x) => (float[a,b] y, int64[c,d] i) {
        r = Relu(x) f = Flatten<axis=1>(r) y, i = TopK(f, k) }"""
    model = prepare(source_of(text, k=np.array([3])))
    assert all(graph.static_shape(v) is not None and v.dtype is not None for v in graph.values(model))
    assert [graph.static_shape(v) for v in model.graph.outputs] == [(1, 3), (1, 3)]
