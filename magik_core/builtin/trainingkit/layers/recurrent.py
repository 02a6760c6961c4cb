"""LSTM of one layer, whose h has codes at every time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_core import numerics
from magik_core.builtin.onnx_quantized.expansion import at
from magik_core.builtin.onnx_quantized.table import ANY, converts
from magik_core.builtin.trainingkit import DOMAIN, emit
from magik_core.builtin.trainingkit.arithmetic import CELL, REAL, Array, Grid, feature_grid, weight_codes
from magik_core.builtin.trainingkit.fields import FEATURE_BITS, WEIGHT_BITS, Fields, array, constant
from magik_core.program import QuantParams
from magik_core.states import CODES

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

ORDER = (0, 3, 1, 2)  # the kit's gates i f g o as ONNX has them, i o f c
DIRECTIONS = {"forward": ("forward",), "bidirectional": ("forward", "reverse")}
MOST_UNITS = 1 << 24


@dataclass(frozen=True)
class Layer:
    """What a node says.

    Args: weights: (4 H, I + H) and biases (4 H) of each direction; hidden: H; grid: of h, None where it is real;
        is_time_second: x is (N, T, I); clip: of what enters a gate.
    """

    node: NodeProto
    directions: Sequence[str]
    weights: Sequence[Array]
    biases: Sequence[Array]
    hidden: int
    grid: Grid | None
    weight_bits: int
    is_time_second: bool
    clip: float | None

    @property
    def name(self) -> str:
        return self.node.output[0]


@converts("QuantizeLSTMV2", domains=(DOMAIN,), inputs=(5, 7), outputs=(1, 3))
def lstm(node: NodeProto, to: Expansion) -> None:
    """LSTM of each direction by itself, h rounded at every time to what the output is rounded to."""
    given = Fields.of(node, to)
    layer = _read(node, to, given)
    if layer is None:
        return
    starts = [_start(layer, to, place, grid) for place, grid in _states(layer)]
    x = node.input[0]
    if layer.is_time_second:
        x = to.between("Transpose", [x], f"{layer.name}/time", perm=[1, 0, 2])
    made = [
        _direction(layer, to, i, x, [s[i] for s in starts], given) for i in range(len(layer.directions)) if to.is_sound
    ]
    if not to.is_sound:
        return
    for out, parts, axis in zip(node.output, zip(*made, strict=True), (2, 0, 0), strict=False):
        if out and len(parts) > 1:
            to.node("Concat", parts, [out], axis=axis)
        elif out:
            to.node("Identity", parts, [out])


def _read(node: NodeProto, to: Expansion, given: Fields) -> Layer | None:
    """What the node says; None, and problems, if unsound."""
    direction, hidden = given.text("direction", "forward"), given.whole("hidden_size", 1, MOST_UNITS)
    directions = DIRECTIONS.get(direction, ())
    if not directions:
        to.problem("unknown direction", direction, ", ".join(DIRECTIONS))
    given.whole("num_layers", 1, 1, 1)
    count = len(directions)
    if directions and len(node.input) != 3 + 2 * count:
        to.problem("an operator has the wrong number of inputs", str(len(node.input)), f"{3 + 2 * count}: {direction}")
    is_coded = given.flag("quantize")
    bits = given.bits("weight_bitwidth", WEIGHT_BITS) if is_coded else REAL
    out_bits = given.bits("output_bitwidth", FEATURE_BITS) if is_coded else REAL
    clip = given.positive("clip_max_value", 6.0) if is_coded else None
    device = given.device()
    if not to.is_sound:
        return None
    weights = [array(node, to, 1 + i, "the weights") for i in range(count)]
    biases = [array(node, to, 1 + count + i, "the biases", 4 * hidden) for i in range(count)]
    for w in weights:
        if to.is_sound and (w.ndim != 2 or len(w) != 4 * hidden or w.shape[1] <= hidden):
            need = f"{4 * hidden} rows, more than {hidden} columns"
            to.problem("weights do not fit the hidden size", f"{list(w.shape)} for hidden_size {hidden}", need)
    grid = None if out_bits == REAL else feature_grid(out_bits, True, device)
    is_time_second = bool(given.values.get("batch_first", True))
    return Layer(node, directions, weights, biases, hidden, grid, bits, is_time_second, clip) if to.is_sound else None


def _states(layer: Layer) -> list[tuple[int, Grid | None]]:
    """Where the states at the start are among the inputs, and what their codes mean."""
    first = 1 + 2 * len(layer.directions)
    return [(first, layer.grid), (first + 1, layer.grid and CELL)]


def _start(layer: Layer, to: Expansion, place: int, grid: Grid | None) -> list[str]:
    """A state at the start, (1, N, H) for each direction."""
    count, name = len(layer.directions), at(layer.node, place)
    known = constant(to, name)
    out = f"{layer.name}/{'hc'[place - 1 - 2 * count]}"
    if known is not None:
        return _constant(layer, to, known, grid, out)
    x = emit.rounded(to, name, grid, to.unique(f"{out}/rounded")) if grid else name
    if count == 1:
        return [x]
    ends = [to.constant(f"{out}/{i}", np.asarray([i], np.int64)) for i in range(count + 1)]
    axis = to.constant(f"{out}/axis", np.zeros(1, np.int64))
    return [to.between("Slice", [x, ends[i], ends[i + 1], axis], f"{out}/of_{i}") for i in range(count)]


def _constant(layer: Layer, to: Expansion, known: Array, grid: Grid | None, out: str) -> list[str]:
    """The same of a constant, in codes already."""
    count = len(layer.directions)
    if known.dtype.kind != "f" or known.size == 0 or known.size % (count * layer.hidden):
        need = f"f32 of {count} directions, N sequences and {layer.hidden} units"
        to.problem("a state at the start does not fit the layer", f"{list(known.shape)}", need)
        return [""] * count
    whole = np.ascontiguousarray(known, np.float32).reshape(count, -1, layer.hidden)
    if grid is not None:
        q = QuantParams(grid.scale, grid.zero_point, grid.bits)
        whole = numerics.dequantize(numerics.quantize(whole, q), q)
    return [emit.constant(to, f"{out}/{i}", whole[i : i + 1]) for i in range(count)]


def _direction(
    layer: Layer, to: Expansion, i: int, x: str, states: Sequence[str], given: Fields
) -> tuple[str, str, str]:
    """y (N, T, H) or (T, N, H), h and c (1, N, H) of one direction."""
    name, out = to.unique(f"{layer.name}/{layer.directions[i]}"), layer.node.output
    bias = np.concatenate([_gates(layer.biases[i], layer.hidden), np.zeros(4 * layer.hidden)])
    inputs = [x, *_weights(layer, to, i, given), emit.constant(to, f"{name}/bias", bias[None]), "", *states]
    raw = [name, *(to.unique(f"{name}/{k}") if at_least(out, 1 + place) else "" for place, k in enumerate("hc"))]
    attributes: dict[str, Any] = {"hidden_size": layer.hidden, "direction": layer.directions[i]}
    if layer.clip is not None:
        attributes["clip"] = layer.clip
    to.node("LSTM", inputs, raw, **attributes)
    if layer.grid is not None:
        text = json.dumps([[g.scale, g.zero_point, g.bits] for g in (layer.grid, CELL)])
        to.nodes[-1].metadata_props.add(key=CODES, value=text)
    axis = to.constant(f"{name}/axis", np.ones(1, np.int64))
    y = to.between("Squeeze", [raw[0], axis], f"{name}/times")
    if layer.is_time_second:
        y = to.between("Transpose", [y], f"{name}/sequences", perm=[1, 0, 2])
    found = [y, *raw[1:]]
    if layer.grid is not None:
        grids = (layer.grid, layer.grid, CELL)
        found = [v and emit.rounded(to, v, g, to.unique(f"{v}/rounded")) for v, g in zip(found, grids, strict=True)]
    return found[0], found[1], found[2]


@converts("LSTMUntilFunction", domains=(DOMAIN,), inputs=(0, ANY), outputs=(0, ANY))
def lstm_until(node: NodeProto, to: Expansion) -> None:
    """Refused: a step of an older kit's LSTM on Txx."""
    hint = "export the network again with a kit that writes QuantizeLSTMV2, as ops.LSTM of magik-trainingkit does"
    to.problem("a step of an LSTM says too little to be computed", node.op_type, "QuantizeLSTMV2, the whole LSTM", hint)


