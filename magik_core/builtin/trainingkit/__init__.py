"""Graphs that the training kit exports, those of older kits too, in the quantize-dequantize form.

Their operators have no domain and no schema; docs/training.md says what each becomes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from magik_core.builtin.trainingkit.names import name_after_layers

if TYPE_CHECKING:
    import onnx

DOMAIN = "magik.trainingkit"  # that the operators get on the way in
OPERATORS = frozenset({
    "LSTMUntilFunction", "NOp", "QuantizeBatchNormInference", "QuantizeConv1DInference", "QuantizeConv2DInference",
    "QuantizeFeature", "QuantizeFullconnectedInference", "QuantizeLSTMV2", "QuantizeShortcutInference",
    "QuantizeWeight", "aweight",
})  # fmt: skip


def adopt(proto: onnx.ModelProto) -> None:
    """Give the operators of the training kit a domain, and nodes the names of their layers, in place."""
    kit = [node for node in proto.graph.node if node.domain == "" and node.op_type in OPERATORS]
    if not kit:
        return
    kit += [n for n in proto.graph.node if n.domain == "" and n.op_type == "Upsample" and not _is_linear(n)]
    for node in kit:
        node.domain = DOMAIN
    name_after_layers(proto.graph, kit)
    if not any(o.domain == DOMAIN for o in proto.opset_import):
        proto.opset_import.add(domain=DOMAIN, version=1)


def _is_linear(upsample: onnx.NodeProto) -> bool:
    """Whether an Upsample has the mode that is the standard's alone: the kit's has zero and nearest."""
    return any(a.name == "mode" and a.s == b"linear" for a in upsample.attribute)
