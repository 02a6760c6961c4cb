"""Layers that normalize."""

from __future__ import annotations

import numpy as np

from magik_frontend_mxnet.call import Call, f32, ints
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal


@layer("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")
def batch_norm(c: Call) -> str:
    return _batch_norm(c)


@layer("_contrib_BatchNormWithReLU")
def batch_norm_relu(c: Call) -> str:
    return c.emit("Relu", _batch_norm(c))


def _batch_norm(c: Call) -> str:
    scale, bias, mean, variance = _statistics(c)
    epsilon, axis = c.attrs.number("eps", 1e-3), c.attrs.integer("axis", 1)
    if axis == 1:
        return c.emit("BatchNormalization", c.x, scale, bias, mean, variance, epsilon=epsilon)
    behind = -1 - axis if axis < 0 else c.rank(c.x) - 1 - c.axis(c.x, axis)
    shape = (-1,) + (1,) * behind
    ratio = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    line = c.emit("Mul", c.x, f32(ratio).reshape(shape))
    return c.emit("Add", line, f32(bias - mean * ratio).reshape(shape))


def _statistics(c: Call) -> tuple[np.ndarray, ...]:
    """Gamma, beta, mean, variance; symbols before 0.9 do not list the last two."""
    arrays = [None if i == 1 and c.attrs.flag("fix_gamma", True) else c.constant(i, axes=1) for i in (1, 2)]
    for i, name in ((3, "moving_mean"), (4, "moving_var")):
        if len(c.inputs) > i:
            arrays.append(c.constant(i, axes=1))
            continue
        stored = c.parameter(f"{c.name}_{name}")
        if stored is None:
            raise Refusal("a parameter is missing", f"{c.name}_{name}", "its values in the .params file")
        arrays.append(c.builder.constants[stored])
    if len({array.size for array in arrays if array is not None}) != 1:
        found = ", ".join(str(list(array.shape)) for array in arrays if array is not None)
        raise Refusal("a parameter does not fit its layer", found, "the same number of channels in each")
    gamma, beta, mean, variance = arrays
    assert beta is not None and mean is not None and variance is not None
    return np.ones_like(beta) if gamma is None else gamma, beta, mean, variance


@layer("InstanceNorm")
def instance_norm(c: Call) -> str:
    return c.emit("InstanceNormalization", c.x, c.weight(1), c.weight(2), epsilon=c.attrs.number("eps", 1e-3))


@layer("LayerNorm")
def layer_norm(c: Call) -> str:
    axis = c.attrs.integer("axis", -1)
    if axis != -1 and c.axis(c.x, axis) != c.rank(c.x) - 1:
        raise Refusal("an attribute has a value that is not supported", f"axis {axis}", "the last axis")
    return c.emit("LayerNormalization", c.x, c.weight(1), c.weight(2), axis=-1, epsilon=c.attrs.number("eps", 1e-5))


@layer("GroupNorm")
def group_norm(c: Call) -> str:
    """Gamma and beta are one per group up to 1.9, as if groups were channels; ONNX has one per channel."""
    groups, epsilon = c.attrs.integer("num_groups", 1, least=1, most=1 << 20), c.attrs.number("eps", 1e-5)
    gamma, beta = c.constant(1, axes=1), c.constant(2, axes=1)
    if gamma.size == beta.size == groups:
        grouped = c.emit("Reshape", c.x, ints(0, groups, -1))
        y = c.emit("InstanceNormalization", grouped, gamma, beta, epsilon=epsilon)
        return c.emit("Reshape", y, c.emit("Shape", c.x))
    if gamma.size != beta.size or gamma.size % groups:
        found = f"{gamma.size} and {beta.size} values"
        raise Refusal("a parameter does not fit its layer", found, f"one of each per channel or per group of {groups}")
    return c.emit("GroupNormalization", c.x, gamma, beta, num_groups=groups, epsilon=epsilon)


@layer("L2Normalization")
def l2_normalization(c: Call) -> str:
    mode = c.attrs.text("mode", "instance", ("instance", "channel", "spatial"))
    axes = {"channel": range(1, 2)}.get(mode) or range(2 if mode == "spatial" else 1, c.rank(c.x))
    squares = c.emit("ReduceSum", c.emit("Mul", c.x, c.x), ints(*axes), keepdims=1)
    safe = c.emit("Add", squares, f32(c.attrs.number("eps", 1e-10)))
    return c.emit("Div", c.x, c.emit("Sqrt", safe))


@layer("LRN")
def local_response(c: Call) -> str:
    return c.emit(
        "LRN",
        c.x,
        size=c.attrs.integer("nsize", least=1, most=1 << 16),
        alpha=c.attrs.number("alpha", 1e-4),
        beta=c.attrs.number("beta", 0.75),
        bias=c.attrs.number("knorm", 2),
    )


@layer("norm")
def norm(c: Call) -> str:
    order, axes = c.attrs.integer("ord", 2, least=1, most=2), c.attrs.integers("axis", ())
    chosen = [ints(*axes)] if axes else []
    return c.emit(f"ReduceL{order}", c.x, *chosen, keepdims=int(c.attrs.flag("keepdims", False)))
