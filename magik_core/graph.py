"""Helpers over onnx_ir: read, edit, infer, fold and serialize a float graph."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from magik_core import light
from magik_core.errors import GraphError, Problem
from magik_core.naming import take_name

OPSET = 24  # Swish is standard from here on
RESIZE_SAYS_HOW = 11  # the first opset whose Resize has coordinate_transformation_mode
IR_VERSION = 10  # the newest that every supported onnxruntime reads
ORIGIN = "magik.origin"  # in the metadata of a node: name and operator of the one that it was inserted for
FOLD_LIMIT_BYTES = 64 << 20  # a constant larger than this stays an expression
READS = "magik.reads"  # in the metadata of a model: files beside its own that it was read from
PARTS = "magik.parts"  # in the metadata of a node: names of those whose work it does besides its own
HEAD = "magik.head"  # property of a node: it is the MEAN or NORMAL of an input
# A quantized weight is the point of these nodes: folding them would lose the integers.
QUANTIZATION = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})


def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
    """Return an attribute's Python value, or `default` where the node has none."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def constant(value: ir.Value | None) -> np.ndarray | None:
    """Return the array of a constant value, or None for an activation or a missing input."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return np.asarray(value.const_value.numpy())


def scalar(value: ir.Value | None) -> float | None:
    """Return the number that fills a constant, or None where it is no constant or has two numbers."""
    array = constant(value)
    if array is None or array.size == 0 or not np.all(array == array.flat[0]):
        return None
    return float(array.flat[0])


def consumers(value: ir.Value) -> list[ir.Node]:
    """Return the nodes that read a value, each once, in order of use."""
    return list(dict.fromkeys(use.node for use in value.uses()))


def sole_consumer(value: ir.Value) -> ir.Node | None:
    """Return the one node that reads a value, or None if there are more or it is a graph output."""
    nodes = consumers(value)
    return nodes[0] if len(nodes) == 1 and not value.is_graph_output() else None


def limited(node: ir.Node) -> ir.Node | None:
    """Return the node whose result a Relu or Clip limits: nothing else reads it, and the limits are constants."""
    if node.op_type not in ("Relu", "Clip") or not node.inputs or node.inputs[0] is None:
        return None
    bounds = [constant(v) for v in node.inputs[1:] if v is not None]
    is_fixed = all(bound is not None and bound.size == 1 for bound in bounds)
    return node.inputs[0].producer() if is_fixed and sole_consumer(node.inputs[0]) is node else None


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """Return the shape where every size is a number, else None."""
    if value is None or value.shape is None:
        return None
    sizes = tuple(d for d in value.shape if isinstance(d, int) and d >= 0)
    return sizes if len(sizes) == len(value.shape) else None


def describe(value: ir.Value) -> str:
    """Return dtype and shape for a message, unknown sizes as the model writes them."""
    sizes = [str(d) for d in value.shape] if value.shape is not None else ["?"]
    return f"{value.dtype} [{', '.join(sizes)}]"


def is_head(node: ir.Node) -> bool:
    """Whether a node is the MEAN or NORMAL of an input: lowering folds it, so passes leave it alone."""
    return HEAD in node.metadata_props


def is_raw(value: ir.Value) -> bool:
    """Whether an input of the model is raw pixels: MEAN or NORMAL stand at its head."""
    return any(is_head(use.node) for use in value.uses())


def is_float(value: ir.Value | None) -> bool:
    """Whether a value holds real numbers."""
    return value is not None and value.dtype is not None and value.dtype.is_floating_point()


def values(model: ir.Model) -> list[ir.Value]:
    """Return inputs, initializers and node outputs of the main graph, in order of definition."""
    graph = model.graph
    return [*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs)]


def unique_name(model: ir.Model, wanted: str) -> str:
    """Return `wanted`, numbered if a value or node of the graph has that name."""
    name, number = wanted, 1
    while _is_taken(model.graph, name):
        name, number = f"{wanted}_{number}", number + 1
    return name


def _is_taken(graph: ir.Graph, name: str) -> bool:
    """Whether a value or node has the name. Passes ask often: names in a set would be made anew each time."""
    if name in graph.initializers or any(value.name == name for value in graph.inputs):
        return True
    for node in graph:
        if node.name == name:
            return True
        for value in node.outputs:
            if value.name == name:
                return True
    return False


def add_constant(model: ir.Model, name: str, array: np.ndarray) -> ir.Value:
    """Register an initializer under `name` (numbered if taken) and return its value."""
    tensor = ir.tensor(np.array(array, order="C"), name=unique_name(model, name))
    value = ir.Value(
        name=tensor.name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
    )
    model.graph.register_initializer(value)
    return value


def insert(
    before: ir.Node,
    op: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    shape: Sequence[int] | None = None,
) -> ir.Value:
    """Insert a one-output node before another and return its output; dtype is the first input's.

    Without `name` the node is named after the other one and its own operator.
    """
    node = ir.node(op, inputs, dict(attributes or {}), name=name or f"{before.name}/{op.lower()}")
    node.meta[ORIGIN] = before.meta.get(ORIGIN, (before.name, before.op_type))
    out = node.outputs[0]
    first = inputs[0]
    if first is not None:
        out.type = first.type
    if shape is not None:
        out.shape = ir.Shape(shape)
    assert before.graph is not None
    before.graph.insert_before(before, node)
    out.name = None  # the graph numbers nameless values; name_everything names them after their node
    return out


def replace(node: ir.Node, new: ir.Value) -> None:
    """Put a freshly inserted value in the place of a node's only output: name, shape, uses and all.

    Its node is known by the names of all that nothing needs any more, too: they are parts of it.
    """
    (old,) = node.outputs
    name, shape, kind = old.name, old.shape, old.type
    producer = new.producer()
    assert producer is not None and node.graph is not None
    old.name = None
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    parts, producer.name = _only_for(node), node.name
    add_parts(producer, parts)
    node.name = None
    new.name, new.shape, new.type = name, shape, kind
    node.graph.remove(node, safe=True)


def add_parts(node: ir.Node, parts: Iterable[ir.Node]) -> None:
    """Let a node that has its name be known by those of others too, whose work it does now."""
    names = (name for part in parts for name in (part.name, *part.meta.get(PARTS, ())))
    node.meta[PARTS] = tuple(dict.fromkeys(name for name in names if name and name != node.name))


def _only_for(node: ir.Node) -> list[ir.Node]:
    """A node that nobody reads and those before it that nobody else needs."""
    found, waiting = {node: None}, [node]
    while waiting:
        for maker in (v.producer() for v in waiting.pop().inputs if v is not None):
            if maker is not None and maker not in found and _has_readers_within(maker, found):
                found[maker] = None
                waiting.append(maker)
    return [*found]


def _has_readers_within(node: ir.Node, nodes: Container[ir.Node]) -> bool:
    return all(not v.is_graph_output() and all(user in nodes for user, _ in v.uses()) for v in node.outputs)


def bypass(node: ir.Node, source: ir.Value) -> bool:
    """Remove a node and let its readers read `source`; False where a graph output forbids it."""
    (old,) = node.outputs
    if old.is_graph_output():
        if source.producer() is None or source.is_graph_output() or source.graph is not node.graph:
            return False
        name, old.name = old.name, None
        source.name = name
    ir.convenience.replace_all_uses_with(old, source, replace_graph_outputs=True)
    assert node.graph is not None
    node.graph.remove(node, safe=True)
    return True


def name_everything(model: ir.Model) -> None:
    """Give every node and value a unique name, the same on every run."""
    graph = model.graph
    values_taken = {v.name for v in values(model) if v.name}
    nodes_taken: set[str] = set()
    for node in graph:
        wanted = node.name or next((v.name for v in node.outputs if v.name), None) or node.op_type
        node.name = take_name(wanted, nodes_taken)
        for value in node.outputs:
            if not value.name and (value.uses() or value.is_graph_output()):
                value.name = take_name(f"{node.name}/{value.index()}", values_taken)


def remove_dead(model: ir.Model) -> int:
    """Drop nodes and initializers that no output needs; return how many nodes went."""
    from onnx_ir.passes import common

    before = len(model.graph)
    common.RemoveUnusedNodesPass()(model)
    return before - len(model.graph)


def infer(model: ir.Model, *, strict: bool = True) -> None:
    """Fill dtype and shape of every value with onnx's shape inference.

    Raises: GraphError: nodes whose inputs do not fit, all of them; without `strict` they stay unknown.
    """
    proto, _ = light.to_proto(model)
    try:
        inferred = onnx.shape_inference.infer_shapes(proto, check_type=strict, strict_mode=strict, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise GraphError(problems=_inference_problems(str(error))) from None
    known = {v.name: v for v in (*inferred.graph.value_info, *inferred.graph.output)}
    for value in (v for node in model.graph for v in node.outputs):
        info = known.get(value.name)
        if info is not None:
            ir.serde.deserialize_value_info_proto(info, value)
    if _infer_group_normalization(model):
        infer(model, strict=strict)  # for what follows them


def _infer_group_normalization(model: ir.Model) -> int:
    """Give GroupNormalization, which onnx's inference leaves out, the shape of its input; how many."""
    count = 0
    for node in model.graph:
        x, y = (node.inputs[0], node.outputs[0]) if node.op_type == "GroupNormalization" else (None, None)
        if x is not None and y is not None and static_shape(y) is None and static_shape(x) is not None:
            y.shape, y.type = x.shape, x.type
            count += 1
    return count


