"""MaxRoiPool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import layout, numerics
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Input, case
from magik_core.ops.convolution import Pair, pair
from magik_core.ops.pooling import MAX_KERNEL
from magik_core.program import QuantParams, Shape

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

MOST = 2**23  # pixels; box corners further out lie there


@dataclass(frozen=True)
class MaxRoiPoolParams(Params):
    pooled_h: int  # [1, 2048]
    pooled_w: int
    spatial_scale: float
    empty: int  # code of real zero


@dataclass(frozen=True)
class MaxRoiPool(Op):
    """The largest value of each of the parts, as many for every box, into which the box of an image is cut.

    A box is five numbers: which image, then left, top, right and bottom, which times `spatial_scale` are rounded
    to whole pixels, halves away from zero; right and bottom lie inside. Parts begin and end at whole pixels too, so
    that neighbors may overlap. A part without a pixel gives zero; a NaN never wins. A box of an image that is not
    there takes the nearest that is; NaN as a corner is far outside, to the left and above.

    Attributes: pooled_shape (height, width), spatial_scale.
    Shapes: x (N, H, W, C); boxes (R, 5), f32; y (R, PH, PW, C).
    Source: ONNX MaxRoiPool, opset 22.
    """

    pooled_shape: Pair
    spatial_scale: float = 1.0

    onnx = ("MaxRoiPool",)
    dtypes = ("u8", "u16", "f32")
    keeps_codes = True
    halves = True
    real_inputs = (1,)

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        y = node.outputs[0]
        pooled = tuple(int(n) for n in to.attribute(node, "pooled_shape"))
        if not all(1 <= n <= MAX_KERNEL for n in pooled):
            raise to.problem(node, "unsupported pooled_shape", pooled, f"two sizes, [1, {MAX_KERNEL}]")
        scale = float(to.attribute(node, "spatial_scale", 1.0))
        if not 0 < scale < np.inf:
            raise to.problem(node, "unsupported spatial_scale", scale, "a number above 0")
        x = to.take(node, 0, to.dtype(node, cls, y) if to.is_float(y) else None)
        if x.dtype not in cls.dtypes:
            raise to.problem(node, "unsupported type", x.dtype, ", ".join(cls.dtypes))
        x = to.relayout(x, layout.channels_last(4))
        boxes = to.take(node, 1, "f32", layout.source_order(2))
        to.emit(node, cls(pair(pooled), scale), [x, boxes], y)

    def shape(self, x: Shape, boxes: Shape) -> tuple[Shape, ...]:
        return ((boxes[0], *self.pooled_shape, x[3]),)

    def params(self, x: Tensors, y: Tensors) -> MaxRoiPoolParams:
        quant = x[0].quant
        zero = int(numerics.quantize(np.zeros(()), quant)) if isinstance(quant, QuantParams) else 0
        return MaxRoiPoolParams(*self.pooled_shape, float(self.spatial_scale), zero)

    def integer(self, p: MaxRoiPoolParams, x: Array, boxes: Array) -> Array:
        return self._largest(x, boxes, 0, p.empty)

    def real(self, p: MaxRoiPoolParams, x: Array, boxes: Array) -> Array:
        return self._largest(x, boxes, -np.inf, 0.0)

    def parts(self, boxes: Array, size: tuple[int, int, int]) -> tuple[Array, Array, Array]:
        """The image of each box, and where its parts begin and end there.

        Args: boxes: (R, 5), f32; size: images, their height and width.
        Returns: image (R,), rows (R, PH, 2), columns (R, PW, 2).
        """
        n, h, w = size
        with np.errstate(all="ignore"):
            left, top, right, bottom = _pixels(boxes[:, 1:] * np.float32(self.spatial_scale)).T
        image = np.nan_to_num(boxes[:, 0], nan=0.0).clip(0, n - 1).astype(np.int64)
        return image, _parts(top, bottom, h, self.pooled_shape[0]), _parts(left, right, w, self.pooled_shape[1])

    def _largest(self, x: Array, boxes: Array, lowest: float, empty: float) -> Array:
        n, h, w, c = x.shape
        image, rows, columns = self.parts(boxes, (n, h, w))
        out = np.full((len(boxes), *self.pooled_shape, c), empty, x.dtype)
        for i, v, u in np.ndindex(out.shape[:3]):
            part = x[image[i], slice(*rows[i, v]), slice(*columns[i, u])].reshape(-1, c)
            if len(part):
                out[i, v, u] = lowest
            for pixel in part:
                out[i, v, u] = np.where(pixel > out[i, v, u], pixel, out[i, v, u])
        return out


def _pixels(v: Array) -> Array:
    """Nearest whole numbers of f32 within MOST, halves away from zero."""
    near = np.where(np.isnan(v), -MOST, v).clip(-MOST, MOST).astype(np.float32)
    whole = np.trunc(near)
    rest = near - whole
    return (whole + (rest >= 0.5) - (rest <= -0.5)).astype(np.int64)


def _parts(first: Array, last: Array, size: int, count: int) -> Array:
    """Where the parts of pixels [first, last] begin and end inside [0, size): (boxes, count, 2)."""
    pitch = np.maximum(last - first + 1, 1).astype(np.float32) / np.float32(count)
    at = np.arange(count, dtype=np.float32) * pitch[:, None]
    end = np.arange(1, count + 1, dtype=np.float32) * pitch[:, None]
    parts = np.stack([np.floor(at), np.ceil(end)], -1).astype(np.int64) + first[:, None, None]
    return parts.clip(0, size)


BOXES = (
    *(0, 0, 0, 3, 3),
    *(1, 2, 1, 7, 5),
    *(0, 4.5, 2.5, 5.49, 3.51),  # halves
    *(1, -3, -2, 2, 20),  # past the image
    *(0, 5, 4, 2, 1),  # the wrong way round: one pixel
    *(1, 30, 3, 40, 5),  # outside
    *(0, -9, -9, -2.5, -1.5),
)
SEVEN = Input((7, 5), -10, 40, values=BOXES)

CASES = [
    case("MaxRoiPool", SEVEN, x=(2, 3, 6, 8), pooled_shape=[2, 3]),
    case("MaxRoiPool", SEVEN, x=Input((2, 3, 6, 8), -6, -1), pooled_shape=[1, 1], spatial_scale=0.5),
    case("MaxRoiPool", SEVEN, x=Input((2, 70, 3, 4), 0, 6), pooled_shape=[7, 7], spatial_scale=0.3),
    case("MaxRoiPool", SEVEN, x=Input((2, 16, 12, 16), -3, 1), pooled_shape=[3, 5], spatial_scale=1.7),
    case("MaxRoiPool", np.array([[0, 0, 0, 4, 4]], np.float32), x=(1, 1, 5, 5), pooled_shape=[2, 2]),
]
