"""QuantizeLinear and DequantizeLinear, the form itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto

from magik_core.builtin.onnx_quantized.expansion import at
from magik_core.builtin.onnx_quantized.params import NAMES, Params, quantize, type_name
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import MICROSOFT, STANDARD, converts

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion


@converts("QuantizeLinear", domains=(STANDARD, MICROSOFT), inputs=(2, 3))
def quantize_linear(node: NodeProto, to: Expansion) -> None:
    """QuantizeLinear; of a constant its codes."""
    x, y = node.input[0], node.output[0]
    _check_blocks(node, to)
    if not at(node, 2):
        wanted = attribute(node, "output_dtype", 0) or TensorProto.UINT8
        to.source.declared[y] = wanted
    is_constant = x in to.source.tensors
    axis = attribute(node, "axis", 1) if is_constant else None
    params = to.read(y, node.input[1], at(node, 2), axis, x)
    if params.dtype == TensorProto.INT32:
        to.problem("a tensor cannot be quantized to this type", type_name(params.dtype), _but_s32())
    if not to.is_sound:
        return
    if is_constant:
        _fold(to, x, y, params)
    elif y in to.source.outputs:
        to.quantized(y, params, x)
    else:
        to.stays_codes(y, params, x, node.name)


def _fold(to: Expansion, x: str, y: str, params: Params) -> None:
    """Write a constant as its codes."""
    array = to.source.array(x)
    assert array is not None
    if array.dtype.kind != "f":
        to.problem("a tensor to quantize is no float", f"'{x}' is {array.dtype}")
        return
    tensor = to.tensor(y, quantize(array, params), params.dtype)
    to.source.tensors[y] = tensor


def _check_blocks(node: NodeProto, to: Expansion) -> None:
    if attribute(node, "block_size", 0):
        need = "scales per tensor or per channel"
        to.problem("block-wise scales are not supported", f"block_size {attribute(node, 'block_size')}", need)


def _but_s32() -> str:
    return ", ".join(name for name in NAMES.values() if name != "s32")


@converts("DequantizeLinear", domains=(STANDARD, MICROSOFT), inputs=(2, 3))
def dequantize_linear(node: NodeProto, to: Expansion) -> None:
    """DequantizeLinear."""
    x, y = node.input[0], node.output[0]
    _check_blocks(node, to)
    if x in to.dynamic:
        made = to.dynamic[x]
        if (node.input[1], at(node, 2)) != (made.scale, made.zero):
            to.problem("a quantization at run time has no known form", f"'{x}' with other scales than its own")
        to.node("Identity", [made.x], [y])
        return
    params = to.read(x, node.input[1], at(node, 2), attribute(node, "axis", 1))
    if x in to.source.inputs and params.dtype == TensorProto.INT32:
        to.problem("a model input of 32 bits cannot be quantized", f"'{x}'", _but_s32())
    if not to.is_sound:
        return
    if to.is_known(x, params):
        to.dequantized(x, params, out=y, label=node.name)


@converts("DynamicQuantizeLinear", domains=(STANDARD,), inputs=1, outputs=3)
def dynamic_quantize_linear(node: NodeProto, to: Expansion) -> None:
    """Nothing: its input stays float."""
    to.quantizes_at_run_time(node.output[0], node.input[0], node.output[1], node.output[2])
