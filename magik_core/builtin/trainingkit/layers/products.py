"""Layers with weights: convolutions, matrix products and normalizations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from magik_core.builtin.onnx_quantized.table import converts
from magik_core.builtin.thinker.layers.products import rank
from magik_core.builtin.trainingkit import DOMAIN, emit
from magik_core.builtin.trainingkit.arithmetic import (
    REAL,
    Array,
    Grid,
    input_grid,
    is_odd,
    normalization,
    weight_codes,
)
from magik_core.builtin.trainingkit.fields import WEIGHT_BITS, Fields, array, preprocessing

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

SIZES = 1 << 16


@dataclass(frozen=True)
class Folded:
    """Weights and bias of a layer with its normalization and its clip value in them.

    Args: codes: int64 (O, …); scales, bias: (O); grid: of the output; slope: of a PRelu, (O), or None.
    """

    codes: Array
    scales: Array
    bias: Array
    grid: Grid | None
    slope: Array | None


def fold(node: NodeProto, to: Expansion, given: Fields) -> Folded | None:
    """Read the eight inputs of a layer: x, weight, bias, gamma, beta, mean, var, slope; None, and problems, if unsound.

    The result of a layer is its sum, normalized, divided by its clip value.
    """
    w = array(node, to, 1, "the weights")
    channels = len(w) if w.ndim else 0
    bias = array(node, to, 2, "the biases")
    bias = np.zeros(channels, np.float32) if bias.size == 1 and channels != 1 and not bias.any() else bias.reshape(-1)
    bits, factor = given.bits("weight_bitwidth", WEIGHT_BITS), given.positive("weight_factor", 3.0)
    grid, clip, epsilon = given.grid(), given.positive("clip_max_value"), given.real("epsilon", 0.0)
    gain, offset = np.ones(channels), np.zeros(channels)
    if epsilon:
        numbers = [array(node, to, i, "statistics", channels) for i in range(3, 7)]
        gain, offset = normalization(numbers, epsilon)
    slope = array(node, to, 7, "slopes").reshape(-1) if given.flag("with_negtive_alpha") else None
    device = given.device("weight_target_device" if "weight_target_device" in given.values else "target_device")
    if bits == REAL:
        to.problem("a quantized layer has weights without codes", f"weight_bitwidth {bits}", "2 to 8")
    if w.ndim < 2 or bias.size != channels or (slope is not None and slope.size not in (1, channels)):
        found = f"weights {list(w.shape)}, {bias.size} biases"
        to.problem("weights, biases and slopes of a layer do not fit each other", found)
    if not to.is_sound:
        return None
    codes, scales = weight_codes(w, bits, factor, device, is_depthwise=given.flag("is_dwconv"))
    clip = clip if grid is not None else 1.0
    return Folded(codes, scales * gain / clip, (bias * gain + offset) / clip, grid, slope)


@converts("QuantizeConv2DInference", "QuantizeConv1DInference", domains=(DOMAIN,), inputs=(3, 8))
def conv(node: NodeProto, to: Expansion) -> None:
    """Conv of weights in codes, its normalization folded in; Max of two where it has slopes; rounded once."""
    given = Fields.of(node, to)
    window, folded = given.inner("conv_param"), fold(node, to, given)
    if folded is None:
        return
    axes = folded.codes.ndim - 2
    strides, dilations = (window.wholes(k, 2, 1, SIZES)[-axes:] for k in ("strides", "dilations"))
    groups = window.whole("groups", 1, SIZES, 1)
    is_same = window.text("padding", "VALID") == "SAME"
    pads = () if is_same or "pads" not in window.values else window.wholes("pads", 4, 0, SIZES)
    if axes not in (1, 2) or not to.is_sound:
        return
    x, bias = _input(node, to, given), folded.bias
    attributes: dict[str, object] = {"group": groups, "strides": strides, "dilations": dilations}
    if is_same:
        attributes["auto_pad"] = "SAME_UPPER"
    elif pads:
        attributes["pads"] = pads if axes == 2 else (pads[1], pads[3])
    if (is_same or any(pads)) and _pads_with_the_least(given):
        x, bias = _shifted(to, x, folded)
    _product(node, to, "Conv", x, replace(folded, bias=bias), **attributes)


def _product(node: NodeProto, to: Expansion, op: str, x: str, folded: Folded, **attributes: object) -> None:
    """A Conv or Gemm, rounded.

    One with slopes is the larger of two, one of them times the slopes; the smaller where no slope is below 1. Rounding
    keeps an order, so that is the result rounded once. Where some slopes are below 1 and some above, PRelu stays.
    """
    out, slope, grid = node.output[0], folded.slope, folded.grid
    if slope is None or grid is None or ((slope > 1).any() and (slope < 1).any()):
        axes = folded.codes.ndim - 2
        wide = None if slope is None else slope.reshape(-1, *(1,) * axes)
        emit.feature(to, op, _operands(node, to, x, folded), grid, out, wide, **attributes)
        return
    slope = np.broadcast_to(slope.astype(np.float64), folded.bias.shape)
    both = []
    for part in (folded, _times(folded, slope)):
        value = to.between(op, _operands(node, to, x, part), f"{out}/side", **attributes)
        both.append(emit.rounded(to, value, grid, to.unique(f"{out}/rounded_side")))
    emit.rounded(to, to.between("Min" if (slope > 1).any() else "Max", both, f"{out}/float"), grid, out)


def _operands(node: NodeProto, to: Expansion, x: str, folded: Folded) -> list[str]:
    w = emit.real_weights(to, node.input[1], folded.codes, folded.scales)
    return [x, w, emit.constant(to, to.unique(f"{node.output[0]}/bias"), folded.bias)]


def _times(folded: Folded, factor: Array) -> Folded:
    """A layer times a factor for each channel."""
    wide = np.sign(factor).astype(np.int64).reshape(-1, *(1,) * (folded.codes.ndim - 1))
    scales = np.where(factor != 0, folded.scales * np.abs(factor), folded.scales)
    return replace(folded, codes=folded.codes * wide, scales=scales, bias=folded.bias * factor)


def _input(node: NodeProto, to: Expansion, given: Fields) -> str:
    """What the layer reads; the first one's pixels in codes."""
    return _pixels(node, to, given, "is_input", "feature_var", "input_min_value")


