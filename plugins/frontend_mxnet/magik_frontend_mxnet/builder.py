"""ONNX nodes in the making: types follow each node at once, parameters enter when they are first read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from magik_core.graph import IR_VERSION, OPSET
from magik_core.infer import infer_types
from magik_frontend_mxnet.refusal import Refusal

Size = int | str | None  # None and names are open
MAX_MADE_BYTES = 1 << 30
# operators that a parameter may pass through: they move its values about, and no more
MOVES = frozenset({"Cast", "Concat", "Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})


@dataclass(frozen=True)
class Input:
    """An input of the model: its dtype of ONNX, and its sizes as far as they are known."""

    name: str
    dtype: int = onnx.TensorProto.FLOAT
    shape: tuple[Size, ...] | None = None


class Builder:
    """Nodes, constants and types by name of value."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.types: dict[str, onnx.TypeProto] = {}
        self._makers: dict[str, onnx.NodeProto] = {}
        self._numbers: dict[str, int] = {}  # the last one that a name got
        self._made_bytes = 0

    def add_input(self, item: Input) -> None:
        self.types[item.name] = helper.make_tensor_type_proto(item.dtype, item.shape)

    def add_constant(self, wanted: str, array: np.ndarray) -> str:
        name = self.unique(wanted)
        self.constants[name] = array
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.types[name] = helper.make_tensor_type_proto(dtype, array.shape)
        return name

    def add_made(self, wanted: str, array: np.ndarray) -> str:
        """Add a constant that is in no file; all of them together have a limit.

        Raises: Refusal: the limit is reached.
        """
        self._made_bytes += array.nbytes
        if self._made_bytes > MAX_MADE_BYTES:
            raise Refusal("the constants of the model are too large", need=f"at most {MAX_MADE_BYTES} bytes in all")
        return self.add_constant(wanted, array)

    def add_unknown(self, wanted: str) -> str:
        """A value of which nothing is known but that it is float: the output of a layer that is refused."""
        name = self.unique(wanted)
        self.types[name] = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
        return name

    def unique(self, wanted: str) -> str:
        name = wanted
        while name in self.types:
            self._numbers[wanted] = self._numbers.get(wanted, 0) + 1
            name = f"{wanted}_{self._numbers[wanted]}"
        return name

    def add_node(self, op: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Any) -> None:
        """Append a node whose outputs have names that are free.

        Raises: Refusal: onnx says that the inputs do not fit the operator.
        """
        node = helper.make_node(op, inputs, outputs, name, **attributes)
        try:
            found = infer_types(node, self.types, self.constants)
        except ValueError as error:
            raise Refusal("the inputs of a layer do not fit it", str(error)) from None
        for output, made in zip(outputs, found, strict=True):
            self.types[output] = made
            self._makers[output] = node
        self.nodes.append(node)

    def _in_order(self, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        position = {id(node): index for index, node in enumerate(self.nodes)} if len(nodes) > 1 else {}
        return sorted(nodes, key=lambda node: position.get(id(node), 0))

    def rename(self, names: Mapping[str, str], since: int) -> None:
        """Give values that the nodes from `since` on have made other, free names."""
        for node in self.nodes[since:]:
            for part in (node.input, node.output):
                part[:] = [names.get(name, name) for name in part]
        for old, new in names.items():
            self.types[new] = self.types.pop(old)
            self._makers[new] = self._makers.pop(old)

    def undo(self, since: int) -> None:
        """Forget the nodes from `since` on."""
        for node in self.nodes[since:]:
            for name in node.output:
                del self.types[name], self._makers[name]
        del self.nodes[since:]

    def shape(self, value: str) -> tuple[Size, ...] | None:
        tensor = self.types[value].tensor_type
        if not tensor.HasField("shape"):
            return None
        return tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)

    def dtype(self, value: str) -> int:
        return int(self.types[value].tensor_type.elem_type)

    def constant(self, value: str) -> np.ndarray | None:
        """The array of a value that moves of parameters make, else None."""
        order: dict[str, None] = {}
        waiting = [value]
        while waiting:
            name = waiting.pop()
            if name in self.constants or name in order:
                continue
            maker = self._makers.get(name)
            if maker is None or maker.op_type not in MOVES:
                return None
            order[name] = None
            waiting += [i for i in maker.input if i]
        return self._evaluate(value, order) if order else self.constants[value]

    def _evaluate(self, value: str, names: Iterable[str]) -> np.ndarray:
        """Compute a value from those that it hangs on, each behind all that read it."""
        from onnx.reference import ReferenceEvaluator

        nodes = [self._makers[name] for name in names]
        read = {name for node in nodes for name in node.input}
        info = [helper.make_value_info(name, self.types[name]) for name in sorted(read & self.constants.keys())]
        wanted = helper.make_value_info(value, self.types[value])
        graph = helper.make_graph(self._in_order(nodes), "constant", info, [wanted])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        try:
            feeds = {item.name: self.constants[item.name] for item in info}
            return np.asarray(next(iter(ReferenceEvaluator(model).run(None, feeds))))
        except Exception as error:  # sizes that do not fit each other
            raise Refusal("parameters cannot be put together", " ".join(str(error).split())[:200]) from None
