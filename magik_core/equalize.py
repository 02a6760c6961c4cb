"""Cross-layer equalization: let neighboring convolutions share their ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

_HOMOGENEOUS = ("Relu", "LeakyRelu", "PRelu")  # f(s * x) = s * f(x) for s > 0
_ROUNDS = 20
_SETTLED = 1e-3  # a round that moves no factor by more ends the search
_DEAD = 1e-5  # a channel whose weights are smaller, beside the largest, computes nothing and stays


@dataclass(frozen=True)
class Pair:
    """Two convolutions, the second of which alone reads the first, through nothing or an activation."""

    first: ir.Node
    second: ir.Node

    @property
    def between(self) -> ir.Value:
        """What the second reads."""
        value = self.second.inputs[0]
        assert value is not None
        return value

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel between them is read by one channel of the second."""
        return bool(self.second.attributes.get_int("group", 1) > 1)

    def divide(self, s: np.ndarray) -> None:
        """Make channel i between them 1 / s_i of what it was, in place; what the second computes stays."""
        w1, w2 = _array(self.first.inputs[1]), _array(self.second.inputs[1])
        _put(self.first.inputs[1], w1 / _along(s, w1.ndim, 0))
        _put(self.second.inputs[1], w2 * _along(s, w2.ndim, 0 if self.is_depthwise else 1))
        if len(self.first.inputs) > 2 and self.first.inputs[2] is not None:
            _put(self.first.inputs[2], _array(self.first.inputs[2]) / s)


def equalize(model: ir.Model) -> int:
    """Scale the channels between convolutions so that both sides' weights have equal ranges, in place.

    Before: y = W2 f(W1 x + b1)        After: y = (W2 S) f(S^-1 W1 x + S^-1 b1)

    with S = diag(s), s_i = sqrt(r1_i r2_i) / r2_i and r the largest magnitudes of channel i in W1 and W2.
    Float outputs stay equal up to rounding. Pairs need f homogeneous (none, Relu, LeakyRelu, PRelu), no
    other reader between them, and constants that no other node uses; the second is an ordinary or a
    depthwise convolution.

    Returns:  how many pairs were equalized.
    Source:   Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019,
              equations 9 to 11.
    """
    pairs = pairs_of(model)
    for _ in range(_ROUNDS if pairs else 0):
        moved = max(_equalize_pair(pair) for pair in pairs)
        if moved < _SETTLED:
            break
    return len(pairs)


def pairs_of(model: ir.Model) -> list[Pair]:
    """The pairs of `equalize`, in graph order."""
    return [pair for node in model.graph if (pair := _pair(node)) is not None]


def _pair(first: ir.Node) -> Pair | None:
    if first.op_type != "Conv" or not _has_own_weights(first):
        return None
    second = _only_reader(first.outputs[0])
    if second is not None and second.op_type in _HOMOGENEOUS and second.inputs[0] is first.outputs[0]:
        second = _only_reader(second.outputs[0])
    if second is None or second.op_type != "Conv" or not _has_own_weights(second):
        return None
    groups = second.attributes.get_int("group", 1)
    channels = _array(first.inputs[1]).shape[0]
    is_depthwise = groups == channels == _array(second.inputs[1]).shape[0]
    return Pair(first, second) if groups == 1 or is_depthwise else None


def _only_reader(value: ir.Value) -> ir.Node | None:
    uses = tuple(value.uses())
    if len(uses) != 1 or value.is_graph_output() or uses[0].idx != 0:
        return None
    return uses[0].node


def _has_own_weights(conv: ir.Node) -> bool:
    """Weight and bias are initializers that nothing else reads."""
    constants = [v for v in conv.inputs[1:] if v is not None]
    return all(v.const_value is not None and v.is_initializer() and len(tuple(v.uses())) == 1
               and not v.is_graph_output() for v in constants)  # fmt: skip


def _equalize_pair(pair: Pair) -> float:
    """One step; returns the largest |log2 s|."""
    w1, w2 = _array(pair.first.inputs[1]), _array(pair.second.inputs[1])
    r1 = np.abs(w1).reshape(len(w1), -1).max(axis=1).astype(np.float64)
    r2 = (
        np.abs(w2)
        .max(axis=tuple(range(1, w2.ndim)) if pair.is_depthwise else (0, *range(2, w2.ndim)))
        .astype(np.float64)
    )
    is_used = (r1 > _DEAD * r1.max()) & (r2 > _DEAD * r2.max())
    s = np.sqrt(np.where(is_used, r1, 1.0) / np.where(is_used, r2, 1.0))
    pair.divide(s)
    return float(np.abs(np.log2(s)).max())


def _along(s: np.ndarray, ndim: int, axis: int) -> np.ndarray:
    return s.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _array(value: ir.Value | None) -> np.ndarray:
    assert value is not None and value.const_value is not None
    return value.const_value.numpy()


def _put(value: ir.Value | None, array: np.ndarray) -> None:
    assert value is not None
    value.const_value = ir.tensor(array.astype(np.float32), name=value.name)
