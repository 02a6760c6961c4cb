"""LayerNormalization, InstanceNormalization and GroupNormalization."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from magik_core import fmath, layout, numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case, floats
from magik_core.program import DTYPES, QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

FRACTION = 20  # fraction bits of a normalized value
BIAS_BITS = {1: 16, 2: 12}  # fraction bits of a bias in codes of y, by the bytes of a code


def count_bits(bits: int) -> int:
    """On codes of `bits`, one mean is taken over 2^this elements at most."""
    return min(20, 30 - bits)


def epsilon_bits(bits: int) -> int:
    """Bits of epsilon's multiplier: n^2 times it fits 60 bits."""
    return min(31, 60 - 2 * count_bits(bits))


@dataclass(frozen=True)
class NormalizationParams(Params):
    first: int  # axes in front that each have a mean of their own
    last: int  # axes at the end that have a scale and bias per element; a mean also spans those between
    groups: int  # parts of the last axes that each have a mean of their own
    epsilon: float
    epsilon_multiplier: int  # [0, 2^epsilon_bits]; epsilon / s_x^2
    epsilon_shift: int  # [1, 62]
    y_zero: int
    top: int  # largest code of y
    bits: int  # of x's codes


@dataclass(frozen=True)
class Normalization(Op):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, mean and variance over parts of x.

    On codes, over the n codes q of a part: S = sum q, D = n sum q^2 - S^2 + n^2 epsilon / s_x^2 (the last
    rounded half up, D at least 1), (m, k) = inverse_root(D), h = (n q - S) m / 2^(41 - k) rounded half up:
    20 fraction bits. y = h scale / s_y + bias / s_y, rounded half up to 16 fraction bits (12 on u16), then to a code.
    Off by at most 0.5 + 2^-16 (2^-12) + |scale| / s_y * 2^-20 codes, and 2^-20 of epsilon.
    On f32: the mean, then the mean of (x - mean)^2, each a sum in memory order divided by n;
    (x - mean) * (1 / sqrt(variance + epsilon)) * scale + bias.

    Attributes: first, last, groups, epsilon: as in NormalizationParams.
    Shapes: x (first…, between…, last…), scale and bias f32 of the size of last; y as x.
    Source: ONNX LayerNormalization, opset 17; InstanceNormalization, opset 22; GroupNormalization, opset 21.
    """

    first: int
    last: int
    groups: int
    epsilon: float

    onnx = ("LayerNormalization", "InstanceNormalization", "GroupNormalization")
    dtypes = ("u8", "u16", "f32")
    in_place = (0,)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        if len([o for o in node.outputs if o.uses() or o in to.graph.outputs]) > 1:
            raise to.problem(node, "mean and deviation as outputs", len(node.outputs), "one output")
        if to.attribute(node, "stash_type", 1) != 1:
            raise to.problem(node, "stash_type", to.attribute(node, "stash_type"), "1")
        shape = to.shape(node.inputs[0])
        rank, epsilon = len(shape), float(to.attribute(node, "epsilon", 1e-5))
        if node.op_type == "LayerNormalization":
            first = to.attribute(node, "axis", -1) % rank
            op, axes = cls(first, rank - first, 1, epsilon), None
        else:
            groups = to.attribute(node, "num_groups", shape[1])
            op, axes = cls(1, 1, groups, epsilon), layout.channels_last(rank)
        x = to.take(node, 0, op._dtype(node, to), axes)
        if x.axes[op.first :] != tuple(range(op.first, rank)) and axes is None:
            x = to.relayout(x, layout.source_order(rank))
        constants = [op._constant(node, to, i, x) for i in (1, 2)]
        to.emit(node, op, [x, *constants], node.outputs[0])

    def _dtype(self, node: ir.Node, to: Lowering) -> str:
        """Codes unless a part is too large for sums of 64 bits, or epsilon is beyond any variance of codes."""
        dtype = to.dtype(node, type(self))
        if dtype == "f32":
            return dtype
        x = to.quant(node.inputs[0])
        is_large = prod(to.shape(node.inputs[0])[self.first :]) > 2 ** count_bits(x.bits) * self.groups
        most = 2.0 ** (epsilon_bits(x.bits) - 2) * x.scale**2
        return "f32" if is_large or not 0 <= self.epsilon < most else dtype

    def _constant(self, node: ir.Node, to: Lowering, index: int, x: Tensor) -> Tensor:
        what = ("scale", "bias")[index - 1]
        shape = x.shape[len(x.shape) - self.last :]
        if index >= len(node.inputs) or node.inputs[index] is None:
            values = np.zeros(shape, np.float32)
        else:
            values = np.broadcast_to(to.need_constant(node, index, what), shape)
        return to.add(f"{node.name}/{what}", values.reshape(-1).astype(np.float32), "f32")

    def shape(self, x: Shape, *constants: Shape) -> tuple[Shape, ...]:
        return (x,)

    def params(self, x: Tensors, y: Tensors) -> NormalizationParams:
        a, b = x[0].quant, y[0].quant
        p = NormalizationParams(self.first, self.last, self.groups, float(self.epsilon), 0, 1, 0, 0, 0)
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams)):
            return p
        m, s = numerics.multiplier(self.epsilon / a.scale**2)
        drop = 31 - epsilon_bits(a.bits)
        if m != 0 and drop > 0:
            m, s = (m + (1 << (drop - 1))) >> drop, s - drop
        return replace(p, epsilon_multiplier=m, epsilon_shift=s, y_zero=int(b.zero_point), top=b.top, bits=a.bits)

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """For codes s32 (last, 3): multiplier and shift of the scale, bias in BIAS_BITS."""
        q = y[0].quant
        if not isinstance(q, QuantParams):
            return ()
        assert x[1].data is not None and x[2].data is not None
        bits = BIAS_BITS[DTYPES[x[0].dtype].itemsize]
        most = 30000 * 2.0 ** (16 - bits)
        bias = numerics.round_half_up(np.clip(x[2].data.astype(np.float64) / q.scale, -most, most) * 2.0**bits)
        rows = [numerics.multiplier(float(g) / q.scale * 2.0**-FRACTION) for g in x[1].data]
        return (np.array([(m, max(s - bits, 1), b) for (m, s), b in zip(rows, bias, strict=True)], np.int32),)

    def integer(self, p: Params, x: Array, scale: Array, bias: Array, table: Array) -> Array:
        assert isinstance(p, NormalizationParams)
        q = self._parts(x).astype(np.int64)  # (outer, between, groups, size)
        n = q.shape[1] * q.shape[3]
        total, squares = (v.sum((1, 3), keepdims=True) for v in (q, q * q))
        spread = n * squares - total * total + numerics.rescale(n * n, p.epsilon_multiplier, p.epsilon_shift)
        m, k = numerics.inverse_root(np.maximum(spread, 1))
        h = numerics.rescale(n * q - total, m, 61 - FRACTION - k)
        rows = table.astype(np.int64).reshape(1, 1, *q.shape[2:], 3)
        fine = numerics.rescale(np.clip(h, -(2**30), 2**30), rows[..., 0], rows[..., 1]) + rows[..., 2]
        codes = numerics.rescale(fine, 1, BIAS_BITS[x.itemsize]) + p.y_zero
        return numerics.saturate(codes, 0, p.top).reshape(x.shape)

    def real(self, p: Params, x: Array, scale: Array, bias: Array) -> Array:
        v = self._parts(x)
        n = np.float32(v.shape[1] * v.shape[3])
        mean = self._sum(v) / n
        d = v - mean
        by = np.float32(1) / fmath.sqrt(self._sum(d * d) / n + np.float32(self.epsilon))
        g, b = (c.reshape(1, 1, *v.shape[2:]) for c in (scale, bias))
        return ((d * by) * g + b).reshape(x.shape)

    def _parts(self, x: Array) -> Array:
        """x as (outer, between, groups, size); a mean is over between and size."""
        split = len(x.shape) - self.last
        size = prod(x.shape[split:]) // self.groups
        return x.reshape(prod(x.shape[: self.first]), prod(x.shape[self.first : split]), self.groups, size)

    def _sum(self, v: Array) -> Array:
        """Sums of the parts in memory order, as (outer, 1, groups, 1)."""
        lines = v.transpose(1, 3, 0, 2).reshape(-1, v.shape[0], v.shape[2])
        return fmath.total(lines)[:, None, :, None]


CASES = [
    case("LayerNormalization", floats(5), floats(5, seed=1), x=Input((2, 3, 5), -3, 2), steps=0.52),
    case("LayerNormalization", floats(5, low=1, high=4), x=Input((7, 5), 0, 9), epsilon=0.1, steps=0.52),
    case("LayerNormalization", floats(3, 5), None, x=Input((2, 3, 5), -9, 0), axis=1, steps=0.52),
    case("LayerNormalization", floats(5), floats(5, seed=1), x=Input((2, 3, 4, 5), -3, 2), axis=-1, steps=0.52),
    case("LayerNormalization", floats(3, 4, 5), floats(3, 4, 5), x=Input((2, 3, 4, 5), -1, 1), axis=1, steps=0.52),
    case("LayerNormalization", floats(1), floats(1), x=Input((4, 1), -1, 1), range=(-1, 1), steps=0.52),
    case("InstanceNormalization", floats(3), floats(3, seed=1), x=Input((2, 3, 4, 5), -3, 2), steps=0.52),
    case(
        "InstanceNormalization", floats(3), floats(3), x=Input((2, 3, 9), 0, 2), epsilon=0.01, range=(-1, 1), steps=0.52
    ),
    case("GroupNormalization", floats(6), floats(6, seed=1), x=Input((2, 6, 4, 5), -3, 2), num_groups=3, steps=0.52),
    case("GroupNormalization", floats(4), floats(4), x=Input((2, 4, 3), 0, 2), num_groups=1, steps=0.52),
    case("GroupNormalization", floats(4), floats(4), x=Input((1, 4, 3), -2, 0), num_groups=4, epsilon=0.1, steps=0.52),
]
