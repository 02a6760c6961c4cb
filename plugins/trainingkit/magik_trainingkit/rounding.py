"""Features that layers without weights make: reals in [0, 1] or [-1, 1], rounded."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit import fake_quant, graph, integer
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer, source
from magik_trainingkit.values import Value


def rounded(layer: Layer, real: Tensor, nodes: Sequence[Node], inputs: Sequence[Value], device: str) -> Value:
    """A result as a feature, as wide as the widest input and with a sign if one has one.

    Args: real: as torch computes it. nodes: what computes it in the layer's program.
    """
    bits, is_signed = max(v.bits for v in inputs), any(v.clip_min < 0 for v in inputs)
    clip_min = -1.0 if is_signed else 0.0
    sources, given = [source(v, device) for v in inputs], [v.tensor for v in inputs]
    return Value(coded(layer, real, (bits, clip_min, 1.0, device), nodes, sources, given), bits, clip_min)


def uncoded(layer: Layer, real: Tensor, node: Node, x: Value, device: str) -> Tensor:
    """A last layer's result of a feature: in eval() that of the layer's program, else `real`, as torch computes it."""
    if graph.is_exporting() or x.bits == REAL or not layer.runs(x.tensor):
        return real
    return layer.run([source(x, device)], [node], [x.tensor], real.ndim)


def coded(
    layer: nn.Module, real: Tensor, codes: tuple[int, float, float, str], nodes: Sequence[Node] = (),
    sources: Sequence[Node] = (), given: Sequence[Tensor] = (),
) -> Tensor:  # fmt: skip
    """A tensor divided by a clip value and rounded.

    Args: real: as torch computes it; codes: bits, clip_min, clip_max, device. nodes, sources, given: what computes it
        in the layer's program, of which inputs; without them it is one that is given.
    """
    if codes[0] == REAL:
        return real
    rounding = graph.feature(*codes, getattr(layer, "name", ""))
    if graph.is_exporting():
        return graph.emit(rounding, real, real.shape)
    if layer.training or not real.numel():
        return fake_quant.feature(real, *codes)
    return integer.evaluate(layer, sources or [Node("Identity")], [*nodes, rounding], given or [real], real.ndim)
