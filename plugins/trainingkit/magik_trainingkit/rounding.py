"""Features that layers without weights make: reals in [0, 1] or [-1, 1], rounded."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit import fake_quant, graph
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.layer import Layer, source
from magik_trainingkit.values import Value


def rounded(layer: Layer, real: Tensor, nodes: Sequence[Node], inputs: Sequence[Value], device: str) -> Value:
    """A result as a feature, as wide as the widest input and with a sign if one has one.

    Args: real: as torch computes it. nodes: what computes it in the layer's program.
    """
    bits, is_signed = max(v.bits for v in inputs), any(v.clip_min < 0 for v in inputs)
    clip_min = -1.0 if is_signed else 0.0
    if bits == REAL:
        return Value(real, REAL, clip_min)
    attributes = {"output_bitwidth": bits, "clip_min_value": clip_min, "clip_max_value": 1.0}
    rounding = Node("QuantizeFeature", (), {**attributes, "target_device": device, "version": VERSION})
    if graph.is_exporting():
        y = graph.emit(rounding, real, real.shape)
    elif layer.training:
        y = fake_quant.feature(real, bits, clip_min, 1.0, device)
    else:
        sources, given = [source(v, device) for v in inputs], [v.tensor for v in inputs]
        y = layer.run(sources, [*nodes, rounding], given, real.ndim)
    return Value(y, bits, clip_min)
