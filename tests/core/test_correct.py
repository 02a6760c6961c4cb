"""Bias correction takes the mean error out, node by node."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from magik_core import graph, numerics
from magik_core.calibrate import watch
from magik_core.correct import correct_biases, mean_inputs
from magik_core.float_session import FloatSession
from magik_core.program import QuantParams
from magik_core.weights import with_weights

TEXT = """<ir_version: 10, opset_import: ["" : 20]>
g (float[1,2,6,6] x) => (float[1,4] y) {
   a = Conv <pads: ints = [1,1,1,1]> (x, w1)
   b = Relu (a)
   c = ConvTranspose <strides: ints = [2,2]> (b, w2, b2)
   d = Conv <group: int = 3> (c, w3, b2)
   e = GlobalAveragePool (d)
   f = Flatten (e)
   y = Gemm <transB: int = 1, alpha: float = 2.0, beta: float = 0.5> (f, w4, b4)
}"""
SHAPES = {"w1": (5, 2, 3, 3), "w2": (5, 3, 2, 2), "b2": (3,), "w3": (3, 1, 3, 3), "w4": (4, 3), "b4": (1, 4)}


@pytest.fixture
def model():
    # the parser wants every value defined: constants are inputs first, initializers then
    r = np.random.default_rng(0)
    names = "".join(f", float[{','.join(map(str, s))}] {n}" for n, s in SHAPES.items())
    model = ir.from_onnx_text(TEXT.replace("float[1,2,6,6] x", "float[1,2,6,6] x" + names))
    for value in list(model.graph.inputs)[1:]:
        value.const_value = ir.tensor(r.normal(size=SHAPES[value.name]).astype(np.float32), name=value.name)
        model.graph.inputs.remove(value)
        model.graph.register_initializer(value)
    graph.infer(model)
    graph.name_everything(model)
    return model


@pytest.fixture
def samples():
    r = np.random.default_rng(1)
    return [{"x": r.uniform(0, 1, (1, 2, 6, 6)).astype(np.float32)} for _ in range(8)]


def weight(model, name):
    return model.graph.initializers[name].const_value.numpy()


def coarse(model, *names):
    """Weights floored, by their place: a quantization with a strong mean error."""
    return {places(model)[n]: np.floor(weight(model, n) * 4) / 4 for n in names}


def places(model):
    """Where each weight is read: its node and the index of the input."""
    return {node.inputs[1].name: (node.name, 1) for node in model.graph if len(node.inputs) > 1}


def means(model, samples, value):
    session = FloatSession(model, [value])
    return np.mean([s.mean(axis=tuple(i for i in range(s.ndim) if i != 1)) for s in
                    (session.run(x)[value].astype(np.float64) for x in samples)], axis=0)  # fmt: skip


def seen(model, samples):
    """The mean inputs over the samples."""
    found = mean_inputs(model)
    watch(model, samples, found.items())
    return found


@pytest.mark.parametrize("name, value", [("w1", "a"), ("w2", "c"), ("w3", "d"), ("w4", "y")])
def test_the_mean_of_the_output_comes_back(model, samples, name, value):
    weights = coarse(model, name)
    corrected = correct_biases(model, weights, seen(model, samples))
    corrected, quantized = with_weights(corrected, weights), with_weights(model, weights)
    expected = means(model, samples, value)
    assert np.abs(means(quantized, samples, value) - expected).max() > 0.05
    assert np.allclose(means(corrected, samples, value), expected, atol=2e-5)


def test_nothing_is_corrected_twice(model, samples):
    """Correcting all nodes shifts each by what it shifts alone."""
    everything = correct_biases(model, coarse(model, "w1", "w2", "w3", "w4"), seen(model, samples))
    for name, value in (("w1", "a"), ("w2", "c"), ("w3", "d"), ("w4", "y")):
        alone = correct_biases(model, coarse(model, name), seen(model, samples))
        bias = f"{value}/corrected_bias"
        assert np.array_equal(weight(everything, bias), weight(alone, bias))


def test_the_model_given_stays_and_shared_biases_part(model, samples):
    before = ir.to_proto(model).SerializeToString()
    corrected = correct_biases(model, coarse(model, "w2"), seen(model, samples))
    assert ir.to_proto(model).SerializeToString() == before
    assert np.array_equal(weight(corrected, "b2"), weight(model, "b2"))  # still read by the other node
    assert "c/corrected_bias" in corrected.graph.initializers
    both = correct_biases(model, coarse(model, "w2", "w3"), seen(model, samples))
    assert "b2" not in both.graph.initializers


def test_exact_weights_change_nothing(model, samples):
    same = {places(model)[n]: weight(model, n) for n in ("w1", "w2", "w3", "w4")}
    corrected = correct_biases(model, same, seen(model, samples))
    for x in samples:
        assert np.array_equal(FloatSession(corrected).run(x)["y"], FloatSession(model).run(x)["y"])


def test_the_rounding_of_inputs_is_made_up_for(model, samples):
    """On what the codes mean, the corrected node has the float model's mean."""
    q = QuantParams(0.4, 1.0, 2)  # what is above 0.8 saturates
    rounding = mean_inputs(model, {"x": q})
    assert list(rounding) == ["x"]
    watch(model, samples, rounding.items())
    corrected = correct_biases(model, {places(model)["w1"]: weight(model, "w1")}, rounding, of_inputs=True)
    rounded = [{"x": numerics.dequantize(numerics.quantize(s["x"], q), q)} for s in samples]
    expected = means(model, samples, "a")
    assert np.abs(means(model, rounded, "a") - expected).max() > 0.05
    assert np.allclose(means(corrected, rounded, "a"), expected, atol=2e-5)


