"""Recognize Gelu."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import onnx_ir as ir

from magik_core.passes._rules import rewrite

CUBIC = 0.044715
TANH_SCALE = math.sqrt(2 / math.pi)


def recognize_gelu(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """x * 0.5 * (1 + Erf(x / sqrt(2))) becomes Gelu(x).

    1. the exact form with Erf: division by sqrt(2) or multiplication by its reciprocal
    2. the approximation 0.5 * x * (1 + Tanh(sqrt(2/pi) * (x + 0.044715 * x**3))): approximate="tanh";
       powers as Pow or as products, x inside or outside of the inner parentheses
    In both the factors x, 0.5 and (1 + ...) in any order; constants stand second since normalize_operands.
    Source: ONNX Gelu, opset 20.
    """
    exact = [(partial(_pattern, order, _erf), _exact) for order in ORDERS]
    tanh = [(partial(_pattern, order, _tanh), _approximate) for order in ORDERS]
    return rewrite(model, exact) + rewrite(model, tanh)


def _exact(op: Any, x: Any) -> Any:
    return op.Gelu(x)


def _approximate(op: Any, x: Any) -> Any:
    return op.Gelu(x, approximate="tanh")


ORDERS: tuple[Callable[[Any, Any, Any], Any], ...] = (
    lambda op, x, gate: op.Mul(op.Mul(x, gate), 0.5),
    lambda op, x, gate: op.Mul(op.Mul(gate, x), 0.5),
    lambda op, x, gate: op.Mul(op.Mul(x, 0.5), gate),
    lambda op, x, gate: op.Mul(gate, op.Mul(x, 0.5)),
    lambda op, x, gate: op.Mul(x, op.Mul(gate, 0.5)),
    lambda op, x, gate: op.Mul(op.Mul(gate, 0.5), x),
)


def _pattern(order: Callable[[Any, Any, Any], Any], gate: Callable[[Any, Any], Any], op: Any, x: Any) -> Any:
    return order(op, x, op.Add(gate(op, x), 1.0))


def _either(*spellings: Any) -> Any:
    from onnxscript.rewriter import pattern

    return pattern.OrValue(list(spellings))


def _erf(op: Any, x: Any) -> Any:
    return op.Erf(_either(op.Div(x, math.sqrt(2)), op.Mul(x, math.sqrt(0.5))))


def _tanh(op: Any, x: Any) -> Any:
    cube = _either(op.Pow(x, 3.0), op.Mul(x, op.Mul(x, x)), op.Mul(op.Mul(x, x), x))
    term = op.Mul(cube, CUBIC)
    line = op.Add(op.Mul(_either(op.Pow(x, 2.0), op.Mul(x, x)), CUBIC), 1.0)
    inner = _either(op.Add(x, term), op.Add(term, x), op.Mul(x, line), op.Mul(line, x))
    scaled = op.Mul(x, TANH_SCALE)
    return op.Tanh(_either(op.Mul(inner, TANH_SCALE), op.Mul(scaled, line), op.Mul(line, scaled)))
