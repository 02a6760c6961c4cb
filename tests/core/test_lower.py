"""Lowering: what becomes steps, what disappears, and that folded preprocessing is exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper

from magik_core import graph
from magik_core.errors import LowerError
from magik_core.lower import lower
from magik_core.ops.cases import weights
from magik_core.program import Program, QuantParams
from magik_core.quantize import quantize, values_to_calibrate
from magik_core.recipe import Recipe
from magik_core.source import Quantization
from tests import harness

Node = onnx.NodeProto


def model(nodes: Sequence[Node], shape: Sequence[int], outputs: Sequence[str], **constants: np.ndarray) -> ir.Model:
    """A graph of named nodes with one input `x`."""
    for i, node in enumerate(nodes):
        node.name = node.name or f"n{i}"
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    proto = helper.make_graph(nodes, "g", [x], [onnx.ValueInfoProto(name=o) for o in outputs], held)
    return harness.infer(helper.make_model(proto, opset_imports=[helper.make_opsetid("", graph.OPSET)], ir_version=10))


def node(op_type: str, inputs: str, outputs: str, name: str = "", **attributes: object) -> Node:
    return helper.make_node(op_type, inputs.split(), outputs.split(), name, **attributes)


def kinds(program: Program) -> list[str]:
    return [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]


def quantized(m: ir.Model, x: np.ndarray) -> Program:
    """Ranges from one run on `x`."""
    probe = harness.infer(ir.serde.serialize_model(m))
    known = {o.name for o in probe.graph.outputs}
    wanted = values_to_calibrate(m, Recipe())
    for n in probe.graph:
        for v in n.outputs:
            if v.name in wanted and v.name not in known:
                probe.graph.outputs.append(v)
    names = [v.name for v in probe.graph.outputs]
    found = dict(zip(names, harness.reference(probe, {"x": x}), strict=True))
    found["x"] = x
    ranges = {n: (float(found[n].min()), float(found[n].max())) for n in wanted}
    return lower(m, quantize(m, ranges, Recipe(), harness.channel_scales))


def test_relu_is_taken_over_by_the_step_before_it() -> None:
    m = model([node("Conv", "x w", "a"), node("Relu", "a", "y")], (1, 3, 5, 5), ["y"], w=weights(4, 3, 1, 1))
    x = np.random.default_rng(0).normal(size=(1, 3, 5, 5)).astype(np.float32)
    assert kinds(quantized(m, x)) == ["conv_u8"]
    assert kinds(lower(m, Quantization())) == ["conv_f32"]


def test_relu_stays_where_the_value_before_it_is_read_elsewhere() -> None:
    m = model([node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Add", "a b", "y")], (1, 3, 5, 5), ["y"],
              w=weights(4, 3, 1, 1))  # fmt: skip
    x = np.random.default_rng(0).normal(size=(1, 3, 5, 5)).astype(np.float32)
    assert kinds(quantized(m, x)) == ["conv_u8", "lut_u8", "add_u8"]


def test_a_channel_shuffle_is_one_transpose() -> None:
    nodes = [
        node("Reshape", "x s5", "a"),
        node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "b s4", "y"),
    ]
    m = model(nodes, (1, 6, 4, 4), ["y"], s5=np.array([1, 2, 3, 4, 4]), s4=np.array([1, 6, 4, 4]))
    assert kinds(lower(m, Quantization())) == ["reshape_x32", "transpose_x32", "reshape_x32"]


def test_a_detector_head_moves_nothing() -> None:
    nodes = [node("Conv", "x w", "a"), node("Transpose", "a", "b", perm=[0, 2, 3, 1]), node("Reshape", "b s", "y")]
    m = model(nodes, (1, 3, 4, 5), ["y"], w=weights(6, 3, 1, 1), s=np.array([1, -1, 2]))
    assert kinds(lower(m, Quantization())) == ["conv_f32", "reshape_x32"]


def test_an_output_that_is_an_input_or_another_output_gets_storage_of_its_own() -> None:
    m = model(
        [node("Sigmoid", "x", "a"), node("Identity", "a", "b"), node("Identity", "x", "c")], (2, 3), ["a", "b", "c"]
    )
    program = lower(m, Quantization())
    assert len(set(program.outputs)) == 3 and not set(program.outputs) & set(program.inputs)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    a, b, c = harness.in_c(program, {"x": x})
    assert np.array_equal(a, b) and np.array_equal(c, x)


def test_an_output_in_an_odd_order_is_put_in_source_order() -> None:
    m = model([node("Transpose", "x", "y", perm=[2, 0, 1])], (2, 3, 4), ["y"])
    program = lower(m, Quantization())
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    (y,) = harness.in_c(program, {"x": x})
    assert np.array_equal(y, x.transpose(2, 0, 1))


def test_a_conversion_is_not_taken_for_a_value_of_its_name() -> None:
    """Of activations and constants alike: the graph's names are free, as `a/f32`."""
    nodes = [node("Sigmoid", "x", "a"), node("Tanh", "x", "a/f32"), node("Exp", "x", "c/f32"),
             node("LogSoftmax", "a", "y"), node("Sub", "a/f32 c", "z"), node("Mul", "c/f32 c", "w")]  # fmt: skip
    m = model(nodes, (1, 6), ["y", "z", "w"], c=np.full((1, 6), 2, np.float32))
    values = {"x": QuantParams(2.0**-6, 128.0), "a": QuantParams(2.0**-8)}
    program = lower(m, Quantization(values))
    x = np.arange(-120, 120, 40, dtype=np.float32).reshape(1, 6) / 64
    for got, want in zip(harness.in_c(program, {"x": x}), harness.reference(m, {"x": x}), strict=True):
        np.testing.assert_allclose(got, want, atol=0.02)


