"""Weights of every kind of node: in f32 with features of 32 bits they are what their codes mean in integers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from magik_core.calibrate import watch
from magik_core.correct import correct_biases, mean_inputs
from magik_core.lower import lower
from magik_core.ops.cases import Case, Input, case, floats, weights
from magik_core.program import WeightParams
from magik_core.quantize import quantize, values_to_calibrate
from magik_core.recipe import REAL, Choice, Recipe
from magik_core.weights import has_weights, real_weights, weight_bits, with_weights
from tests import harness
from tests.core.test_lower import model, node

CASES = [
    case("Conv", weights(6, 2, 3, 3), x=(1, 4, 5, 5), group=2),
    case("Conv", weights(4, 1, 3, 3), x=(1, 4, 5, 5), group=4),
    case("Conv", weights(4, 3, 3), floats(4), x=(1, 3, 7)),
    case("ConvTranspose", weights(4, 3, 2, 2), x=(1, 4, 5, 5)),
    case("ConvTranspose", weights(4, 3, 2, 2), x=(1, 4, 5, 5), group=2),
    case("Gemm", weights(5, 3), x=(2, 5)),
    case("Gemm", weights(3, 5), floats(3), x=(2, 5), transB=1),
    case("MatMul", weights(5, 3), x=(2, 4, 5)),
    case("MatMul", weights(1, 5, 3), x=(2, 4, 5)),
    case("MatMul", weights(5), x=(2, 4, 5)),
]


@pytest.mark.parametrize("item", CASES, ids=str)
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_reals_are_those_of_the_codes(item: Case, bits: int) -> None:
    model = harness.model_of(item)
    ranges = harness.ranges_of(item, model)
    coded = lower(model, quantize(model, ranges, Recipe(weight_bits=bits), harness.channel_scales))
    asked = Recipe(feature_bits=REAL, weight_bits=bits)
    quantization = quantize(model, ranges, asked, harness.channel_scales)
    real = lower(with_weights(model, real_weights(model, quantization)), quantization)
    codes, held = coded.tensors["node/w"], real.tensors["node/w"]
    assert isinstance(codes.quant, WeightParams) and codes.data is not None and held.data is not None
    axes = [1] * codes.data.ndim
    axes[codes.data.shape.index(len(codes.quant.scales))] = -1  # the last one of a depthwise convolution
    scales = np.array(codes.quant.scales).reshape(axes)
    assert codes.quant.bits == bits and np.array_equal(held.data, (codes.data * scales).astype(np.float32))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bits", [4, 8])
def test_reals_of_weights_that_take_over_a_factor(bits: int, groups: int) -> None:
    """Codes are of the weights times what the raw input is multiplied by; reals meet the input that float has."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(6, 4 // groups, 3, 3)).astype(np.float32)
    gain = np.array([1, 0.1, 0.01, -2], np.float32)
    nodes = [
        node("Sub", "x mean", "a", "less"),
        node("Mul", "a gain", "b", "times"),
        node("Conv", "b w", "y", "conv", pads=[1] * 4, group=groups),
    ]
    mean = np.array([100, 50, 0, 7], np.float32).reshape(1, 4, 1, 1)
    graph = model(nodes, (1, 4, 5, 5), ["y"], mean=mean, gain=gain.reshape(1, 4, 1, 1), w=w)
    recipe = Recipe(weight_bits=bits)
    ranges = dict.fromkeys(values_to_calibrate(graph, recipe), (-100.0, 100.0))
    quantization = quantize(graph, ranges, recipe, harness.channel_scales)
    held = lower(graph, quantization).tensors["conv/w"]
    assert isinstance(held.quant, WeightParams) and held.data is not None
    scaled = held.data * np.array(held.quant.scales)[:, None, None, None]
    met = np.array([gain[(o * groups // 6) * (4 // groups) :][: 4 // groups] for o in range(6)])
    want = np.moveaxis(scaled / met[:, None, None, :], -1, 1)
    (real,) = real_weights(graph, quantization).values()
    np.testing.assert_allclose(real, want, rtol=1e-6)
    assert np.abs(real - w).max() > 1e-4


def shared() -> tuple[ir.Model, Recipe]:
    """One weight that three nodes read: in 4 bits, in 16 bits and in f32."""
    names = ("four", "sixteen", "real")
    nodes = [node("Conv", f"{x} w b", y, name) for x, y, name in zip("xuv", "uvy", names, strict=True)]
    w = np.random.default_rng(0).normal(size=(3, 3, 1, 1)).astype(np.float32)
    graph = model(nodes, (1, 3, 4, 4), ["y"], w=w, b=np.zeros(3, np.float32))
    widths = (Choice(weight_bits=4), Choice(weight_bits=16), Choice(feature_bits=REAL))
    return graph, Recipe(nodes=dict(zip(names, widths, strict=True)))


def test_nodes_that_share_a_weight_have_their_own_codes() -> None:
    graph, recipe = shared()
    ranges = dict.fromkeys(values_to_calibrate(graph, recipe), (-3.0, 3.0))
    quantization = quantize(graph, ranges, recipe, harness.channel_scales)
    coded, reals = lower(graph, quantization), real_weights(graph, quantization)
    assert list(reals) == [("four", 1), ("sixteen", 1)]
    own = with_weights(graph, reals).graph
    for name, real in (("four", reals["four", 1]), ("sixteen", reals["sixteen", 1]), ("real", None)):
        held = coded.tensors[f"{name}/w"]
        assert held.data is not None
        scales = np.array(held.quant.scales) if isinstance(held.quant, WeightParams) else np.ones(3)
        want = np.moveaxis(held.data * scales[:, None, None, None], -1, 1).astype(np.float32)
        value = next(n for n in own if n.name == name).inputs[1]
        assert value is not None and value.const_value is not None
        assert np.array_equal(value.const_value.numpy(), want)
        assert real is None or np.array_equal(real, want)
    means = mean_inputs(graph)
    watch(graph, [{"x": np.ones((1, 3, 4, 4), np.float32)}], means.items())
    corrected = {n.name: n.inputs[2].name for n in correct_biases(graph, reals, means).graph}  # type: ignore[union-attr]
    assert corrected == {"four": "u/corrected_bias", "sixteen": "v/corrected_bias", "real": "b"}


def test_matrices_that_are_lowered_as_activations_stay() -> None:
    model = harness.model_of(case("MatMul", weights(2, 5, 3), x=(2, 4, 5)))
    (node,) = model.graph
    assert has_weights(node) and weight_bits(model, Recipe(weight_bits=4)) == {"node": 4}
    quantization = quantize(model, {}, Recipe(feature_bits=REAL, weight_bits=2), harness.channel_scales)
    assert real_weights(model, quantization) == {}


def test_nodes_without_constants_have_no_weights() -> None:
    model = harness.model_of(case("MatMul", Input((2, 5, 3)), x=(2, 4, 5)))
    assert not has_weights(next(iter(model.graph)))
    assert weight_bits(model, Recipe()) == {}
