"""Functions of one value, and softmax."""

from __future__ import annotations

import math
from functools import partial

from magik_frontend_mxnet.call import Call, f32
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal

PLAIN = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus", "softsign": "Softsign",
    "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "negative": "Neg",
    "reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil", "sign": "Sign", "erf": "Erf", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh",
    "cosh": "Cosh", "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh",
}  # fmt: skip
ACTIVATIONS = ("relu", "sigmoid", "tanh", "softrelu", "softsign")


def _plain(c: Call, op: str) -> str:
    return c.emit(op, c.x)


for _name, _op in PLAIN.items():
    if _name != "softrelu":  # a value of act_type only
        _function = partial(_plain, op=_op)
        _function.__module__ = __name__
        layer(_name)(_function)


@layer("Activation")
def activation(c: Call) -> str:
    return c.emit(PLAIN[c.attrs.text("act_type", "", ACTIVATIONS)], c.x)


@layer("LeakyReLU")
def leaky_relu(c: Call) -> str:
    kind = c.attrs.text("act_type", "leaky", ("leaky", "prelu", "elu", "selu", "gelu", "rrelu"))
    slope = c.attrs.number("slope", 0.25)
    if kind == "prelu":
        return _prelu(c)
    if kind == "rrelu":  # random in training, the middle of the range after it
        slope = (c.attrs.number("lower_bound", 0.125) + c.attrs.number("upper_bound", 0.334)) / 2
    if kind in ("selu", "gelu"):
        return c.emit(kind.capitalize(), c.x)
    return c.emit("Elu" if kind == "elu" else "LeakyRelu", c.x, alpha=slope)


def _prelu(c: Call) -> str:
    slopes = c.constant(1, axes=1)
    if slopes.size > 1:
        slopes = slopes.reshape((-1,) + (1,) * (c.rank(c.x) - 2))
    return c.emit("PRelu", c.x, slopes)


@layer("hard_sigmoid")
def hard_sigmoid(c: Call) -> str:
    return c.emit("HardSigmoid", c.x, alpha=c.attrs.number("alpha", 0.2), beta=c.attrs.number("beta", 0.5))


@layer("clip")
def clip(c: Call) -> str:
    return c.emit("Clip", c.x, f32(c.attrs.number("a_min")), f32(c.attrs.number("a_max")))


@layer("square")
def square(c: Call) -> str:
    return c.emit("Mul", c.x, c.x)


@layer("rsqrt")
def rsqrt(c: Call) -> str:
    return c.emit("Reciprocal", c.emit("Sqrt", c.x))


@layer("cbrt")
def cbrt(c: Call) -> str:
    return c.emit("Mul", c.emit("Sign", c.x), c.emit("Pow", c.emit("Abs", c.x), f32(1 / 3)))


@layer("fix", "trunc")
def fix(c: Call) -> str:
    return c.emit("Mul", c.emit("Sign", c.x), c.emit("Floor", c.emit("Abs", c.x)))


@layer("round")
def round_away(c: Call) -> str:
    """Halves go away from zero; ONNX's Round takes them to the even side."""
    up = c.emit("Floor", c.emit("Add", c.emit("Abs", c.x), f32(0.5)))
    return c.emit("Mul", c.emit("Sign", c.x), up)


@layer("log2")
def log2(c: Call) -> str:
    return c.emit("Mul", c.emit("Log", c.x), f32(1 / math.log(2)))


@layer("log10")
def log10(c: Call) -> str:
    return c.emit("Mul", c.emit("Log", c.x), f32(1 / math.log(10)))


@layer("log1p")
def log1p(c: Call) -> str:
    return c.emit("Log", c.emit("Add", c.x, f32(1)))


@layer("expm1")
def expm1(c: Call) -> str:
    return c.emit("Sub", c.emit("Exp", c.x), f32(1))


@layer("smooth_l1")
def smooth_l1(c: Call) -> str:
    scalar = c.attrs.number("scalar", 1)
    if not 1e-6 < abs(scalar) < 1e6:
        raise Refusal("an attribute has a value that is not supported", f"scalar {scalar}", "from 1e-6 to 1e6")
    edge, size = 1 / scalar**2, c.emit("Abs", c.x)
    inner = c.emit("Mul", c.emit("Mul", c.x, c.x), f32(0.5 / edge))
    return c.emit("Where", c.emit("Less", size, f32(edge)), inner, c.emit("Sub", size, f32(edge / 2)))


# ---- softmax and the layers that end a training graph ----------------------------------------------------


@layer("SoftmaxOutput", "Softmax")
def softmax_output(c: Call) -> str:
    """Without a flag, builds of MXNet differ in what they do with more than two axes."""
    if c.attrs.flag("multi_output", False):
        return c.emit("Softmax", c.x, axis=1)
    shape = c.builder.shape(c.x)
    if not c.attrs.flag("preserve_shape", False) and shape is not None and len(shape) > 2:
        need, hint = "two axes, or a flag", "set multi_output (axis 1) or preserve_shape (the last axis) in the symbol"
        raise Refusal("a softmax over an axis that is not said", f"{len(shape)} axes", need, hint)
    return c.emit("Softmax", c.x, axis=-1)


@layer("SoftmaxActivation")
def softmax_activation(c: Call) -> str:
    is_channel = c.attrs.text("mode", "instance", ("instance", "channel")) == "channel"
    return c.emit("Softmax", c.x, axis=1 if is_channel else -1)


@layer("softmax")
def softmax(c: Call) -> str:
    return _soft(c, "Softmax", 1)


@layer("softmin")
def softmin(c: Call) -> str:
    return _soft(c, "Softmax", -1)


@layer("log_softmax")
def log_softmax(c: Call) -> str:
    return _soft(c, "LogSoftmax", 1)


def _soft(c: Call, op: str, sign: int) -> str:
    c.attrs.text("use_length", "False", ("False", "0"))
    temperature = c.attrs.number("temperature", 1) or 1
    x = c.x if sign == temperature == 1 else c.emit("Mul", c.x, f32(sign / temperature))
    return c.emit(op, x, axis=c.attrs.integer("axis", -1))


@layer("LogisticRegressionOutput")
def logistic_output(c: Call) -> str:
    return c.emit("Sigmoid", c.x)


@layer(
    "identity", "_copy", "BlockGrad", "stop_gradient", "MakeLoss", "make_loss", "LinearRegressionOutput",
    "MAERegressionOutput", "SVMOutput", "IdentityAttachKLSparseReg", "_identity_with_attr_like_rhs", "_CrossDeviceCopy",
    "_contrib_gradientmultiplier",
)  # fmt: skip
def identity(c: Call) -> str:
    return c.emit("Identity", c.x)


@layer("Dropout")
def dropout(c: Call) -> str:
    c.attrs.text("mode", "training", ("training",))
    return c.emit("Identity", c.x)
