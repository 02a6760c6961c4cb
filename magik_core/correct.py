"""Bias correction: take out the mean error that quantized weights cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from magik_core.calibrate import FloatSession, Progress, each_sample
from magik_core.program import DTYPES, QuantParams

_CONVOLUTIONS = ("Conv", "ConvTranspose")


def correct_biases(
    model: ir.Model,
    weights: Mapping[str, np.ndarray],
    samples: Iterable[Mapping[str, np.ndarray]],
    *,
    values: Mapping[str, QuantParams] | None = None,
    progress: Progress | None = None,
    threads: int = 1,
) -> ir.Model:
    """A copy of `model` whose biases make up for what quantization did to the weights, or activations, on average.

    For every Conv, ConvTranspose and Gemm whose weight W has a quantized form W' in `weights` (initializer
    name -> the reals that its codes mean, shape of the initializer):

        bias += E[op(x, W)] - E[op(x, W')] = E[op(x, W - W')]

    per output channel, over samples and positions, with x the float model's: each node makes up for its own
    weights only, so that nothing is corrected twice and one pass over the samples is enough. A missing bias
    is added; a bias that is computed stays as it is. MatMul has no bias and is left alone.

    With `values`, the parameters of activations, it is their rounding and clipping x' that is made up for:
    bias += E[op(x - x', W')], again with x the float model's.

    Memory: one number per output channel, and what onnxruntime holds for `threads` samples.
    Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019,
            section 4.2, measured rather than derived from BatchNorm.
    """
    out, probed = (ir.from_proto(ir.to_proto(model)) for _ in range(2))
    nodes = {i: node for i, node in enumerate(out.graph) if _is_correctable(node, weights, values)}
    if not nodes:
        return out
    probes = {i: _add_probe(node, weights, values) for i, node in enumerate(list(probed.graph)) if i in nodes}
    run = FloatSession(probed, list(probes.values())).run
    count = 0
    sums = dict.fromkeys(probes.values(), np.zeros(1))
    for arrays in each_sample(run, samples, progress=progress, threads=threads):
        count += 1
        for name, error in arrays.items():
            sums[name] = sums[name] + error.reshape(len(error), error.shape[1], -1).astype(np.float64).mean(axis=(0, 2))
    for i, node in nodes.items():
        _add_to_bias(node, sums[probes[i]] / count)
    return out


def _is_correctable(node: ir.Node, weights: Mapping[str, np.ndarray], values: Mapping[str, QuantParams] | None) -> bool:
    x = node.inputs[0]
    if values is not None and (x is None or x.name not in values):
        return False
    if node.op_type not in (*_CONVOLUTIONS, "Gemm") or node.inputs[1] is None or node.inputs[1].name not in weights:
        return False
    bias = _bias(node)
    return (bias is None or bias.const_value is not None) and node.attributes.get_float("beta", 1.0) != 0


def _bias(node: ir.Node) -> ir.Value | None:
    return node.inputs[2] if len(node.inputs) > 2 else None


def _add_probe(node: ir.Node, weights: Mapping[str, np.ndarray], values: Mapping[str, QuantParams] | None) -> str:
    """Add op(x, W - W') or op(x - x', W') beside a node, averaged over positions; returns the name of the result."""
    x, weight, graph = node.inputs[0], node.inputs[1], node.graph
    assert x is not None and weight is not None and weight.name is not None and weight.const_value is not None
    assert isinstance(graph, ir.Graph)
    result = f"{node.outputs[0].name}/mean_error"
    w, before = weights[weight.name], list[ir.Node]()
    if values is None:
        w = weight.const_value.numpy().astype(np.float64) - w
    else:
        before = _rounding(x, values[x.name or ""], result, graph)
        x = before[-1].outputs[0]
    probe = ir.node(node.op_type, [x, _constant(graph, f"{result}/weight", w.astype(np.float32))])
    for attribute in node.attributes.values():
        probe.attributes.add(attribute)
    nodes = [*before, probe]
    if node.op_type in _CONVOLUTIONS:
        nodes.append(ir.node("GlobalAveragePool", [probe.outputs[0]]))
        probe.outputs[0].name = f"{result}/at"
    nodes[-1].outputs[0].name = result
    graph.insert_after(node, nodes)
    return result


def _rounding(x: ir.Value, q: QuantParams, name: str, graph: ir.Graph) -> list[ir.Node]:
    """x less what its codes mean."""
    kind = DTYPES[q.dtype].type
    top = _constant(graph, f"{name}/top", np.float32(q.scale * (q.top - q.zero_point)))  # below the storage's
    scale, zero = _constant(graph, f"{name}/scale", np.float32(q.scale)), round(q.zero_point)
    point = _constant(graph, f"{name}/zero", np.array(zero, kind))
    nodes = [ir.node("Min", [x, top])]
    nodes.append(ir.node("QuantizeLinear", [nodes[-1].outputs[0], scale, point]))
    nodes.append(ir.node("DequantizeLinear", [nodes[-1].outputs[0], scale, point]))
    nodes.append(ir.node("Sub", [x, nodes[-1].outputs[0]]))
    for i, node in enumerate(nodes):
        node.outputs[0].name = f"{name}/rounding/{i}"
    return nodes


def _constant(graph: ir.Graph, name: str, value: np.ndarray | np.generic) -> ir.Value:
    constant = ir.Value(name=name, const_value=ir.tensor(np.asarray(value), name=name))
    graph.register_initializer(constant)
    return constant


def _add_to_bias(node: ir.Node, shift: np.ndarray) -> None:
    """Give the node a bias of its own: the old one may be shared."""
    old, graph = _bias(node), node.graph
    assert isinstance(graph, ir.Graph)
    start = np.zeros(1) if old is None or old.const_value is None else old.const_value.numpy()
    bias = start.astype(np.float64) + shift / node.attributes.get_float("beta", 1.0)
    name = f"{node.outputs[0].name}/corrected_bias"
    name += "/again" if name in graph.initializers else ""
    value = ir.Value(name=name, const_value=ir.tensor(bias.astype(np.float32), name=name))
    graph.register_initializer(value)
    node.resize_inputs(3)
    node.replace_input_with(2, value)
    if old is not None and old.name and old.is_initializer() and not old.uses() and not old.is_graph_output():
        graph.initializers.pop(old.name)
