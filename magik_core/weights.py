"""Weights of nodes: how many bits they get, their codes, and what these mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import onnx_ir as ir

from magik_core import light, numerics
from magik_core.ops.convolution import met_gain, origin
from magik_core.recipe import Recipe
from magik_core.source import Quantization, Source, WeightQuantizer

Place = tuple[str, int]  # a node and the index of its input
ChannelScales = Callable[[np.ndarray, int], np.ndarray]
RECURRENT = ("LSTM", "GRU", "RNN")
WITH_WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", *RECURRENT)
WIDEST = 16  # bits of weights in codes
_PIECE = 1 << 16  # weights that are computed with at once: f64 copies of a large matrix would be the most that is held


def has_weights(node: ir.Node) -> bool:
    """Whether a node multiplies by weights of its own."""
    w = node.inputs[1] if len(node.inputs) > 1 else None
    return node.op_type in WITH_WEIGHTS and w is not None and w.const_value is not None


def is_settled(node: ir.Node, quantization: Quantization) -> bool:
    """Whether the weights of a node have the codes of the source."""
    w = node.inputs[1]
    return w is not None and w.name in quantization.constants


def weight_bits(model: ir.Model, recipe: Recipe) -> dict[str, int]:
    """Bits of the weights of every node that has some."""
    nodes = (n for n in model.graph if has_weights(n))
    return {n.name or "": recipe.choice(n.name or "", n.op_type).weight_bits for n in nodes}


def code_widths(model: ir.Model, recipe: Recipe) -> dict[str, int]:
    """Bits of the codes that weights of each node get; a constant operand that becomes weights has the default's."""
    known = weight_bits(model, recipe)
    return {n.name or "": min(known.get(n.name or "", recipe.weight_bits), WIDEST) for n in model.graph}


