"""Windows without weights, and images at another size."""

from __future__ import annotations

from magik_frontend_tf.keras_files.call import FIRST, Call, f32, ints
from magik_frontend_tf.keras_files.layers.convolution import window
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor


@layer("MaxPooling1D", "MaxPooling2D", "MaxPool1D", "MaxPool2D", "AveragePooling1D", "AveragePooling2D", "AvgPool2D")
def pooling(c: Call) -> Tensor:
    rank = int(c.layer.kind[-2])
    x = c.first(c.image(rank + 2), c.data_format)
    key = "pool_length" if "pool_length" in c.config else "pool_size"
    size = c.integers(key, rank, 2)
    strides = c.integers("strides", rank, size)
    op = "MaxPool" if c.layer.kind.startswith("Max") else "AveragePool"
    y = c.emit(op, x, **window(c, x, size, strides, [1] * rank))
    return c.from_first(y, c.data_format)


@layer("GlobalAveragePooling2D", "GlobalMaxPooling2D", "GlobalAvgPool2D", "GlobalMaxPool2D")
def global_pooling(c: Call) -> Tensor:
    c.only()
    x = c.first(c.image(4), c.data_format)
    y = c.emit("GlobalMaxPool" if "Max" in c.layer.kind else "GlobalAveragePool", x)
    if c.flag("keepdims"):
        return c.from_first(y, c.data_format)
    return c.tensor(c.emit("Flatten", y, axis=1))


@layer("GlobalAveragePooling1D", "GlobalMaxPooling1D", "GlobalAvgPool1D", "GlobalMaxPool1D")
def global_pooling_1d(c: Call) -> Tensor:
    c.only()
    x = c.image(3)
    axis = x.order.index(2 if c.data_format == FIRST else 1)
    op, keep = "ReduceMax" if "Max" in c.layer.kind else "ReduceMean", c.flag("keepdims")
    y = c.emit(op, x.forms[x.order], ints(axis), keepdims=int(keep))
    return c.tensor(y, x.order if keep else None)


@layer("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D")
def adaptive_pooling(c: Call) -> Tensor:
    """Windows of one size, where the output's sizes divide the input's."""
    rank = int(c.layer.kind[-2])
    image = c.image(rank + 2)
    x = c.first(image, c.data_format)
    wanted = c.integers("output_size", rank)
    axes = range(2, rank + 2) if c.data_format == FIRST else range(1, rank + 1)
    sizes = [c.static(image, axis) for axis in axes]
    if any(n % m for n, m in zip(sizes, wanted, strict=True)):
        raise Refusal("the windows of the layer differ in size", f"{sizes} to {wanted}", "sizes that divide")
    window_sizes = [n // m for n, m in zip(sizes, wanted, strict=True)]
    op = "MaxPool" if "Max" in c.layer.kind else "AveragePool"
    return c.from_first(c.emit(op, x, kernel_shape=window_sizes, strides=window_sizes), c.data_format)


@layer("UpSampling1D", "UpSampling2D")
def up_sampling(c: Call) -> Tensor:
    rank = int(c.layer.kind[-2])
    image = c.image(rank + 2)
    data_format = c.data_format if rank == 2 else "channels_last"
    x = c.first(image, data_format)
    scales = f32([1, 1, *c.integers("size", rank, 2)])
    if c.choice("interpolation", ("nearest", "bilinear"), "nearest") == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return c.from_first(c.emit("Resize", x, "", scales, **how), data_format)


@layer("Resizing")
def resizing(c: Call) -> Tensor:
    for key in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        if c.flag(key):
            raise Refusal(f"{key} of the layer is not supported", "True", "False")
    image = c.image(4)
    x = c.first(image, c.data_format)
    channels = c.static(image, 1 if c.data_format == FIRST else 3)
    sizes = [c.integer("height"), c.integer("width")]
    if c.choice("interpolation", ("nearest", "bilinear"), "bilinear") == "nearest":
        how = {"mode": "nearest", "nearest_mode": "round_prefer_ceil"}
    else:
        how = {"mode": "linear"}
    batch = c.shape(image)[0]
    if not isinstance(batch, int):
        scales = [
            n / c.static(image, axis)
            for n, axis in zip(sizes, (2, 3) if c.data_format == FIRST else (1, 2), strict=True)
        ]
        y = c.emit("Resize", x, "", f32([1, 1, *scales]), coordinate_transformation_mode="half_pixel", **how)
        if list(c.builder.shape(y)[2:]) != sizes:
            raise Refusal("the batch is not known here", list(c.shape(image)), hint="give the sizes: INPUT_SHAPE")
        return c.from_first(y, c.data_format)
    whole = ints(batch, channels, *sizes)
    y = c.emit("Resize", x, "", "", whole, coordinate_transformation_mode="half_pixel", **how)
    return c.from_first(y, c.data_format)
