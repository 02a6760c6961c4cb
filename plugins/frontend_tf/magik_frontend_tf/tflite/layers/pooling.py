"""Windows without weights, and images at another size"""

from __future__ import annotations

import onnx_ir as ir

from magik_frontend_tf.tflite.axes import IMAGE
from magik_frontend_tf.tflite.builder import Refusal
from magik_frontend_tf.tflite.call import Call, Laid
from magik_frontend_tf.tflite.layers import operator
from magik_frontend_tf.tflite.layers.convolution import padding


@operator("AVERAGE_POOL_2D")
def average_pool(c: Call) -> Laid:
    return Laid(c.activated(_pool(c, "AveragePool", c.image(0))), IMAGE)


@operator("MAX_POOL_2D")
def max_pool(c: Call) -> Laid:
    return Laid(c.activated(_pool(c, "MaxPool", c.image(0))), IMAGE)


@operator("L2_POOL_2D")
def l2_pool(c: Call) -> Laid:
    """The root of the mean of squares."""
    x = c.image(0)
    mean = _pool(c, "AveragePool", c.emit("Mul", x, x))
    return Laid(c.activated(c.emit("Sqrt", mean)), IMAGE)


def _pool(c: Call, op: str, x: ir.Value) -> ir.Value:
    kernel = (c.option("filter_h"), c.option("filter_w"))
    strides = [c.option("stride_h"), c.option("stride_w")]
    if min(*kernel, *strides) < 1:
        raise Refusal("a window has no size", f"{list(kernel)}, strides {strides}", "1 or more")
    return c.emit(op, x, kernel_shape=list(kernel), strides=strides, **padding(c, kernel, strides, [1, 1]))


@operator("RESIZE_BILINEAR")
def resize_bilinear(c: Call) -> Laid:
    return _resize(c, {"mode": "linear"})


@operator("RESIZE_NEAREST_NEIGHBOR")
def resize_nearest(c: Call) -> Laid:
    """Ties: half pixels and aligned corners go up, else the pixel that begins before."""
    is_up = c.option("align_corners") or c.option("half_pixel_centers")
    return _resize(c, {"mode": "nearest", "nearest_mode": "round_prefer_ceil" if is_up else "floor"})


def _resize(c: Call, how: dict[str, str]) -> Laid:
    x, sizes = c.image(0), c.ints(1)
    if len(sizes) != 2 or min(sizes) < 1:
        raise Refusal("the sizes of an output are none", sizes, "height and width")
    mode = "align_corners" if c.option("align_corners") else "asymmetric"
    if c.option("half_pixel_centers"):
        mode = "half_pixel"
    n, height, width, channels = c.shape(0)
    factors = [sizes[0] / height, sizes[1] / width]
    if all(f == int(f) for f in factors):  # holds for other sizes of the image too
        scales = c.builder.constant(f"{c.outputs[0].name}/scales", [1, 1, *factors], "float32")
        y = c.emit("Resize", x, None, scales, coordinate_transformation_mode=mode, **how)
    else:
        target = c.integers([n, channels, *sizes], "sizes")
        y = c.emit("Resize", x, None, None, target, coordinate_transformation_mode=mode, **how)
    return Laid(y, IMAGE)


@operator("DEPTH_TO_SPACE")
def depth_to_space(c: Call) -> Laid:
    return Laid(c.emit("DepthToSpace", c.image(0), blocksize=_block(c), mode="DCR"), IMAGE)


@operator("SPACE_TO_DEPTH")
def space_to_depth(c: Call) -> Laid:
    return Laid(c.emit("SpaceToDepth", c.image(0), blocksize=_block(c)), IMAGE)


def _block(c: Call) -> int:
    size = c.option("block_size")
    if size < 1:
        raise Refusal("a block has no size", size, "1 or more")
    return int(size)