def node_weights(widths: Mapping[str, int], recipe: Recipe, channel_scales: ChannelScales) -> WeightQuantizer:
    """How the weights of each node get codes, by the widths of `code_widths`."""

    def codes(node: str, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return weight_codes(channel_scales, widths[node], recipe.per_channel, w)

    return codes


def weight_codes(
    channel_scales: ChannelScales, bits: int, per_channel: bool, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(codes of s8 or s16, f32-exact scales) of weights (channels, k): symmetric, up to 2^(b-1) - 1."""
    top = 2 ** (bits - 1) - 1
    rows = w if per_channel else w.reshape(1, -1)
    scales = np.asarray(channel_scales(rows, bits), np.float32).astype(np.float64)
    scales = np.broadcast_to(np.maximum(scales, numerics.LEAST_SCALE), (len(w),))
    codes = np.empty(w.shape, np.int8 if bits <= 8 else np.int16)
    for piece in _pieces(w):
        codes[piece] = np.clip(numerics.round_half_up(w[piece] / scales[piece, None]), -top, top)
    return codes, scales


class RealWeights(Mapping[Place, np.ndarray]):
    """Weights by their place, each computed when it is asked for: all at once would be a second model."""

    def __init__(self, places: Mapping[Place, Callable[[], np.ndarray]]) -> None:
        self._places = places

    def __getitem__(self, place: Place) -> np.ndarray:
        return self._places[place]()

    def __contains__(self, place: object) -> bool:
        return place in self._places

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _pieces(rows: np.ndarray) -> list[slice]:
    some = max(1, _PIECE // max(rows.shape[1], 1))
    return [slice(at, at + some) for at in range(0, len(rows), some)]


def real_weights(model: ir.Model, quantization: Quantization) -> RealWeights:
    """What the codes of every node's weights mean: (node, index of the input) -> reals of its shape.

    Codes are of weights times what the node's input is multiplied by where that is folded into them, as lowering
    folds it. Those that the source has quantized are left out, as they are what they are, and those of nodes in f32.
    """
    if quantization.weights is None:
        return RealWeights({})
    source, coded = Source(model, quantization), quantization.weights
    nodes = [node for node in model.graph if node.name not in quantization.float_nodes]
    found = [(node, i, value) for node in nodes for i, value in _constants(node)]
    return RealWeights(
        {
            (node.name or "", i): partial(_real, node, value, source, coded)
            for node, i, value in found
            if value.name not in quantization.constants and _rows(node, _reals_of(value)) is not None
        }
    )


def _real(node: ir.Node, value: ir.Value, source: Source, coded: WeightQuantizer) -> np.ndarray:
    w = _reals_of(value)
    gain = _gain(node, source, w)
    rows, gains = _rows(node, w), _rows(node, np.broadcast_to(gain, w.shape))
    assert rows is not None and gains is not None
    codes, scales = coded(node.name or "", np.ascontiguousarray(rows * gains))
    real = np.empty(rows.shape, np.float32)
    for piece in _pieces(rows):
        real[piece] = codes[piece] * scales[piece, None] / gains[piece]
    return _from_rows(node, real, w.shape)


def _reals_of(value: ir.Value) -> np.ndarray:
    assert value.const_value is not None
    return np.asarray(value.const_value.numpy(), np.float32)


def with_weights(model: ir.Model, weights: Mapping[Place, np.ndarray]) -> ir.Model:
    """A copy of the graph that computes with these weights; nodes that share some get some of their own."""
    out = light.from_proto(*light.to_proto(model))
    nodes = {node.name or "": node for node in out.graph}
    for (name, index), w in weights.items():
        replace_constant(nodes[name], index, f"{name}/own_weights{index}", w)
    return out


def replace_constant(node: ir.Node, index: int, name: str, array: np.ndarray) -> None:
    """Give an input of a node a constant of its own, by `name` or a longer one; an unread old one goes."""
    old, graph = node.inputs[index], node.graph
    assert isinstance(graph, ir.Graph)
    while name in graph.initializers:
        name += "/again"
    tensor = ir.tensor(array, name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    node.replace_input_with(index, value)
    if old is not None and old.name and old.is_initializer() and not old.uses() and not old.is_graph_output():
        graph.initializers.pop(old.name)


def _constants(node: ir.Node) -> Iterator[tuple[int, ir.Value]]:
    """The inputs of a node that are its weights: input 1, and the second matrix of a recurrent layer."""
    for index, value in enumerate(node.inputs[: 3 if node.op_type in RECURRENT else 2]):
        if index and node.op_type in WITH_WEIGHTS and value is not None and value.const_value is not None:
            yield index, value


def _gain(node: ir.Node, source: Source, w: np.ndarray) -> np.ndarray:
    """What lowering multiplies weights (O, I, …) of a node by before they get codes, to be broadcast."""
    found = origin(node, source) if node.op_type == "Conv" else None
    if found is None or not found[1].all():
        return np.ones(1, np.float32)
    last = np.moveaxis(w, 1, -1)
    return np.moveaxis(met_gain(last.shape, found[1], node.attributes.get_int("group", 1)), -1, 1)


def _rows(node: ir.Node, w: np.ndarray) -> np.ndarray | None:
    """Weights of a node as (channels, k), one scale each; None for matrices that are lowered as activations are."""
    if node.op_type in RECURRENT:  # a row of each gate, of each direction
        return w.reshape(-1, w.shape[2])
    if node.op_type == "ConvTranspose":
        groups = node.attributes.get_int("group", 1)
        parts = w.reshape(groups, len(w) // groups, w.shape[1], -1)  # (g, I, O / g, taps)
        return np.moveaxis(parts, 1, -1).reshape(groups * w.shape[1], -1)
    if node.op_type == "Gemm":
        return w if node.attributes.get_int("transB", 0) else w.T
    if node.op_type == "MatMul":
        matrix = w.reshape(-1, 1) if w.ndim == 1 else w.reshape(-1, *w.shape[-2:])
        return matrix.reshape(matrix.shape[-2:]).T if matrix.ndim == 2 or len(matrix) == 1 else None
    return w.reshape(len(w), -1)


def _from_rows(node: ir.Node, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The weights whose `_rows` these are."""
    if node.op_type == "ConvTranspose":
        groups = node.attributes.get_int("group", 1)
        parts = rows.reshape(groups, shape[1], -1, shape[0] // groups)
        return np.moveaxis(parts, -1, 1).reshape(shape)
    is_turned = node.op_type == "MatMul" or (node.op_type == "Gemm" and not node.attributes.get_int("transB", 0))
    return (rows.T if is_turned else rows).reshape(shape)
