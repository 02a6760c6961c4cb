"""Arithmetic and comparisons of tensors"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from magik_frontend_tf.tflite.axes import Order, plain
from magik_frontend_tf.tflite.builder import DTYPES, Refusal, graph_type
from magik_frontend_tf.tflite.call import Call, Known, Laid
from magik_frontend_tf.tflite.layers import operator

ACTIVATED = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div"}
SAME = {
    "EQUAL": "Equal", "GREATER": "Greater", "GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual", "LOGICAL_AND": "And", "LOGICAL_OR": "Or", "MAXIMUM": "Max", "MINIMUM": "Min",
    "POW": "Pow",
}  # fmt: skip


@operator(*ACTIVATED)
def arithmetic(c: Call) -> Laid:
    """With a fused activation function."""
    values, order = aligned(c, (0, 1))
    return Laid(c.activated(c.emit(ACTIVATED[c.op.name], *values)), order)


@operator(*SAME)
def same(c: Call) -> Laid:
    """Those that ONNX has under another name."""
    values, order = aligned(c, (0, 1))
    return Laid(c.emit(SAME[c.op.name], *values), order)


@operator("NOT_EQUAL")
def not_equal(c: Call) -> Laid:
    values, order = aligned(c, (0, 1))
    return Laid(c.emit("Not", c.emit("Equal", *values)), order)


@operator("SQUARED_DIFFERENCE")
def squared_difference(c: Call) -> Laid:
    values, order = aligned(c, (0, 1))
    difference = c.emit("Sub", *values)
    return Laid(c.emit("Mul", difference, difference), order)


@operator("FLOOR_DIV")
def floor_div(c: Call) -> Laid:
    """Of reals: integers would be cut towards zero."""
    values, order = aligned(c, (0, 1))
    quotient = c.emit("Div", *(c.emit("Cast", v, to=int(ir.DataType.DOUBLE)) for v in values))
    return Laid(c.emit("Cast", c.emit("Floor", quotient), to=int(values[0].dtype or 1)), order)


@operator("ADD_N")
def add_n(c: Call) -> Laid:
    values, order = aligned(c, range(c.count))
    return Laid(c.emit("Sum", *values), order)


@operator("SELECT", "SELECT_V2")
def select(c: Call) -> Laid:
    if c.op.name == "SELECT" and c.shape(0) != c.shape(1) and c.rank(0) > 0:
        found = f"{list(c.shape(0))} for {list(c.shape(1))}"
        raise Refusal("a condition has another shape than what it selects", found, "the same shape")
    values, order = aligned(c, (0, 1, 2))
    return Laid(c.emit("Where", *values), order)


@operator("CAST")
def cast(c: Call) -> Laid:
    """To the type of the output."""
    x = c.any()
    kind = c.outputs[0].type
    return x if kind not in DTYPES else Laid(c.emit("Cast", x.value, to=int(graph_type(kind))), x.order)


@operator("DEQUANTIZE", "QUANTIZE")
def requantize(c: Call) -> Laid:
    """No node of its own: a quantized tensor is QuantizeLinear and DequantizeLinear behind its maker."""
    return c.any()


def aligned(c: Call, indices: Sequence[int]) -> tuple[list[ir.Value], Order]:
    """Inputs that broadcast against each other, in one order of axes: that of the first computed one of full rank."""
    known = [c.input(i) for i in indices]
    rank = max((len(k.shape) for k in known), default=0)
    orders = [k.order for k in known if len(k.shape) == rank and not k.is_constant]
    order = next((o for o in orders if o != plain(rank)), plain(rank))
    return [_operand(c, k, order) for k in known], order


def _operand(c: Call, known: Known, order: Order) -> ir.Value:
    is_alike = known.is_constant and len(known.shape) < len(order) and order == plain(len(order))
    return c.laid(known, plain(len(known.shape)) if not known.shape or is_alike else order)