def test_everything_without_a_kernel_is_named_at_once() -> None:
    nodes = [node("Det", "x", "a", "first"), node("Relu", "x", "b"), node("Hardmax", "b", "c", "second")]
    m = model(nodes, (1, 3, 3), ["a", "c"])
    with pytest.raises(LowerError) as caught:
        lower(m, Quantization())
    assert [(p.where, p.found) for p in caught.value.problems] == [
        ("node 'first'", "Det"),
        ("node 'second'", "Hardmax"),
    ]


@pytest.mark.parametrize(
    "mean", [(127.0,) * 3, (123.675, 116.28, 103.53), (0.0, 0.0, 0.0), (10.0, 127.5, 300.0)], ids=str
)
@pytest.mark.parametrize("depth", [False, True], ids=["full", "depthwise"])
def test_preprocessing_is_folded_with_exact_padding(mean: tuple[float, ...], depth: bool) -> None:
    normal = (58.395, 57.12, 57.375)
    w = weights(3, 1, 3, 3) if depth else weights(5, 3, 3, 3)
    nodes = [
        node("Sub", "x mean", "a", "x/mean"),
        node("Mul", "a gain", "b", "x/normal"),
        node("Conv", "b w", "y", pads=[1, 2, 1, 0], strides=[2, 1], group=3 if depth else 1),
    ]
    gain = (1 / np.float32(normal)).reshape(1, 3, 1, 1)
    m = model(nodes, (1, 3, 7, 6), ["y"], w=w, mean=np.float32(mean).reshape(1, 3, 1, 1), gain=gain)
    x = np.random.default_rng(1).integers(0, 256, (1, 3, 7, 6)).astype(np.float32)
    program = quantized(m, x)
    assert kinds(program) == ["depthwise_conv_u8" if depth else "conv_u8"]
    (numpy,), (c,) = harness.in_numpy(program, {"x": x}), harness.in_c(program, {"x": x})
    assert numpy.tobytes() == c.tobytes()
    # the codes of the weights are the only error: compare with float on the weights that they mean
    step = program.steps[0]
    tensor = program.tensors[step.inputs[1]]
    assert tensor.quant is not None and tensor.data is not None
    (y,) = harness.as_source(program, [c])
    (want,) = harness.reference(m, {"x": x})
    scale = program.tensors[program.outputs[0]].quant.scale  # type: ignore[union-attr]
    spread = np.abs(x - np.float32(mean).reshape(1, 3, 1, 1)).max() * np.abs(gain).max()
    per_weight = 0.5 * max(tensor.quant.scales) * max(normal)  # type: ignore[union-attr]
    bound = 0.51 * scale + w[0].size * per_weight * spread
    assert np.abs(y - want).max() <= bound
    border = np.abs(y - want)[..., 0, :].max()
    assert border <= 0.6 * scale + np.abs(y - want)[..., 1:-1, 1:-1].max() * 1.5
