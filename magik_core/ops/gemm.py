"""Gemm: rows times a constant matrix; also what MatMul by a constant matrix is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.add import Add
from magik_core.ops.cases import Input, case, extreme, floats, full, striped, weights
from magik_core.ops.convolution import (
    clip,
    code_limits,
    kernel_of,
    rescale,
)
from magik_core.ops.reshape import Reshape
from magik_core.ops.sums import channel_multipliers, quantize_affine
from magik_core.program import QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering


@dataclass(frozen=True)
class GemmParams(Params):
    y_zero: int
    low: int  # smallest and largest code of y
    high: int
    real_low: float  # the same limits on f32
    real_high: float


@dataclass(frozen=True)
class Gemm(Op):
    """y[…, o] = clamp(b[o] + sum over k of w[o, k] * x[…, k]).

    On codes the zero point of x is folded into the bias. On f32 the sum runs from b[o] over k in order.

    Attributes: low, high: limits of y in reals; twice: sums over u8 are rounded twice, as a source does.
    Shapes: x (…, K), rank 1 and above; w (O, K), s8, s16 or f32; b (O), s32, s64 or f32; y (…, O).
    Source: ONNX Gemm and MatMul, opset 13; docs/quantization.md, "Convolution".
    """

    low: float = -np.inf
    high: float = np.inf
    twice: bool = False

    onnx = ("Gemm",)
    dtypes = ("u8", "u16", "f32")
    halves = True

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        w, has_c = to.constant(node, 1), len(node.inputs) > 2 and node.inputs[2] is not None
        alpha, beta = (np.float32(to.attribute(node, k, 1.0)) for k in ("alpha", "beta"))
        bias = _bias(to.constant(node, 2), to.shape(node.outputs[0])) if has_c else np.zeros(1, np.float32)
        if w is None or bias is None:
            _lower_computed(node, to, has_c)
            return
        w = w if to.attribute(node, "transB", 0) else w.T
        y, low, high = to.fuse_clip(node)
        x, order = _flattened(node, to, to.dtype(node, cls, y))
        emit_gemm(node, to, x, alpha * w[:, order], beta * bias, y, cls(low, high))

    def shape(self, x: Shape, w: Shape, *rest: Shape) -> tuple[Shape, ...]:
        return ((*x[:-1], w[0]),)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return kernel_of(self, x, self.twice)

    def params(self, x: Tensors, y: Tensors) -> GemmParams:
        q = y[0].quant
        codes = (int(q.zero_point), *code_limits(q, self.low, self.high)) if isinstance(q, QuantParams) else (0, 0, 0)
        return GemmParams(*codes, float(self.low), float(self.high))

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        return () if x[0].dtype == "f32" else channel_multipliers(x[0], x[1], y[0])

    def integer(self, p: Params, x: Array, w: Array, b: Array, m: Array, s: Array) -> Array:
        assert isinstance(p, GemmParams)
        acc = (x.astype(np.float64) @ w.T.astype(np.float64)).astype(np.int64) + b  # exact below 2^53
        return numerics.saturate(rescale(acc, m, s, self.twice) + p.y_zero, p.low, p.high)

    def real(self, p: Params, x: Array, w: Array, b: Array) -> Array:
        acc = np.broadcast_to(b + np.float32(0), (*x.shape[:-1], len(w))).copy()  # + 0: no negative zero
        for k in range(x.shape[-1]):
            acc += x[..., k : k + 1] * w[:, k]
        return clip(acc, self.low, self.high)

    def macs(self, x: Tensors, y: Tensors) -> int:
        return y[0].count * x[0].shape[-1]


def emit_gemm(
    node: ir.Node,
    to: Lowering,
    x: Tensor,
    w: Array,
    bias: Array,
    y: ir.Value,
    op: Gemm,
    name: str | None = None,
    quant: QuantParams | None = None,
) -> Tensor:
    """Emit rows of `x`, whose last source axis lies last, times w (O, K) f32, plus bias (O) or (1).

    `name` and `quant` are those of an intermediate tensor, as in `Lowering.emit`.
    """
    prefix = node.name or ""
    bias = np.broadcast_to(bias, (len(w),)).astype(np.float32)
    if x.dtype == "f32":
        constants = [to.add(f"{prefix}/w", w, "f32"), to.add(f"{prefix}/b", bias, "f32")]
        return to.emit(node, op, [x, *constants], y, name=name, quant=quant)
    assert isinstance(x.quant, QuantParams)
    zeros = np.full(w.shape[1], float(x.quant.zero_point))
    sums = quantize_affine(node, to, w, bias, x, quant or to.quant(y), zeros, 1)
    return to.emit(node, replace(op, twice=sums.twice), sums.inputs(to, prefix, x), y, name=name, quant=quant)


def _bias(c: Array | None, y: Shape) -> Array | None:
    """C as (O) where it is a constant with equal rows."""
    if c is None:
        return None
    rows = np.broadcast_to(c, y)
    return rows[0] if (rows == rows[0]).all() else None


def _flattened(node: ir.Node, to: Lowering, dtype: str) -> tuple[Tensor, slice | Array]:
    """A as rows in memory, and the order in which its columns lie there.

    Where A is an image flattened, the rows are taken as the image lies, channels last: permuting the
    weights costs nothing, transposing the image would.
    """
    source = node.inputs[0].producer() if node.inputs[0] is not None else None
    rows = to.shape(node.inputs[0])
    if to.attribute(node, "transA", 0):
        x = to.take(node, 0, dtype)
        return to.relayout(_swapped(x), (0, 1)), slice(None)
    if source is not None and source.op_type in ("Flatten", "Reshape"):
        image = to.shape(source.inputs[0])
        x = to.take(source, 0, dtype)
        if x.axes[:1] == (0,) and image[0] == rows[0] and layout.reshape(x.shape, x.axes, rows) is None:
            op, name = Reshape.between(x.shape, rows), f"{x.name}/rows"
            flat = to.emit(node, op, [x], node.outputs[0], axes=(0, 1), name=name)
            return flat, np.arange(rows[1]).reshape(image[1:]).transpose([a - 1 for a in x.axes[1:]]).reshape(-1)
    return to.take(node, 0, dtype, (0, 1)), slice(None)


def _lower_computed(node: ir.Node, to: Lowering, has_c: bool) -> None:
    """A Gemm whose B, or whose C per row, is no constant: a product, then a sum, in f32."""
    from magik_core.ops.mat_mul import MatMul

    alpha, beta = to.attribute(node, "alpha", 1.0), to.attribute(node, "beta", 1.0)
    y = node.outputs[0]
    c = to.constant(node, 2) if has_c else None
    if has_c and c is None and beta != 1:
        raise to.problem(node, "unsupported beta", beta, "1 where C is computed")
    dtype = "f32" if has_c else to.dtype(node, MatMul)
    a, b = to.take(node, 0, dtype), to.take(node, 1, dtype)
    a = _swapped(a) if to.attribute(node, "transA", 0) else a
    b = _swapped(b) if to.attribute(node, "transB", 0) else b
    a = to.relayout(a, (0, 1))
    name = f"{node.name}/product" if has_c else None
    product = to.emit(node, MatMul.between(a, b, alpha), [a, b], y, name=name)
    if not has_c:
        return
    bias = to.take(node, 2, "f32") if c is None else to.add(f"{node.name}/c", np.float32(beta) * c, "f32")
    to.emit(node, Add(), [product, to.relayout(to.widen(bias, 2), (0, 1))], y)


def _swapped(x: Tensor) -> Tensor:
    """A matrix as its transpose; nothing moves."""
    return replace(x, axes=tuple(1 - a for a in x.axes))


CASES = [
    case("Gemm", weights(5, 7), floats(5), x=(3, 7), transB=1),
    case("Gemm", weights(5, 7).T.copy(), x=Input((3, 7), 0, 6)),
    case("Gemm", weights(33, 70), floats(33), x=Input((70, 2), -6, 0), transA=1, transB=1, alpha=0.5, beta=2.0),
    case("Gemm", weights(4, 300), floats(1, 4, low=-90, high=90), x=Input((1, 300), 0, 255), transB=1),
    case("Gemm", weights(4, 3), floats(1)[0], x=(2, 3), transB=1, range=(0, 0.5)),
    case("Gemm", weights(1, 1), x=(1, 1)),
    case("Gemm", (7, 5), x=(3, 7), alpha=0.25),
    case("Gemm", (5, 7), (3, 1), x=(7, 3), transA=1, transB=1, is_float_only=True),
    case("Gemm", weights(5, 7), floats(3, 5), x=(3, 7), transB=1, beta=0.5, is_float_only=True),
    case("Gemm", weights(40, 33), floats(40), x=(9, 33), transB=1),
    case("Gemm", weights(17, 3), x=Input((19, 3), 0, 2), transB=1, range=(0, 0.1)),
    case("Gemm", weights(64, 128), floats(64), x=(16, 128), transB=1),
]
CASES += [  # codes that an import brings: -128, and s16 for weights with a zero point; sums up to the last that fits
    *(
        case("Gemm", extreme(o, k, codes=codes), floats(o), x=Input((n, k), -1, 2), transB=1, codes=codes)
        for codes in ((-128, 127), (-255, 255))
        for o, k, n in ((5, 7, 3), (33, 70, 4), (16, 16, 9), (17, 1100, 1))
    ),
    case("Gemm", np.full((2, 65793), -1, np.float32), x=full(1, 65793), transB=1, codes=(-128, 127)),
    case("Gemm", np.full((17, 4101), -1, np.float32), x=full(5, 4101), transB=1, codes=(-128, 127)),
    case("Gemm", np.full((17, 4101), -1, np.float32), x=full(5, 4101, code=0), transB=1, codes=(-128, 127)),
    *(  # pairs that 16 bits just hold
        case("Gemm", striped(17, 70), x=x, transB=1, codes=(-128, 127))
        for x in (full(3, 70), full(5, 70, code=0), Input((9, 70), 0, 255))
    ),
    *(  # a long sum of equal products rounds in one direction on f32
        case("Gemm", np.full((o, k), code / 128, np.float32), x=x, transB=1, codes=(-255, 255), relative=1e-4)
        for o, k, code, x in ((2, 33025, -255, full(1, 33025)), (17, 4101, 255, full(5, 4101)))
    ),
]
CASES += [  # sums that are rounded twice
    case(
        "Gemm", extreme(o, k, codes=codes), None, x=Input((n, k), -1, 2), transB=1, codes=codes, twice=True, steps=0.53
    )
    for codes in ((-128, 127), (-255, 255))
    for o, k, n in ((5, 7, 3), (33, 70, 4), (16, 16, 9), (17, 1100, 1))
]
