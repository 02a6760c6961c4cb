"""Bias correction takes the mean error out, node by node."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from magik_core.calibrate import FloatSession
from magik_core.correct import correct_biases

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
    return model


@pytest.fixture
def samples():
    r = np.random.default_rng(1)
    return [{"x": r.uniform(0, 1, (1, 2, 6, 6)).astype(np.float32)} for _ in range(8)]


def weight(model, name):
    return model.graph.initializers[name].const_value.numpy()


def coarse(model, *names):
    """Weights floored: a quantization with a strong mean error."""
    return {n: np.floor(weight(model, n) * 4) / 4 for n in names}


def means(model, samples, value):
    session = FloatSession(model, [value])
    return np.mean([s.mean(axis=tuple(i for i in range(s.ndim) if i != 1)) for s in
                    (session.run(x)[value].astype(np.float64) for x in samples)], axis=0)  # fmt: skip


@pytest.mark.parametrize("name, value", [("w1", "a"), ("w2", "c"), ("w3", "d"), ("w4", "y")])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_mean_of_the_output_comes_back(model, samples, name, value, threads):
    weights = coarse(model, name)
    corrected = correct_biases(model, weights, samples, threads=threads)
    for m in (corrected, quantized := ir.from_proto(ir.to_proto(model))):
        m.graph.initializers[name].const_value = ir.tensor(weights[name], name=name)
    expected = means(model, samples, value)
    assert np.abs(means(quantized, samples, value) - expected).max() > 0.05
    assert np.allclose(means(corrected, samples, value), expected, atol=2e-5)


def test_nothing_is_corrected_twice(model, samples):
    """Correcting all nodes shifts each by what it shifts alone."""
    everything = correct_biases(model, coarse(model, "w1", "w2", "w3", "w4"), samples)
    for name, value in (("w1", "a"), ("w2", "c"), ("w3", "d"), ("w4", "y")):
        alone = correct_biases(model, coarse(model, name), samples)
        bias = f"{value}/corrected_bias"
        assert np.array_equal(weight(everything, bias), weight(alone, bias))


def test_the_model_given_stays_and_shared_biases_part(model, samples):
    before = ir.to_proto(model).SerializeToString()
    corrected = correct_biases(model, coarse(model, "w2"), samples)
    assert ir.to_proto(model).SerializeToString() == before
    assert np.array_equal(weight(corrected, "b2"), weight(model, "b2"))  # still read by the other node
    assert "c/corrected_bias" in corrected.graph.initializers
    both = correct_biases(model, coarse(model, "w2", "w3"), samples)
    assert "b2" not in both.graph.initializers


def test_exact_weights_change_nothing(model, samples):
    same = {n: weight(model, n) for n in ("w1", "w2", "w3", "w4")}
    corrected = correct_biases(model, same, samples)
    for x in samples:
        assert np.array_equal(FloatSession(corrected).run(x)["y"], FloatSession(model).run(x)["y"])


def test_no_weights_are_no_work(model):
    assert len(list(correct_biases(model, {}, []).graph)) == len(list(model.graph))


def test_progress_is_told(model, samples):
    seen = []
    correct_biases(model, coarse(model, "w1"), samples, progress=lambda *a: seen.append(a))
    assert seen == [(i, 8) for i in range(1, 9)]
