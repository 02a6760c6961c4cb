"""Weak channels in front of a depthwise convolution get more codes; floats and weights' codes keep their bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import magik_core as magik
from magik_core import graph, pipeline
from magik_core.balance import balance
from magik_core.float_session import FloatSession
from magik_core.recipe import Recipe
from magik_core.unpack import unpack

RNG = np.random.default_rng(0)
STRENGTH = np.array([1, 0.6, 0.3, 0.1, 0.01, 0])  # of the six channels; the last is dead
SAMPLES = [{"x": RNG.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]


def proto(middle: str = "Relu", second: int = 6) -> onnx.ModelProto:
    """x -> Conv to channels of STRENGTH -> middle -> Conv of so many groups -> y."""
    w1 = RNG.normal(size=(6, 3, 1, 1)) * STRENGTH.reshape(6, 1, 1, 1)
    weights = {"w1": w1, "b1": 0.1 * STRENGTH, "w2": RNG.normal(size=(6, 6 // second, 3, 3))}
    weights["slope"] = np.ones((6, 1, 1))
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["c"], "first")]
    nodes.append(helper.make_node(middle, ["c", "slope"] if middle == "PRelu" else ["c"], ["m"], "middle"))
    nodes.append(helper.make_node("Conv", ["m", "w2"], ["y"], "second", group=second))
    x = helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", 1, [1, 6, 6, 6])
    constants = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in weights.items()]
    made = helper.make_graph(nodes, "g", [x], [y], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", graph.OPSET)], ir_version=10)


def opened(model: onnx.ModelProto) -> graph.ir.Model:
    out = graph.ir.from_proto(model)
    graph.infer(out)
    return out


def peaks(model: graph.ir.Model, name: str) -> np.ndarray:
    session = FloatSession(model, [name])
    return np.max([np.abs(session.run(feeds)[name]).max(axis=(0, 2, 3)) for feeds in SAMPLES], axis=0)


@pytest.mark.parametrize("middle", ["Relu", "LeakyRelu", "PRelu"])
def test_weak_channels_grow_up_to_eightfold_and_floats_keep_their_bits(middle: str) -> None:
    model = opened(proto(middle))
    before, want = peaks(model, "m"), [FloatSession(model).run(feeds)["y"] for feeds in SAMPLES]
    assert balance(model, SAMPLES) == 1
    after = peaks(model, "m")
    for feeds, y in zip(SAMPLES, want, strict=True):
        assert FloatSession(model).run(feeds)["y"].tobytes() == y.tobytes()
    factors = np.divide(after, before, out=np.ones(6), where=before > 0)
    assert set(factors) <= {1, 2, 4, 8} and factors[4] == 8 and factors[5] == 1 and (factors > 1).sum() >= 2
    assert after.max() == before.max() and factors[before.argmax()] == 1
    assert all(after[i] > after.max() / 2 or factors[i] == 8 for i in range(5))


@pytest.mark.parametrize(("middle", "groups"), [("Relu", 1), ("Sigmoid", 6)])
def test_other_pairs_stay_and_are_not_run(middle: str, groups: int) -> None:
    model = opened(proto(middle, groups))
    before = graph.fingerprint(model)
    assert balance(model, []) == 0
    assert graph.fingerprint(model) == before


def test_weights_keep_their_codes_and_the_result_is_closer_to_float(tmp_path: Path) -> None:
    model = proto()
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    np.savez(tmp_path / "s.npz", x=np.concatenate([s["x"] for s in SAMPLES]))
    session, codes, errors = FloatSession(opened(model)), [], []
    for is_balanced in (True, False):
        said: list[str] = []
        recipe = Recipe(balance=is_balanced, correct_bias=False)
        made = pipeline.convert(
            tmp_path / "m.onnx", tmp_path / "net", calibration=tmp_path / "s.npz", recipe=recipe, notes=said.append
        )
        assert ("shifted the weak channels of 1 tensor" in said) == is_balanced
        program, _ = unpack((tmp_path / "net.mgk").read_bytes())
        codes.append([t.data for t in program.tensors.values() if t.dtype == "s8"])
        net = magik.load(made.outputs[0])
        pairs = [(net.run(feeds)["y"], session.run(feeds)["y"]) for feeds in SAMPLES]
        errors.append(np.mean([np.square(a - b).mean(axis=(0, 2, 3)) for a, b in pairs], axis=0))
    assert all(np.array_equal(a, b) for a, b in zip(*codes, strict=True)) and len(codes[0]) == 2
    assert errors[0][4] < errors[1][4] and errors[0][3] < errors[1][3]


def test_more_bits_and_float_leave_channels_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(proto().SerializeToString())
    np.savez(tmp_path / "s.npz", x=np.concatenate([s["x"] for s in SAMPLES]))
    for recipe in (Recipe(feature_bits=10), Recipe(feature_bits=32), Recipe(is_float=True)):
        said: list[str] = []
        given = {} if recipe.is_float else {"calibration": tmp_path / "s.npz"}
        pipeline.convert(tmp_path / "m.onnx", tmp_path / "net", recipe=recipe, notes=said.append, **given)
        assert not any("shifted" in text for text in said)
