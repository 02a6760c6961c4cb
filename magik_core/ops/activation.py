"""The functions of recurrent layers: their names, their coefficients, and what they are on f32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magik_core import fmath
from magik_core.ops import Array
from magik_core.ops.convolution import clip

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

F = np.float32


@dataclass(frozen=True)
class Function:
    """A function of one value. Fields: alpha, beta: ONNX's defaults, None where it takes none."""

    alpha: float | None
    beta: float | None
    real: Callable[[Array, np.float32, np.float32], Array]


# In the order of `enum activation`; activation.h repeats every operation.
FUNCTIONS: Mapping[str, Function] = {
    "Sigmoid": Function(None, None, lambda x, a, b: fmath.sigmoid(x)),
    "Tanh": Function(None, None, lambda x, a, b: fmath.tanh(x)),
    "Relu": Function(None, None, lambda x, a, b: np.where(x < 0, F(0), x)),
    "Affine": Function(1.0, 0.0, lambda x, a, b: a * x + b),
    "LeakyRelu": Function(0.01, None, lambda x, a, b: np.where(x < 0, a * x, x)),
    "ThresholdedRelu": Function(1.0, None, lambda x, a, b: np.where(x < a, F(0), x)),
    "ScaledTanh": Function(1.0, 1.0, lambda x, a, b: a * fmath.tanh(b * x)),
    "HardSigmoid": Function(0.2, 0.5, lambda x, a, b: clip(a * x + b, 0.0, 1.0)),
    "Elu": Function(1.0, None, lambda x, a, b: np.where(x < 0, a * (fmath.exp(x) - F(1)), x)),
    "Softsign": Function(None, None, lambda x, a, b: x / (F(1) + np.abs(x))),
    "Softplus": Function(None, None, lambda x, a, b: fmath.softplus(x)),
}
KINDS = tuple(FUNCTIONS)


@dataclass(frozen=True)
class Activation:
    """One of FUNCTIONS with its coefficients."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    def real(self, x: Array) -> Array:
        """The function of f32 values, each operation rounded."""
        return np.asarray(FUNCTIONS[self.name].real(x, F(self.alpha), F(self.beta)), F)


def read_activations(node: ir.Node, to: Lowering, defaults: tuple[str, ...]) -> tuple[Activation, ...]:
    """The functions of a recurrent node.

    activation_alpha and activation_beta are given to those functions that take one, in order; where there are
    none left, ONNX's defaults.

    Raises: LowerError: a function that ONNX does not have, or another number of them than `defaults` has.
    """
    names = to.attribute(node, "activations", defaults)
    known = {name.lower(): name for name in FUNCTIONS}
    if len(names) != len(defaults):
        raise to.problem(node, "another number of activations", ", ".join(names), f"{len(defaults)}")
    if any(name.lower() not in known for name in names):
        raise to.problem(node, "unknown activations", ", ".join(names), ", ".join(FUNCTIONS))
    alphas, betas = (list(to.attribute(node, f"activation_{k}", ())) for k in ("alpha", "beta"))
    out = []
    for name in (known[name.lower()] for name in names):
        f = FUNCTIONS[name]
        alpha, beta = (_next(given, default) for given, default in ((alphas, f.alpha), (betas, f.beta)))
        out.append(Activation(name, alpha, beta))
    return tuple(out)


def _next(given: list[float], default: float | None) -> float:
    """The next coefficient, for a function that takes one."""
    if default is None:
        return 0.0
    return float(given.pop(0)) if given else default
