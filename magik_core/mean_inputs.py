"""What the weights of a node meet on average: the mean of its input over samples, and of that for each tap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import onnx_ir as ir

from magik_core import numerics
from magik_core.graph import attribute, static_shape
from magik_core.ops.convolution import same_pads
from magik_core.program import QuantParams


class Mean:
    """The mean of a value over samples, element by element. Memory: one value in f32."""

    def __init__(self) -> None:
        self._sum: np.ndarray = np.zeros(())
        self._samples = 0

    def observe(self, x: np.ndarray) -> None:
        if self._samples:
            self._sum += x
        else:
            self._sum = np.array(x, np.float32)
        self._samples += 1

    def value(self) -> np.ndarray:
        """f64, of the shape that was seen."""
        return self._sum.astype(np.float64) / max(self._samples, 1)


class MeanRounding(Mean):
    """The same of what codes change: of x - x', with x' what the codes of x mean."""

    def __init__(self, params: QuantParams) -> None:
        super().__init__()
        self._params = params

    def observe(self, x: np.ndarray) -> None:
        super().observe(x - numerics.dequantize(numerics.quantize(x, self._params), self._params))


def met_by_taps(node: ir.Node, x: np.ndarray) -> np.ndarray:
    """Means f64 (channels, taps) of what the weights of a Conv, ConvTranspose or Gemm meet of their input `x`.

    Over samples and positions of the output, padding counted as zeros; the shapes of the node are static.
    """
    if node.op_type == "Gemm":
        return x.mean(axis=1 if attribute(node, "transA", 0) else 0).reshape(-1, 1)
    w, y = (static_shape(v) for v in (node.inputs[1], node.outputs[0]))
    assert w is not None and y is not None, "the graph has static shapes"
    met = _met_transposed if node.op_type == "ConvTranspose" else _met
    rank, size = len(w) - 2, x.shape[2:]
    strides, dilations = (tuple(attribute(node, k, (1,) * rank)) for k in ("strides", "dilations"))
    begins = _begins(node, size, w[2:], y[2:], strides, dilations)
    taps = [[t * dilations[i] - begins[i] for t in range(w[2 + i])] for i in range(rank)]
    axes = [[met(size[i], y[2 + i], strides[i], shift) for shift in taps[i]] for i in range(rank)]
    inner = tuple(range(2, 2 + rank))
    sums = [x[(slice(None), slice(None), *places)].sum(axis=inner).mean(axis=0) for places in product(*axes)]
    return np.stack(sums, axis=1) / int(np.prod(y[2:]))


def _begins(
    node: ir.Node,
    x: Sequence[int],
    w: Sequence[int],
    y: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[int, ...]:
    """Padding before each axis, `auto_pad` and `output_shape` resolved."""
    auto, rank = attribute(node, "auto_pad", "NOTSET"), len(w)
    if attribute(node, "output_shape") is None and auto in ("NOTSET", "VALID"):
        return tuple(attribute(node, "pads", (0,) * 2 * rank))[:rank] if auto == "NOTSET" else (0,) * rank
    small, large = (x, y) if node.op_type == "ConvTranspose" else (y, x)
    more = attribute(node, "output_padding", (0,) * rank)
    whole = [large[i] - more[i] for i in range(rank)]
    return same_pads(auto, small, whole, w, strides, dilations)[0][:rank]


def _met(size: int, out: int, stride: int, shift: int) -> slice:
    """Where input = output * stride + shift lies inside."""
    first, last = max(0, -(shift // stride)), min(out - 1, (size - 1 - shift) // stride)
    return slice(first * stride + shift, last * stride + shift + 1, stride) if first <= last else slice(0)


def _met_transposed(size: int, out: int, stride: int, shift: int) -> slice:
    """Where output = input * stride + shift lies inside."""
    first, last = max(0, -(shift // stride)), min(size - 1, (out - 1 - shift) // stride)
    return slice(first, last + 1) if first <= last else slice(0)
