"""MatMul: batches of matrices times batches of matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.errors import LowerError
from magik_core.layout import Axes
from magik_core.ops import Array, Op, Params, Tensors, pad8
from magik_core.ops.broadcast import broadcast_shape
from magik_core.ops.cases import Input, case, weights
from magik_core.ops.gemm import Gemm, emit_gemm
from magik_core.ops.reshape import Reshape
from magik_core.program import CODES, QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

MAX_DEPTH = 2**15  # products of two differences of codes of u8 are at most 255 * 255: so many fit int32
EXACT_DEPTH = 2**21  # and of u16 65535 * 65535: so many fit 2^53


@dataclass(frozen=True)
class MatMulParams(Params):
    a_zero: int
    b_zero: int
    y_zero: int
    top: int  # largest code of y
    multiplier: int  # gain * s_a * s_b / s_y
    shift: int  # [1, 62]
    gain: float  # on f32
    m_axis: int  # [0, rank - 2]
    order: tuple[int, ...]  # a permutation of the axes of b


@dataclass(frozen=True)
class MatMul(Op):
    """y[…, m, …, n] = gain * sum over k of a[…, m, …, k] * b[k, n of the batch …], with numpy broadcasting.

    The axes of a and y lie in any order but for the last; those of b in any order at all, so that nothing
    has to be transposed. On f32 the sum runs from 0 over k in order, then times gain.

    Attributes: m_axis: stored axis of a and y that is the rows; order: stored axis of b for each stored
        axis of y: at m_axis that of k, at the end that of n, elsewhere a batch axis; gain: of y.
    Shapes: a, b, y of one rank, 2 and above; a and y with m at m_axis, a with k last, y with n last;
        batch sizes equal or 1.
    Source: ONNX MatMul, opset 13; docs/quantization.md, "MatMul".
    """

    m_axis: int
    order: Axes
    gain: float = 1.0

    onnx = ("MatMul",)
    dtypes = ("u8", "u16", "f32")

    @classmethod
    def between(cls, a: Tensor, b: Tensor, gain: float = 1.0) -> MatMul:
        """The product of two tensors of one rank; the last source axis of a lies last."""
        m = len(a.axes) - 2  # of a the rows, of b what is summed over
        order = tuple(b.axes.index(axis) for axis in a.axes)
        return cls(a.axes.index(m), order, gain)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y, shapes = node.outputs[0], [to.shape(v) for v in node.inputs]
        w = to.constant(node, 1)
        is_matrix = w is not None and layout.count(w.shape[:-2]) == 1 and w.ndim <= max(2, len(shapes[0]))
        if w is not None and is_matrix and to.constant(node, 0) is None:
            _lower_constant(node, to, w.reshape(w.shape[-2:] if w.ndim > 1 else (-1, 1)))
            return
        dtype, rank = to.dtype(node, cls), max(2, *map(len, shapes))
        depth = shapes[0][-1]
        if dtype == "u8" and depth > MAX_DEPTH:
            dtype = "u16"
        a, b = (to.take(node, i, dtype) for i in (0, 1))
        a = to.widen(a, rank)
        b = to.widen(_column(node, to, b) if len(shapes[1]) == 1 else b, rank)
        a = to.relayout(a, _last_axis_last(a.axes))
        b = b if b.axes[-1] >= rank - 2 else to.relayout(b, _last_axis_last(b.axes))
        if min(map(len, shapes)) > 1:
            to.emit(node, cls.between(a, b), [a, b], y)
            return
        quant = to.quant(y) if dtype in CODES else None
        _drop(node, to, to.emit(node, cls.between(a, b), [a, b], y, name=f"{node.name}/product", quant=quant))

    def shape(self, a: Shape, b: Shape) -> tuple[Shape, ...]:
        m, other = self.m_axis, [b[i] for i in self.order]
        if a[-1] != other[m]:
            raise LowerError("matrices do not fit", found=f"{a} and {b}", need="as many columns as rows")
        batch = broadcast_shape((*a[:m], 1, *a[m + 1 : -1]), (*other[:m], 1, *other[m + 1 : -1]))
        return ((*batch[:m], a[m], *batch[m + 1 :], other[-1]),)

    def params(self, x: Tensors, y: Tensors) -> MatMulParams:
        gain, order = float(self.gain), pad8(self.order)
        a, b, c = x[0].quant, x[1].quant, y[0].quant
        if not (isinstance(a, QuantParams) and isinstance(b, QuantParams) and isinstance(c, QuantParams)):
            return MatMulParams(0, 0, 0, 0, 0, 1, gain, self.m_axis, order)
        scale = numerics.multiplier(self.gain * a.scale * b.scale / c.scale)
        return MatMulParams(
            int(a.zero_point), int(b.zero_point), int(c.zero_point), c.top, *scale, gain, self.m_axis, order
        )

    def matrices(self, a: Array, b: Array) -> tuple[Array, Array]:
        """Views (batch, M, K) and (batch, K, N)."""
        return np.moveaxis(a, self.m_axis, -2), np.moveaxis(b.transpose(self.order), self.m_axis, -2)

    def integer(self, p: Params, a: Array, b: Array) -> Array:
        assert isinstance(p, MatMulParams)
        exact = np.float64 if a.shape[-1] <= EXACT_DEPTH else np.int64
        left, right = self.matrices(a.astype(exact) - p.a_zero, b.astype(exact) - p.b_zero)
        acc = (left @ right).astype(np.int64)
        out = numerics.saturate(numerics.rescale(acc, p.multiplier, p.shift) + p.y_zero, 0, p.top)
        return np.ascontiguousarray(np.moveaxis(out, -2, self.m_axis))

    def real(self, p: Params, a: Array, b: Array) -> Array:
        left, right = self.matrices(a, b)
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        acc = np.zeros((*batch, left.shape[-2], right.shape[-1]), np.float32)
        for k in range(left.shape[-1]):
            acc += left[..., k : k + 1] * right[..., k : k + 1, :]
        return np.ascontiguousarray(np.moveaxis(acc * np.float32(self.gain), -2, self.m_axis))

    def macs(self, x: Tensors, y: Tensors) -> int:
        return y[0].count * x[0].shape[-1]


def _lower_constant(node: ir.Node, to: Lowering, w: Array) -> None:
    """Times a constant (K, N): Gemm over rows of any rank; a constant added next, and a Clip, are taken over."""
    is_vector = len(to.shape(node.inputs[1])) == 1
    user, bias = (node, None) if is_vector else _added(node, to, w.shape[1])
    y, low, high = (node.outputs[0], -np.inf, np.inf) if is_vector else to.fuse_clip(user)
    dtype = to.dtype(node, Gemm, y)
    x = to.take(node, 0, dtype)
    x = to.relayout(x, _last_axis_last(x.axes))
    bias = np.zeros(1, np.float32) if bias is None else bias
    if not is_vector:
        emit_gemm(node, to, x, w.T, bias, y, Gemm(low, high))
        return
    quant = to.quant(y) if dtype != "f32" else None
    _drop(node, to, emit_gemm(node, to, x, w.T, bias, y, Gemm(), f"{node.name}/product", quant))


def _added(node: ir.Node, to: Lowering, columns: int) -> tuple[ir.Node, Array | None]:
    """(the Add that alone reads the product, its constant per column), or (the node, None)."""
    product = node.outputs[0]
    user = to.sole_consumer(product)
    floats = to.quantization.float_nodes
    if user is None or user.op_type != "Add" or (user.name in floats) != (node.name in floats):
        return node, None
    c = to.constant(user, 1 if user.inputs[0] is product else 0)
    is_per_column = c is not None and c.size in (1, columns) and c.shape[-1:] in ((), (c.size,))
    if c is None or not is_per_column or to.shape(user.outputs[0]) != to.shape(product):
        return node, None
    to.done.add(user.name or "")
    return user, c.reshape(-1)


def _column(node: ir.Node, to: Lowering, b: Tensor) -> Tensor:
    """A vector as a matrix of one column."""
    if b.data is not None:
        return to.add(f"{b.name}/column", b.data.reshape(-1, 1), b.dtype, b.quant)
    op = Reshape.between(b.shape, (*b.shape, 1))
    return to.emit(node, op, [b], node.outputs[0], axes=(0, 1), name=f"{b.name}/column")


def _drop(node: ir.Node, to: Lowering, product: Tensor) -> None:
    """The product of a vector without the axis of size 1 that made it a matrix."""
    shape = to.shape(node.outputs[0])
    axes = layout.reshape(product.shape, product.axes, shape)
    assert axes is not None, "an axis of size 1 never moves another"
    to.emit(node, Reshape.between(product.shape, layout.stored(shape, axes)), [product], node.outputs[0], axes=axes)


def _last_axis_last(axes: Axes) -> Axes:
    """The same order, but for the last source axis, which comes last."""
    last = len(axes) - 1
    return (*(a for a in axes if a != last), last)


def _activation(*shape: int) -> Array:
    """A constant whose codes, 256 over its range, are exact."""
    codes = np.random.default_rng(1).integers(-128, 128, shape)
    codes.reshape(-1)[:2] = -128, 127
    return (codes / 128.0).astype(np.float32)


CASES = [
    case("MatMul", Input((7, 5), 0, 6), x=Input((3, 7), -3, 0)),
    case("MatMul", (2, 3, 70, 65), x=(2, 3, 4, 70)),
    case("MatMul", Input((3, 7, 5), -1, 9), x=Input((2, 1, 4, 7), 0, 1), range=(-1, 0.5)),
    case("MatMul", (2, 1, 7, 5), x=(6, 7)),
    case("MatMul", (7,), x=(7,)),
    case("MatMul", (2, 7, 5), x=(7,)),
    case("MatMul", (5,), x=(2, 7, 5)),
    case("MatMul", (2, 3, 5, 4), x=_activation(3, 1, 5)),
    case("MatMul", _activation(3, 5, 2), x=(3, 4, 5)),
    case("MatMul", weights(6, 9).T.copy(), x=(2, 4, 3, 9)),
    case("MatMul", weights(1, 9)[0], x=(2, 4, 9)),
    case("MatMul", weights(6, 9).T.copy(), x=Input((9,), 0, 1)),
]
