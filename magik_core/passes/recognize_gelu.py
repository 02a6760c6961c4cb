"""Recognize Gelu."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from magik_core.passes._rules import rewrite

CUBIC = 0.044715
TANH_SCALE = math.sqrt(2 / math.pi)


def recognize_gelu(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """x * 0.5 * (1 + Erf(x / sqrt(2))) becomes Gelu(x).

    1. the exact form with Erf: division by sqrt(2) or multiplication by its reciprocal
    2. the approximation 0.5 * x * (1 + Tanh(sqrt(2/pi) * (x + 0.044715 * x**3))): approximate="tanh";
       the cube as Pow or as products, the factor x inside or outside of the parentheses
    In both the factors x, 0.5 and (1 + ...) in any order.
    Source: ONNX Gelu, opset 20.
    """
    exact = [(_product(gate, order), _exact) for gate in ERF_GATES for order in ORDERS]
    tanh = [(_product(gate, order), _tanh) for gate in TANH_GATES for order in ORDERS]
    return rewrite(model, exact) + rewrite(model, tanh)


def _exact(op: Any, x: Any) -> Any:
    return op.Gelu(x)


def _tanh(op: Any, x: Any) -> Any:
    return op.Gelu(x, approximate="tanh")


ERF_GATES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda op, x: op.Erf(op.Div(x, math.sqrt(2))),
    lambda op, x: op.Erf(op.Mul(x, math.sqrt(0.5))),
)
CUBES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda op, x: op.Pow(x, 3.0),
    lambda op, x: op.Mul(x, op.Mul(x, x)),
    lambda op, x: op.Mul(op.Mul(x, x), x),
)
SQUARES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda op, x: op.Pow(x, 2.0),
    lambda op, x: op.Mul(x, x),
)


def _inside_sums() -> list[Callable[[Any, Any], Any]]:
    """Every spelling of x + 0.044715 * x**3."""
    out: list[Callable[[Any, Any], Any]] = []
    for cube in CUBES:
        out.append(lambda op, x, cube=cube: op.Add(x, op.Mul(cube(op, x), CUBIC)))
        out.append(lambda op, x, cube=cube: op.Add(op.Mul(cube(op, x), CUBIC), x))
    for square in SQUARES:
        out.append(lambda op, x, sq=square: op.Mul(x, op.Add(op.Mul(sq(op, x), CUBIC), 1.0)))
        out.append(lambda op, x, sq=square: op.Mul(op.Add(op.Mul(sq(op, x), CUBIC), 1.0), x))
    return out


def _tanh_gates() -> list[Callable[[Any, Any], Any]]:
    out: list[Callable[[Any, Any], Any]] = [
        lambda op, x, inside=inside: op.Tanh(op.Mul(inside(op, x), TANH_SCALE)) for inside in _inside_sums()
    ]
    for square in SQUARES:
        line = lambda op, x, sq=square: op.Add(op.Mul(sq(op, x), CUBIC), 1.0)  # noqa: E731
        out.append(lambda op, x, line=line: op.Tanh(op.Mul(op.Mul(x, TANH_SCALE), line(op, x))))
        out.append(lambda op, x, line=line: op.Tanh(op.Mul(line(op, x), op.Mul(x, TANH_SCALE))))
    return out


TANH_GATES = tuple(_tanh_gates())

# The three factors x, one = 1 + gate and 0.5; constants stand second since normalize_operands.
ORDERS: tuple[Callable[[Any, Any, Any], Any], ...] = (
    lambda op, x, one: op.Mul(op.Mul(x, one), 0.5),
    lambda op, x, one: op.Mul(op.Mul(one, x), 0.5),
    lambda op, x, one: op.Mul(op.Mul(x, 0.5), one),
    lambda op, x, one: op.Mul(one, op.Mul(x, 0.5)),
    lambda op, x, one: op.Mul(x, op.Mul(one, 0.5)),
    lambda op, x, one: op.Mul(op.Mul(one, 0.5), x),
)


def _product(gate: Callable[[Any, Any], Any], order: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def pattern(op: Any, x: Any) -> Any:
        return order(op, x, op.Add(gate(op, x), 1.0))

    return pattern
