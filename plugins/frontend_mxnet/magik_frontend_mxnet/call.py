"""What the function of a layer works with: its attributes, its inputs, and how it emits nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import onnx

from magik_frontend_mxnet.attributes import Attributes
from magik_frontend_mxnet.builder import Builder, Size
from magik_frontend_mxnet.refusal import Refusal, Unknown
from magik_frontend_mxnet.symbol import Node

Operand = str | np.ndarray | np.generic
FLOAT, INT64, BOOL = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL


class Call:
    """One layer. `inputs` are names of values; `parameter(name)` is a variable by name, None if not stored."""

    def __init__(
        self,
        builder: Builder,
        node: Node,
        inputs: Sequence[str],
        parameter: Callable[[str], str | None],
        missing: frozenset[str],
        zeros: set[str],
    ) -> None:
        self.builder, self.name, self.op, self.parameter = builder, node.name, node.op, parameter
        self.attrs = Attributes(node.attrs)
        self.inputs = list(inputs)
        self.missing = missing  # inputs that are variables without a stored value
        self.zeros = zeros  # values that are zeros of an open size

    # ---- inputs ------------------------------------------------------------------------------------------

    @property
    def x(self) -> str:
        return self.input(0)

    def input(self, index: int) -> str:
        if index >= len(self.inputs):
            raise Refusal("an input is missing", f"{len(self.inputs)} inputs", f"at least {index + 1}")
        return self.inputs[index]

    def weight(self, index: int) -> str:
        """An input that is a parameter as a rule: one that is no input of the model either."""
        name = self.input(index)
        if name in self.missing:
            raise Refusal("a parameter is missing", name, "its values in the .params file")
        return name

    def constant(self, index: int, axes: int | None = None) -> np.ndarray:
        """The values of a parameter; with `axes`, of so many."""
        name = self.weight(index)
        array = self.builder.constant(name)
        if array is None:
            raise Unknown("a computed tensor stands where a parameter is needed", name, "a stored parameter")
        if axes is not None and array.ndim != axes:
            raise Refusal("a parameter does not fit its layer", f"{name} {list(array.shape)}", f"{axes} axes")
        return array

    def shape(self, value: str) -> tuple[Size, ...]:
        found = self.builder.shape(value)
        if found is None:
            hint = 'give the variable a shape: mx.sym.Variable("data", shape=(0, 3, 0, 0)), zeros stay open'
            raise Unknown("the number of axes is not known here", f"'{value}'", "an input of known axes", hint)
        return found

    def rank(self, value: str) -> int:
        return len(self.shape(value))

    def axis(self, value: str, axis: int) -> int:
        """An axis from the front; one that does not exist is refused."""
        rank = self.rank(value)
        if not -rank <= axis < rank:
            raise Refusal("an axis does not exist", f"axis {axis} of {rank} axes")
        return axis % rank

    def is_float(self, value: str) -> bool:
        return self.builder.dtype(value) == FLOAT

    # ---- nodes -------------------------------------------------------------------------------------------

    def emit(self, op: str, *inputs: Operand, **attributes: Any) -> str:
        """Append a node with one output and return it; arrays become constants."""
        return self.emit_many(op, 1, *inputs, **attributes)[0]

    def emit_many(self, op: str, outputs: int, *inputs: Operand, **attributes: Any) -> list[str]:
        name = self.builder.unique(f"{self.name}/{op.lower()}")
        names = [self._operand(item, f"{name}/{i}") for i, item in enumerate(inputs)]
        made = [name] + [self.builder.unique(f"{name}:{i}") for i in range(1, outputs)]
        self.builder.add_node(op, names, made, name, attributes)
        return made

    def _operand(self, item: Operand, name: str) -> str:
        if not isinstance(item, str):
            return self.builder.add_made(name, np.asarray(item))
        if item in self.zeros:
            raise Unknown("zeros have a size that is not known", f"'{item}'", "sizes of 1 or more")
        return item

    # ---- what many layers need ---------------------------------------------------------------------------

    def to_float(self, value: str) -> str:
        return value if self.is_float(value) else self.emit("Cast", value, to=FLOAT)

    def to_int(self, value: str) -> str:
        return value if self.builder.dtype(value) == INT64 else self.emit("Cast", value, to=INT64)

    def to_bool(self, value: str) -> str:
        return value if self.builder.dtype(value) == BOOL else self.emit("Cast", value, to=BOOL)

    def dim(self, value: str, axis: int) -> int | str:
        """A size: a number, or the name of an int64 tensor [1] that is one when sizes are bound."""
        shape = self.builder.shape(value)
        if shape is not None:
            axis = self.axis(value, axis)
            if isinstance(size := shape[axis], int):
                return size
        return self.emit("Gather", self.emit("Shape", value), ints(axis))

    def sizes(self, items: Sequence[int | str]) -> Operand:
        """The sizes that `dim` gave as one int64 tensor."""
        if all(isinstance(item, int) for item in items):
            return ints(*cast(Sequence[int], items))
        return self.emit("Concat", *(ints(item) if isinstance(item, int) else item for item in items), axis=0)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def f32(value: Any) -> np.ndarray:
    return np.asarray(value, np.float32)
