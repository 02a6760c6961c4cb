"""Graphs as protos without their large weights: onnx's tools read shapes alone, and copy whatever they are given."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx_ir as ir

LARGE_BYTES = 1 << 12  # of a constant of real numbers: no shape depends on so many

Weights = Mapping[str, ir.TensorProtocol]


def to_proto(model: ir.Model) -> tuple[onnx.ModelProto, Weights]:
    """The model with its large weights as inputs, and these weights."""
    large = [v for v in model.graph.initializers.values() if v.const_value is not None and _is_large(v.const_value)]
    weights = {v.name or "": v.const_value for v in large if v.const_value is not None}
    try:
        for value in large:
            value.const_value = _elsewhere(weights[value.name or ""])
        proto = ir.to_proto(model)
    finally:
        for value in large:
            value.const_value = weights[value.name or ""]
    _as_inputs(proto, weights)
    return proto, weights


def _is_large(tensor: ir.TensorProtocol) -> bool:
    return tensor.dtype.is_floating_point() and tensor.nbytes > LARGE_BYTES


def _elsewhere(tensor: ir.TensorProtocol) -> ir.ExternalTensor:
    """A tensor of the same kind whose data nobody reads."""
    return ir.ExternalTensor("", None, None, tensor.dtype, shape=ir.Shape(tensor.shape.numpy()), name=tensor.name or "")


def _as_inputs(proto: onnx.ModelProto, weights: Weights) -> None:
    graph = proto.graph
    known = {value.name for value in graph.input}
    for at in reversed([i for i, t in enumerate(graph.initializer) if t.name in weights]):
        t = graph.initializer[at]
        if t.name not in known:
            graph.input.append(onnx.helper.make_tensor_value_info(t.name, t.data_type, t.dims))
        del graph.initializer[at]


def from_proto(proto: onnx.ModelProto, weights: Weights) -> ir.Model:
    """The model of a proto that `to_proto` has made, or that a tool has made of it, with its weights again."""
    model: ir.Model = ir.from_proto(proto)
    graph = model.graph
    inputs = {value.name: value for value in graph.inputs}
    for name, tensor in weights.items():
        value = inputs.get(name)
        if value is not None:  # else nothing reads it any more
            graph.inputs.remove(value)
            held = _in_memory(tensor)  # by a value of its own: the list of inputs keeps all that it ever had
            own = ir.Value(name=name, shape=value.shape, type=value.type, const_value=held)
            ir.convenience.replace_all_uses_with(value, own, replace_graph_outputs=True)
            graph.register_initializer(own)
    return model


def _in_memory(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """The tensor as an array of its own; one of a proto keeps all of the proto, and copies itself for every reader."""
    return tensor if isinstance(tensor, ir.Tensor) else ir.Tensor(tensor.numpy(), name=tensor.name)
