"""Layers that normalize."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from magik_frontend_tf.keras_files.call import Call, f32, ints
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Order, Tensor

MIN_NORM = 1e-12  # below which l2_normalize does not divide


def along(c: Call, x: Tensor, array: np.ndarray, axes: list[int]) -> np.ndarray:
    """An array over some axes of Keras, shaped for numpy's broadcasting with x's first value."""
    shape = [1] * x.rank
    for axis, size in zip(axes, array.shape, strict=True):
        shape[axis] = size
    return np.ascontiguousarray(array.reshape(shape).transpose(x.order))


def weights(c: Call, axes: list[int], x: Tensor, first: int = 0) -> tuple[np.ndarray, np.ndarray, int]:
    """gamma and beta, ones and zeros where they are left out, and the number of the next weight."""
    sizes, number = [c.static(x, axis) for axis in axes], first
    gamma, beta = np.ones(sizes, np.float32), np.zeros(sizes, np.float32)
    if c.flag("scale", True):
        gamma, number = c.weight(number, sizes, "gamma"), number + 1
    if c.flag("center", True):
        beta, number = c.weight(number, sizes, "beta"), number + 1
    return gamma, beta, number


@layer("BatchNormalization")
def batch_normalization(c: Call) -> Tensor:
    """BatchNormalization; a Mul and an Add where the channels do not lie behind the batch."""
    c.only()
    x = c.inputs[0]
    axes = c.axes(x, c.config.get("axis", -1))
    if len(axes) != 1:
        raise Refusal("the layer normalizes several axes", axes, "one axis")
    gamma, beta, number = weights(c, axes, x)
    mean, variance = (
        c.weight(number + i, gamma.shape, name) for i, name in enumerate(("moving mean", "moving variance"))
    )
    epsilon = c.number("epsilon", 1e-3)
    order: Order = (0, axes[0], *(i for i in range(1, x.rank) if i != axes[0]))
    if order in x.forms or x.rank == 4:
        held = [c.stored(name, array) for name, array in
                (("gamma", gamma), ("beta", beta), ("moving_mean", mean), ("moving_variance", variance))]  # fmt: skip
        return c.tensor(c.emit("BatchNormalization", c.form(x, order), *held, epsilon=epsilon), order)
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    offset = beta - mean * scale
    return affine(c, x, scale, offset, axes)


def affine(c: Call, x: Tensor, scale: np.ndarray, offset: np.ndarray, axes: list[int]) -> Tensor:
    y = c.each(x, "Mul", f32(along(c, x, np.asarray(scale), axes)))
    return c.each(y, "Add", f32(along(c, y, np.asarray(offset), axes)))


@layer("LayerNormalization")
def layer_normalization(c: Call) -> Tensor:
    c.only()
    x = c.inputs[0]
    axes = c.axes(x, c.config.get("axis", -1))
    if c.flag("rms_scaling"):
        raise Refusal("rms_scaling of the layer is not supported", "True", "False")
    order: Order = (*(i for i in range(x.rank) if i not in axes), *axes)
    gamma, beta, _ = weights(c, axes, x)
    y = c.emit(
        "LayerNormalization",
        c.form(x, order),
        c.stored("gamma", gamma),
        c.stored("beta", beta),
        axis=x.rank - len(axes),
        epsilon=c.number("epsilon", 1e-3),
    )
    return c.tensor(y, order)


@layer("RMSNormalization")
def rms_normalization(c: Call) -> Tensor:
    """x / sqrt(mean of squares + epsilon) * scale, along the last axis."""
    x = c.x
    axes = c.axes(x, c.config.get("axis", -1))
    scale = c.weight(0, [c.static(x, axis) for axis in axes], "scale")
    name, where = x.forms[x.order], ints(*sorted(x.order.index(axis) for axis in axes))
    mean = c.emit("ReduceMean", c.emit("Mul", name, name), where, keepdims=1)
    root = c.emit("Sqrt", c.emit("Add", mean, f32(c.number("epsilon", 1e-6))))
    return c.each(c.tensor(c.emit("Div", name, root), x.order), "Mul", along(c, x, scale, axes))


@layer("GroupNormalization")
def group_normalization(c: Call) -> Tensor:
    x = c.x
    (axis,) = c.axes(x, c.config.get("axis", -1))
    gamma, beta, _ = weights(c, [axis], x)
    channels, groups = len(gamma), c.config.get("groups", 32)
    groups = channels if groups == -1 else c.whole(groups, "groups")
    if channels % groups:
        raise Refusal("the channels do not fit the groups", f"{channels} in {groups} groups")
    order: Order = (0, axis, *(i for i in range(1, x.rank) if i != axis))
    held = [c.stored("gamma", gamma), c.stored("beta", beta)]
    attributes: dict[str, Any] = {"num_groups": groups, "epsilon": c.number("epsilon", 1e-3)}
    return c.tensor(c.emit("GroupNormalization", c.form(x, order), *held, **attributes), order)


@layer("UnitNormalization")
def unit_normalization(c: Call) -> Tensor:
    return l2_normalize(c, c.x, c.config.get("axis", -1))


def l2_normalize(c: Call, x: Tensor, axis: Any, epsilon: float = MIN_NORM) -> Tensor:
    name, axes = x.forms[x.order], c.axes(x, axis)
    where = ints(*sorted(x.order.index(a) for a in axes))
    total = c.emit("ReduceSum", c.emit("Mul", name, name), where, keepdims=1)
    norm = c.emit("Sqrt", c.emit("Max", total, f32(epsilon)))
    return c.tensor(c.emit("Div", name, norm), x.order)


@layer("Rescaling")
def rescaling(c: Call) -> Tensor:
    """x * scale + offset; one number, or one per channel."""
    x = c.x
    scale, offset = (
        np.asarray(c.config.get(key, default), np.float32) for key, default in (("scale", 1), ("offset", 0))
    )
    for array in (scale, offset):
        if array.ndim > 1 or not np.isfinite(array).all():
            raise Refusal("scale and offset of the layer are no numbers", f"{scale}, {offset}"[:80])
    y = c.each(x, "Mul", _channels(c, x, scale))
    return y if not offset.any() else c.each(y, "Add", _channels(c, y, offset))


def _channels(c: Call, x: Tensor, array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 0 else along(c, x, array, [x.rank - 1])


@layer("Normalization")
def normalization(c: Call) -> Tensor:
    """(x - mean) / sqrt(variance), from the configuration or from the weights."""
    x = c.x
    axis = c.config.get("axis", -1)
    axes = [] if axis is None else c.axes(x, axis)
    sizes = [c.static(x, a) for a in axes]
    if c.config.get("mean") is not None:
        given = [np.asarray(c.config.get(key), np.float64).reshape(-1) for key in ("mean", "variance")]
        full = math.prod(sizes)
        mean, variance = (np.broadcast_to(g, [full]) if g.size == 1 else g for g in given)
        if mean.size != full or variance.size != full:
            raise Refusal("mean and variance do not fit the layer", f"{mean.size} numbers", f"{full}")
        mean, variance = mean.reshape(sizes), variance.reshape(sizes)
    else:
        mean, variance = (c.weight(i, sizes, name) for i, name in enumerate(("mean", "variance")))
    deviation = np.maximum(np.sqrt(variance.astype(np.float64)), 1e-7)
    if c.flag("invert"):
        return affine(c, x, deviation, np.asarray(mean), axes)
    return affine(c, x, 1 / deviation, -mean / deviation, axes)
