"""Arithmetic and comparisons of two tensors, or of a tensor and a number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import helper

from magik_frontend_mxnet.call import FLOAT, Call, Operand, f32
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal

Binary = Callable[[Call, Operand, Operand], str]


def _op(op: str) -> Binary:
    return lambda c, a, b: c.emit(op, a, b)


def _mod(c: Call, a: Operand, b: Operand) -> str:
    """The remainder with the sign of the divisor, as Python's."""
    return c.emit("Sub", a, c.emit("Mul", c.emit("Floor", c.emit("Div", a, b)), b))


def _hypot(c: Call, a: Operand, b: Operand) -> str:
    return c.emit("Sqrt", c.emit("Add", c.emit("Mul", a, a), c.emit("Mul", b, b)))


def _compare(op: str, is_inverted: bool = False) -> Binary:
    """MXNet's comparisons give numbers: 1 and 0 of the dtype compared."""

    def emit(c: Call, a: Operand, b: Operand) -> str:
        y = c.emit(op, a, b)
        return c.emit("Cast", c.emit("Not", y) if is_inverted else y, to=FLOAT)

    return emit


def _logic(op: str) -> Binary:
    def emit(c: Call, a: Operand, b: Operand) -> str:
        sides = [c.to_bool(v) if isinstance(v, str) else np.asarray(v) != 0 for v in (a, b)]
        return c.emit("Cast", c.emit(op, *sides), to=FLOAT)

    return emit


# MXNet's word, what it emits, and the names of versions before 0.9 (none where there was none)
BINARY: dict[str, tuple[Binary, tuple[str, ...]]] = {
    "add": (_op("Add"), ("elemwise_add", "_add", "_plus", "_Plus", "_grad_add", "broadcast_plus")),
    "sub": (_op("Sub"), ("elemwise_sub", "_sub", "_minus", "_Minus", "broadcast_minus")),
    "mul": (_op("Mul"), ("elemwise_mul", "_mul", "_Mul")),
    "div": (_op("Div"), ("elemwise_div", "_div", "_Div")),
    "mod": (_mod, ("_mod", "_Mod")),
    "power": (_op("Pow"), ("_power", "_Power")),
    "maximum": (_op("Max"), ("_maximum", "_Maximum")),
    "minimum": (_op("Min"), ("_minimum", "_Minimum")),
    "hypot": (_hypot, ("_hypot", "_Hypot")),
    "equal": (_compare("Equal"), ("_equal", "_Equal")),
    "not_equal": (_compare("Equal", is_inverted=True), ("_not_equal", "_Not_Equal")),
    "greater": (_compare("Greater"), ("_greater", "_Greater")),
    "greater_equal": (_compare("GreaterOrEqual"), ("_greater_equal", "_Greater_Equal")),
    "lesser": (_compare("Less"), ("_lesser", "_Lesser")),
    "lesser_equal": (_compare("LessOrEqual"), ("_lesser_equal", "_Lesser_Equal")),
    "logical_and": (_logic("And"), ("_logical_and", "_Logical_And")),
    "logical_or": (_logic("Or"), ("_logical_or", "_Logical_Or")),
    "logical_xor": (_logic("Xor"), ("_logical_xor", "_Logical_Xor")),
}
# the scalar is on the right; with `r` in front it is on the left
SCALAR = {
    "plus": "add", "minus": "sub", "rminus": "sub", "mul": "mul", "div": "div", "rdiv": "div", "mod": "mod",
    "rmod": "mod", "power": "power", "rpower": "power", "maximum": "maximum", "minimum": "minimum", "hypot": "hypot",
    "equal": "equal", "not_equal": "not_equal", "greater": "greater", "greater_equal": "greater_equal",
    "lesser": "lesser", "lesser_equal": "lesser_equal", "logical_and": "logical_and", "logical_or": "logical_or",
    "logical_xor": "logical_xor",
}  # fmt: skip
OLD_SCALAR = {"rminus": "_RMinusScalar", "rdiv": "_RDivScalar", "rpower": "_RPowerScalar", "rmod": "_RModScalar"}


def _enter_tensors(word: str, emit: Binary, aliases: tuple[str, ...]) -> None:
    @layer(f"broadcast_{word}", *aliases)
    def two_tensors(c: Call) -> str:
        a, b = c.input(0), c.input(1)
        if c.builder.dtype(a) != c.builder.dtype(b):
            a, b = c.to_float(a), c.to_float(b)
        return emit(c, a, b)


def _enter_scalar(word: str, emit: Binary) -> None:
    old = OLD_SCALAR.get(word, "_" + "_".join(part.capitalize() for part in word.split("_")) + "Scalar")

    @layer(f"_{word}_scalar", old)
    def tensor_and_scalar(c: Call) -> str:
        scalar = _scalar(c)
        is_left = word in OLD_SCALAR
        return emit(c, scalar, c.x) if is_left else emit(c, c.x, scalar)


def _scalar(c: Call) -> np.ndarray:
    """The number in the dtype of the tensor; integers stay so where the number is one."""
    value = c.attrs.number("scalar", 1)
    kind = helper.tensor_dtype_to_np_dtype(c.builder.dtype(c.x))
    if kind.kind not in "iu":
        return f32(value)
    if not value.is_integer() or abs(value) >= 1 << 31:
        raise Refusal("a number does not fit the integers beside it", f"scalar {value}", str(kind))
    return np.array(int(value)).astype(kind)


for _word, (_emit, _aliases) in BINARY.items():
    _enter_tensors(_word, _emit, _aliases)
for _word, _base in SCALAR.items():
    _enter_scalar(_word, BINARY[_base][0])


@layer("add_n", "ElementWiseSum", "_sum", "_element_wise_sum")
def add_n(c: Call) -> str:
    return c.emit("Sum", *c.inputs)


@layer("logical_not")
def logical_not(c: Call) -> str:
    return c.emit("Cast", c.emit("Not", c.to_bool(c.x)), to=FLOAT)


@layer("where")
def where(c: Call) -> str:
    return c.emit("Where", c.to_bool(c.x), c.input(1), c.input(2))


@layer("Cast", "cast", "amp_cast")
def cast(c: Call) -> str:
    """Floats of any width are f32 here."""
    kinds = {"int8": np.int8, "uint8": np.uint8, "int32": np.int32, "int64": np.int64, "bool": np.bool_}
    wanted = c.attrs.text("dtype", "float32", ("float16", "float32", "float64", *kinds))
    to = helper.np_dtype_to_tensor_dtype(np.dtype(kinds[wanted])) if wanted in kinds else FLOAT
    return c.emit("Identity", c.x) if c.builder.dtype(c.x) == to else c.emit("Cast", c.x, to=to)


@layer("amp_multicast")
def amp_multicast(c: Call) -> list[str]:
    return [c.emit("Identity", value) for value in c.inputs]
