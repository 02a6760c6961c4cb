"""Bias correction: take out the mean error that quantized weights cause."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx_ir as ir

from magik_core import light
from magik_core.mean_inputs import Mean, MeanRounding, Window, window
from magik_core.program import QuantParams
from magik_core.weights import Place, replace_constant

_WITH_BIAS = ("Conv", "ConvTranspose", "Gemm")


def mean_inputs(model: ir.Model, values: Mapping[str, QuantParams] | None = None) -> dict[str, Mean]:
    """An observer for every value that a node reads whose bias can be corrected, by the value's name.

    With `values`, parameters of activations, it is their rounding and clipping that is observed.
    """
    windows: dict[str, set[Window]] = {}
    for node in model.graph:
        if _is_correctable(node):
            windows.setdefault(_input(node), set()).add(window(node))
    if values is None:
        return {name: Mean(found) for name, found in windows.items()}
    return {name: MeanRounding(found, values[name]) for name, found in windows.items() if name in values}


def corrected(model: ir.Model) -> dict[Place, str]:
    """The weights of every node whose bias can be corrected, with the value that the node reads."""
    return {(node.name or "", 1): _input(node) for node in model.graph if _is_correctable(node)}


def correct_biases(
    model: ir.Model,
    weights: Mapping[Place, np.ndarray],
    means: Mapping[str, Mean],
    *,
    of_inputs: bool = False,
    in_float: Collection[str] = (),
) -> ir.Model:
    """A copy of `model` whose biases make up for what quantization did to the weights, on average.

    For every Conv, ConvTranspose and Gemm whose weight W has a quantized form W' in `weights` (node and
    index of its input -> the reals that its codes mean, shape of the initializer):

        bias += E[op(x, W)] - E[op(x, W')] = op(E[x], W - W')

    per output channel, over samples and positions, with x the float model's, as `means` has seen it: each node makes
    up for its own weights only, so that nothing is corrected twice, and since the operators are linear, the mean
    input of each tap is all that it takes. A missing bias is added; a bias that is computed stays as it is. MatMul has
    no bias and is left alone.

    `of_inputs`: `means` has seen the rounding x - x' of the inputs, and it is that which is made up for:
    bias += op(E[x - x'], W'), and `in_float` names the nodes whose W' is W.

    Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019,
            section 4.2, measured rather than derived from BatchNorm.
    """
    out = light.from_proto(*light.to_proto(model))
    for node in list(out.graph):
        weight, place = node.inputs[1] if _is_correctable(node) else None, (node.name or "", 1)
        is_real = of_inputs and node.name in in_float
        if weight is None or weight.const_value is None or _input(node) not in means:
            continue
        if place not in weights and not is_real:
            continue
        w = (weight.const_value.numpy() if is_real else weights[place]).astype(np.float64)
        if not of_inputs:
            np.subtract(weight.const_value.numpy(), w, out=w)
        _add_to_bias(node, _mean_output(node, w, means[_input(node)].met(window(node))))
    return out


def _input(node: ir.Node) -> str:
    x = node.inputs[0]
    return (x.name if x is not None else "") or ""


def _is_correctable(node: ir.Node) -> bool:
    weight = node.inputs[1] if node.op_type in _WITH_BIAS else None
    if weight is None or weight.const_value is None:
        return False
    bias = _bias(node)
    return (bias is None or bias.const_value is not None) and node.attributes.get_float("beta", 1.0) != 0


def _bias(node: ir.Node) -> ir.Value | None:
    return node.inputs[2] if len(node.inputs) > 2 else None


def _mean_output(node: ir.Node, w: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The mean of op(x, w) per output channel, without the bias; x (channels, taps) is the mean input."""
    if node.op_type == "Gemm":
        rows = w if node.attributes.get_int("transB", 0) else w.T
        return np.asarray(rows @ x[:, 0]) * node.attributes.get_float("alpha", 1.0)
    groups, taps = node.attributes.get_int("group", 1), x.shape[1]
    met = x.reshape(groups, -1, taps)
    if node.op_type == "ConvTranspose":
        return np.einsum("giot,git->go", w.reshape(groups, met.shape[1], -1, taps), met).reshape(-1)
    return np.einsum("goit,git->go", w.reshape(groups, -1, met.shape[1], taps), met).reshape(-1)


def _add_to_bias(node: ir.Node, shift: np.ndarray) -> None:
    """Give the node a bias of its own: the old one may be shared."""
    old = _bias(node)
    start = np.zeros(1) if old is None or old.const_value is None else old.const_value.numpy()
    bias = start.astype(np.float64) + shift / node.attributes.get_float("beta", 1.0)
    node.resize_inputs(3)
    replace_constant(node, 2, f"{node.outputs[0].name}/corrected_bias", bias.astype(np.float32))
