"""Which values hold states, and in which codes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core import states
from magik_core.errors import GraphError
from magik_core.graph import OPSET
from magik_core.imported import NOTHING
from magik_core.ops.cases import floats
from magik_core.program import QuantParams
from tests import harness

UNIT = QuantParams(2.0**-15, 2.0**15, 16)


def model(nodes: list[onnx.NodeProto], inputs: dict[str, tuple[int, ...]], *outputs: str) -> ir.Model:
    """Nodes over weights w (1, 16, 3), r (1, 16, 4) and their thirds for a GRU."""
    made = {"w": floats(1, 16, 3), "r": floats(1, 16, 4), "gw": floats(1, 12, 3), "gr": floats(1, 12, 4)}
    made |= {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    constants = [numpy_helper.from_array(v, k) for k, v in made.items()]
    graph = helper.make_graph(nodes, "g", infos, [onnx.ValueInfoProto(name=n) for n in outputs], constants)
    return harness.infer(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10))


def lstm(*outputs: str, h: str = "", c: str = "") -> onnx.NodeProto:
    return helper.make_node("LSTM", ["x", "w", "r", "", "", h, c], outputs, "lstm", hidden_size=4)


def gru(*outputs: str, h: str = "", **attributes: object) -> onnx.NodeProto:
    inputs = ["x", "gw", "gr", "", "", h]
    return helper.make_node("GRU", inputs, outputs, "gru", hidden_size=4, **attributes)


X = {"x": (5, 2, 3)}


def test_outputs_that_are_left_out_get_names_types_and_shapes() -> None:
    m = model([lstm("y")], X, "y")
    assert states.name_outputs(m) == 2
    _, h, c = m.graph[0].outputs
    assert (h.name, c.name) == ("lstm/h", "lstm/c")
    assert [v.shape for v in (h, c)] == [ir.Shape([1, 2, 4])] * 2 and h.dtype == ir.DataType.FLOAT
    assert states.name_outputs(m) == 0


def test_batch_first_shapes() -> None:
    m = model([gru("", "h", layout=1)], {"x": (2, 5, 3)}, "h")
    assert states.name_outputs(m) == 1
    assert m.graph[0].outputs[0].shape == ir.Shape([2, 5, 1, 4])


def test_h_is_a_unit_and_c_has_its_range() -> None:
    m = model([lstm("y", "h", "c", h="h0", c="c0")], {**X, "h0": (1, 2, 4), "c0": (1, 2, 4)}, "y", "h", "c")
    found = states.groups(m, NOTHING)
    assert [sorted(group.names) for group in found] == [["h", "h0"], ["c", "c0"]]
    assert states.bits(found) == dict.fromkeys(("h", "h0", "c", "c0"), 16)
    ranges = {"y": (-1.0, 1.0), "h": (-0.5, 0.5), "h0": (0.0, 0.0), "c": (-3.0, 2.0), "c0": (0.0, 4.0)}
    chosen = states.params(found, ranges)
    assert chosen["h"] == chosen["h0"] == UNIT
    assert chosen["c"] == chosen["c0"] and chosen["c"].bits == 16
    assert abs(chosen["c"].scale * 65535 - 7) < 1e-5


def test_a_start_beyond_one_makes_h_a_range() -> None:
    m = model([gru("y", "h", h="h0")], {**X, "h0": (1, 2, 4)}, "y", "h")
    chosen = states.params(states.groups(m, NOTHING), {"h0": (-2.0, 2.0), "h": (-1.0, 1.0)})
    assert chosen["h"] != UNIT and abs(chosen["h"].scale * 65535 - 4) < 1e-5


def test_a_function_without_limits_makes_h_a_range() -> None:
    m = model([gru("y", "h", activations=["Sigmoid", "Relu"])], X, "y", "h")
    chosen = states.params(states.groups(m, NOTHING), {"y": (0.0, 8.0), "h": (0.0, 0.5)})
    assert abs(chosen["h"].scale * 65535 - 8) < 1e-5


def test_states_that_share_a_tensor_share_codes() -> None:
    """Both states are parts of one input, and leave as parts of one output."""
    nodes = [
        helper.make_node("Slice", ["s", "zero", "one", "zero"], ["h0"]),
        helper.make_node("Slice", ["s", "one", "two", "zero"], ["c0"]),
        lstm("y", "h", "c", h="h0", c="c0"),
        helper.make_node("Concat", ["h", "c"], ["t"], axis=0),
    ]
    m = model(nodes, {**X, "s": (2, 2, 4)}, "y", "t")
    (group,) = states.groups(m, NOTHING)
    assert group.names == {"s", "h0", "c0", "h", "c", "t"} and not group.is_unit


def test_features_beside_a_state_keep_their_own_codes() -> None:
    nodes = [gru("y", "h"), helper.make_node("Concat", ["h", "f"], ["t"], axis=0)]
    (group,) = states.groups(model(nodes, {**X, "f": (1, 2, 4)}, "t"), NOTHING)
    assert group.names == {"h"}


def test_a_source_says_what_the_codes_of_states_are() -> None:
    """At the node, since its outputs may be left out; other nodes are calibrated."""
    m = model([lstm("y"), gru("z")], X, "y", "z")
    m.graph[0].metadata_props[states.CODES] = json.dumps([[0.125, 7.5, 4], [2.0**-11, 32768, 16]])
    states.name_outputs(m)
    assert states.declared(m) == {"lstm/h": QuantParams(0.125, 7.5, 4), "lstm/c": QuantParams(2.0**-11, 32768, 16)}


C = [0.5, 0, 8]
WRONG = [
    "{", "[]", [C], [C, C, C], [C, [0.5, 0]], [C, [0.5, 0, "8"]], [C, [-0.5, 0, 8]], [C, [0.3, 0, 8]],
    [C, [0.5, 0.25, 8]],
    [C, [0.5, 256, 8]], [C, [0.5, -1, 8]], [C, [0.5, 0, 17]], [C, [0.5, 0, 8.0]], [C, [float("nan"), 0, 8]],
    [C, [0.5, float("inf"), 8]], [C, [1e39, 0, 8]], [C, [10**400, 0, 8]], [C, [0.5, 10**400, 8]], [C, [True, 0, 8]],
    "[" * 100000,
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=lambda v: str(v)[:30])
def test_codes_of_states_that_are_none_are_refused(text: object) -> None:
    m = model([lstm("y")], X, "y")
    m.graph[0].metadata_props[states.CODES] = text if isinstance(text, str) else json.dumps(text)
    states.name_outputs(m)
    with pytest.raises(GraphError) as error:
        states.declared(m)
    (problem,) = error.value.problems
    assert problem.where == "node 'lstm'" and problem.need == "[scale, zero point, bits] of 2 states"
