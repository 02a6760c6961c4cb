"""A model as its converters see it: constants as arrays, types, who reads what."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from magik_core.builtin import onnx_checks

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

CONSTANTS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


class Source:
    """The main graph of a model, its nodes in an order of execution."""

    def __init__(self, proto: onnx.ModelProto, path: Path) -> None:
        self.proto, self.path, graph = proto, path, proto.graph
        self.nodes = list(graph.node)  # held, so that each is one object
        self.tensors: dict[str, TensorProto] = {t.name: t for t in graph.initializer}
        for node in self.nodes:
            tensor = _constant(node)
            if tensor is not None and node.output:
                self.tensors[node.output[0]] = tensor
        self.own = frozenset(self.tensors)  # without those that converters add
        self.inputs = {i.name: i.type.tensor_type.elem_type for i in graph.input if i.name not in self.tensors}
        shaped = (i for i in graph.input if i.type.tensor_type.HasField("shape"))
        self.ranks = {i.name: len(i.type.tensor_type.shape.dim) for i in shaped}
        self.outputs = {o.name for o in graph.output}
        self.declared = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
        self.maker = {name: node for node in self.nodes for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in onnx_checks.reads(node):
                self.readers.setdefault(name, []).append(node)
        self.taken = Counter([*self.tensors, *self.inputs, *self.maker])
        self.node_names = {node.name for node in self.nodes}

    def array(self, name: str) -> np.ndarray | None:
        """The values of a constant; None where it is none."""
        tensor = self.tensors.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def sole_reader(self, name: str) -> onnx.NodeProto | None:
        """The one node that reads a value; None where there are others, or it is an output."""
        found = self.readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.outputs else None


def _constant(node: onnx.NodeProto) -> TensorProto | None:
    """The tensor of a Constant node of numbers."""
    if node.op_type != "Constant" or node.domain not in onnx_checks.STANDARD:
        return None
    for attribute in node.attribute:
        if attribute.name == "value":
            return attribute.t
        if attribute.name in CONSTANTS:
            data = np.asarray(helper.get_attribute_value(attribute), CONSTANTS[attribute.name])
            return numpy_helper.from_array(data)
    return None


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """The Python value of an attribute; text as str.

    Raises: TypeError: it is not of the default's type.
    """
    found = next((a for a in node.attribute if a.name == name), None)
    if found is None:
        return default
    value = helper.get_attribute_value(found)
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    wanted = (int, float) if isinstance(default, float) else type(default)
    if default is not None and not isinstance(value, wanted):
        raise TypeError(f"{name} is {value!r:.40}")
    return value