def count_unknown(model: ir.Model) -> int:
    """Return how many values of the main graph have no static shape."""
    return sum(static_shape(v) is None for v in values(model))


def _inference_problems(text: str) -> list[Problem]:
    what, need = "the graph does not hold together", "inputs that fit their operator"
    found = re.findall(r"\(op_type:\s*([^,)\s]+)(?:, node name: ([^)]*))?\): (.*)", text)
    problems = [Problem(what, f"{op} '{name}'" if name else op, said, need) for op, name, said in found]
    return problems or [Problem(what, found=text.strip(), need=need)]


def fold(model: ir.Model) -> bool:
    """Evaluate what depends on constants and static shapes only, and resolve If of a constant.

    Raises: GraphError: a node that cannot be evaluated.
    """
    from onnx_ir.passes import common
    from onnxscript import optimizer

    logging.getLogger("onnxscript").setLevel(logging.ERROR)  # its refusals are for its own developers
    try:
        result = optimizer.fold_constants(
            model,
            onnx_shape_inference=False,
            input_size_limit=FOLD_LIMIT_BYTES,
            output_size_limit=FOLD_LIMIT_BYTES,
            should_fold=lambda node: node.op_type not in QUANTIZATION,
        )
    except RuntimeError as error:
        found = _first_line(error.__cause__ or error)
        raise GraphError("a constant expression cannot be evaluated", where=str(error), found=found) from None
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    remove_dead(model)
    for value in model.graph.initializers.values():
        if value.const_value is not None:  # what was inferred for the expression may be less exact
            value.shape, value.dtype = ir.Shape(value.const_value.shape.numpy()), value.const_value.dtype
    return bool(result.modified)


