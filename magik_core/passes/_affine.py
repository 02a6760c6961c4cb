"""What folding a product or a sum per channel into a linear operator needs to know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from magik_core import graph

LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True)
class Affine:
    """y = x * scale + bias with a number per channel, in f64."""

    x: ir.Value
    scale: np.ndarray  # [channels]
    bias: np.ndarray  # [channels]


def affine(node: ir.Node, axis: int) -> Affine | str | None:
    """Read Add, Sub, Mul, Div by a constant as an Affine along `axis` of the other operand.

    Returns: None where the node is none of these, a reason where the constant varies along another axis.
    """
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or not graph.is_float(node.outputs[0]):
        return None
    a, b = (graph.constant(v) for v in node.inputs)
    if (a is None) == (b is None):
        return None
    x, array = (node.inputs[0], b) if a is None else (node.inputs[1], a)
    shape = graph.static_shape(x)
    if x is None or array is None or shape is None:
        return None
    numbers = _per_channel(array, shape, axis)
    if isinstance(numbers, str):
        return numbers
    ones, zeros = np.ones_like(numbers), np.zeros_like(numbers)
    if node.op_type == "Add":
        return Affine(x, ones, numbers)
    if node.op_type == "Sub":
        return Affine(x, ones, -numbers) if a is None else Affine(x, -ones, numbers)
    if node.op_type == "Mul":
        return Affine(x, numbers, zeros)
    if a is not None:
        return None  # c / x is not linear
    return "a division by 0" if np.any(numbers == 0) else Affine(x, 1 / numbers, zeros)


def _per_channel(array: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray | str:
    if array.ndim > len(shape):
        return f"a constant of shape {list(array.shape)} changes the shape of the result"
    full = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    varies = [i for i, size in enumerate(full.shape) if size != 1 and i != axis]
    if varies:
        return f"a constant of shape {list(array.shape)} varies along more than the channels"
    if full.shape[axis] not in (1, shape[axis]):
        return f"a constant of shape {list(array.shape)} changes the shape of the result"
    return np.broadcast_to(full.reshape(-1).astype(np.float64), (shape[axis],)).copy()
