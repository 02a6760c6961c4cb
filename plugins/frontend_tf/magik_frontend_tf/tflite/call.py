"""What the function of an operator works with: its inputs in the order of axes that it wants, and how it emits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from magik_frontend_tf.tflite.axes import IMAGE, Order, is_same_sequence, moves, permuted, plain
from magik_frontend_tf.tflite.builder import DTYPES, REALS, Builder, Refusal
from magik_frontend_tf.tflite.schema import ACTIVATION, Operator, Tensor

MAX_INTS = 4096  # of a list that says axes, sizes or the like
CODES = ("u8", "s8", "u16", "s16")  # types of activations that stand for reals
ACTIVATED: Mapping[str, tuple[float, float] | str] = {
    "RELU": "Relu", "TANH": "Tanh", "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0),
}  # fmt: skip


def is_quantized(tensor: Tensor) -> bool:
    """Whether an activation is codes that stand for reals."""
    return tensor.quantization is not None and tensor.type in CODES


@dataclass
class Known:
    """A tensor that has been made: a value with its order of axes, or stored numbers in the tensor's own order."""

    tensor: Tensor
    shape: tuple[int, ...]  # in the tensor's own order
    order: Order
    value: ir.Value | None = None
    array: np.ndarray | None = None
    variants: dict[tuple[int, ...], ir.Value] = field(default_factory=dict)

    @property
    def is_constant(self) -> bool:
        return self.array is not None

    @property
    def is_real(self) -> bool:
        """Whether the graph has it as f32."""
        return self.tensor.type in REALS or self.tensor.quantization is not None


@dataclass(frozen=True)
class Laid:
    """A value that an operator has made, and its order of axes."""

    value: ir.Value
    order: Order


Made = Laid | ir.Value | np.ndarray
Function = Callable[["Call"], Made | Sequence[Made]]