def test_no_weights_are_no_work(model):
    assert len(list(correct_biases(model, {}, mean_inputs(model)).graph)) == len(list(model.graph))


WINDOWS = [  # operator, shapes of x and w, attributes
    ("Conv", (1, 4, 9, 7), (6, 4, 3, 3), "pads: ints = [1,1,1,1]"),
    ("Conv", (2, 4, 9, 7), (6, 2, 3, 2), "group: int = 2, strides: ints = [2,3], pads: ints = [1,0,2,1]"),
    ("Conv", (1, 4, 9, 7), (4, 1, 5, 5), 'group: int = 4, strides: ints = [2,2], auto_pad: string = "SAME_UPPER"'),
    ("Conv", (1, 4, 8, 8), (3, 4, 2, 2), 'strides: ints = [2,2], auto_pad: string = "SAME_LOWER"'),
    ("Conv", (1, 3, 12), (5, 3, 3), "dilations: ints = [4], pads: ints = [4,4]"),
    ("Conv", (1, 3, 3, 3), (5, 3, 3, 3), "strides: ints = [4,4], pads: ints = [5,5,5,5]"),
    ("ConvTranspose", (1, 4, 5, 4), (4, 3, 3, 3), "strides: ints = [2,2], pads: ints = [1,1,1,1]"),
    (
        "ConvTranspose",
        (1, 4, 5, 4),
        (4, 3, 3, 2),
        "group: int = 2, strides: ints = [3,2], output_padding: ints = [1,0]",
    ),
    ("ConvTranspose", (1, 4, 5, 4), (4, 3, 4, 4), 'strides: ints = [2,2], auto_pad: string = "SAME_UPPER"'),
    ("ConvTranspose", (1, 4, 5, 4), (4, 3, 3, 3), "strides: ints = [2,2], output_shape: ints = [8,9]"),
    (
        "ConvTranspose",
        (1, 4, 5, 4),
        (4, 3, 3, 3),
        'strides: ints = [2,2], output_shape: ints = [8,7], auto_pad: string = "VALID"',
    ),
    ("ConvTranspose", (1, 4, 6), (4, 2, 3), "dilations: ints = [2], strides: ints = [2], pads: ints = [3,1]"),
]


@pytest.mark.parametrize("op, x, w, attributes", WINDOWS)
def test_mean_inputs_make_the_mean_of_the_output(op, x, w, attributes):
    """The weights themselves are the error: what is added is the mean of the whole output."""
    r = np.random.default_rng(2)
    shape = {"x": x, "w": w}
    text = ", ".join(f"float[{','.join(map(str, s))}] {n}" for n, s in shape.items())
    model = ir.from_onnx_text(f'<ir_version: 10, opset_import: ["" : 20]>\ng ({text}) => (y) {{\n'
                              f"y = {op} <{attributes}> (x, w)\n}}".replace("=> (y)", "=> (float y)"))  # fmt: skip
    value = model.graph.inputs.pop()
    value.const_value = ir.tensor(r.normal(size=w).astype(np.float32), name="w")
    model.graph.register_initializer(value)
    samples = [{"x": r.normal(1, 1, x).astype(np.float32)} for _ in range(3)]
    outputs = [FloatSession(model, ["y"]).run(s)["y"] for s in samples]
    node = model.graph[0]
    node.name, node.outputs[0].shape = "n", ir.Shape(outputs[0].shape)
    corrected = correct_biases(model, {("n", 1): np.zeros(w)}, seen(model, samples))
    expected = np.mean([y.astype(np.float64).mean(axis=(0, *range(2, y.ndim))) for y in outputs], axis=0)
    np.testing.assert_allclose(weight(corrected, "y/corrected_bias"), expected, rtol=1e-5, atol=1e-5)
