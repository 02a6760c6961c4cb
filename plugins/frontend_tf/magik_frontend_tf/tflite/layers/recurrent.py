"""Recurrent layers, each as one node of ONNX"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from magik_frontend_tf.tflite.builder import Refusal
from magik_frontend_tf.tflite.call import Call, Known, Made
from magik_frontend_tf.tflite.layers import operator

log = logging.getLogger("magik_core.frontend_tf")
# TFLite counts input, forget, cell, output gate; ONNX input, output, forget, cell
GATES = (0, 3, 1, 2)
PEEPHOLES = (0, 2, 1)  # input, forget, output -> input, output, forget
ACTIVATIONS = {"": "Affine", "TANH": "Tanh", "RELU": "Relu"}


@operator("UNIDIRECTIONAL_SEQUENCE_LSTM")
def lstm(c: Call) -> ir.Value:
    """States begin as zeros, as after a reset of TFLite's variables."""
    if c.option("diagonal"):
        raise Refusal("recurrent weights are diagonal", need="full matrices")
    parts = _gates(c, 1)
    _check_states(c, (18, 19))
    if any(c.has(i) for i in range(20, 24)):
        raise Refusal("a recurrent layer normalizes its gates", need="an LSTM without layer normalization")
    return _run(c, "LSTM", [parts], bool(c.option("time_major")))[0]


@operator("BIDIRECTIONAL_SEQUENCE_LSTM")
def bidirectional(c: Call) -> list[Made]:
    """Outputs of both directions, one behind the other or apart."""
    parts = [_gates(c, 1), _gates(c, 18)]
    _check_states(c, (35, 36, 37, 38))
    if any(c.has(i) for i in range(39, 48)):
        raise Refusal("a recurrent layer has an auxiliary input", need="an LSTM without")
    both = _run(c, "LSTM", parts, bool(c.option("time_major")))
    return [c.emit("Concat", *both, axis=2)] if c.option("merge_outputs") else list(both)


@operator("UNIDIRECTIONAL_SEQUENCE_RNN")
def rnn(c: Call) -> ir.Value:
    _check_states(c, (4,))
    part: Part = ([c.input(1)], [c.input(2)], [c.input(3)], [])
    return _run(c, "RNN", [part], bool(c.option("time_major")))[0]


Part = tuple[Sequence[Known], Sequence[Known], Sequence[Known], Sequence[Known]]  # w, r, b, peepholes, by gate


def _gates(c: Call, start: int) -> Part:
    """The weights of one direction: four of the input, four of the state, three peepholes, four biases, projection."""
    if not c.has(start) or not c.has(start + 4):
        raise Refusal("the input gate of an LSTM is coupled to its forget gate", need="weights of four gates")
    if c.has(start + 15) or c.has(start + 16):
        raise Refusal("an LSTM projects its state", need="an LSTM without projection")
    clip, steps = c.option("cell_clip"), c.shape(0)[0 if c.option("time_major") else 1]
    if clip > 0 and steps > clip:  # the cell grows by less than 1 with each step
        log.warning("'%s': the limit of %g of the cell of an LSTM is left out", c.outputs[0].name, clip)
    w, r, b = ([c.input(i) for i in range(at, at + 4)] for at in (start, start + 4, start + 11))
    peepholes = [c.input(i) for i in range(start + 8, start + 11)] if c.has(start + 8) else []
    return (
        [w[i] for i in GATES],
        [r[i] for i in GATES],
        [b[i] for i in GATES],
        [peepholes[i] for i in PEEPHOLES[: len(peepholes)]],
    )


def _check_states(c: Call, indices: Sequence[int]) -> None:
    for index in indices:
        if c.has(index) and (c.input(index).array is None or np.any(c.array(index))):
            raise Refusal(
                "the first state of a recurrent layer is an input", f"'{c.input(index).tensor.name}'", "zeros"
            )


def _run(c: Call, op: str, parts: Sequence[Part], is_time_major: bool) -> list[ir.Value]:
    """The outputs of each direction, in the input's order of axes."""
    if c.rank(0) != 3:
        raise Refusal("the input of a recurrent layer has not 3 axes", list(c.shape(0)), "batch, time, features")
    x = c.plain(0) if is_time_major else c.emit("Transpose", c.plain(0), perm=[1, 0, 2])
    size = parts[0][1][0].shape[-1]
    w, r, p = (_stacked(c, [part[i] for part in parts]) for i in (0, 1, 3))
    bias = _stacked(c, [part[2] for part in parts])
    if bias is not None:  # ONNX has one of the input and one of the state
        zeros = c.builder.constant(f"{c.outputs[0].name}/bias", np.zeros((len(parts), bias.shape[1]), np.float32))  # type: ignore[index]
        bias = c.emit("Concat", bias, zeros, axis=1)
    act = c.op.options["activation"]
    if act not in ("TANH", "RELU"):
        raise Refusal("an activation function of a recurrent layer is not taken", act or "none", "TANH or RELU")
    names = ["Sigmoid", ACTIVATIONS[act], ACTIVATIONS[act]] if op == "LSTM" else [ACTIVATIONS[act]]
    direction = {"direction": "bidirectional"} if len(parts) == 2 else {}
    inputs = [x, w, r, bias] + ([None, None, None, p] if p is not None else [])
    y = c.emit(op, *inputs, hidden_size=size, activations=names * len(parts), **direction)
    made = c.emit_many("Split", [y, c.integers([1] * 2, "split")], 2, axis=1) if len(parts) == 2 else [y]
    flat = [c.emit("Squeeze", one, c.integers([1], "axes")) for one in made]
    return flat if is_time_major else [c.emit("Transpose", one, perm=[1, 0, 2]) for one in flat]


def _stacked(c: Call, directions: Sequence[Sequence[Known]]) -> ir.Value | None:
    """Gates below each other, directions as the first axis; quantized ones stay behind their DequantizeLinear."""
    if not directions[0]:
        return None
    rows = [c.emit("Concat", *(c.laid(k, k.order) for k in gates), axis=0) if len(gates) > 1 else
            c.laid(gates[0], gates[0].order) for gates in directions]  # fmt: skip
    stacked = [c.emit("Unsqueeze", row, c.integers([0], "axes")) for row in rows]
    return stacked[0] if len(stacked) == 1 else c.emit("Concat", *stacked, axis=0)