def _pixels(node: NodeProto, to: Expansion, given: Fields, first: str, var: str, low: str) -> str:
    """What a layer reads; pixels in codes, if they have none yet.

    Args: first, var, low: names of the fields that say whether it is the first layer, and what its pixels mean.
    """
    if not given.flag(first) or _is_preprocessed(node.input[0], to):
        return node.input[0]
    scale = given.positive(var, 255.0)
    mean = max(-given.real(low, 0.0), 0.0) * scale
    return emit.rounded(to, node.input[0], input_grid(mean, scale), to.unique(f"{node.output[0]}/pixels"))


def _is_preprocessed(name: str, to: Expansion) -> bool:
    """Whether a mark before the layer says what pixels mean."""
    maker = to.source.maker.get(name)
    while maker is not None and maker.op_type in ("NOp", "Identity") and maker.input:
        if preprocessing(maker, to) is not None:
            return True
        maker = to.source.maker.get(maker.input[0])
    return False


def _pads_with_the_least(given: Fields) -> bool:
    """Whether a tap on padding reads -1, which is code 0."""
    is_signed = given.real("input_min_value", 0.0) < 0
    return is_odd(given.device()) and is_signed and not given.flag("is_input")


def _shifted(to: Expansion, x: str, folded: Folded) -> tuple[str, Array]:
    """x + 1, whose padding is 0, and the bias that takes the 1 back."""
    shifted = to.aside("Add", [x, emit.constant(to, f"{x}/one", np.ones(()))], f"{x}/from_zero")
    total = folded.codes.reshape(len(folded.codes), -1).sum(axis=1)
    return shifted, folded.bias - total * folded.scales


@converts("QuantizeFullconnectedInference", domains=(DOMAIN,), inputs=(3, 8))
def full_connected(node: NodeProto, to: Expansion) -> None:
    """Gemm of a matrix, else MatMul and Add, its normalization folded in; Max of two with slopes; rounded once."""
    given = Fields.of(node, to)
    folded = fold(node, to, given)
    if folded is None:
        return
    out = node.output[0]
    folded = replace(folded, codes=folded.codes.reshape(len(folded.codes), -1))
    if rank(to, node.input[0]) in (2, None):
        _product(node, to, "Gemm", node.input[0], folded, transB=1)
        return
    _, w, bias = _operands(node, to, node.input[0], folded)
    turned = to.between("Transpose", [w], f"{out}/turned", perm=(1, 0))
    product = to.between("MatMul", [node.input[0], turned], f"{out}/product")
    emit.feature(to, "Add", [product, bias], folded.grid, out, folded.slope)


@converts("QuantizeBatchNormInference", domains=(DOMAIN,), inputs=(5, 6))
def batch_norm(node: NodeProto, to: Expansion) -> None:
    """A depthwise Conv of one tap whose codes are all 127; rounded once."""
    given = Fields.of(node, to)
    gamma = array(node, to, 1, "statistics")
    count = gamma.size
    numbers = [array(node, to, i, "statistics", count) for i in range(1, 5)]
    grid, clip, epsilon = given.grid(), given.positive("clip_max_value"), given.positive("epsilon", 1e-5)
    slope = array(node, to, 5, "slopes").reshape(-1) if given.flag("with_negtive_alpha") else None
    if not to.is_sound:
        return
    gain, offset = normalization(numbers, epsilon)
    clip = clip if grid is not None else 1.0
    codes = np.full((count, 1, 1, 1), 127, np.int64)
    x = _pixels(node, to, given, "first_layer", "img_var", "clip_min_pre")
    _product(node, to, "Conv", x, Folded(codes, gain / clip / 127, offset / clip, grid, slope), group=count)


@converts("QuantizeWeight", domains=(DOMAIN,), inputs=(1, 2), outputs=(1, 2))
def quantize_weight(node: NodeProto, to: Expansion) -> None:
    """DequantizeLinear of the codes of a constant: weights of a layer whose result is float."""
    given = Fields.of(node, to)
    bits, factor = given.bits("weight_bitwidth", WEIGHT_BITS), given.positive("factor", 3.0)
    w, device = array(node, to, 0, "the weights"), given.device()
    if to.is_sound and bits == REAL:
        to.node("Identity", [node.input[0]], [node.output[0]])
    elif to.is_sound:
        codes, scales = weight_codes(w.reshape(len(w), -1), bits, factor, device)
        name = emit.real_weights(to, node.input[0], codes.reshape(w.shape), scales)
        to.node("Identity", [name], [node.output[0]])
