"""LISTENAI graphs that are refused: everything at once, each with its node."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from magik_core.errors import GraphError, Problem
from tests.frontends.test_thinker import load
from tests.frontends.thinker_cases import POOL, QUANT, s8, s32
from tests.frontends.thinker_files import Node, model, node

CONV = {"scale_x": 16.0, "scale_w": 32.0, "scale_o": 1.0, "kernel_shape": [1, 1]}
WEIGHTS = {"w": s8(3, 4, 1, 1), "v": s8(8), "m": s8(12, 4), "r": s8(12, 3), "b": s32(12)}
RNN = {"scale_x": 16.0, "scale_h": 1.0, "scale_iw": 1.0, "scale_hw": 1.0, "hidden_size": 3}
WRONG: dict[str, tuple[Node, str, str]] = {
    "no scale": (node("Conv2dInt", "q w", "y", kernel_shape=[1, 1], scale_x=16.0), "a node has no scale", ""),
    "3": (node("Conv2dInt", "q w", "y", **{**CONV, "scale_w": 3.0}), "a scale is no power of two", "scale_w 3.0"),
    "0": (node("Conv2dInt", "q w", "y", **{**CONV, "scale_w": 0.0}), "a scale is no power of two", "scale_w 0.0"),
    "nan": (node("Conv2dInt", "q w", "y", **{**CONV, "scale_o": float("nan")}), "an attribute is not a number", "nan"),
    "text": (node("Conv2dInt", "q w", "y", **{**CONV, "scale_o": "8"}), "a scale is no power of two", "'8'"),
    "7 bits": (node("Conv2dInt", "q w", "y", **CONV, o_bits=7), "a number of bits is not supported", "o_bits 7"),
    "scale": (node("Conv2dInt", "q w", "y", **{**CONV, "scale_x": 8.0}),
              "the scale of an input is not that of what makes it", "scale_x 8, but 'q' has 16"),
    "float": (node("Conv2dInt", "x w", "y", **CONV), "an input is not quantized", "'x' is float"),
    "weights": (node("Conv2dInt", "q q", "y", **CONV), "weights are no constant of integers", "'q'"),
    "act": (node("Conv2dInt", "q w", "y", **CONV, act_type=2), "a fused activation is not supported", "act_type 2"),
    "4 bits": (node("Conv2dInt", "q w", "y", **CONV, w_bits=4), "weights of 4 bits do not fit", "'w' holds"),
    "ceil": (node("AvgPool2dInt", "q", "y", scale_x=16.0, scale_o=1.0, **POOL, ceil_mode=1),
             "how a window beyond the edge is averaged is not known", "ceil_mode 1"),
    "divisor": (node("QAvgPool2d", "q", "y", scale_x=16.0, scale_o=1.0, **POOL, divisor_override=3),
                "an average has a divisor of its own", "divisor_override 3"),
    "sum": (node("iqSum", "q", "y", scale_x=16.0, scale_o=1.0, dim=1), "a sum over some axes has no known form", "dim"),
    "clamp": (node("iqClamp", "q", "y", scale_x=16.0, scale_o=1.0, min=0.0), "a clamp has no limits", "max None"),
    "batch norm": (node("BatchNorm2dInt", "q v v v v", "y", scale_x=16.0, scale_w=1.0, scale_o=1.0),
                   "a normalization has statistics of its own", "5 inputs"),
    "linear": (node("LinearInt", "q v", "y", scale_x=16.0, scale_w=1.0, scale_o=1.0),
               "weights of a Linear are no matrix", "[8]"),
    "layers": (node("LSTMInt", "q m r b b", "y", **RNN, num_layers=2), "a recurrent node has several layers", "2"),
    "lengths": (node("LSTMInt", "q v m r b b", "y", **RNN),
                "a recurrent node has lengths, or some of its states only", "6 inputs"),
    "hidden": (node("LSTMInt", "q m r b b", "y", **{**RNN, "hidden_size": 5}),
               "weights do not fit the hidden size", "'m' [12, 4] for hidden_size 5"),
    "biases": (node("LSTMInt", "q m r m m", "y", **RNN), "biases are no lists", "'m'"),
    "matrix": (node("LSTMInt", "q b r b b", "y", **RNN), "weights are no matrix", "'b'"),
    "relu": (node("QRelu", "x", "y"), "an input is not quantized", "'x'"),
    "zero point": (node("Quant", "x", "y", scale_x=1.0, zero_point=3), "a zero point is not 0", "3"),
    "inputs": (node("Conv2dInt", "q", "y", **CONV), "an operator has the wrong number of inputs", "1"),
    "outputs": (node("Conv2dInt", "q w", "y z", **CONV), "an operator has the wrong number of outputs", "2"),
    "unquantized": (node("Sqrt", "q", "y"), "an operator computes with the codes of a quantized tensor", "'q'"),
}  # fmt: skip


def problems_of(path: Path, proto: onnx.ModelProto) -> tuple[Problem, ...]:
    with pytest.raises(GraphError) as caught:
        load(path, proto)
    return caught.value.problems


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    wrong, what, found = WRONG[name]
    proto = model([QUANT, wrong], (1, 4, 6, 6), WEIGHTS, domain="linger" if wrong[0].startswith("Q") else "thinker")
    if wrong[0] == "Sqrt":
        proto.graph.node[-1].domain = ""
    problems = problems_of(tmp_path, proto)
    assert problems[0].what == what and found in problems[0].found
    assert wrong[2].split()[0] in problems[0].where and "m.onnx" in problems[0].where


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    bad = {**CONV, "scale_w": 3.0}
    nodes = [QUANT, node("Conv2dInt", "q w", "a", **bad), node("iqSum", "q", "s", scale_x=1.0, dim=1),
             node("iqAdd", "a s", "y", scale_x=1.0, scale_y=1.0, scale_o=1.0)]  # fmt: skip
    problems = problems_of(tmp_path, model(nodes, (1, 4, 6, 6), WEIGHTS))
    assert [p.what for p in problems] == [
        "a scale is no power of two",
        "the scale of an input is not that of what makes it",
        "a sum over some axes has no known form",
    ]


def test_unknown_operators_are_named_together(tmp_path: Path) -> None:
    nodes = [QUANT, node("iqVar", "q", "v"), node("QSparifyFFN", "q", "y")]
    proto = model(nodes, (1, 4), {})
    assert [p.found for p in problems_of(tmp_path, proto)] == ["thinker.iqVar", "thinker.QSparifyFFN"]