def at_least(names: Sequence[str], place: int) -> bool:
    """Whether a node gives an output."""
    return place < len(names) and bool(names[place])


def _weights(layer: Layer, to: Expansion, i: int, given: Fields) -> list[str]:
    """W (1, 4 H, I) and R (1, 4 H, H), in codes of one scale for each row."""
    fused, name = layer.weights[i], layer.node.input[1 + i]
    width = fused.shape[1] - layer.hidden
    if layer.weight_bits == REAL:
        rows = _gates(fused, layer.hidden)[None]
        return [emit.constant(to, f"{name}/{k}", v) for k, v in (("w", rows[..., :width]), ("r", rows[..., width:]))]
    codes, scales = weight_codes(fused, layer.weight_bits, given.positive("weight_factor", 3.0), given.device())
    codes, scales = _gates(codes, layer.hidden), _gates(scales, layer.hidden)
    parts = (("w", codes[None, :, :width]), ("r", codes[None, :, width:]))
    return [emit.real_weights(to, f"{name}/{k}", v, scales, axis=1) for k, v in parts]


def _gates(rows: Array, hidden: int) -> Array:
    """The rows of gates in the order of ONNX."""
    parts = rows.reshape(4, hidden, *rows.shape[1:])
    return np.concatenate([parts[gate] for gate in ORDER])
