"""ONNX nodes in the making: the type of each value follows at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from magik_core.errors import GraphError
from magik_core.graph import IR_VERSION, OPSET
from magik_core.infer import infer_types
from magik_core.naming import take_name
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor

Size = int | str | None  # None and names are open
Shape = tuple[Size, ...]
MAX_ELEMENTS = 1 << 31  # of one value
MAX_MADE_BYTES = 1 << 30  # of all constants that are in no file
MAX_NODES = 1 << 14  # the largest networks of keras.applications have a tenth


class Builder:
    """Nodes, constants and types by name of value; where: the model's name in messages."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.types: dict[str, onnx.TypeProto] = {}
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.states: list[tuple[str, Tensor]] = []  # outputs that the model does not list: states of layers
        self._numbers: dict[str, int] = {}
        self.node_names: set[str] = set()
        self._made_bytes = 0

    def add_input(self, wanted: str, dtype: int, shape: Shape) -> str:
        name = self.unique(wanted)
        self.types[name] = helper.make_tensor_type_proto(dtype, shape)
        self.inputs.append(name)
        return name

    def add_constant(self, wanted: str, array: np.ndarray, is_made: bool = True) -> str:
        """A constant; is_made: it is in no file.

        Raises: Refusal: what was made is too large.
        """
        self._made_bytes += array.nbytes if is_made else 0
        if self._made_bytes > MAX_MADE_BYTES:
            raise Refusal("the constants of the model are too large", need=f"at most {MAX_MADE_BYTES} bytes in all")
        name = self.unique(wanted)
        self.constants[name] = array
        self.types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        return name

    def unique(self, wanted: str) -> str:
        name = wanted
        while name in self.types:
            self._numbers[wanted] = self._numbers.get(wanted, 0) + 1
            name = f"{wanted}_{self._numbers[wanted]}"
        return name

    def add_node(self, op: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Any) -> None:
        """Append a node whose outputs have names that are free.

        Raises: Refusal: the inputs do not fit the operator. GraphError: the graph would be too large.
        """
        if len(self.nodes) >= MAX_NODES:
            most = f"more than {MAX_NODES} nodes"
            raise GraphError("the model has too many layers", where=self.where, found=most)
        node = helper.make_node(op, inputs, outputs, take_name(name, self.node_names), **attributes)
        try:
            found = infer_types(node, self.types, self.constants)
        except ValueError as error:
            raise Refusal("the inputs of the layer do not fit it", str(error)) from None
        for output, made in zip(outputs, found, strict=True):
            self.types[output] = made
            self._check_size(output)
        self.nodes.append(node)

    def _check_size(self, name: str) -> None:
        sizes = [n for n in self.shape(name) if isinstance(n, int)]
        if min(sizes, default=1) < 1 or math.prod(sizes) > MAX_ELEMENTS:
            need = f"sizes of at least 1, {MAX_ELEMENTS} elements at most"
            raise Refusal("the output of the layer has no sensible size", list(self.shape(name)), need)

    def set_shape(self, name: str, shape: Shape) -> None:
        """Say what inference could not."""
        self.types[name] = helper.make_tensor_type_proto(self.dtype(name), shape)
        self._check_size(name)

    def shape(self, name: str) -> Shape:
        tensor = self.types[name].tensor_type
        return tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)

    def dtype(self, name: str) -> int:
        return int(self.types[name].tensor_type.elem_type)

    def rename(self, names: Mapping[str, str], since: int = 0) -> None:
        """Give values that the nodes from `since` on have made other names, which are free."""
        for node in self.nodes[since:]:
            for part in (node.input, node.output):
                part[:] = [names.get(name, name) for name in part]
        for old, new in names.items():
            self.types[new] = self.types.pop(old)

    def graph(self, name: str) -> onnx.ModelProto:
        read = {i for node in self.nodes for i in node.input}
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_value_info(i, self.types[i]) for i in self.inputs],
            [helper.make_value_info(o, self.types[o]) for o in self.outputs],
            [numpy_helper.from_array(array, key) for key, array in self.constants.items() if key in read],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="keras")
