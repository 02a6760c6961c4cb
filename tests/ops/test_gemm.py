"""Gemm and MatMul beyond their cases: what they take over, what is not moved, refusals."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core.errors import LowerError
from magik_core.graph import OPSET
from magik_core.lower import lower
from magik_core.ops.cases import Case, Input, case, floats, ints
from magik_core.program import Program
from magik_core.source import Quantization
from tests import harness

Constants = dict[str, np.ndarray]


def model(nodes: list[onnx.NodeProto], x: tuple[int, ...], constants: Constants) -> ir.Model:
    """Nodes from input "x" to output "y"."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return harness.infer(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10))


def kernels(program: Program) -> list[str]:
    return [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]


def check(m: ir.Model, relative: float = 1e-5) -> Program:
    """Lower in f32 and hold numpy and C against onnxruntime."""
    program = lower(m, Quantization())
    (x,) = m.graph.inputs
    assert x.shape is not None
    feeds = {"x": np.random.default_rng(1).uniform(-1, 1, x.shape.numpy()).astype(np.float32)}
    values = harness.in_numpy(program, feeds)
    for a, b in zip(values, harness.in_c(program, feeds), strict=True):
        assert a.tobytes() == b.tobytes()
    for y, w in zip(harness.as_source(program, values), harness.reference(m, feeds), strict=True):
        assert np.abs(y - w).max() <= relative * np.abs(w).max()
    return program


@pytest.mark.parametrize("order", [["product", "b"], ["b", "product"]])
def test_mat_mul_takes_over_a_bias_and_a_clip(order: list[str]) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], "product"),
        helper.make_node("Add", order, ["sum"], "sum"),
        helper.make_node("Relu", ["sum"], ["y"], "relu"),
    ]
    program = check(model(nodes, (2, 5, 6), {"w": floats(6, 8), "b": floats(8, seed=1)}))
    assert kernels(program) == ["gemm_f32"]


@pytest.mark.parametrize("shape", [(5, 1), (2, 1, 1), (3, 2, 5, 8)])
def test_mat_mul_leaves_a_constant_that_is_no_bias(shape: tuple[int, ...]) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], "product"),
        helper.make_node("Add", ["product", "b"], ["y"], "sum"),
    ]
    program = check(model(nodes, (2, 5, 6), {"w": floats(6, 8), "b": floats(*shape, seed=1)}))
    assert "add_f32" in kernels(program)


@pytest.mark.parametrize(("op_type", "more"), [("Flatten", {}), ("Reshape", {"shape": ints(2, -1)})])
def test_gemm_after_an_image_transposes_its_weights(op_type: str, more: Constants) -> None:
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["image"], "image"),
        helper.make_node(op_type, ["image", *more], ["rows"], "rows"),
        helper.make_node("Gemm", ["rows", "w"], ["y"], "gemm", transB=1),
    ]
    program = check(model(nodes, (2, 3, 4, 5), {"w": floats(7, 60), **more}))
    assert kernels(program) == ["sigmoid_f32", "reshape_x32", "gemm_f32"]


def test_attention_moves_nothing() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["rows"], "rows"),
        helper.make_node("Reshape", ["rows", "split"], ["heads"], "heads"),
        helper.make_node("Transpose", ["heads"], ["q"], "q", perm=[0, 2, 1, 3]),
        helper.make_node("Transpose", ["heads"], ["k"], "k", perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["q", "k"], ["scores"], "scores"),
        helper.make_node("MatMul", ["scores", "q"], ["values"], "values"),
        helper.make_node("Transpose", ["values"], ["back"], "back", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["back", "join"], ["y"], "join"),
    ]
    program = check(model(nodes, (2, 5, 12), {"w": floats(12, 12), "split": ints(2, 5, 3, 4), "join": ints(2, 5, 12)}))
    assert kernels(program) == ["gemm_f32", "reshape_x32", "mat_mul_f32", "mat_mul_f32", "reshape_x32"]


def test_beta_times_a_computed_c_is_refused() -> None:
    item: Case = case("Gemm", floats(4, 3), Input((2, 4)), x=(2, 3), transB=1, beta=0.5)
    with pytest.raises(LowerError) as caught:
        harness.in_float(harness.model_of(item))
    (problem,) = caught.value.problems
    assert problem.what == "Gemm: unsupported beta"
    assert (problem.found, problem.need) == ("0.5", "1 where C is computed")
