"""What `CASES` of an operator are made of: one ONNX node with shapes, weights and ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Input:
    """An activation of a case: its source shape and the range that its codes cover.

    `values` fixes the data (an index tensor, say); `dtype` is f32, s32 (int64 in ONNX) or bool.
    """

    shape: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0
    dtype: str = "f32"
    values: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Case:
    """One ONNX node that every check of an operator runs: numpy, C, onnxruntime, pack and unpack.

    Args:
        op_type, attributes: of the node.
        inputs: in the node's order; an Input is an activation, an array a constant, None absent.
        outputs: how many.
        range: of the output's codes; by default what the float result spans.
        steps: bound on |integer - float| in output codes when inputs and weights are exactly
            representable; 0.5 is one correct rounding, a little more allows for f32 in the reference.
        relative: bound on the f32 step's error, relative to the largest output.
        is_float_only: there is no integer kernel for this case.
        codes: smallest and largest code of weights that are such codes times 2^-7, as an import brings them;
            beyond s8 they are stored as s16. None: what the weight quantizer makes of them.
        twice: sums are rounded twice.
        wide: what comes on top of `steps` where y has 16 bits, for multipliers and f32 references.
    """

    op_type: str
    inputs: tuple[Input | np.ndarray | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    range: Range | None = None
    steps: float = 0.51
    relative: float = 2e-6
    is_float_only: bool = False
    codes: tuple[int, int] | None = None
    twice: bool = False
    wide: float = 1.0

    def __str__(self) -> str:
        shapes = ["x".join(map(str, i.shape)) if i is not None else "none" for i in self.inputs]
        extra = [f"{k}={v}" for k, v in self.attributes.items()]
        extra += [f"codes={self.codes[0]}..{self.codes[1]}"] if self.codes else []
        extra += ["twice"] if self.twice else []
        return f"{self.op_type}({', '.join([*shapes, *extra])})"


def case(
    op_type: str,
    *more: Input | Sequence[int] | np.ndarray | None,
    x: Input | Sequence[int] | np.ndarray,
    outputs: int = 1,
    range: Range | None = None,
    steps: float = 0.51,
    relative: float = 2e-6,
    is_float_only: bool = False,
    codes: tuple[int, int] | None = None,
    twice: bool = False,
    wide: float = 1.0,
    **attributes: Any,
) -> Case:
    """A case whose first input is `x`; a tuple is the shape of an activation in [-1, 1], an array a constant."""
    inputs: Any = tuple(Input(i) if isinstance(i, tuple) else i for i in (x, *more))
    return Case(op_type, inputs, attributes, outputs, range, steps, relative, is_float_only, codes, twice, wide)


def weights(*shape: int, seed: int = 0, bits: int = 8) -> np.ndarray:
    """Random weights that quantize without error: integers times a power of two, each channel at full range."""
    top = 2 ** (bits - 1) - 1
    codes = np.random.default_rng(seed).integers(-top, top + 1, shape)
    codes.reshape(shape[0], -1)[:, 0] = top
    return (codes / 128.0).astype(np.float32)


def extreme(*shape: int, codes: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Weights of a case with these codes: half of them at an end, and in channel 0 all at the lowest."""
    rng = np.random.default_rng(seed)
    out = rng.integers(codes[0], codes[1] + 1, shape)
    out = np.where(rng.random(shape) < 0.5, rng.choice(codes, shape), out)
    out.reshape(shape[0], -1)[0] = codes[0]
    return (out / 128.0).astype(np.float32)


def striped(*shape: int, axis: int = 1) -> np.ndarray:
    """Weights whose codes are -128 and 127 in turns along an axis: no two neighbors there are both -128."""
    codes = np.where(np.arange(shape[axis]) % 2, 127, -128)
    return np.broadcast_to(np.expand_dims(codes / 128, [a for a in range(len(shape)) if a != axis]), shape).astype(
        np.float32
    )


def full(*shape: int, code: int = 255) -> Input:
    """An activation of codes of which all are the same."""
    return Input(shape, 0, 255, values=(float(code),) * int(np.prod(shape)))


def floats(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Random f32 constants."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    """An int64 constant, as ONNX wants shapes, axes and indices."""
    return np.array(values, np.int64)
