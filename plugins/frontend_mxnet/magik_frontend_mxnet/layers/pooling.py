"""Windows without weights, and images at another size."""

from __future__ import annotations

import math

import numpy as np

from magik_frontend_mxnet.call import FLOAT, Call, Operand, f32, ints
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal

MOST_OUTPUTS = 1 << 12
TYPES = ("max", "avg", "sum", "lp")
GLOBAL = {"max": "GlobalMaxPool", "avg": "GlobalAveragePool"}


@layer("Pooling", "Pooling_v1")
def pooling(c: Call) -> str:
    kind = c.attrs.text("pool_type", "max", TYPES)
    c.attrs.text("layout", "NCHW", ("NCHW", "NCW", "NCDHW"))
    power = c.attrs.integer("p_value", 2, least=1, most=2)
    if c.attrs.flag("global_pool", False):
        return c.emit(GLOBAL[kind], c.x) if kind in GLOBAL else _sum_all(c, f"ReduceL{power}" if kind == "lp" else "")
    kernel = c.attrs.integers("kernel", least=1)
    stride = c.attrs.integers("stride", (), least=1) or [1] * len(kernel)
    pad = c.attrs.integers("pad", (), least=0) or [0] * len(kernel)
    if not 1 <= len(kernel) <= 3 or not len(kernel) == len(stride) == len(pad):
        found = f"kernel {tuple(kernel)}, stride {tuple(stride)}, pad {tuple(pad)}"
        raise Refusal("the attributes of a window do not fit each other", found, "1 to 3 numbers in each")
    is_full = c.attrs.text("pooling_convention", "valid", ("valid", "full")) == "full"
    if any(p >= k or (is_full and p + s > k) for k, s, p in zip(kernel, stride, pad, strict=True)):
        found = f"kernel {tuple(kernel)}, stride {tuple(stride)}, pad {tuple(pad)}"
        raise Refusal("a window may lie beside the image", found, "a pad and a stride that fit in the kernel")
    window = {"kernel_shape": kernel, "strides": stride, "pads": [*pad, *pad], "ceil_mode": int(is_full)}
    if kind == "max":
        return c.emit("MaxPool", c.x, **window)
    if kind == "avg":
        return c.emit("AveragePool", c.x, count_include_pad=int(c.attrs.flag("count_include_pad", True)), **window)
    return _sum_pool(c, kind, power, window, is_full)


def _sum_all(c: Call, norm: str) -> str:
    return c.emit(norm or "ReduceSum", c.x, ints(*range(2, c.rank(c.x))))


def _sum_pool(c: Call, kind: str, power: int, window: dict[str, object], is_full: bool) -> str:
    """Sum, or the power mean without the division: what lies past the image counts as zero."""
    if is_full:
        raise Refusal("a window may lie beside the image", f"pool_type {kind}, pooling_convention full", "valid")
    if kind == "lp":
        return c.emit("LpPool", c.x, p=power, **window)
    area = math.prod(c.attrs.integers("kernel"))
    return c.emit("Mul", c.emit("AveragePool", c.x, count_include_pad=1, **window), np.float32(area))


@layer("_contrib_AdaptiveAvgPooling2D")
def adaptive_average_pool(c: Call) -> str:
    size = c.attrs.integers("output_size", (1,), least=1) or [1]
    height, width = (size[0], size[-1])
    if max(size) > MOST_OUTPUTS:
        raise Refusal("an attribute is damaged", f"output_size {tuple(size)}", f"at most {MOST_OUTPUTS}")
    if (height, width) == (1, 1):
        return c.emit("GlobalAveragePool", c.x)
    columns = _averages(c, c.dim(c.x, 3), width)
    rows = _averages(c, c.dim(c.x, 2), height)
    turned = c.emit("Transpose", c.emit("MatMul", c.x, columns), perm=[0, 1, 3, 2])
    return c.emit("Transpose", c.emit("MatMul", turned, rows), perm=[0, 1, 3, 2])


