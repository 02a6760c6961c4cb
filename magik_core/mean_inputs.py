"""What the weights of a node meet on average: the mean of its input over samples, for each tap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
import onnx_ir as ir

from magik_core import numerics
from magik_core.graph import attribute, static_shape
from magik_core.ops.convolution import same_pads
from magik_core.program import QuantParams


@dataclass(frozen=True)
class Window:
    """Where the weights of a Conv, ConvTranspose or Gemm lie on their input; padding is nowhere.

    Args:
        axes: per axis behind the channels and per tap, the places of the input that it meets.
        positions: of the output, per channel.
        is_transposed: channels come first.
    """

    axes: tuple[tuple[range, ...], ...] = ()
    positions: int = 1
    is_transposed: bool = False

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Sums f64 (channels, taps) of what the taps meet of `x`, over positions, and means over samples."""
        x = x.T if self.is_transposed else x
        if all(met == (range(size),) for met, size in zip(self.axes, x.shape[2:], strict=True)):
            x = np.einsum("ncp->nc", x.reshape(*x.shape[:2], -1))  # one tap, which meets everything
        for i in reversed(range(2, x.ndim)):
            met, lead, rest = _indicators(self.axes[i - 2], x.shape[i]), x.shape[:i], x.shape[i + 1 :]
            sums = met @ x.reshape(-1, x.shape[i], prod(rest)) if rest else x @ met.T  # small ones: in this thread
            x = sums.reshape(*lead, len(met), *rest)
        mean: np.ndarray = x.mean(axis=0, dtype=np.float64)
        return mean.reshape(len(mean), -1)


@lru_cache(256)
def _indicators(ranges: Sequence[range], size: int) -> np.ndarray:
    """f32 (taps, size), 1 where a tap meets a place."""
    out = np.zeros((len(ranges), size), np.float32)
    for tap, places in enumerate(ranges):
        out[tap, list(places)] = 1
    return out


class Mean:
    """The mean of what the weights in some windows meet of one value. Memory: a number per channel and tap."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._sums: dict[Window, np.ndarray] = {window: np.zeros(()) for window in windows}
        self._samples = 0

    def observe(self, x: np.ndarray) -> None:
        for window, seen in self._sums.items():
            self._sums[window] = seen + window.sums(x)
        self._samples += 1

    def met(self, window: Window) -> np.ndarray:
        """f64 (channels, taps), over samples and positions; padding counts as zeros."""
        return self._sums[window] / (max(self._samples, 1) * window.positions)


class MeanRounding(Mean):
    """The same of what codes change: of x - x', with x' what the codes of x mean."""

    def __init__(self, windows: Iterable[Window], params: QuantParams) -> None:
        super().__init__(windows)
        self._params = params

    def observe(self, x: np.ndarray) -> None:
        super().observe(x - numerics.dequantize(numerics.quantize(x, self._params), self._params))


def window(node: ir.Node) -> Window:
    """The window of a Conv, ConvTranspose or Gemm; its shapes are static."""
    if node.op_type == "Gemm":
        return Window(is_transposed=bool(attribute(node, "transA", 0)))
    x, w, y = (static_shape(v) for v in (*node.inputs[:2], node.outputs[0]))
    assert x is not None and w is not None and y is not None, "the graph has static shapes"
    met = _met_transposed if node.op_type == "ConvTranspose" else _met
    rank, size = len(w) - 2, x[2:]
    strides, dilations = (tuple(attribute(node, k, (1,) * rank)) for k in ("strides", "dilations"))
    begins = _begins(node, size, w[2:], y[2:], strides, dilations)
    taps = [[t * dilations[i] - begins[i] for t in range(w[2 + i])] for i in range(rank)]
    axes = (tuple(met(size[i], y[2 + i], strides[i], shift) for shift in taps[i]) for i in range(rank))
    return Window(tuple(axes), int(np.prod(y[2:])))


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


def _met(size: int, out: int, stride: int, shift: int) -> range:
    """Where input = output * stride + shift lies inside."""
    first, last = max(0, -(shift // stride)), min(out - 1, (size - 1 - shift) // stride)
    return range(first * stride + shift, last * stride + shift + 1, stride) if first <= last else range(0)


def _met_transposed(size: int, out: int, stride: int, shift: int) -> range:
    """Where output = input * stride + shift lies inside."""
    first, last = max(0, -(shift // stride)), min(size - 1, (out - 1 - shift) // stride)
    return range(first, last + 1) if first <= last else range(0)
