"""The kernel operators: one file each, found by looking in this folder.

An operator is a frozen dataclass whose fields are its attributes. `lower` turns an ONNX node into
steps; `shape`, `params`, `tables` and `integer`/`real` define a step; the `.c` file of the same
name holds the kernels. docs/writing-an-operator.md walks through one.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from magik_core.errors import LowerError
from magik_core.program import DTYPES, MAX_DIMS, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.lowering import Lowering

Array = np.ndarray
Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Params:
    """Scalars of a kernel: the fields, in order, are the 32-bit words of `struct params` in C.

    A field is an `int` (int32), a `float` (f32) or a tuple of either (an array of as many words).
    """

    def words(self) -> Array:
        """The struct as int32 words, little endian; an f32 is its bits."""
        out: list[int] = []
        for item in fields(self):
            value = getattr(self, item.name)
            for v in value if isinstance(value, tuple) else (value,):
                out.append(int(np.float32(v).view(np.int32)) if isinstance(v, float) else int(v))
        return np.array(out, dtype="<i4")


@dataclass(frozen=True)
class View:
    """`child`'s bytes may lie inside `parent`'s at `offset`; the kernel then copies nothing.

    Both are names of tensors of the step; one is an input, the other an output.
    """

    child: str
    parent: str
    offset: int  # bytes


class Op:
    """Base of the kernel operators."""

    onnx: ClassVar[tuple[str, ...]] = ()  # ONNX operator types that this file lowers
    dtypes: ClassVar[tuple[str, ...]] = ("u8", "f32")  # storage of the activations it computes on
    keeps_codes: ClassVar[bool] = False  # codes of the outputs mean what those of input 0 do
    halves: ClassVar[bool] = False  # computes on codes between two of which real zero lies
    real_inputs: ClassVar[tuple[int, ...]] = ()  # those that are f32 beside codes: box corners, say
    in_place: ClassVar[tuple[int, ...]] = ()  # inputs that output 0 may overwrite when the bytes are as many

    @classmethod
    def lower(cls, node: ir.Node, to: Lowering) -> None:
        """Emit the steps of one ONNX node.

        Raises: LowerError: the node uses something that has no kernel, said by name.
        """
        raise NotImplementedError

    def shape(self, *x: Any, **_: Any) -> tuple[Shape, ...]:
        """Stored shapes of the outputs from those of the inputs, one argument each; C infers the same."""
        return (x[0],)

    def kernel(self, x: Tensors, y: Tensors) -> str:
        """Name of the C function without `magik_`: `<op>_<dtype>`."""
        return f"{snake(type(self).__name__)}_{x[0].dtype}"

    def params(self, x: Tensors, y: Tensors) -> Params:
        """Scalars of the kernel, from attributes and quantization."""
        return Params()

    def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
        """Constant arrays of the kernel (multipliers, look-up tables); they follow the inputs."""
        return ()

    def integer(self, p: Any, *x: Any, **_: Any) -> Array | tuple[Array, ...]:
        """The meaning on codes, bit for bit; `x` are the inputs, then the tables."""
        raise NotImplementedError

    def real(self, p: Any, *x: Any, **_: Any) -> Array | tuple[Array, ...]:
        """The meaning on f32, bit for bit: one stated order of operations, each rounded to f32."""
        raise NotImplementedError

    def views(self, x: Tensors, y: Tensors) -> tuple[View, ...]:
        """Which tensors of the step may share storage without a copy."""
        return ()

    def macs(self, x: Tensors, y: Tensors) -> int:
        """Multiply-accumulates of one run."""
        return 0

    def run(self, x: Tensors, y: Tensors, values: tuple[Array, ...]) -> tuple[Array, ...]:
        """Compute one step in numpy: `values` are the arrays of the inputs `x`."""
        meaning = self.real if self.kernel(x, y).endswith("_f32") else self.integer
        with np.errstate(all="ignore"):  # inf and NaN are values here as they are in C
            out = meaning(self.params(x, y), *values, *self.tables(x, y))
        results = out if isinstance(out, tuple) else (out,)
        return tuple(v.astype(DTYPES[t.dtype], copy=False) for v, t in zip(results, y, strict=True))


def snake(name: str) -> str:
    """`ConvTranspose` -> `conv_transpose`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@cache
def found() -> Mapping[str, type[Op]]:
    """Every operator class in this folder, by class name."""
    out: dict[str, type[Op]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Op) and item.__module__ == module.__name__:
                out[item.__name__] = item
    return out


@cache
def by_onnx() -> Mapping[str, type[Op]]:
    """The operator that lowers each ONNX operator type."""
    return {name: op for op in found().values() for name in op.onnx}


def width(x: Tensors) -> str:
    """Kernel suffix of an operator that only moves data: x8, x16 or x32."""
    return f"x{8 * DTYPES[x[0].dtype].itemsize}"


def pad8(values: Iterable[int], fill: int = 0) -> tuple[int, ...]:
    """A tuple of MAX_DIMS words.

    Raises: LowerError: there are more values.
    """
    out = tuple(values)
    if len(out) > MAX_DIMS:
        raise LowerError("too many axes", found=str(len(out)), need=f"at most {MAX_DIMS}")
    return out + (fill,) * (MAX_DIMS - len(out))
