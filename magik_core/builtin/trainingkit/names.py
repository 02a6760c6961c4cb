"""Names of a trained network's layers, which its nodes say whatever exporter has named them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

FEATURE = "quantize_feature_tensor_name"  # in the JSON of a node
SUFFIX = "/QuantizeFeature"  # behind the layer's name
NAMED = ("QuantizeBatchNormInference", "QuantizeShortcutInference", "QuantizeFeature")  # by an attribute


def name_after_layers(graph: GraphProto, kit: Sequence[NodeProto]) -> None:
    """Give the node that computes a layer the layer's name, where no other has it; in place.

    What a QuantizeFeature only rounds is computed by the node before it.

    Args: kit: the training kit's nodes of the graph, which have a domain.
    """
    taken = {node.name for node in graph.node}
    makers = {name: node for node in graph.node for name in node.output}
    for node in kit:
        name = _layer(node)
        if not name or name in taken:
            continue
        maker = makers.get(node.input[0]) if node.input and _only_rounds(node) else None
        (maker if maker is not None and maker.domain == "" else node).name = name
        taken.add(name)


def _only_rounds(node: NodeProto) -> bool:
    """Whether a node divides by no clip value."""
    return node.op_type == "QuantizeFeature" and any(a.name == "clip_max_value" and a.f == 1 for a in node.attribute)


def _layer(node: NodeProto) -> str:
    """The name that a node says its layer has."""
    texts = {a.name: a.s for a in node.attribute if a.name in ("tensor_name", "param_str")}
    found = texts.get("tensor_name", b"").decode(errors="replace") if node.op_type in NAMED else ""
    if "param_str" in texts:
        try:
            said = json.loads(texts["param_str"])
        except (ValueError, RecursionError):
            return ""
        found = said.get(FEATURE, "") if isinstance(said, dict) else ""
    return found.removesuffix(SUFFIX) if isinstance(found, str) else ""
