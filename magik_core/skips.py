"""QUANT_NODE_SKIP and QUANT_OP_SKIP: which nodes of the rewritten graph they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import onnx_ir as ir

from magik_core import graph
from magik_core.ops import by_onnx
from magik_core.recipe import Recipe

Test = Callable[[ir.Node], bool]


def resolve(model: ir.Model, recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with names of nodes in the place of operator types; types that nobody knows stay.

    A source node that was rewritten as several stands for all of them, one that became part of another for that.

    Returns: it, and a warning for each type that the network has no node of.
    """
    made = _made(model)
    found = {name: _nodes(model, name) for name in sorted(recipe.skip_ops)}
    nodes = frozenset().union(*(made.get(name, {name}) for name in recipe.skip_nodes), *found.values())
    unknown = frozenset(name for name, names in found.items() if not names and name not in known(model))
    text = "has no effect: the network, as it is after rewriting, has no node of this type"
    unmet = tuple(f"QUANT_OP_SKIP {name} {text}" for name, names in found.items() if not names and name not in unknown)
    chosen = {_alone(made, name): choice for name, choice in recipe.nodes.items()}
    if len(chosen) < len(recipe.nodes):  # a node and a part of it: which one is meant is for the user to say
        chosen = {**recipe.nodes}
    resolved = replace(recipe, nodes=chosen, skip_nodes=nodes, skip_ops=unknown)
    return resolved, () if recipe.is_float else unmet


def _made(model: ir.Model) -> Mapping[str, frozenset[str]]:
    """Names of the nodes of the graph by those that they had, or were made of, in the source."""
    own = {node.name or "" for node in model.graph}
    made: dict[str, set[str]] = {}
    for node in model.graph:
        parts = (part for part in node.meta.get(graph.PARTS, ()) if part not in own)
        for name in (node.name or "", _origin(node)[0], *parts):
            made.setdefault(name, set()).add(node.name or "")
    return {name: frozenset(names) for name, names in made.items()}


def _alone(made: Mapping[str, frozenset[str]], name: str) -> str:
    """The only node that a name stands for; the name itself where it stands for none or for several."""
    found = made.get(name, frozenset())
    return next(iter(found)) if len(found) == 1 else name


def known(model: ir.Model) -> set[str]:
    """Operator types that may be skipped: those of kernels and of the graph, and the vendor's."""
    return {*by_onnx(), *VENDORS, *(n.op_type for n in model.graph)}


def _origin(node: ir.Node) -> tuple[str, str]:
    """Name and operator of the node that a node was inserted for; its own where it was not."""
    name, op = node.meta.get(graph.ORIGIN, (node.name or "", node.op_type))
    return name, op


def _nodes(model: ir.Model, name: str) -> list[str]:
    is_one = VENDORS.get(name) or _of(name)
    return [n.name or "" for n in model.graph if is_one(n)]


def _of(*types: str) -> Test:
    return lambda node: node.op_type in types


def _is_depthwise(node: ir.Node) -> bool:
    weights = graph.static_shape(node.inputs[1]) if node.op_type == "Conv" else None
    return weights is not None and weights[1] == 1 and graph.attribute(node, "group", 1) > 1


def _is_batch_norm(node: ir.Node) -> bool:
    """Also the product and the sum that it was written as; what is in the weights of a neighbor is gone."""
    is_part = node.op_type in ("Mul", "Add") and _origin(node)[1] == "BatchNormalization"
    return is_part or node.op_type == "BatchNormalization"


def _eltwise(op: str) -> Test:
    return lambda node: node.op_type == op and not _is_batch_norm(node)


def _adds_constant(node: ir.Node) -> bool:
    return _eltwise("Add")(node) and any(graph.constant(v) is not None for v in node.inputs)


def _resizes(mode: str) -> Test:
    return lambda node: node.op_type == "Resize" and graph.attribute(node, "mode", "nearest") == mode


def _is_relu6(node: ir.Node) -> bool:
    return node.op_type == "Clip" and [graph.scalar(v) for v in node.inputs[1:]] == [0, 6]


def _normalizes_a_sum(node: ir.Node) -> bool:
    maker = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
    return node.op_type == "LayerNormalization" and maker is not None and maker.op_type == "Add"


# The vendor's types, where they are not ONNX's or mean other nodes.
# Source: reference transform-api.md, section 5.2.
VENDORS: Mapping[str, Test] = {
    "AvgPool": _of("AveragePool"),
    "BatchNormalization": _is_batch_norm,
    "BatchNormScale": _is_batch_norm,
    "BiasAdd": _adds_constant,
    "Conv2D": lambda node: node.op_type == "Conv" and not _is_depthwise(node),
    "DepthwiseConv2dNative": _is_depthwise,
    "EltwiseAdd": _eltwise("Add"),
    "EltwiseDiv": _eltwise("Div"),
    "EltwiseMul": _eltwise("Mul"),
    "EltwiseSub": _eltwise("Sub"),
    "FusedBatchNorm": _is_batch_norm,
    "GlobalAvgPool": _of("GlobalAveragePool"),
    "Hsigmoid": _of("HardSigmoid"),
    "Linear": _of("Gemm", "MatMul"),
    "MatMul": _of("Gemm", "MatMul"),
    "Relu6": _is_relu6,
    "ResizeBilinear": _resizes("linear"),
    "ResizeNearestNeighbor": _resizes("nearest"),
    "SkipLayerNormalization": _normalizes_a_sum,
    "Unpool2D": _resizes("nearest"),
}
