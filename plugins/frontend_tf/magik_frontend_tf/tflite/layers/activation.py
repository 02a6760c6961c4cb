"""Functions of one value, and softmax"""

from __future__ import annotations

from magik_frontend_tf.tflite.builder import Refusal
from magik_frontend_tf.tflite.call import Call, Laid
from magik_frontend_tf.tflite.layers import operator

SAME = {
    "ABS": "Abs", "CEIL": "Ceil", "COS": "Cos", "ELU": "Elu", "EXP": "Exp", "FLOOR": "Floor",
    "HARD_SWISH": "HardSwish", "LOG": "Log", "LOGICAL_NOT": "Not", "LOGISTIC": "Sigmoid", "NEG": "Neg",
    "RELU": "Relu", "ROUND": "Round", "SIGN": "Sign", "SIN": "Sin", "SQRT": "Sqrt", "TANH": "Tanh",
}  # fmt: skip
LIMITS = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


@operator(*SAME)
def same(c: Call) -> Laid:
    """Those that ONNX has under another name."""
    x = c.any()
    return Laid(c.emit(SAME[c.op.name], x.value), x.order)


@operator(*LIMITS)
def clip(c: Call) -> Laid:
    x = c.any()
    return Laid(c.clip(x.value, *LIMITS[c.op.name]), x.order)


@operator("LEAKY_RELU")
def leaky_relu(c: Call) -> Laid:
    x = c.any()
    return Laid(c.emit("LeakyRelu", x.value, alpha=float(c.option("alpha"))), x.order)


@operator("GELU")
def gelu(c: Call) -> Laid:
    x = c.any()
    return Laid(c.emit("Gelu", x.value, approximate="tanh" if c.option("approximate") else "none"), x.order)


@operator("RSQRT")
def rsqrt(c: Call) -> Laid:
    x = c.any()
    return Laid(c.emit("Reciprocal", c.emit("Sqrt", x.value)), x.order)


@operator("SQUARE")
def square(c: Call) -> Laid:
    x = c.any()
    return Laid(c.emit("Mul", x.value, x.value), x.order)


@operator("PRELU")
def prelu(c: Call) -> Laid:
    x = c.any()
    if c.rank(1) > c.rank(0):
        raise Refusal("a slope has more axes than its input", list(c.shape(1)), f"at most {c.rank(0)}")
    return Laid(c.emit("PRelu", x.value, c.laid(c.input(1), x.order)), x.order)


@operator("SOFTMAX")
def softmax(c: Call) -> Laid:
    """Over the last axis; a beta other than 1 is a Mul before it."""
    x, beta = c.any(), float(c.option("beta"))
    value = x.value if beta == 1 else c.emit("Mul", x.value, c.number(beta, "beta"))
    return Laid(c.emit("Softmax", value, axis=_last(c, x)), x.order)


@operator("LOG_SOFTMAX")
def log_softmax(c: Call) -> Laid:
    x = c.any()
    return Laid(c.emit("LogSoftmax", x.value, axis=_last(c, x)), x.order)


@operator("L2_NORMALIZATION")
def l2_normalization(c: Call) -> Laid:
    """Over the last axis: by the root of the sum of squares, at least 1e-6, as TFLite has it."""
    x = c.any()
    total = c.emit("ReduceSum", c.emit("Mul", x.value, x.value), c.integers([_last(c, x)], "axes"))
    norm = c.emit("Sqrt", c.emit("Clip", total, c.number(1e-6, "low")))
    return Laid(c.activated(c.emit("Div", x.value, norm)), x.order)


def _last(c: Call, x: Laid) -> int:
    if not x.order:
        raise Refusal("a single number has no axis")
    return x.order.index(len(x.order) - 1)
