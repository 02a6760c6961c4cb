"""The functions of recurrent layers: their names, their coefficients, and what they are on f32 and on fixed numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_core import fmath, numerics
from magik_core.errors import LowerError
from magik_core.ops import Array
from magik_core.ops.convolution import clip

if TYPE_CHECKING:
    import onnx_ir as ir

F = np.float32
NEEDED = math.nan  # onnxruntime takes 0 for it: no function that anybody has trained


@dataclass(frozen=True)
class Function:
    """A function of one value.

    Args: alpha, beta: ONNX's defaults, None where it takes none, NEEDED where it has none or runtimes have another;
        real: on f32; exact: in f64, of those with a table.
    """

    alpha: float | None
    beta: float | None
    real: Callable[[Array, np.float32, np.float32], Array]
    exact: Callable[[Array, float, float], Array] | None = None


def _elu(x: Array, alpha: float, beta: float) -> Array:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


# In the order of `enum activation`; activation.h repeats every operation.
FUNCTIONS: Mapping[str, Function] = {
    "Sigmoid": Function(None, None, lambda x, a, b: fmath.sigmoid(x), lambda x, a, b: 1 / (1 + np.exp(-x))),
    "Tanh": Function(None, None, lambda x, a, b: fmath.tanh(x), lambda x, a, b: np.tanh(x)),
    "Relu": Function(None, None, lambda x, a, b: np.where(x < 0, F(0), x)),
    "Affine": Function(NEEDED, 0.0, lambda x, a, b: a * x + b),
    "LeakyRelu": Function(0.01, None, lambda x, a, b: np.where(x < 0, a * x, x)),
    "ThresholdedRelu": Function(NEEDED, None, lambda x, a, b: np.where(x < a, F(0), x)),
    "ScaledTanh": Function(NEEDED, NEEDED, lambda x, a, b: a * fmath.tanh(b * x), lambda x, a, b: a * np.tanh(b * x)),
    "HardSigmoid": Function(0.2, 0.5, lambda x, a, b: clip(a * x + b, 0.0, 1.0)),
    "Elu": Function(1.0, None, lambda x, a, b: np.where(x < 0, a * (fmath.exp(x) - F(1)), x), _elu),
    "Softsign": Function(None, None, lambda x, a, b: x / (F(1) + np.abs(x))),
    "Softplus": Function(None, None, lambda x, a, b: fmath.softplus(x), lambda x, a, b: np.logaddexp(0, x)),
}
KINDS = tuple(FUNCTIONS)
SEGMENTS = 2048  # of a table
ONE = 1 << numerics.FIXED_BITS


@dataclass(frozen=True)
class Activation:
    """One of FUNCTIONS with its coefficients."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    def real(self, x: Array) -> Array:
        """The function of f32 values, each operation rounded."""
        return np.asarray(FUNCTIONS[self.name].real(x, F(self.alpha), F(self.beta)), F)

    @property
    def is_within_one(self) -> bool:
        """Whether every result lies in [-1, 1]."""
        scaled = self.name == "ScaledTanh" and abs(self.alpha) <= 1
        return scaled or self.name in ("Sigmoid", "Tanh", "HardSigmoid", "Softsign")

    @property
    def is_share(self) -> bool:
        """Whether every result lies in [0, 1]."""
        return self.name in ("Sigmoid", "HardSigmoid")

    @property
    def segment(self) -> int:
        """Bits of a segment of the table: 10 + log2(R), where it covers [-R, R]."""
        if self.name == "ScaledTanh":
            reach = 8 / max(abs(self.beta), 2.0**-10)
            return 10 + min(max(math.ceil(math.log2(reach)), -9), 10)
        return 10 + (3 if self.name == "Tanh" else 4)

    def table(self) -> Array | None:
        """s32 (SEGMENTS + 1): the function at the ends of segments, fixed."""
        exact = FUNCTIONS[self.name].exact
        if exact is None:
            return None
        x = (np.arange(SEGMENTS + 1.0) - SEGMENTS / 2) * 2.0 ** (self.segment - numerics.FIXED_BITS)
        return numerics.fixed(numerics.round_half_up(exact(x, self.alpha, self.beta) * ONE)).astype(np.int32)

    def words(self) -> tuple[int, int, int, int]:
        """What the kernels read: bits of a segment, multiplier and shift of alpha, beta or a limit as a fixed number.

        Raises: QuantizeError: alpha is 2^29 or larger.
        """
        offset = self.alpha if self.name == "ThresholdedRelu" else self.beta
        whole = numerics.fixed(numerics.round_half_up(np.array(offset * ONE)))
        return (self.segment, *numerics.multiplier(self.alpha), int(whole))

    def integer(self, v: Array) -> Array:
        """The function of fixed numbers, bit for bit.

        Source: docs/quantization.md, "Recurrent layers".
        """
        segment, m, s, offset = self.words()
        table = self.table()
        if table is not None:
            y = _interpolate(v, table.astype(np.int64), segment)
            reach = SEGMENTS // 2 << segment
            return np.where(v >= reach, v, y) if self.name in ("Elu", "Softplus") else y
        if self.name == "Relu":
            return np.maximum(v, 0)
        if self.name == "ThresholdedRelu":
            return np.where(v < offset, 0, v)
        if self.name == "Softsign":
            d = ONE + np.abs(v)
            return np.asarray((v * ONE + (d >> 1)) // d)
        line = numerics.fixed(numerics.rescale(v, m, s) + offset)
        if self.name == "LeakyRelu":
            return np.where(v < 0, line, v)
        return np.clip(line, 0, ONE) if self.name == "HardSigmoid" else line


def _interpolate(v: Array, table: Array, segment: int) -> Array:
    reach = SEGMENTS // 2 << segment
    u = np.clip(v + reach, 0, 2 * reach)
    i = np.minimum(u >> segment, SEGMENTS - 1)
    rise = (table[i + 1] - table[i]) * (u - (i << segment))
    return np.asarray(table[i] + numerics.shift(rise, segment))


def read_activations(node: ir.Node, defaults: tuple[str, ...]) -> tuple[Activation, ...]:
    """The functions of a recurrent node.

    activation_alpha and activation_beta are given to those functions that take one, in order; where there are
    none left, ONNX's defaults.

    Raises: LowerError: a function that ONNX does not have, another number of them than `defaults` has, or one
        without a coefficient that it needs.
    """
    names, alphas, betas = (_list(node, k) for k in ("activations", "activation_alpha", "activation_beta"))
    names = names or list(defaults)
    known = {name.lower(): name for name in FUNCTIONS}
    what, need = "", ", ".join(FUNCTIONS)
    if len(names) != len(defaults):
        what, need = "another number of activations", str(len(defaults))
    elif any(name.lower() not in known for name in names):
        what = "unknown activations"
    if what:
        raise LowerError(f"{node.op_type}: {what}", where=f"node '{node.name}'", found=", ".join(names), need=need)
    out = []
    for name in (known[name.lower()] for name in names):
        f = FUNCTIONS[name]
        out.append(Activation(name, _next(alphas, f.alpha), _next(betas, f.beta)))
    missing = [(a.name, key) for a in out for key in ("alpha", "beta") if getattr(a, key) is NEEDED]
    if missing:
        raise LowerError(
            f"{node.op_type}: activations without a coefficient",
            where=f"node '{node.name}'",
            found=", ".join(f"{name} without {key}" for name, key in missing),
            need=" and ".join(f"activation_{key}" for key in sorted({key for _, key in missing})),
        )
    return tuple(out)


def _list(node: ir.Node, name: str) -> list[Any]:
    found = node.attributes.get(name)
    return [] if found is None else list(found.value)


def _next(given: list[float], default: float | None) -> float:
    """The next coefficient, for a function that takes one."""
    if default is None:
        return 0.0
    return float(given.pop(0)) if given else default
