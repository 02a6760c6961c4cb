"""Small nets with memory, as files and as model files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import magik_core as magik
from magik_core import carry
from magik_core import states as recurrent_states
from magik_core.graph import OPSET
from magik_core.lower import lower
from magik_core.ops.cases import floats, weights
from magik_core.program import Program
from magik_core.quantize import quantize, values_to_calibrate
from magik_core.recipe import Recipe
from magik_core.result import Result
from tests import harness

HIDDEN, FEATURES, TAPS, CHANNELS = 5, 3, 4, 2
Shapes = Mapping[str, Sequence[int]]


def recurrent(op: str) -> tuple[onnx.ModelProto, dict[str, str]]:
    """An LSTM, GRU or RNN over x (1, 1, 3), then a product; one input for each of its states."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    states = {"h0": "h", "c0": "c"} if op == "LSTM" else {"h0": "h"}
    nodes = [
        helper.make_node(op, ["x", "w", "r", "", "", *states], ["y", *states.values()], "cell", hidden_size=HIDDEN),
        helper.make_node("MatMul", ["y", "v"], ["z"], "out"),
    ]
    constants = {
        "w": weights(1, gates * HIDDEN, FEATURES),
        "r": weights(1, gates * HIDDEN, HIDDEN),
        "v": weights(HIDDEN, 2),
    }
    state = (1, 1, HIDDEN)
    shapes = {"x": (1, 1, FEATURES), **dict.fromkeys(states, state)}
    return _model(nodes, constants, shapes, {"z": (1, 1, 1, 2), **dict.fromkeys(states.values(), state)}), states


def buffer() -> tuple[onnx.ModelProto, dict[str, str]]:
    """A convolution over one new column and the last TAPS - 1 ones: the input of each run, kept for the next."""
    rows, past, whole = 3, TAPS - 1, TAPS
    nodes = [
        helper.make_node("Concat", ["past", "x"], ["window"], "join", axis=3),
        helper.make_node("Conv", ["window", "w"], ["z"], "taps"),
        helper.make_node("Slice", ["window", "one", "end", "axis"], ["kept"], "shift"),
    ]
    constants = {
        "w": weights(2, CHANNELS, 1, whole),
        "one": np.array([1], np.int64),
        "end": np.array([whole], np.int64),
        "axis": np.array([3], np.int64),
    }
    shapes = {"x": (1, CHANNELS, rows, 1), "past": (1, CHANNELS, rows, past)}
    return _model(nodes, constants, shapes, {"z": (1, 2, rows, 1), "kept": shapes["past"]}), {"past": "kept"}


def leaky() -> tuple[onnx.ModelProto, dict[str, str]]:
    """A mean that forgets: its sum comes back, in another order of axes than it is computed in."""
    nodes = [
        helper.make_node("Mul", ["sum", "decay"], ["less"], "decay"),
        helper.make_node("Transpose", ["less"], ["turned"], "turn", perm=[0, 2, 1]),
        helper.make_node("Add", ["turned", "x"], ["more"], "add"),
        helper.make_node("Transpose", ["more"], ["next"], "back", perm=[0, 2, 1]),
        helper.make_node("Tanh", ["more"], ["z"], "out"),
    ]
    shapes = {"x": (1, 2, 3), "sum": (1, 3, 2)}
    constants = {"decay": np.array(0.75, np.float32)}
    return _model(nodes, constants, shapes, {"z": (1, 2, 3), "next": (1, 3, 2)}), {"sum": "next"}


def _model(
    nodes: list[onnx.NodeProto], constants: Mapping[str, np.ndarray], inputs: Shapes, outputs: Shapes
) -> onnx.ModelProto:
    infos = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in given.items()]
        for given in (inputs, outputs)
    ]
    given = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_model(
        helper.make_graph(nodes, "stream", *infos, given), opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
    )
    onnx.checker.check_model(made)
    return made


def nets() -> dict[str, tuple[onnx.ModelProto, dict[str, str]]]:
    """By name: a model and the states that it carries."""
    return {**{op.lower(): recurrent(op) for op in ("LSTM", "GRU", "RNN")}, "buffer": buffer(), "leaky": leaky()}


def frames(model: onnx.ModelProto, count: int = 12) -> np.ndarray:
    """What comes in, one frame after the other along axis 0."""
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return floats(count * shape[0], *shape[1:])


def convert(folder: Path, name: str, **keys: Any) -> tuple[Result, np.ndarray]:
    """A net's files in `folder`, and frames to run it on."""
    model, states = nets()[name]
    x = frames(model)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / f"{name}.onnx")
    np.save(folder / "frames.npy", x)
    keys = {"states": states, **keys}
    return magik.convert(folder / f"{name}.onnx", folder / name, calibration=folder / "frames.npy", **keys), x


def programs(model: onnx.ModelProto, states: Mapping[str, str]) -> dict[str, Program]:
    """The net in codes, every range [-1, 1], and in f32."""
    out = {}
    for kind, recipe in (("codes", Recipe()), ("f32", Recipe(is_float=True))):
        graph = harness.infer(model)
        carry.declare(graph, states)
        recurrent_states.name_outputs(graph)
        ranges = dict.fromkeys(values_to_calibrate(graph, recipe), (-1.0, 1.0))
        out[kind] = carry.bind(lower(graph, quantize(graph, ranges, recipe, harness.channel_scales)), states)
    return out
