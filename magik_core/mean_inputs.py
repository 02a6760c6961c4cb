"""What the weights of a node meet on average: the mean input of each tap of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import onnx_ir as ir

from magik_core import numerics
from magik_core.graph import attribute, static_shape
from magik_core.program import QuantParams


class MeanInput(Protocol):
    """Adds up the inputs of one node, sample after sample."""

    def observe(self, x: np.ndarray) -> None:
        """Take in the input of one sample. Nothing of `x` is kept."""

    def mean(self) -> np.ndarray:
        """f64 (channels, taps) over samples and positions of the output, padding counted as zeros."""


class MeanWindow:
    """Of a convolution or a transposed one, on inputs (N, C, size…).

    The sum over a whole axis serves every tap: what a tap does not meet is little, and taken off. So one pass over
    the input is enough, whatever the window.

    Memory: one f64 per channel and tap.
    """

    def __init__(self, axes: Sequence[Sequence[slice]], positions: int) -> None:
        """Args: axes: per axis, the part of the input that each tap meets; positions: of the output."""
        self._axes = axes
        self._positions = positions
        self._sum: np.ndarray | float = 0.0
        self._samples = 0

    def observe(self, x: np.ndarray) -> None:
        sums = x[None]  # (taps, N, C, size…)
        for parts in self._axes:
            found = np.stack(_sums(sums, parts), axis=1)
            sums = found.reshape(-1, *found.shape[2:]).astype(np.float64)
        self._sum = self._sum + sums.sum(axis=1).T / len(x)
        self._samples += 1

    def mean(self) -> np.ndarray:
        return np.asarray(self._sum / (max(self._samples, 1) * self._positions))


class MeanRow:
    """Of a Gemm: the mean row of its first input, as (channels, 1). Memory: one f64 per channel."""

    def __init__(self, is_transposed: bool) -> None:
        self._is_transposed = is_transposed
        self._sum: np.ndarray | float = 0.0
        self._samples = 0

    def observe(self, x: np.ndarray) -> None:
        self._sum = self._sum + x.mean(axis=1 if self._is_transposed else 0, dtype=np.float64)
        self._samples += 1

    def mean(self) -> np.ndarray:
        return np.asarray(self._sum / max(self._samples, 1)).reshape(-1, 1)


class MeanRounding:
    """Of what codes change: the mean of x - x', with x' what the codes of x mean."""

    def __init__(self, of: MeanInput, params: QuantParams) -> None:
        self._of = of
        self._params = params

    def observe(self, x: np.ndarray) -> None:
        self._of.observe(x - numerics.dequantize(numerics.quantize(x, self._params), self._params))

    def mean(self) -> np.ndarray:
        return self._of.mean()


def mean_input(node: ir.Node) -> MeanInput:
    """The observer for input 0 of a Conv, ConvTranspose or Gemm with static shapes."""
    if node.op_type == "Gemm":
        return MeanRow(bool(attribute(node, "transA", 0)))
    x, w, y = (static_shape(v) for v in (*node.inputs[:2], node.outputs[0]))
    assert x is not None and w is not None and y is not None, "the graph has static shapes"
    part = _met_transposed if node.op_type == "ConvTranspose" else _met
    rank = len(w) - 2
    strides, dilations = (tuple(attribute(node, k, (1,) * rank)) for k in ("strides", "dilations"))
    begins = _begins(node, x[2:], w[2:], y[2:], strides, dilations)
    axes = [
        [part(x[2 + i], y[2 + i], strides[i], tap * dilations[i] - begins[i]) for tap in range(w[2 + i])]
        for i in range(rank)
    ]
    return MeanWindow(axes, int(np.prod(y[2:])))


def _begins(
    node: ir.Node, x: Sequence[int], w: Sequence[int], y: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...]:
    """Padding before each axis, `auto_pad` and `output_shape` resolved."""
    auto, rank = attribute(node, "auto_pad", "NOTSET"), len(w)
    if auto == "VALID" or (auto == "NOTSET" and attribute(node, "output_shape") is None):
        return tuple(attribute(node, "pads", (0,) * 2 * rank))[:rank] if auto == "NOTSET" else (0,) * rank
    small, large = (x, y) if node.op_type == "ConvTranspose" else (y, x)
    more = attribute(node, "output_padding", (0,) * rank)
    spans = [(small[i] - 1) * strides[i] + dilations[i] * (w[i] - 1) + 1 + more[i] for i in range(rank)]
    total = [max(spans[i] - large[i], 0) for i in range(rank)]
    return tuple(t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total)


def _met(size: int, out: int, stride: int, shift: int) -> slice:
    """Where input = output * stride + shift lies inside."""
    first, last = max(0, -(shift // stride)), min(out - 1, (size - 1 - shift) // stride)
    return slice(first * stride + shift, last * stride + shift + 1, stride) if first <= last else slice(0, 0, stride)


def _met_transposed(size: int, out: int, stride: int, shift: int) -> slice:
    """Where output = input * stride + shift lies inside."""
    first, last = max(0, -(shift // stride)), min(size - 1, (out - 1 - shift) // stride)
    return slice(first, last + 1, 1) if first <= last else slice(0, 0, 1)


def _sums(x: np.ndarray, parts: Sequence[slice]) -> list[np.ndarray]:
    """Sums over each part of axis 3: the whole, less what is left out."""
    wholes = {p.start % p.step: x[:, :, :, p.start % p.step :: p.step].sum(axis=3) for p in parts}
    found = []
    for p in parts:
        left_out = _sum(x, p.start % p.step, p.start, p.step) + _sum(x, _after(p), x.shape[3], p.step)
        found.append(wholes[p.start % p.step] - left_out)
    return found


def _after(p: slice) -> int:
    """The first place of the same phase behind a part."""
    count = len(range(p.start, p.stop, p.step))
    return int(p.start + count * p.step)


def _sum(x: np.ndarray, start: int, stop: int, step: int) -> np.ndarray | float:
    return x[:, :, :, start:stop:step].sum(axis=3) if start < stop else 0.0
