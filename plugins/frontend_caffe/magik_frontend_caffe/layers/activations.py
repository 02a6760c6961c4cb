"""Layers that are functions of one value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from magik_frontend_caffe.layers import layer
from magik_frontend_caffe.reader import Layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_frontend_caffe.builder import Builder


@layer("ReLU")
def relu(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Relu, or LeakyRelu where `negative_slope` is not 0."""
    slope = layer.param("relu_param")["negative_slope"]
    return to.node("LeakyRelu", x, alpha=slope) if slope else to.node("Relu", x)


@layer("ReLU6")
def relu6(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Clip to [0, 6]."""
    return to.node("Clip", x, to.constant(0, "min"), to.constant(6, "max"))


@layer("Clip")
def clip(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Clip to [`min`, `max`]."""
    param = layer.param("clip_param")
    return to.node("Clip", x, to.constant(param["min"], "min"), to.constant(param["max"], "max"))


@layer("PReLU")
def prelu(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """PRelu, a slope for each channel or, with `channel_shared`, one."""
    shape = to.shape(x)
    if len(shape) < 2:
        raise to.problem("the layer needs an axis of channels", list(shape))
    count = 1 if layer.param("prelu_param")["channel_shared"] else shape[1]
    return to.node("PRelu", x, to.channels(x, to.weight(0, (count,), "slopes"), 1, "slope"))


@layer("ELU")
def elu(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Elu."""
    return to.node("Elu", x, alpha=layer.param("elu_param")["alpha"])


@layer("Sigmoid")
def sigmoid(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Sigmoid."""
    return to.node("Sigmoid", x)


@layer("TanH")
def tanh(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Tanh."""
    return to.node("Tanh", x)


@layer("AbsVal")
def abs_val(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Abs."""
    return to.node("Abs", x)


@layer("BNLL")
def bnll(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Softplus."""
    return to.node("Softplus", x)


@layer("Swish")
def swish(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """x times Sigmoid of `beta` x."""
    return to.node("Mul", x, to.node("Sigmoid", line(to, x, layer.param("swish_param")["beta"], 0.0)))


@layer("Power")
def power(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Mul, Add and Pow, those that are not idle: (`shift` + `scale` x)^`power`."""
    param = layer.param("power_param")
    if param["power"] == 0:  # 1 wherever x is
        return line(to, x, 0.0, 1.0)
    y = line(to, x, param["scale"], param["shift"])
    return y if param["power"] == 1 and y is not x else to.node("Pow", y, to.constant(param["power"], "power"))


@layer("Exp")
def exp(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Exp of a line: `base`^(`shift` + `scale` x); base -1 is e."""
    param = layer.param("exp_param")
    unit = log_of_base(to, param["base"])
    return to.node("Exp", line(to, x, param["scale"] * unit, param["shift"] * unit))


@layer("Log")
def log(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Log of a line, divided by that of `base`; base -1 is e."""
    param = layer.param("log_param")
    unit = log_of_base(to, param["base"])
    if unit == 0:
        raise to.problem("there is no logarithm to this base", "base 1", "a base above 0 other than 1, or -1 for e")
    y = to.node("Log", line(to, x, param["scale"], param["shift"]))
    return line(to, y, 1 / unit, 0.0)


def log_of_base(to: Builder, base: float) -> float:
    if base != -1 and base <= 0:
        raise to.problem("there is no power of this base", f"base {base:g}", "a base above 0, or -1 for e")
    return 1.0 if base == -1 else math.log(base)


def line(to: Builder, x: ir.Value, scale: float, shift: float) -> ir.Value:
    """Scale x + shift, in as many nodes as it takes."""
    if scale != 1:
        x = to.node("Mul", x, to.constant(scale, "scale"))
    return to.node("Add", x, to.constant(shift, "shift")) if shift else x


@layer("Threshold")
def threshold(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Greater and Cast: 1 where x is above `threshold`, else 0."""
    limit = to.constant(layer.param("threshold_param")["threshold"], "threshold")
    return to.node("Cast", to.node("Greater", x, limit), to=1)


@layer("Dropout", tops=(1, 1))
def dropout(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Identity; times the kept share where `scale_train` is false."""
    param = layer.param("dropout_param")
    if not param["scale_train"]:
        return line(to, x, 1 - param["dropout_ratio"], 0.0)
    return to.node("Identity", x)


@layer("Softmax")
def softmax(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Softmax over one axis, that of channels unless `axis` says otherwise."""
    return to.node("Softmax", x, axis=to.axis(x, layer.param("softmax_param")["axis"]))


@layer("BatchNorm")
def batch_norm(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """BatchNormalization with the stored mean and variance, both divided by the third blob."""
    param = layer.param("batch_norm_param")
    if "use_global_stats" in param and not param["use_global_stats"]:
        raise to.problem("the layer normalizes by its batch", "use_global_stats: false", "stored statistics")
    shape = to.shape(x)
    if len(shape) < 2:
        raise to.problem("the layer needs an axis of channels", list(shape))
    total = float(to.weight(2, (1,), "the scale factor")[0])
    factor = np.float32(0 if total == 0 else 1 / total)
    mean, var = (to.weight(i, shape[1:2], what) * factor for i, what in enumerate(("means", "variances")))
    if param["eps"] < 0 or not (var + param["eps"] > 0).all():
        raise to.problem("a variance is negative", f"{var.min():g}", "variances of 0 or more")
    ones, zeros = np.ones(shape[1], np.float32), np.zeros(shape[1], np.float32)
    arrays = {"scale": ones, "bias": zeros, "mean": mean, "var": var}
    constants = [to.constant(array, name) for name, array in arrays.items()]
    return to.node("BatchNormalization", x, *constants, epsilon=param["eps"])
