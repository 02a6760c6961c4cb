"""Weights packed in blocks: taken where a block is a whole row, which is per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from magik_core.builtin.onnx_quantized.expansion import at
from magik_core.builtin.onnx_quantized.params import Params, scale_faults
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import MICROSOFT, converts

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

TYPES = {4: TensorProto.UINT4, 8: TensorProto.UINT8}


@converts("MatMulNBits", domains=(MICROSOFT,), inputs=(3, 6))
def matmul_nbits(node: NodeProto, to: Expansion) -> None:
    """MatMul by u4 or u8 weights per column, if a block spans all rows; and Add of a bias."""
    rows, columns, bits, size = (attribute(node, name, 0) for name in ("K", "N", "bits", "block_size"))
    bits = bits or 4
    if bits not in TYPES or rows < 1 or columns < 1 or at(node, 4):
        to.problem("packed weights have no known form", f"K {rows}, N {columns}, bits {bits}", "4 or 8 bits, no g_idx")
    elif size < rows:
        need = f"scales per channel: a block_size of at least K = {rows}"
        to.problem("block-wise scales are not supported", f"block_size {size}", need)
    else:
        _per_column(node, to, rows, columns, bits)


def _per_column(node: NodeProto, to: Expansion, rows: int, columns: int, bits: int) -> None:
    packed, scales = to.source.array(node.input[1]), to.source.array(node.input[2])
    zeros = to.source.array(at(node, 3)) if at(node, 3) else None
    if packed is None or scales is None or (zeros is None and at(node, 3)):
        to.problem("packed weights or their scales are not constant")
        return
    parts = [a.dtype == np.uint8 and a.size and a.size % columns == 0 for a in (packed, zeros) if a is not None]
    if not all(parts) or scales.dtype != np.float32 or scales.size != columns or scale_faults(list(scales.flat)):
        found = f"{packed.size} bytes, {scales.size} scales, {0 if zeros is None else zeros.size} zero points"
        to.problem("packed weights, scales or zero points do not fit", found, "positive float32 scales, one a column")
        return
    codes = _unpacked(packed.reshape(columns, -1), bits)[:, :rows]
    if codes.shape[1] != rows:
        to.problem("packed weights, scales or zero points do not fit", f"{codes.shape[1]} rows", f"{rows}")
        return
    name = to.unique(f"{node.input[1]}/codes")
    to.source.tensors[name] = to.tensor(name, np.ascontiguousarray(codes.T), TYPES[bits])
    zero = [1 << (bits - 1)] * columns if zeros is None else _unpacked(zeros.reshape(columns, -1), bits)[:, 0]
    params = Params(tuple(map(float, scales.flat)), tuple(map(int, zero)), TYPES[bits], 1)
    inputs = [node.input[0], to.real(name, params)]
    if not at(node, 5):
        to.node("MatMul", inputs, [node.output[0]])
        return
    to.node("Add", [to.between("MatMul", inputs, f"{node.output[0]}/product"), node.input[5]], [node.output[0]])


def _unpacked(packed: np.ndarray, bits: int) -> np.ndarray:
    """Rows of bytes as rows of codes, low bits first."""
    if bits == 8:
        return packed
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(packed.shape[0], -1)


@converts("GatherBlockQuantized", domains=(MICROSOFT,), inputs=(3, 4))
def gather_block_quantized(node: NodeProto, to: Expansion) -> None:
    """Refused: its scales are block-wise."""
    to.problem("block-wise scales are not supported", f"block_size {attribute(node, 'block_size', 128)}")
