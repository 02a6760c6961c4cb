"""Arithmetic between tensors and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from magik_frontend_tf.keras_files.call import Call, Operand, f32
from magik_frontend_tf.keras_files.layers import activations
from magik_frontend_tf.keras_files.layers.merging import aligned
from magik_frontend_tf.keras_files.layers.normalization import l2_normalize
from magik_frontend_tf.keras_files.layers.registry import Function, function
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor

BINARY: dict[str, tuple[str, ...]] = {
    "Add": ("Add", "AddV2", "BiasAdd", "add", "math.add", "__operators__.add", "nn.bias_add"),
    "Sub": ("Subtract", "Sub", "subtract", "math.subtract", "__operators__.sub"),
    "Mul": ("Multiply", "Mul", "multiply", "math.multiply", "__operators__.mul"),
    "Div": ("Divide", "TrueDivide", "RealDiv", "divide", "math.divide", "math.truediv", "__operators__.truediv"),
    "Max": ("Maximum", "maximum", "math.maximum"),
    "Min": ("Minimum", "minimum", "math.minimum"),
    "Pow": ("Power", "Pow", "pow", "math.pow", "__operators__.pow"),
}
UNARY: dict[str, tuple[str, ...]] = {
    "Abs": ("Absolute", "Abs", "abs", "math.abs"),
    "Neg": ("Negative", "Neg", "negative", "math.negative", "__operators__.neg"),
    "Exp": ("Exp", "exp", "math.exp"),
    "Log": ("Log", "log", "math.log"),
    "Sqrt": ("Sqrt", "sqrt", "math.sqrt"),
    "Floor": ("Floor", "floor", "math.floor"),
    "Ceil": ("Ceil", "ceil", "math.ceil"),
    "Sin": ("Sin", "sin", "math.sin"),
    "Cos": ("Cos", "cos", "math.cos"),
    "Erf": ("Erf", "erf", "math.erf"),
    "Sign": ("Sign", "sign", "math.sign"),
    "Reciprocal": ("Reciprocal", "math.reciprocal"),
}
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "relu": ("Relu", "nn.relu"),
    "relu6": ("Relu6", "nn.relu6"),
    "sigmoid": ("Sigmoid", "math.sigmoid", "nn.sigmoid", "sigmoid"),
    "tanh": ("Tanh", "math.tanh", "nn.tanh", "tanh"),
    "softplus": ("Softplus", "math.softplus", "nn.softplus"),
    "softsign": ("Softsign", "nn.softsign"),
    "selu": ("Selu", "nn.selu"),
    "silu": ("Silu", "nn.silu", "nn.swish"),
    "mish": ("Mish",),
    "hard_sigmoid": ("HardSigmoid",),
    "hard_silu": ("HardSilu",),
    "hard_tanh": ("HardTanh",),
    "log_sigmoid": ("LogSigmoid",),
}


def binary(c: Call, op: str, x: Any, y: Any) -> Tensor:
    """An operator with numpy's broadcasting; one of the two may be numbers."""
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        names, order = aligned(c, [x, y])
        return c.tensor(c.emit(op, *names), order)
    tensor, other = (x, y) if isinstance(x, Tensor) else (y, x)
    if not isinstance(tensor, Tensor):
        raise Refusal("a function is called without a tensor", op)
    array = numbers(c, other)
    if array.ndim > tensor.rank:
        raise Refusal("a constant has more axes than the tensor", f"{array.ndim} of {tensor.rank}")
    if array.ndim:
        array = array.reshape([1] * (tensor.rank - array.ndim) + list(array.shape)).transpose(tensor.order)
    if tensor is x:
        return c.each(tensor, op, array)
    return c.tensor(c.emit(op, array, tensor.forms[tensor.order]), tensor.order)


def numbers(c: Call, value: Any) -> np.ndarray:
    """A constant of a call in f32."""
    if not isinstance(value, (int, float, list)) or isinstance(value, bool):
        raise Refusal("a constant is no number", repr(value)[:80])
    try:
        return np.asarray(value, np.float32)
    except (ValueError, TypeError, OverflowError):
        raise Refusal("a constant is no array of numbers", repr(value)[:80]) from None


