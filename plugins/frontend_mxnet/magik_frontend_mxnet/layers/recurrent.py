"""RNN: layers of LSTM, GRU or simple cells, one or two directions, as an ONNX node per layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magik_frontend_mxnet.call import Call, ints
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal

# mode -> operator, order of MXNet's gates in ONNX, attributes
MODES: dict[str, tuple[str, tuple[int, ...], dict[str, object]]] = {
    "lstm": ("LSTM", (0, 3, 1, 2), {}),  # input, forget, cell, output -> input, output, forget, cell
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # reset, update, new -> update, reset, new
    "rnn_relu": ("RNN", (0,), {"activations": ["Relu"]}),
    "rnn_tanh": ("RNN", (0,), {"activations": ["Tanh"]}),
}


@dataclass(frozen=True)
class Weights:
    """Of one layer, in ONNX's order of gates: w [directions, gates, in], r [directions, gates, state], b."""

    w: np.ndarray
    r: np.ndarray
    b: np.ndarray


@layer("RNN")
def rnn(c: Call) -> list[str]:
    op, order, extra = MODES[c.attrs.text("mode", "", tuple(MODES))]
    for name in ("use_sequence_length", "lstm_state_clip_nan"):
        c.attrs.text(name, "False", ("False", "0"))
    for name in ("projection_size", "lstm_state_clip_min", "lstm_state_clip_max"):
        c.attrs.text(name, "None", ("None",))
    size, count = c.attrs.integer("state_size", least=1), c.attrs.integer("num_layers", least=1)
    directions = 1 + c.attrs.flag("bidirectional", False)
    layers = unpack(c.constant(1, axes=1), order, size, count, directions)
    if directions == 2:
        extra = {**extra, "direction": "bidirectional"}
        if "activations" in extra:
            extra["activations"] = [*extra["activations"]] * 2  # type: ignore[misc]
    x, kept = c.x, list[list[str]]()
    for index, weights in enumerate(layers):
        states = [_state(c, i, index, directions) for i in range(2, 4 if op == "LSTM" else 3)]
        y, *ends = c.emit_many(
            op, 3 if op == "LSTM" else 2, x, weights.w, weights.r, weights.b, "", *states, hidden_size=size, **extra
        )
        turned = c.emit("Transpose", y, perm=[0, 2, 1, 3])  # [time, batch, directions, state]
        x = c.emit("Reshape", turned, ints(0, 0, directions * size))
        kept.append(ends)
    if not c.attrs.flag("state_outputs", False):
        return [x]
    return [x, *(ends[0] if count == 1 else c.emit("Concat", *ends, axis=0) for ends in zip(*kept, strict=True))]


def _state(c: Call, index: int, layer_index: int, directions: int) -> str:
    """The first state of a layer: its part of the input; "" where that is zeros, which is ONNX's default."""
    state = c.inputs[index] if index < len(c.inputs) else ""
    if not state or state in c.zeros:
        return ""
    if not c.attrs.integer("num_layers") > 1:
        return state
    start = layer_index * directions
    return c.emit("Slice", state, ints(start), ints(start + directions), ints(0))


def unpack(packed: np.ndarray, order: tuple[int, ...], size: int, count: int, directions: int) -> list[Weights]:
    """The weights of each layer from MXNet's vector: all matrices, then all biases, layer by layer.

    Raises: Refusal: the vector is of another length than the attributes say.
    """
    gates = len(order) * size
    biases = 2 * gates * directions * count
    inner = gates * directions * (size * (directions + 1)) * (count - 1)
    first = packed.size - biases - inner - gates * size * directions  # the matrices that take the layer's input
    width = first // (gates * directions)
    if width < 1 or width * gates * directions != first:
        found, need = f"{packed.size} values", f"those of {count} layers of {size} in {directions} directions"
        raise Refusal("a parameter does not fit its layer", found, need)
    at, layers = 0, []
    for index in range(count):
        columns = width if index == 0 else size * directions
        parts = []
        for _ in range(directions):
            w = packed[at : at + gates * columns].reshape(gates, columns)
            r = packed[at + w.size : at + w.size + gates * size].reshape(gates, size)
            parts.append((w, r))
            at += w.size + r.size
        layers.append(parts)
    bias = packed[at:].reshape(count, directions, 2, gates)
    return [
        Weights(
            np.stack([_reordered(w, order) for w, _ in parts]),
            np.stack([_reordered(r, order) for _, r in parts]),
            np.stack([np.concatenate([_reordered(b, order) for b in both]) for both in bias[index]]),
        )
        for index, parts in enumerate(layers)
    ]


def _reordered(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    parts = array.reshape(len(order), -1, *array.shape[1:])
    return np.ascontiguousarray(parts[list(order)].reshape(array.shape), dtype=np.float32)