def _averages(c: Call, size: int | str, out: int) -> Operand:
    """The matrix [size, out] whose columns average: from floor(i * size / out) to ceil((i + 1) * size / out)."""
    i = np.arange(out, dtype=np.int64)
    if isinstance(size, int) and size <= MOST_OUTPUTS:
        j = np.arange(size)[:, None]
        inside = (j >= i * size // out) & (j < -(-(i + 1) * size // out))
        return f32(inside / inside.sum(0))
    if isinstance(size, int):
        raise Refusal("an image is too large", f"{size} pixels", f"at most {MOST_OUTPUTS}")
    first = c.emit("Div", c.emit("Mul", size, i), ints(out))
    last = c.emit("Div", c.emit("Add", c.emit("Mul", size, i + 1), ints(out - 1)), ints(out))
    count = c.emit("Squeeze", size, ints(0))
    j_open = c.emit("Unsqueeze", c.emit("Range", np.int64(0), count, np.int64(1)), ints(1))
    inside_open = c.emit("And", c.emit("GreaterOrEqual", j_open, first), c.emit("Less", j_open, last))
    weights = c.emit("Cast", inside_open, to=FLOAT)
    return c.emit("Div", weights, c.emit("ReduceSum", weights, ints(0)))


@layer("UpSampling")
def up_sampling(c: Call) -> str:
    scale = c.attrs.integer("scale", least=1, most=1 << 16)
    if c.attrs.text("sample_type", "nearest", ("nearest", "bilinear")) == "bilinear":
        return _bilinear_weights(c, scale)
    if c.attrs.integer("num_args", 1) != 1:
        raise Refusal("several inputs are not supported", f"num_args {c.attrs.integer('num_args')}", "1")
    return _nearest(c, scale)


def _nearest(c: Call, scale: int) -> str:
    scales = np.array([1, 1, scale, scale], np.float32)
    return c.emit(
        "Resize", c.x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    )


def _bilinear_weights(c: Call, scale: int) -> str:
    """A transposed convolution per channel, with stored weights."""
    kernel, pad = 2 * scale - scale % 2, scale // 2
    shape = c.builder.shape(c.weight(1)) or ()
    if len(shape) != 4 or shape[1:] != (1, kernel, kernel):
        raise Refusal(
            "a parameter does not fit its layer", f"{c.input(1)} {list(shape)}", f"[C, 1, {kernel}, {kernel}]"
        )
    return c.emit("ConvTranspose", c.x, c.weight(1), kernel_shape=[kernel] * 2, strides=[scale] * 2,
                  pads=[pad] * 4, group=shape[0])  # fmt: skip


@layer("_contrib_BilinearResize2D")
def bilinear_resize(c: Call) -> str:
    how = "align_corners" if c.attrs.flag("align_corners", True) else "half_pixel"
    mode = c.attrs.text("mode", "size", ("size", "like", "odd_scale"))
    batch = [c.dim(c.x, 0), c.dim(c.x, 1)]
    if mode == "like":
        sizes = c.sizes([*batch, c.dim(c.input(1), 2), c.dim(c.input(1), 3)])
    elif c.attrs.has("scale_height") or c.attrs.has("scale_width"):
        scales = [c.attrs.number(f"scale_{side}", 1) for side in ("height", "width")]
        sizes = c.sizes([*batch, *(_scaled(c, axis + 2, scale, mode) for axis, scale in enumerate(scales))])
    else:
        height, width = (c.attrs.integer(name, 1, least=1, most=1 << 20) for name in ("height", "width"))
        sizes = c.sizes([*batch, height, width])
    return c.emit("Resize", c.x, "", "", sizes, mode="linear", coordinate_transformation_mode=how)


def _scaled(c: Call, axis: int, scale: float, mode: str) -> int | str:
    if not 0 < scale < 1 << 16:
        raise Refusal("an attribute is damaged", f"scale {scale}", "a positive number")
    size = c.dim(c.x, axis)
    if isinstance(size, int):
        is_odd = mode == "odd_scale" and size % 2
        return int((size - 1) * scale) + 1 if is_odd else int(size * scale)
    if mode == "odd_scale":
        rest = c.emit("Mod", size, ints(2))
        return c.emit("Add", _product(c, c.emit("Sub", size, rest), scale), rest)
    return _product(c, size, scale)


def _product(c: Call, size: str, scale: float) -> str:
    """The size times the scale, rounded down."""
    return c.to_int(c.emit("Floor", c.emit("Mul", c.to_float(size), np.float32(scale))))
