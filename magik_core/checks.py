"""Inspections that restrictions of many chips share; a backend gives the limits, sentence and source.

Each is `(program, step, **limits) -> found or None`, to be wrapped by `soc.check`. Steps are NHWC,
weights OHWI as input 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from magik_core.program import Program, Step, Tensor


@dataclass(frozen=True)
class Names:
    """A limit that is a list too long for a sentence: it is written as its title."""

    title: str
    text: str  # the names, separated by white space

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.text.split())

    def __str__(self) -> str:
        return self.title


def stride(program: Program, step: Step, *, n: int) -> str | None:
    """Strides are at most n."""
    strides = _strides(step)
    return f"strides {_by(strides)}" if max(strides, default=1) > n else None


def stride_after_first(program: Program, step: Step, *, n: int, kernel: int, stride: int) -> str | None:
    """Strides are at most n; a first layer may have one kernel x kernel window of another stride."""
    window, strides = _window(program, step), _strides(step)
    is_first = bool(step.inputs) and step.inputs[0] in program.inputs
    if is_first and set(window) == {kernel} and set(strides) == {stride}:
        return None
    if max(strides, default=1) <= n:
        return None
    return f"strides {_by(strides)}, kernel {_by(window)}" + (", the first layer" if is_first else "")


def batch(program: Program, step: Step, *, n: int) -> str | None:
    """The first axis is at most n."""
    shape = program.tensors[step.inputs[0]].shape
    return f"batch {shape[0]}" if len(shape) > 1 and shape[0] > n else None


def storage(program: Program, step: Step, *, dtypes: Sequence[str]) -> str | None:
    """The first input is stored as one of the dtypes."""
    dtype = program.tensors[step.inputs[0]].dtype
    return None if dtype in dtypes else f"input {step.inputs[0]} is {dtype}"


def weight_bits(program: Program, step: Step, *, bits: Sequence[int]) -> str | None:
    """Weights are of one of the widths."""
    return next((f"weights of {n} bits" for n in _weight_bits(program, step) if n not in bits), None)


def most_weight_bits(program: Program, step: Step, *, n: int) -> str | None:
    """Weights have at most n bits."""
    return next((f"weights of {bits} bits" for bits in _weight_bits(program, step) if bits > n), None)


def paired_weight_bits(program: Program, step: Step, *, features: Sequence[int], bits: Sequence[int]) -> str | None:
    """Where the first input is of one of some widths, weights are of one of the widths that go with it."""
    own = _feature_bits(program.tensors[step.inputs[0]])
    found = weight_bits(program, step, bits=bits) if own in features else None
    return f"features of {own} bits, {found}" if found else None


def most_feature_bits(program: Program, step: Step, *, n: int) -> str | None:
    """What a step writes, and what it reads of the model's inputs, has at most n bits; states of recurrent layers
    are kept in 16 bits everywhere."""
    names = [*(name for name in step.inputs if name in program.inputs), *step.outputs]
    wide = {name: bits for name in names if (bits := _feature_bits(program.tensors[name])) > n}
    states = _states(program) if wide else frozenset()
    found = [f"{name} of {bits} bits" for name, bits in wide.items() if name not in states]
    return ", ".join(found) or None


def attribute(program: Program, step: Step, *, field: str, values: Sequence[object]) -> str | None:
    """An attribute has one of the values; a step without it passes."""
    value = getattr(step.op, field, values[0])
    return None if value in values else f"{field} {value}"


def known_op(program: Program, step: Step, *, ops: Names) -> str | None:
    """The operator, by its name or one of the ONNX names that it stands for, is in the list."""
    cls = type(step.op)
    names = {cls.__name__, *getattr(cls, "onnx", ())}
    names |= {"Add", "Mul"} if cls.__name__ == "Affine" else set()  # by a number, as a table
    return None if names & ops.names else f"operator {cls.__name__}"


def broadcast(program: Program, step: Step) -> str | None:
    """Two operands are of one shape, or one is a scalar, one value per channel or one per pixel."""
    shapes = [t.shape for t in program.reads(step)[:2]]
    if len(shapes) < 2 or shapes[0] == shapes[1]:
        return None
    small, big = sorted(shapes, key=lambda s: (len(s), _count(s)))
    padded = (1,) * (len(big) - len(small)) + small
    if _count(small) == 1 or padded == (1,) * (len(big) - 1) + big[-1:] or padded == (*big[:-1], 1):
        return None
    return f"shapes {_by(shapes[0])} and {_by(shapes[1])}"


def step_bytes(program: Program, step: Step, *, mib: int) -> str | None:
    """Everything that a step reads and writes fits together."""
    names = dict.fromkeys((*step.inputs, *step.outputs))
    total = sum(program.tensors[name].nbytes for name in names)
    return f"{total / 2**20:.1f} MiB" if total > mib * 2**20 else None


def _weight_bits(program: Program, step: Step) -> list[int]:
    """Bits of each of a step's weights."""
    from magik_core.program import WeightParams  # numpy comes with it, and finding a chip needs none

    parts = [(t.data, t.quant) for t in program.reads(step)]
    weights = [(data, q.bits) for data, q in parts if isinstance(q, WeightParams) and data is not None]
    return [_odd_bits(data) or bits if bits > 8 else bits for data, bits in weights]


def _odd_bits(codes: np.ndarray) -> int:
    """Bits of wide codes that are all odd, as training for a chip makes them: half as many numbers; else 0.

    A channel of zeros has no codes of its own.
    """
    rows = codes.reshape(len(codes), -1) if codes.any() else codes[:0]
    is_odd = len(rows) and ((rows & 1 == 1).all(1) | ~rows.any(1)).all()
    return (int(codes.max()) - int(codes.min()) >> 1).bit_length() if is_odd else 0


def _feature_bits(t: Tensor) -> int:
    """Bits of an activation's codes; 0 without codes."""
    from magik_core.program import QuantParams

    return t.quant.bits if isinstance(t.quant, QuantParams) else 0


def _states(program: Program) -> frozenset[str]:
    """Tensors that hold states of recurrent layers, and those to and from which these are moved as they are."""
    from magik_core.ops.concat import Concat
    from magik_core.ops.recurrent import H, Recurrent

    found: set[str] = set()
    for step in program.steps:
        if isinstance(step.op, Recurrent):
            found.update((*step.inputs[H : H + step.op.states], *step.outputs[1:]))
    moves = [{*s.inputs[:1], *s.outputs} for s in program.steps if s.op.keeps_codes]
    moves += [{*s.inputs, *s.outputs} for s in program.steps if isinstance(s.op, Concat)]
    while more := set().union(*(names for names in moves if names & found)) - found:
        found |= more
    return frozenset(found)


def _strides(step: Step) -> tuple[int, ...]:
    value = getattr(step.op, "strides", ())
    return (value,) if isinstance(value, int) else tuple(value)


def _window(program: Program, step: Step) -> tuple[int, ...]:
    """Height and width of the weights, stored OHWI."""
    weights = program.reads(step)[1:2]
    return tuple(weights[0].shape[1:-1]) if weights else ()


def _count(shape: Sequence[int]) -> int:
    out = 1
    for dim in shape:
        out *= dim
    return out


def _by(dims: Sequence[int]) -> str:
    return "x".join(map(str, dims)) or "none"
