"""Where floats become codes and codes floats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magik_core.builtin.onnx_quantized.params import RANGES
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import converts
from magik_core.builtin.thinker import fixed
from magik_core.builtin.thinker.fixed import DOMAINS

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion


@converts("Quant", domains=DOMAINS, inputs=1)
def quant(node: NodeProto, to: Expansion) -> None:
    """QuantizeLinear and DequantizeLinear; of a constant its codes."""
    by, width = fixed.scale(node, to, "scale_x"), fixed.bits(node, to, "data_bits", "x_bits")
    if attribute(node, "zero_point", 0):
        to.problem("a zero point is not 0", f"{attribute(node, 'zero_point')}")
    if not to.is_sound or by is None:
        return
    x, y = node.input[0], node.output[0]
    if x in to.source.tensors:
        array = to.source.array(x)
        assert array is not None
        params = fixed.params(by, width)
        codes = np.clip(np.floor(array.astype(np.float64) * by + 0.5), *RANGES[params.dtype])
        to.source.tensors[y] = to.tensor(y, codes.astype(np.int64), params.dtype)
    elif width == 32:
        to.node("Identity", [x], [y])
        to.floats.add(y)
    else:
        to.quantized(y, fixed.params(by, width), x, node.name)


@converts("Dequant", domains=DOMAINS, inputs=1)
def dequant(node: NodeProto, to: Expansion) -> None:
    """DequantizeLinear."""
    x, y = node.input[0], node.output[0]
    real, _ = fixed.given(node, to, 0, "scale_o", "scale_x")
    if not to.is_sound:
        return
    if x in to.params:
        to.dequantized(x, to.params[x], out=y, label=node.name)
    else:
        to.node("Identity", [real], [y])


@converts("Requant", "ReQuant", domains=DOMAINS, inputs=1)
def requant(node: NodeProto, to: Expansion) -> None:
    """QuantizeLinear and DequantizeLinear of other scale or bits."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    made = fixed.output(node, to)
    if not to.is_sound:
        return
    if made is None:
        to.node("Identity", [x], [node.output[0]])
        to.floats.add(node.output[0])
    else:
        to.quantized(node.output[0], made, x, node.name)
