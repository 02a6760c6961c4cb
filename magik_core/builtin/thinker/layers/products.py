"""Layers with weights: sums of products in 32 bits, rounded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magik_core.builtin.onnx_quantized.expansion import at, attributes
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import converts
from magik_core.builtin.thinker import fixed
from magik_core.builtin.thinker.fixed import DOMAINS

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

WINDOW = ("auto_pad", "dilations", "group", "kernel_shape", "output_padding", "pads", "strides")
KEEPS_RANK = frozenset({
    "BatchNorm2dInt", "Dequant", "Dropout", "Identity", "LayerNormInt", "LinearInt", "QAdd", "QLayerNorm", "QLinear",
    "QMul", "QRelu", "QSigmoid", "QTanh", "Quant", "Relu", "Requant", "iqAdd", "iqClamp", "iqMul", "iqSigmoid", "iqSub",
    "iqTanh",
})  # fmt: skip


@converts(
    "Conv1dInt", "Conv2dInt", "QConv1d", "QConv2d", "QConvBN1d", "QConvBN2d", domains=DOMAINS, inputs=(2, 3)
)  # fmt: skip
def conv(node: NodeProto, to: Expansion) -> None:
    """Conv, and Relu where `act_type` is 1; the bias is s32 of scale `scale_x * scale_w`."""
    _product(node, to, "Conv", **attributes(node, *WINDOW))


@converts(
    "ConvTranspose1dInt", "ConvTranspose2dInt", "QConvTranspose1d", "QConvTranspose2d", "QConvTransposeBN1d",
    "QConvTransposeBN2d", domains=DOMAINS, inputs=(2, 3),
)  # fmt: skip
def conv_transpose(node: NodeProto, to: Expansion) -> None:
    """ConvTranspose, otherwise as a convolution."""
    _product(node, to, "ConvTranspose", **attributes(node, *WINDOW))


def _product(node: NodeProto, to: Expansion, op: str, **given: object) -> None:
    x, by = fixed.given(node, to, 0, "scale_x")
    by_w = fixed.scale(node, to, "scale_w")
    if by_w is None or fixed.weight(node, to, 1) is None or not to.is_sound:
        return
    inputs = [x, fixed.real_weight(node, to, 1, by_w)]
    if at(node, 2):
        inputs.append(fixed.real_bias(node, to, 2, by * by_w))
    _activated(node, to, op, inputs, **given)


def _activated(node: NodeProto, to: Expansion, op: str, inputs: list[str], **given: object) -> None:
    """The operator and what the packer has fused behind it."""
    act = attribute(node, "act_type", 0)
    if act not in (0, 1):
        to.problem("a fused activation is not supported", f"act_type {act!r:.40}", "0, or 1: Relu")
    elif not to.is_sound:
        return
    elif act == 1:
        fixed.result(node, to, "Relu", [to.between(op, inputs, f"{node.output[0]}/linear", **given)])
    else:
        fixed.result(node, to, op, inputs, **given)


@converts("LinearInt", "QLinear", domains=DOMAINS, inputs=(2, 3))
def linear(node: NodeProto, to: Expansion) -> None:
    """Gemm where its input is known to be a matrix, else MatMul and Add; the bias is that of a convolution."""
    x, by = fixed.given(node, to, 0, "scale_x")
    by_w = fixed.scale(node, to, "scale_w")
    codes = None if by_w is None else fixed.weight(node, to, 1)
    if codes is None or by_w is None or not to.is_sound:
        return
    if codes.ndim != 2:
        to.problem("weights of a Linear are no matrix", f"{list(codes.shape)}", "[outputs, inputs]")
        return
    bias = [fixed.real_bias(node, to, 2, by * by_w)] if at(node, 2) else []
    if rank(to, node.input[0]) == 2:
        _activated(node, to, "Gemm", [x, fixed.real_weight(node, to, 1, by_w), *bias], transB=1)
        return
    inputs = [x, fixed.real_weight(node, to, 1, by_w, codes.T)]
    if bias:
        _activated(node, to, "Add", [to.between("MatMul", inputs, f"{node.output[0]}/product"), *bias])
    else:
        _activated(node, to, "MatMul", inputs)


def rank(to: Expansion, name: str) -> int | None:
    """How many axes a value has, where the nodes before it say so plainly."""
    for _ in range(len(to.source.nodes) + 1):
        maker = to.source.maker.get(name)
        if maker is None:
            return to.source.ranks.get(name)
        if maker.op_type == "Flatten":
            return 2
        if maker.op_type == "Reshape":
            shape = to.source.array(at(maker, 1))
            return None if shape is None else int(shape.size)
        if maker.op_type not in KEEPS_RANK or not maker.input:
            return None
        name = maker.input[0]
    return None


@converts("BatchNorm1dInt", "BatchNorm2dInt", "QBatchNorm1d", "QBatchNorm2d", domains=DOMAINS, inputs=(3, 5))
def batch_norm(node: NodeProto, to: Expansion) -> None:
    """A depthwise Conv of one tap for 2d, Mul and Add for 1d: `x * weight + bias`, a bias as a convolution's."""
    if len(node.input) != 3:
        found, need = f"{len(node.input)} inputs", "3: the statistics are part of weight and bias"
        to.problem("a normalization has statistics of its own", found, need, "export the model with fused statistics")
        return
    x, by = fixed.given(node, to, 0, "scale_x")
    by_w = fixed.scale(node, to, "scale_w")
    codes = None if by_w is None else fixed.weight(node, to, 1)
    if codes is None or by_w is None or not to.is_sound:
        return
    bias = fixed.real_bias(node, to, 2, by * by_w)
    if "2d" in node.op_type:
        weights = fixed.real_weight(node, to, 1, by_w, codes.reshape(-1, 1, 1, 1))
        fixed.result(node, to, "Conv", [x, weights, bias], group=int(codes.size))
    elif rank(to, node.input[0]) == 2:
        scaled = to.between("Mul", [x, fixed.real_weight(node, to, 1, by_w)], f"{node.output[0]}/scaled")
        fixed.result(node, to, "Add", [scaled, bias])
    else:
        weights = fixed.real_weight(node, to, 1, by_w, codes.reshape(-1, 1, 1))
        fixed.result(node, to, "Conv", [x, weights, bias], group=int(codes.size))


@converts("BmmInt", "MatMulInt", "QBmm", "QMatmul", domains=DOMAINS, inputs=2)
def matmul(node: NodeProto, to: Expansion) -> None:
    """MatMul."""
    inputs = [fixed.given(node, to, 0, "scale_x")[0], fixed.given(node, to, 1, "scale_y")[0]]
    if to.is_sound:
        fixed.result(node, to, "MatMul", inputs)


@converts("EmbeddingInt", "Gather", "QEmbedding", domains=DOMAINS, inputs=2)
def embedding(node: NodeProto, to: Expansion) -> None:
    """Gather of weights."""
    by = fixed.scale(node, to, "scale_w")
    if by is None or fixed.weight(node, to, 0) is None or not to.is_sound:
        return
    weights = fixed.real_weight(node, to, 0, by)
    made = fixed.output(node, to) or fixed.params(by, fixed.bits(node, to, "w_bits", "parameter_bits"))
    if to.is_sound:
        to.result(node.output[0], made, "Gather", [weights, node.input[1]], axis=0)
