"""The ONNX graph while it grows: nodes named for their layers, values for their blobs, every size known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.errors import ModelError, Problem, short
from magik_core.infer import infer_node
from magik_core.naming import take_name

if TYPE_CHECKING:
    from magik_frontend_caffe.reader import Array, Layer, Net

MAX_ELEMENTS = 1 << 31  # of one tensor
MAX_DIM = (1 << 31) - 1
FLOAT = ir.DataType.FLOAT


class Builder:
    """What layer functions emit into; one layer at a time.

    Args: net: being converted; options: those of `load`.
    """

    def __init__(self, net: Net, options: Mapping[str, Any]) -> None:
        self.options = options
        self.nodes: list[ir.Node] = []
        self.initializers: list[ir.Value] = []
        self.inputs: list[ir.Value] = []
        self.notes: list[str] = []
        self._path = net.path
        self._layer: Layer | None = None
        self._first = 0  # of the layer's nodes
        self._names: set[str] = set()  # of nodes
        self._constants: set[str] = set()

    # ---- one layer

    def begin(self, layer: Layer) -> None:
        self._layer, self._first = layer, len(self.nodes)

    def abandon(self) -> None:
        """Drop the layer's nodes: it could not be converted."""
        del self.nodes[self._first :]

    def finish(self, made: Sequence[ir.Value]) -> None:
        """Name the layer's nodes: the maker of its first top for the layer, the others for it and what they do."""
        assert self._layer is not None
        name = self._layer.name or self._layer.type
        main = made[0].producer() if made else None
        for node in self.nodes[self._first :]:
            node.name = take_name(name if node is main else f"{name}/{node.op_type.lower()}", self._names)

    def where(self, layer: Layer | None = None) -> str:
        layer = layer or self._layer
        assert layer is not None
        line = f", line {layer.line}" if layer.line else ""
        return f"{short(layer.type)} '{short(layer.name)}' in {self._path.name}{line}"

    def problem(self, what: str, found: object = "", need: str = "", hint: str = "") -> ModelError:
        """The error to raise for the layer."""
        return ModelError(problems=[Problem(what, self.where(), short(found), need, hint)])

    # ---- values

    def input(self, name: str, shape: Sequence[int]) -> ir.Value:
        """A new input of the graph."""
        value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(FLOAT))
        self.inputs.append(value)
        return value

    def shape(self, value: ir.Value) -> tuple[int, ...]:
        found = graph.static_shape(value)
        assert found is not None, value
        return found

    def axis(self, value: ir.Value, axis: int, extra: int = 0) -> int:
        """The axis counted from the front; extra: 1 where it may also be the one behind the last.

        Raises: ModelError: there is no such axis.
        """
        rank = len(self.shape(value)) + extra
        if not -rank <= axis < rank:
            raise self.problem("there is no such axis", f"axis {axis} of {list(self.shape(value))}")
        return axis % rank

    def constant(self, array: Any, what: str = "constant", dtype: Any = np.float32) -> ir.Value:
        """An initializer, named for the layer; ints become int64 as ONNX wants them."""
        assert self._layer is not None
        data = np.asarray(array, dtype)
        name = take_name(f"{self._layer.name or self._layer.type}.{what}", self._constants)
        value = ir.Value(name=name, shape=ir.Shape(data.shape), const_value=ir.tensor(data, name=name))
        value.type = ir.TensorType(ir.DataType.from_numpy(data.dtype))
        self.initializers.append(value)
        return value

    def ints(self, numbers: Sequence[int], what: str) -> ir.Value:
        return self.constant(list(numbers), what, np.int64)

    def weight(self, index: int, shape: Sequence[int], what: str = "weights") -> Array:
        """Blob `index` of the layer in the shape that it must have.

        Raises: ModelError: there is none, it has another shape, or holds what is not a number.
        """
        assert self._layer is not None
        blobs = self._layer.blobs
        if blobs is None or index >= len(blobs):
            found = "no such layer in a caffemodel" if blobs is None else f"{len(blobs)} blobs"
            need = f"{what} of {list(shape)} as blob {index} in the caffemodel beside the prototxt"
            raise self.problem("the layer has no weights", found, need)
        blob = blobs[index]
        is_same = not blob.shape or [n for n in blob.shape if n != 1] == [n for n in shape if n != 1]
        if blob.data.size != math.prod(shape) or not is_same:
            found = f"{blob.data.size} numbers in {list(blob.shape)}"
            raise self.problem("the weights do not fit the layer", found, f"{what} of {list(shape)}")
        if not np.isfinite(blob.data).all():
            nan = int(np.isnan(blob.data).sum())
            inf = blob.data.size - nan - int(np.isfinite(blob.data).sum())
            found = f"{nan} NaN and {inf} infinite of {blob.data.size} values"
            raise self.problem("a weight is not a number", found, "finite weights")
        return blob.data.reshape(tuple(shape))

    # ---- nodes

    def node(
        self, op: str, *inputs: ir.Value | None, known: tuple[int, ...] | None = None, **attributes: Any
    ) -> ir.Value:
        """A node with one output."""
        return self.many(op, inputs, 1, known, **attributes)[0]

    def many(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        count: int,
        known: tuple[int, ...] | None = None,
        **attributes: Any,
    ) -> tuple[ir.Value, ...]:
        """A node and its outputs, their types and shapes inferred by onnx; known: where onnx cannot infer it.

        Raises: ModelError: the inputs do not fit, or an output would be too large.
        """
        try:
            made = [ir.convenience.convert_attribute(k, v) for k, v in attributes.items() if v is not None]
            node = ir.Node("", op, list(inputs), made, num_outputs=count)
            found = infer_node(node)
        except Exception as error:  # onnx raises many kinds, C++ exceptions among them
            shapes = ", ".join(str(list(self.shape(v))) for v in inputs if v is not None)
            text = " ".join(str(error).split("\n")[0].split())
            raise self.problem("the layer does not fit its input", f"{shapes}: {text}") from None
        for value, (kind, inferred) in zip(node.outputs, found, strict=True):
            shape = inferred if known is None else known
            if shape is None or min(shape, default=1) < 1 or math.prod(shape) > MAX_ELEMENTS:
                need = f"sizes of at least 1, {MAX_ELEMENTS} elements at most"
                raise self.problem("the layer's output has no sensible size", _sizes(shape), need)
            value.type, value.shape = ir.TensorType(kind), ir.Shape(shape)
        self.nodes.append(node)
        return tuple(node.outputs)

    def reshape(self, x: ir.Value, dims: Sequence[int]) -> ir.Value:
        """Reshape with ONNX's meaning of 0 and -1."""
        return self.node("Reshape", x, self.ints(dims, "shape"))

    def channels(self, x: ir.Value, array: Array, axis: int, what: str) -> ir.Value:
        """A constant whose first axis lies on `axis` of x, for numpy's broadcasting."""
        behind = len(self.shape(x)) - axis - array.ndim
        return self.constant(array.reshape(array.shape + (1,) * behind), what)


def _sizes(shape: tuple[int, ...] | None) -> str:
    return "unknown sizes" if shape is None else str(list(shape))
