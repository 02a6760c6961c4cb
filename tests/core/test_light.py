"""Protos without large weights."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from magik_core import graph, light


def model(size: int) -> ir.Model:
    w = np.random.default_rng(0).normal(size=(size, 8)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "b"], ["y"])]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", (1, size)), ("y", (1, 8)))]
    constants = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(w[0], "b")]
    built = helper.make_graph(nodes, "g", values[:1], values[1:], constants)
    return ir.from_proto(
        helper.make_model(built, opset_imports=[helper.make_opsetid("", graph.OPSET)], ir_version=graph.IR_VERSION)
    )


def array(of: ir.Model) -> np.ndarray:
    tensor = of.graph.initializers["w"].const_value
    assert tensor is not None
    return tensor.numpy()


def test_large_weights_are_inputs_and_come_back() -> None:
    source = model(1000)
    before = ir.to_proto(source).SerializeToString(deterministic=True)
    proto, weights = light.to_proto(source)
    assert [t.name for t in proto.graph.initializer] == ["b"] and list(weights) == ["w"]
    assert [v.name for v in proto.graph.input] == ["x", "w"] and proto.ByteSize() < 500
    onnx.checker.check_model(proto)
    assert ir.to_proto(source).SerializeToString(deterministic=True) == before, "the model is as it was"
    back = light.from_proto(proto, weights)
    assert [v.name for v in back.graph.inputs] == ["x"] and set(back.graph.initializers) == {"w", "b"}
    assert np.array_equal(array(back), weights["w"].numpy())
    assert np.shares_memory(array(back), array(light.from_proto(*light.to_proto(back)))), "copied once"


def test_small_weights_stay() -> None:
    proto, weights = light.to_proto(model(10))
    assert not weights and {t.name for t in proto.graph.initializer} == {"w", "b"}


def test_a_model_in_its_opset_keeps_its_weights() -> None:
    found = graph.in_opset(model(1000))
    assert np.array_equal(array(found), array(model(1000)))
    graph.infer(found)
    assert graph.static_shape(found.graph.outputs[0]) == (1, 8)
