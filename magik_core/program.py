"""The integer program: tensors, steps, and the values that describe them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from magik_core.ops import Op

Shape = tuple[int, ...]

MAX_DIMS = 8  # MAGIK_MAX_DIMS of the runtime
MAX_ELEMENTS = (2**31 - 1) // 4  # of a tensor; load.c refuses more

DTYPES: Mapping[str, np.dtype] = {
    "u8": np.dtype("<u1"),
    "s8": np.dtype("<i1"),
    "u16": np.dtype("<u2"),
    "s16": np.dtype("<i2"),
    "s32": np.dtype("<i4"),
    "s64": np.dtype("<i8"),
    "f32": np.dtype("<f4"),
    "bool": np.dtype("<u1"),  # 0 or 1
}


CODES = ("u8", "u16")  # storage of activations' codes


@dataclass(frozen=True)
class QuantParams:
    """How an activation's codes mean reals: real = scale * (q - zero_point).

    `scale` is positive and exactly an f32; `zero_point` is in [0, 2**bits - 1] and may be half an
    integer; codes are [0, 2**bits - 1].
    """

    scale: float
    zero_point: float = 0.0
    bits: int = 8

    @property
    def top(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    @property
    def dtype(self) -> str:
        """The narrowest storage of the codes."""
        return "u8" if self.bits <= 8 else "u16"


@dataclass(frozen=True)
class WeightParams:
    """How a weight's codes mean reals: real = scale[channel] * (q - zero_point[channel]).

    One entry per output channel (axis 0 of the stored weight), or one for the whole tensor.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...] = (0,)
    bits: int = 8


@dataclass(frozen=True, eq=False)
class Tensor:
    """One value of a program, as stored: `shape` is the stored shape (NHWC for images).

    `axes[i]` is the axis of the source model that stored axis i holds: (0, 2, 3, 1) for an NCHW
    source stored NHWC. `data` is set for constants only. A dtype is a key of DTYPES.
    """

    name: str
    dtype: str
    shape: Shape
    quant: QuantParams | WeightParams | None = None
    data: np.ndarray | None = None
    axes: tuple[int, ...] = ()

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def count(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.count * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Step:
    """One kernel call: `op` with its attributes, names of the tensors it reads and writes.

    `name` is the source node's. Every input is present: an absent bias is a constant of zeros.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """Two tensors of one kind: what a run leaves in `after` is in `before` when the next one begins."""

    before: str
    after: str


@dataclass(frozen=True)
class Program:
    """Steps in execution order over named tensors.

    Before a run the caller fills the inputs, and the runtime the states; afterwards the caller reads the outputs,
    and the runtime keeps the states. At first every state is real zero.
    """

    name: str
    tensors: Mapping[str, Tensor]
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: Mapping[str, str] = field(default_factory=dict)  # tensor name -> source value name, where they differ
    colors: Mapping[str, str] = field(default_factory=dict)  # image input -> "RGB", "BGR" or "GRAY"
    states: tuple[State, ...] = ()

    @property
    def entering(self) -> tuple[str, ...]:
        """The tensors that are filled before the first step."""
        return (*self.inputs, *(s.before for s in self.states))

    @property
    def leaving(self) -> tuple[str, ...]:
        """The tensors that are read after the last step."""
        return (*self.outputs, *(s.after for s in self.states))

    def reads(self, step: Step) -> tuple[Tensor, ...]:
        return tuple(self.tensors[name] for name in step.inputs)

    def writes(self, step: Step) -> tuple[Tensor, ...]:
        return tuple(self.tensors[name] for name in step.outputs)

    def activations(self) -> Iterator[Tensor]:
        """Every tensor that lives in the arena, in order of definition."""
        return (t for t in self.tensors.values() if not t.is_constant)
