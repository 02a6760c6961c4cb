"""What an operator may ask of an ONNX node: attributes, constants, shapes, and which storage it computes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from magik_core import carry
from magik_core.errors import LowerError
from magik_core.ops import Op
from magik_core.program import CODES, DTYPES, QuantParams, Shape

WeightQuantizer = Callable[[str, np.ndarray], tuple[np.ndarray, np.ndarray]]  # of a node


@dataclass(frozen=True, eq=False)
class Codes:
    """A constant as a quantized source has it: real = scales[c] * (codes - zero_points[c]), c along `axis`.

    Args: codes: int64, in source order; scales: f64 holding f32, (n) or (1); zero_points: int64, as many.
    """

    codes: np.ndarray
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int = 0

    @property
    def bits(self) -> int:
        """16 where 8 do not hold the codes."""
        low, high = int(self.codes.min(initial=0)), int(self.codes.max(initial=0))
        return 8 if low >= -128 and high <= (127 if low < 0 else 255) else 16

    def reals(self) -> np.ndarray:
        """What the codes mean, in f32."""
        wide = [1] * self.codes.ndim
        if self.codes.ndim:
            wide[self.axis] = self.scales.size
        whole = (self.codes - self.zero_points.reshape(wide)).astype(np.float32)
        return np.asarray(self.scales.astype(np.float32).reshape(wide) * whole)

    def fits(self, bits: int) -> bool:
        """Whether the codes are those of one tensor of 8 or 16 bits, as they are or half the range less."""
        low = self._offset(bits)
        values = (*self.zero_points, self.codes.min(initial=0), self.codes.max(initial=0))
        return self.scales.size == 1 and all(-low <= v < 2**bits - low for v in values)

    def unsigned(self, bits: int) -> tuple[QuantParams, np.ndarray]:
        """As an activation of 8 or 16 bits has them."""
        low = self._offset(bits)
        params = QuantParams(float(self.scales[0]), float(self.zero_points[0] + low), bits)
        return params, (self.codes + low).astype(DTYPES[params.dtype])

    def _offset(self, bits: int) -> int:
        """What makes signed codes start at 0."""
        return 1 << (bits - 1) if min(self.codes.min(initial=0), self.zero_points.min()) < 0 else 0


@dataclass(frozen=True)
class Quantization:
    """What quantize.py decided: parameters per value name, nodes kept in f32, how weights get codes.

    `weights` maps a node's name and f32 (channels, k) to (codes of int8 or int16, f32-exact scales per channel);
    `constants` are those that the source has quantized itself, by value name; `rounds_twice` says that it rounds
    the sums of convolutions as docs/quantization.md has it under "Rounding twice"; `rounded_nodes` are those in
    f32 whose results become codes at once, as weights of 32 bits ask for; `weight_bits` are those of `weights`, by
    node.
    """

    values: Mapping[str, QuantParams] = field(default_factory=dict)
    float_nodes: frozenset[str] = frozenset()
    weights: WeightQuantizer | None = None
    constants: Mapping[str, Codes] = field(default_factory=dict)
    rounds_twice: bool = False
    rounded_nodes: frozenset[str] = frozenset()
    weight_bits: Mapping[str, int] = field(default_factory=dict)

    def codes(self, name: str | None) -> QuantParams | None:
        """Parameters of a value that has codes."""
        return self.values.get(name or "")


class Source:
    """The graph to lower, and what quantization says of its values."""

    def __init__(self, model: ir.Model, quantization: Quantization) -> None:
        self.graph = model.graph
        self.quantization = quantization
        self._outputs = {v.name for v in self.graph.outputs}
        self.carried = carry.pairs(model)  # inputs that come back from outputs

    def attribute(self, node: ir.Node, name: str, default: Any = None) -> Any:
        """Value of an attribute; lists as tuples."""
        found = node.attributes.get(name)
        if found is None:
            return default
        value = found.value
        return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value

    def shape(self, value: ir.Value | None) -> Shape:
        """Static source shape of a value."""
        assert value is not None and value.shape is not None, "the graph has static shapes"
        return tuple(int(d) for d in value.shape)  # type: ignore[arg-type]

    def constant(self, node: ir.Node, index: int) -> np.ndarray | None:
        """The array of a constant input, in source order; None when it is an activation or absent."""
        if index >= len(node.inputs) or node.inputs[index] is None:
            return None
        value = node.inputs[index]
        assert value is not None
        return None if value.const_value is None else value.const_value.numpy()

    def imported(self, node: ir.Node, index: int) -> Codes | None:
        """The codes that a quantized source gives a constant input."""
        value = node.inputs[index] if index < len(node.inputs) else None
        return None if value is None else self.quantization.constants.get(value.name or "")

    def need_constant(self, node: ir.Node, index: int, what: str) -> np.ndarray:
        """As `constant`, for an input that has to be one."""
        found = self.constant(node, index)
        if found is None:
            raise LowerError(f"{node.op_type} needs a constant {what}", found="a computed tensor", need="a constant")
        return found

    def dtype(self, node: ir.Node, op: type[Op], y: ir.Value | None = None) -> str:
        """Storage to compute a node in: where all of its activations have codes the widest of them, else f32.

        Codes between two of which real zero lies are for operators with `halves` alone.
        """
        q = self.quantization
        if node.name in q.float_nodes:
            return "f32"
        inputs = [v for i, v in enumerate(node.inputs) if v is not None and i not in op.real_inputs]
        values = [v for v in inputs if v.const_value is None] + ([y] if y is not None else list(node.outputs))
        found = [q.codes(v.name) for v in values if v.dtype == ir.DataType.FLOAT]
        coded = [c.dtype for c in found if c is not None]
        kind = max(coded, key=CODES.index) if coded and len(coded) == len(found) else "f32"
        is_between = not op.halves and any(c is not None and c.zero_point % 1 for c in found)
        return kind if kind in op.dtypes and not is_between else "f32"

    def is_float(self, value: ir.Value) -> bool:
        """Whether a value of the source holds reals."""
        return value.dtype == ir.DataType.FLOAT

    def is_settled(self, value: ir.Value) -> bool:
        """Whether a value comes out of the source's own quantization: its codes are read as they are."""
        producer = value.producer()
        return producer is not None and producer.op_type == "DequantizeLinear"

    def quant(self, value: ir.Value | None) -> QuantParams:
        """Parameters of a value that is to have codes."""
        assert value is not None and value.name is not None
        return self.quantization.values[value.name]

    def sole_consumer(self, value: ir.Value) -> ir.Node | None:
        """The one node that reads a value, unless the value is also an output of the model."""
        users = [use.node for use in value.uses()]
        return users[0] if len(users) == 1 and value.name not in self._outputs else None

    def of_integers(self, node: ir.Node) -> LowerError:
        """A refusal to raise: the node computes integers, which floats alone become codes of."""
        names = [repr(v.name) for v in _integer_inputs(node)]
        hint = f"--constant NAME=VALUE puts a number in the place of an input: {', '.join(names)}" if names else ""
        return self.problem(node, "of integers", node.outputs[0].dtype, "float tensors", hint)

    def problem(self, node: ir.Node, what: str, found: object = "", need: str = "", hint: str = "") -> LowerError:
        """A refusal to raise: what of the node has no kernel."""
        return LowerError(
            f"{node.op_type}: {what}", where=f"node '{node.name}'", found=str(found), need=need, hint=hint
        )


def _integer_inputs(node: ir.Node) -> list[ir.Value]:
    """The model's inputs of integers that a node is computed from."""
    left = [v for v in node.inputs if v is not None]
    seen: dict[ir.Value, None] = {}
    while left:
        value = left.pop(0)
        if value not in seen:
            seen[value] = None
            producer = value.producer()
            left += [v for v in producer.inputs if v is not None] if producer is not None else []
    return [v for v in seen if v.is_graph_input() and v.dtype is not None and v.dtype.is_integer()]