def _enter_binary(op: str, names: Sequence[str]) -> None:
    def made(c: Call, x: Any, y: Any) -> Tensor:
        return binary(c, op, x, y)

    _own(made, names)


def _enter_unary(op: str, names: Sequence[str]) -> None:
    def made(c: Call, x: Tensor) -> Tensor:
        return c.each(x, op)

    _own(made, names)


def _enter_activation(kind: str, names: Sequence[str]) -> None:
    def made(c: Call, x: Tensor) -> Tensor:
        return activations.ACTIVATIONS[kind](c, x)

    _own(made, names)


def _own(made: Function, names: Sequence[str]) -> None:
    function(*names)(made)


for _op, _names in BINARY.items():
    _enter_binary(_op, _names)
for _op, _names in UNARY.items():
    _enter_unary(_op, _names)
for _op, _names in ACTIVATIONS.items():
    _enter_activation(_op, _names)


@function("Identity", "StopGradient", "identity", "stop_gradient", "Cast", "cast", "Copy")
def same(c: Call, x: Tensor, dtype: Any = None) -> Tensor:
    """Casts between reals do nothing: all are f32."""
    if dtype is not None and "float" not in str(dtype):
        raise Refusal("a cast to integers is not supported", str(dtype)[:80], "a type of reals")
    return x


@function("Square", "square", "math.square")
def square(c: Call, x: Tensor) -> Tensor:
    name = x.forms[x.order]
    return c.tensor(c.emit("Mul", name, name), x.order)


@function("Rsqrt", "math.rsqrt")
def rsqrt(c: Call, x: Tensor) -> Tensor:
    return c.each(c.each(x, "Sqrt"), "Reciprocal")


@function("Softmax", "nn.softmax")
def softmax(c: Call, x: Tensor, axis: int = -1) -> Tensor:
    return activations.softmax(c, x, axis)


@function("LogSoftmax", "nn.log_softmax")
def log_softmax(c: Call, x: Tensor, axis: int = -1) -> Tensor:
    return activations.softmax(c, x, axis, "LogSoftmax")


@function("LeakyRelu", "nn.leaky_relu")
def leaky_relu(c: Call, x: Tensor, alpha: float = 0.2, negative_slope: float | None = None) -> Tensor:
    return c.each(x, "LeakyRelu", alpha=float(alpha if negative_slope is None else negative_slope))


@function("Elu", "nn.elu")
def elu(c: Call, x: Tensor, alpha: float = 1.0) -> Tensor:
    return c.each(x, "Elu", alpha=float(alpha))


@function("Gelu", "nn.gelu")
def gelu(c: Call, x: Tensor, approximate: bool = True) -> Tensor:
    return c.each(x, "Gelu", approximate="tanh" if approximate else "none")


@function("Clip")
def clip(c: Call, x: Tensor, x_min: float, x_max: float) -> Tensor:
    return c.each(x, "Clip", f32(x_min), f32(x_max))


@function("clip_by_value")
def clip_by_value(c: Call, x: Tensor, clip_value_min: float, clip_value_max: float) -> Tensor:
    return c.each(x, "Clip", f32(clip_value_min), f32(clip_value_max))


@function("math.l2_normalize", "nn.l2_normalize")
def normalize(c: Call, x: Tensor, axis: Any = -1, epsilon: float = 1e-12) -> Tensor:
    return l2_normalize(c, x, axis, epsilon)


@function("Matmul", "MatMul", "BatchMatMulV2", "matmul", "linalg.matmul")
def matmul(c: Call, a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """Of tensors of two or more axes; the second may be a constant."""
    names: list[Operand] = []
    for x, is_turned in ((a, transpose_a), (b, transpose_b)):
        if not isinstance(x, Tensor):
            array = numbers(c, x)
            names.append(np.ascontiguousarray(array.swapaxes(-1, -2)) if is_turned else array)
        elif x.rank < 2:
            raise Refusal("a product of vectors is not supported", list(c.shape(x)), "2 axes or more")
        else:
            order = tuple(range(x.rank))
            names.append(c.form(x, (*order[:-2], order[-1], order[-2]) if is_turned else order))
    return c.tensor(c.emit("MatMul", *names))
