"""What onnx says of a single node: types and shapes of its outputs. For frontends, which build node by node."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper, shape_inference

from magik_core import graph

SMALL = 1024  # elements of a constant that inference may look at: axes, sizes, pads
KINDS = "fiub"  # of the arrays that it may look at, as numpy has them


def infer_node(node: ir.Node) -> list[tuple[ir.DataType, tuple[int, ...] | None]]:
    """Return dtype and shape of each output, None for a shape that is not known whole.

    Raises: Exception: whatever onnx raises where the inputs do not fit, C++ exceptions among them.
    """
    inputs = list({id(v): v for v in node.inputs if v is not None}.values())
    names = {id(v): f"i{i}" for i, v in enumerate(inputs)}
    outputs = [f"o{i}" for i in range(len(node.outputs))]
    proto = helper.make_node(node.op_type, ["" if v is None else names[id(v)] for v in node.inputs], outputs)
    proto.attribute.extend(ir.to_proto(a) for a in node.attributes.values())
    known, constants = [], []
    for value in inputs:
        name, data = names[id(value)], graph.constant(value)
        if data is not None and _is_small(data):
            constants.append(numpy_helper.from_array(data, name))
        else:
            dtype = int(value.dtype or ir.DataType.FLOAT)
            known.append(helper.make_tensor_value_info(name, dtype, graph.static_shape(value)))
    wanted = [onnx.ValueInfoProto(name=name) for name in outputs]
    body = helper.make_graph([proto], "node", known, wanted, constants)
    model = helper.make_model(body, opset_imports=[_opset()], ir_version=graph.IR_VERSION)
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    return [_described(info.type.tensor_type) for info in inferred.graph.output]


def infer_types(
    node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], constants: Mapping[str, np.ndarray]
) -> list[onnx.TypeProto]:
    """Return the type of each output of a standard node; float of unknown shape where onnx says nothing.

    Args:   types: by name of value, all inputs of the node among them; constants: those of values that have one.
    Raises: ValueError: the inputs do not fit the operator, in onnx's words.
    """
    of_inputs = {name: types[name] for name in node.input if name}
    held = {name: constants[name] for name in of_inputs if name in constants}
    small = {name: numpy_helper.from_array(array, name) for name, array in held.items() if _is_small(array)}
    schema = onnx.defs.get_schema(node.op_type, graph.OPSET)
    try:
        found = shape_inference.infer_node_outputs(
            schema, node, of_inputs, small, opset_imports=[_opset()], ir_version=graph.IR_VERSION
        )
    except Exception as error:  # onnx raises InferenceError, and C++ what it likes
        raise ValueError(" ".join(str(error).split())[:200]) from None
    unknown = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
    return [found.get(name) or unknown for name in node.output]


def _is_small(array: np.ndarray) -> bool:
    return array.size <= SMALL and array.dtype.kind in KINDS


def _opset() -> onnx.OperatorSetIdProto:
    return helper.make_opsetid("", graph.OPSET)


def _described(found: onnx.TypeProto.Tensor) -> tuple[ir.DataType, tuple[int, ...] | None]:
    dims = [d.dim_value if d.HasField("dim_value") else None for d in found.shape.dim]
    shape = None if None in dims or not found.HasField("shape") else tuple(d for d in dims if d is not None)
    return ir.DataType(found.elem_type), shape