class Call:
    """One operator."""

    def __init__(
        self, builder: Builder, op: Operator, inputs: Sequence[Known | None], outputs: Sequence[Tensor]
    ) -> None:
        self.builder, self.op, self.outputs = builder, op, outputs
        self._inputs = list(inputs)

    # ---- inputs ------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        return len(self._inputs)

    def has(self, index: int) -> bool:
        return index < len(self._inputs) and self._inputs[index] is not None

    def input(self, index: int) -> Known:
        found = self._inputs[index] if index < len(self._inputs) else None
        if found is None:
            raise Refusal("an input is missing", f"{len(self._inputs)} inputs", f"input {index}")
        return found

    def shape(self, index: int) -> tuple[int, ...]:
        """In the tensor's own order."""
        return self.input(index).shape

    def rank(self, index: int) -> int:
        return len(self.shape(index))

    def plain(self, index: int) -> ir.Value:
        """The input in the tensor's own order of axes."""
        return self.laid(self.input(index), plain(self.rank(index)))

    def image(self, index: int = 0) -> ir.Value:
        """The input as NCHW."""
        if self.rank(index) != 4:
            raise Refusal("an input is no image", f"shape {list(self.shape(index))}", "4 axes")
        return self.laid(self.input(index), IMAGE)

    def any(self, index: int = 0) -> Laid:
        """The input as it lies."""
        known = self.input(index)
        return Laid(self.laid(known, known.order), known.order)

    def sequence(self, index: int = 0) -> ir.Value:
        """The input with its elements in the tensor's own order, whatever its shape: for what reshapes it."""
        known = self.input(index)
        own = plain(len(known.shape))
        is_free = known.value is not None and is_same_sequence(known.order, own, known.shape)
        return self.laid(known, known.order if is_free else own)

    def array(self, index: int) -> np.ndarray:
        """The stored numbers of an input.

        Raises: Refusal: it is computed.
        """
        known = self.input(index)
        if known.array is None:
            raise Refusal("a computed tensor stands where a stored one is needed", f"'{known.tensor.name}'")
        return known.array

    def ints(self, index: int) -> list[int]:
        array = self.array(index)
        if array.dtype.kind not in "iu" or array.size > MAX_INTS:
            found = f"'{self.input(index).tensor.name}' of {array.dtype} {list(array.shape)}"
            raise Refusal("an input is no short list of integers", found)
        return [int(n) for n in array.reshape(-1)]

    def axis(self, axis: int, rank: int) -> int:
        """The axis counted from the front."""
        if not -rank <= axis < rank:
            raise Refusal("there is no such axis", f"axis {axis} of {rank}")
        return axis % rank

    def laid(self, known: Known, order: Order) -> ir.Value:
        """A tensor in an order of axes; one that has fewer axes than the order gets axes of 1 in front."""
        if known.value is not None and known.order == order:
            return known.value
        if order not in known.variants:
            make = self._stored if known.value is None else self._moved
            known.variants[order] = make(known, order)
        return known.variants[order]

    def _moved(self, known: Known, order: Order) -> ir.Value:
        value, before, extra = known.value, known.order, len(order) - len(known.shape)
        assert value is not None
        if extra:
            value = self.emit("Reshape", value, self.integers([*[1] * extra, *permuted(known.shape, before)], "shape"))
            before = (*range(extra), *(axis + extra for axis in before))
        if before != order:
            value = self.emit("Transpose", value, perm=moves(before, order))
        if is_quantized(known.tensor):
            assert known.tensor.quantization is not None
            name = f"{known.tensor.name}/moved"
            value.name = self.builder.take(f"{name}/real")
            value = self.builder.quantized(value, name, known.tensor.type, known.tensor.quantization)
        return value

    def _stored(self, known: Known, order: Order) -> ir.Value:
        array, tensor, extra = known.array, known.tensor, len(order) - len(known.shape)
        assert array is not None
        array = array.reshape((1,) * extra + array.shape).transpose(order)
        if tensor.type in REALS:
            return self.builder.constant(tensor.name, finite(array, tensor).astype(np.float32))
        if tensor.quantization is None:
            return self.builder.constant(tensor.name, array)
        how, kind, codes = tensor.quantization, tensor.type, array
        if kind == "s64":
            kind, codes = "s32", narrowed(array, tensor)
        stored = self.builder.constant(f"{tensor.name}/codes", codes, DTYPES[kind])
        parameters = self.builder.parameters(tensor.name, kind, how)
        axis = order.index(how.axis + extra) if how.is_per_channel else None
        return self.emit("DequantizeLinear", *(v for v in (stored, *parameters) if v is not None), axis=axis)

    # ---- nodes -------------------------------------------------------------------------------------------

    def option(self, name: str) -> Any:
        return self.op.options[name]

    def emit(self, op: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """A node with one output."""
        return self.builder.nodes_of(op, inputs, 1, **attributes)[0]

    def emit_many(self, op: str, inputs: Sequence[ir.Value | None], count: int, **attributes: Any) -> list[ir.Value]:
        return self.builder.nodes_of(op, inputs, count, **attributes)

    def integers(self, numbers: Sequence[int] | int, what: str) -> ir.Value:
        """A constant of i64, named for the operator's first output."""
        return self.builder.constant(f"{self.outputs[0].name}/{what}", numbers, np.int64)

    def number(self, number: float, what: str) -> ir.Value:
        """A constant scalar of f32."""
        return self.builder.constant(f"{self.outputs[0].name}/{what}", number, np.float32)

    def activated(self, value: ir.Value) -> ir.Value:
        """The fused activation function behind a value."""
        name = self.option(ACTIVATION)
        if not name:
            return value
        if name not in ACTIVATED:
            raise Refusal("a fused activation function is not taken", name, ", ".join(ACTIVATED))
        how = ACTIVATED[name]
        return self.emit(how, value) if isinstance(how, str) else self.clip(value, *how)

    def clip(self, value: ir.Value, low: float, high: float) -> ir.Value:
        return self.emit("Clip", value, self.number(low, "low"), self.number(high, "high"))


def finite(array: np.ndarray, tensor: Tensor) -> np.ndarray:
    """The array.

    Raises: Refusal: it holds NaN; infinities are limits and masks as a rule.
    """
    nan = int(np.isnan(array).sum())
    if nan:
        raise Refusal("a stored value is not a number", f"{nan} NaN of {array.size} in '{tensor.name}'")
    return array


def narrowed(array: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Codes of s64, the bias of a layer of s16, as s32."""
    limits = np.iinfo(np.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise Refusal("a bias does not fit 32 bits", f"'{tensor.name}' {array.min()} to {array.max()}")
    return array.astype(np.int32)