def in_opset(model: ir.Model) -> ir.Model:
    """A copy of the model in opset `OPSET`, or the model itself where that is its opset.

    Raises: GraphError: as `convert_opset`.
    """
    if model.opset_imports.get("") == OPSET and model.ir_version == IR_VERSION:
        return model
    proto, weights = light.to_proto(model)
    return light.from_proto(convert_opset(proto), weights)


def convert_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model in opset `OPSET`.

    Raises: GraphError: onnx's converter cannot, said with both versions.
    """
    version = opset(proto)
    if version != OPSET:
        try:
            proto = onnx.version_converter.convert_version(proto, OPSET)
        except Exception as error:  # the converter raises RuntimeError and a C++ ConvertError
            raise GraphError(
                "the model cannot be converted to the opset that magik works in",
                where=proto.graph.name,
                found=f"opset {version}: {_first_line(error)}",
                need=f"a model that onnx {onnx.__version__} converts to opset {OPSET}",
                hint=f"export the model again with opset {OPSET} or a nearby one",
            ) from None
        if version < RESIZE_SAYS_HOW:
            _say_how_to_resize(proto)
    proto.ir_version = IR_VERSION
    return proto


def _say_how_to_resize(proto: onnx.ModelProto) -> None:
    """Give each Resize the coordinates that it had without a word for them, which onnx's converter forgets."""
    for node in proto.graph.node:
        if node.op_type == "Resize":
            node.attribute.append(onnx.helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
            node.attribute.append(onnx.helper.make_attribute("nearest_mode", "floor"))


def opset(proto: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a model asks for; 0 where it says none."""
    return max((int(o.version) for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def fingerprint(model: ir.Model) -> str:
    """Return a SHA-256 of graph and weights: equal models have equal fingerprints."""
    return hashlib.sha256(ir.to_proto(model).SerializeToString(deterministic=True)).hexdigest()
