"""Compute what hangs on stored numbers only: shapes that a file puts together with operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from magik_core import graph
from magik_frontend_tf.tflite.builder import Builder, Refusal
from magik_frontend_tf.tflite.call import Laid, Made

MAX_ELEMENTS = 1 << 16  # of a result; larger ones stay nodes


def fold(builder: Builder, made: Sequence[Made], since: int) -> list[Made]:
    """Return the results of the nodes from `since` on as arrays, and drop the nodes; as it was where one is large.

    Raises: Refusal: the numbers do not fit each other.
    """
    values = [one.value if isinstance(one, Laid) else one for one in made]
    sizes = [one.size if isinstance(one, np.ndarray) else np.prod(graph.static_shape(one) or ()) for one in values]
    is_own_order = all(not isinstance(one, Laid) or one.order == tuple(sorted(one.order)) for one in made)
    if max(sizes, default=0) > MAX_ELEMENTS or not is_own_order:
        return list(made)
    nodes = builder.nodes[since:]
    del builder.nodes[since:]
    found: list[Made] = [one if isinstance(one, np.ndarray) else _evaluate(nodes, one) for one in values]
    for node in nodes:  # what they read is read by nobody now
        for i in range(len(node.inputs)):
            node.replace_input_with(i, None)
    return found


def _evaluate(nodes: Sequence[ir.Node], wanted: ir.Value) -> np.ndarray:
    stored = graph.constant(wanted)
    if stored is not None:
        return stored
    made = [value for node in nodes for value in node.outputs]
    names: dict[int, str] = {id(value): f"v{i}" for i, value in enumerate(made)}
    given: dict[str, np.ndarray] = {}
    protos: list[onnx.NodeProto] = []
    for node in nodes:
        inputs = [str(names.setdefault(id(v), f"c{len(names)}")) if v is not None else "" for v in node.inputs]
        outputs = [names[id(value)] for value in node.outputs]
        arrays = [graph.constant(value) for value in node.inputs]
        given |= {name: a for name, a in zip(inputs, arrays, strict=True) if a is not None}
        proto = onnx.helper.make_node(node.op_type, inputs, outputs)
        proto.attribute.extend(ir.to_proto(a) for a in node.attributes.values())
        protos.append(proto)
    result = onnx.helper.make_tensor_value_info(names[id(wanted)], int(wanted.dtype or 1), None)
    stores = [onnx.numpy_helper.from_array(array, name) for name, array in given.items()]
    body = onnx.helper.make_graph(protos, "constant", [], [result], stores)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", graph.OPSET)])
    try:
        return np.asarray(next(iter(ReferenceEvaluator(model).run(None, {}))))
    except Exception as error:  # numpy raises many kinds
        raise Refusal("stored numbers cannot be put together", " ".join(str(error).split())[:200]) from None
