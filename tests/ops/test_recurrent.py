"""LSTM, GRU and RNN beyond their cases: states that run on, lengths that are computed, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core.errors import LowerError
from magik_core.float_session import FloatSession
from magik_core.graph import OPSET
from magik_core.ops.activation import FUNCTIONS, NEEDED
from magik_core.ops.cases import Case, Input, case, floats
from tests import harness

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}
FEEDS = ("x0", "x5", "x6")


def layer(op: str, *more: Input | np.ndarray | None, steps: int = 5, dirs: int = 1, **attributes: Any) -> Case:
    """A layer with N = 2, I = 3, H = 4 and all of its outputs."""
    w, r = floats(dirs, 4 * GATES[op], 3), floats(dirs, 4 * GATES[op], 4, seed=1)
    given = {"outputs": 1 + STATES[op], **attributes}
    return case(op, w, r, *more, x=(steps, 2, 3), hidden_size=4, **given)


NAMES, BARE, ALPHA = ", ".join(FUNCTIONS), "activations without a coefficient", "activation_alpha"


@pytest.mark.parametrize(
    ("item", "what", "found", "need"),
    [
        (layer("LSTM", activations=["Sigmoid", "Tanh"]), "LSTM: another number of activations", "Sigmoid, Tanh", "3"),
        (layer("GRU", activations=["Sigmoid", "Cos"]), "GRU: unknown activations", "Sigmoid, Cos", NAMES),
        (layer("RNN", activations=["ThresholdedRelu"]), f"RNN: {BARE}", "ThresholdedRelu without alpha", ALPHA),
        (layer("RNN", activations=["Affine"]), f"RNN: {BARE}", "Affine without alpha", ALPHA),
        (
            layer("LSTM", activations=["Sigmoid", "Affine", "ScaledTanh"], activation_alpha=[2.0]),
            f"LSTM: {BARE}",
            "ScaledTanh without alpha, ScaledTanh without beta",
            "activation_alpha and activation_beta",
        ),
        (layer("LSTM", Input((1, 32))), "LSTM needs a constant B", "a computed tensor", "a constant"),
    ],
    ids=["activations", "function", "threshold", "affine", "scaled", "B"],
)
def test_a_refusal_names_what_it_found(item: Case, what: str, found: str, need: str) -> None:
    m = harness.model_of(item)
    with pytest.raises(LowerError) as caught:
        harness.in_float(m)
    (problem,) = caught.value.problems
    assert (problem.what, problem.found, problem.need) == (what, found, need)
    assert problem.where == "node 'node'"


@pytest.mark.parametrize("name", [k for k, f in FUNCTIONS.items() if NEEDED not in (f.alpha, f.beta)])
def test_functions_have_the_defaults_of_onnxruntime(name: str) -> None:
    item = layer("RNN", activations=[name])
    m, feeds = harness.model_of(item), {"x0": 3 * harness.data_of(item)["x0"]}
    program = harness.in_float(m)
    y = harness.as_source(program, harness.in_numpy(program, feeds))
    for a, b in zip(y, harness.reference(m, feeds), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_the_beta_of_affine_is_zero() -> None:
    item = layer("RNN", activations=["Affine"], activation_alpha=[0.5])
    m, feeds = harness.model_of(item), harness.data_of(item)
    program = harness.in_float(m)
    y = harness.as_source(program, harness.in_numpy(program, feeds))
    np.testing.assert_allclose(y[0], harness.reference(m, feeds)[0], rtol=1e-5, atol=1e-5)


def test_an_unknown_direction_is_refused() -> None:
    m = harness.model_of(layer("RNN"))
    m.graph[0].attributes.add(ir.AttrString("direction", "up"))
    with pytest.raises(LowerError, match="RNN: unknown direction") as caught:
        harness.in_float(m)
    assert caught.match("up") and caught.match("forward, reverse, bidirectional")


@pytest.mark.parametrize("op", GATES)
def test_states_run_on(op: str) -> None:
    """Two halves, the state of the first given to the second, are the whole."""
    x = np.random.default_rng(2).uniform(-1, 1, (6, 2, 3)).astype(np.float32)
    whole = harness.in_float(harness.model_of(layer(op, steps=6)))
    y, *last = harness.in_c(whole, {"x0": x})
    states = [Input((1, 2, 4))] * STATES[op]
    half = harness.in_float(harness.model_of(layer(op, None, None, *states, steps=3)))
    now = [np.zeros((1, 2, 4), np.float32)] * STATES[op]
    ys = []
    for part in (x[:3], x[3:]):
        y_part, *now = harness.in_c(half, dict(zip(FEEDS, (part, *now), strict=False)))
        ys.append(y_part)
    for a, b in ((y, np.concatenate(ys)), *zip(last, now, strict=True)):
        assert a.tobytes() == b.tobytes()


def test_outputs_that_are_left_out_are_computed_for_nobody() -> None:
    item = layer("LSTM", outputs=1)
    program = harness.in_float(harness.model_of(item))
    (step,) = program.steps
    assert len(step.outputs) == 3
    assert program.outputs == ("y0",)
    full = harness.in_float(harness.model_of(layer("LSTM")))
    feeds = harness.data_of(item)
    assert harness.in_c(program, feeds)[0].tobytes() == harness.in_c(full, feeds)[0].tobytes()


def with_lengths(op: str) -> onnx.ModelProto:
    """Two directions, the lengths an input."""
    w, r = floats(2, 4 * GATES[op], 3), floats(2, 4 * GATES[op], 4, seed=1)
    outputs = [f"y{i}" for i in range(1 + STATES[op])]
    node = helper.make_node(op, ["x", "w", "r", "", "lengths"], outputs, hidden_size=4, direction="bidirectional")
    info = helper.make_tensor_value_info
    inputs = [info("x", TensorProto.FLOAT, (5, 2, 3)), info("lengths", TensorProto.INT32, (2,))]
    constants = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(r, "r")]
    graph = helper.make_graph([node], "graph", inputs, [onnx.ValueInfoProto(name=n) for n in outputs], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


@pytest.mark.parametrize("op", GATES)
def test_lengths_are_taken_as_they_come(op: str) -> None:
    model = harness.infer(with_lengths(op))
    program = harness.in_float(model)
    x = np.random.default_rng(3).uniform(-1, 1, (5, 2, 3)).astype(np.float32)
    for lengths in ([5, 3], [1, 4], [-7, 2**31 - 1]):
        feeds = {"x": x, "lengths": np.array(lengths, np.int32)}
        y = harness.in_numpy(program, feeds)
        assert [a.tobytes() for a in y] == [a.tobytes() for a in harness.in_c(program, feeds, threads=2)]
        if min(lengths) > 0:
            for a, b in zip(harness.as_source(program, y), harness.reference(model, feeds), strict=True):
                np.testing.assert_allclose(a, b, atol=2e-6)
        else:
            assert not y[0][:, :, 0].any() and not y[1][:, 0].any(), "no time passes: the state stays"


@pytest.mark.parametrize("op", GATES)
def test_batch_first_is_time_first_transposed(op: str) -> None:
    """onnxruntime has no layout 1: the same layer with layout 0 is the reference, and what it is given."""
    w, r = floats(2, 4 * GATES[op], 3), floats(2, 4 * GATES[op], 4, seed=1)
    both = {"hidden_size": 4, "direction": "bidirectional", "outputs": 1 + STATES[op]}
    model = harness.model_of(case(op, w, r, None, None, Input((2, 2, 4)), x=(2, 5, 3), layout=1, **both))
    time_first = harness.model_of(case(op, w, r, None, None, Input((2, 2, 4)), x=(5, 2, 3), **both))
    program = harness.in_float(model)
    rng = np.random.default_rng(4)
    x, h = (rng.uniform(-1, 1, s).astype(np.float32) for s in ((2, 5, 3), (2, 2, 4)))
    got = harness.as_source(program, harness.in_c(program, {"x0": x, "x5": h}))
    y, *last = harness.reference(time_first, {"x0": x.swapaxes(0, 1), "x5": h.swapaxes(0, 1)})
    for a, b in zip(got, (y.transpose(2, 0, 1, 3), *(s.swapaxes(0, 1) for s in last)), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    spelled = FloatSession(model).run({"x0": x, "x5": h})
    for a, b in zip(got, spelled.values(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    """Each as the function f of an RNN, against onnxruntime's."""
    f = FUNCTIONS[name]  # onnxruntime's defaults are others than ONNX's
    given = {f"activation_{k}": [v] for k, v, d in (("alpha", 0.7, f.alpha), ("beta", 0.6, f.beta)) if d is not None}
    item = layer("RNN", floats(1, 8, low=-4, high=4), activations=[name], **given)
    model = harness.model_of(item)
    program = harness.in_float(model)
    feeds = harness.data_of(item)
    y = harness.in_numpy(program, feeds)
    assert [a.tobytes() for a in y] == [a.tobytes() for a in harness.in_c(program, feeds)]
    for a, b in zip(harness.as_source(program, y), harness.reference(model, feeds), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
