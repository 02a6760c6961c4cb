"""Activation functions, as layers, as the activation of another layer, and as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magik_frontend_tf.keras_files.call import Call, f32
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.source import Layer
from magik_frontend_tf.keras_files.tensor import Tensor

Activation = Callable[[Call, Tensor], Tensor]
SLOPE = 0.2  # of leaky_relu as an activation


def relu(c: Call, x: Tensor, slope: float = 0.0, most: float | None = None, threshold: float = 0.0) -> Tensor:
    """`most` above `most`, x from the threshold on, slope * (x - threshold) below it."""
    if threshold != 0:
        y = _above(c, x, slope, threshold)
    elif slope != 0:
        y = c.each(x, "LeakyRelu", alpha=slope)
    else:
        return c.each(x, "Relu") if most is None else c.each(x, "Clip", f32(0), f32(most))
    return y if most is None else c.each(y, "Min", f32(most))


def _above(c: Call, x: Tensor, slope: float, threshold: float) -> Tensor:
    if slope == 0 and threshold > 0:
        return c.each(x, "ThresholdedRelu", alpha=threshold)
    name = x.forms[x.order]
    below = c.emit("Mul", c.emit("Sub", name, f32(threshold)), f32(slope))
    is_above = c.emit("GreaterOrEqual", name, f32(threshold))
    return c.tensor(c.emit("Where", is_above, name, below), x.order)


def softmax(c: Call, x: Tensor, axis: Any = -1, op: str = "Softmax") -> Tensor:
    """Along an axis of Keras, or several together."""
    axes = c.axes(x, axis)
    if len(axes) == 1:
        return c.each(x, op, axis=x.order.index(axes[0]))
    raise Refusal("a softmax runs along several axes", axes, "one axis")


def hard_sigmoid(c: Call, x: Tensor) -> Tensor:
    """Keras 2: x / 5 + 1 / 2 in [0, 1]; Keras 3: x / 6 + 1 / 2."""
    return c.each(x, "HardSigmoid", alpha=hard_slope(c.version), beta=0.5)


def hard_slope(version: int) -> float:
    return 0.2 if version < 3 else 1 / 6


def squared(c: Call, x: Tensor) -> Tensor:
    """(x + sqrt(x * x + 4)) / 2"""
    root = c.each(c.each(c.tensor(_square(c, x), x.order), "Add", f32(4)), "Sqrt")
    total = c.emit("Add", x.forms[x.order], root.forms[x.order])
    return c.tensor(c.emit("Mul", total, f32(0.5)), x.order)


def _square(c: Call, x: Tensor) -> str:
    return c.emit("Mul", x.forms[x.order], x.forms[x.order])


def log_sigmoid(c: Call, x: Tensor) -> Tensor:
    return c.each(c.each(c.each(x, "Neg"), "Softplus"), "Neg")


def tanh_shrink(c: Call, x: Tensor) -> Tensor:
    return c.tensor(c.emit("Sub", x.forms[x.order], c.emit("Tanh", x.forms[x.order])), x.order)


def _plain(op: str, **attributes: Any) -> Activation:
    return lambda c, x: c.each(x, op, **attributes)


ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda c, x: x,
    "relu": relu,
    "relu6": lambda c, x: relu(c, x, most=6),
    "leaky_relu": lambda c, x: relu(c, x, slope=SLOPE),
    "elu": _plain("Elu", alpha=1.0),
    "celu": _plain("Celu", alpha=1.0),
    "selu": _plain("Selu"),
    "gelu": _plain("Gelu"),
    "silu": _plain("Swish"),
    "swish": _plain("Swish"),
    "mish": _plain("Mish"),
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": _plain("HardSwish"),
    "hard_swish": _plain("HardSwish"),
    "hard_tanh": lambda c, x: c.each(x, "Clip", f32(-1), f32(1)),
    "sigmoid": _plain("Sigmoid"),
    "log_sigmoid": log_sigmoid,
    "tanh": _plain("Tanh"),
    "tanh_shrink": tanh_shrink,
    "softmax": softmax,
    "log_softmax": lambda c, x: softmax(c, x, op="LogSoftmax"),
    "softplus": _plain("Softplus"),
    "softsign": _plain("Softsign"),
    "exponential": _plain("Exp"),
    "squareplus": squared,
}


def activate(c: Call, x: Tensor, key: str = "activation") -> Tensor:
    """What the activation of a layer makes of x.

    Raises: Refusal: it is a function of the model's own.
    """
    given = c.config.get(key)
    name = given
    if isinstance(given, dict):
        kind, name = given.get("class_name"), given.get("config")
        if kind not in ("function", None) and isinstance(name, dict):
            return _as_layer(c, x, str(kind), name)
    if given is None:
        return x
    if not isinstance(name, str) or name not in ACTIVATIONS:
        need, hint = f"one of: {', '.join(ACTIVATIONS)}", "model.export('folder'), and give the folder"
        raise Refusal("an activation is not supported", str(name or given)[:80], need, hint)
    return ACTIVATIONS[name](c, x)


def _as_layer(c: Call, x: Tensor, kind: str, config: dict[str, Any]) -> Tensor:
    """An activation that is given as a layer, e.g. LeakyReLU()."""
    if kind in ACTIVATIONS and not config:
        return ACTIVATIONS[kind](c, x)
    made = c.run(Layer(kind, kind.lower(), config), c.path, [x], {})
    return made[0]


@layer("Activation")
def activation(c: Call) -> Tensor:
    return activate(c, c.x)


@layer("ReLU")
def relu_layer(c: Call) -> Tensor:
    most = None if c.config.get("max_value") is None else c.number("max_value", 0)
    slope = 0.0 if c.config.get("negative_slope") is None else c.number("negative_slope", 0)
    threshold = 0.0 if c.config.get("threshold") is None else c.number("threshold", 0)
    return relu(c, c.x, slope, most, threshold)


@layer("LeakyReLU")
def leaky_relu(c: Call) -> Tensor:
    slope = c.number("negative_slope", 0.3) if "negative_slope" in c.config else c.number("alpha", 0.3)
    return c.each(c.x, "LeakyRelu", alpha=slope)


@layer("PReLU")
def prelu(c: Call) -> Tensor:
    x = c.x
    shared = c.config.get("shared_axes") or []
    sizes = [1 if axis in [c.axis(x, s) for s in shared] else None for axis in range(1, x.rank)]
    slope = c.weight(0, sizes, "alpha")[None].transpose(x.order)
    if x.order[0] != 0:
        raise Refusal("the layer does not fit its input", x.order)
    return c.each(x, "PRelu", c.stored(f"alpha{''.join(map(str, x.order))}", slope[0]))


@layer("ELU")
def elu(c: Call) -> Tensor:
    return c.each(c.x, "Elu", alpha=c.number("alpha", 1.0))


@layer("ThresholdedReLU")
def thresholded_relu(c: Call) -> Tensor:
    return c.each(c.x, "ThresholdedRelu", alpha=c.number("theta", 1.0))


@layer("Softmax")
def softmax_layer(c: Call) -> Tensor:
    c.only()
    return softmax(c, c.inputs[0], c.config.get("axis", -1))
