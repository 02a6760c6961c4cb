"""Every width of features and weights on a net with memory: a recurrent layer, a convolution, an attention block."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import magik_core as magik
from magik_core.config import NODE_BITS
from magik_core.program import Program, WeightParams
from magik_core.result import Result
from magik_core.run import run
from tests import harness
from tests.core.attention import LAYERS, SIZE, T, attention

WITH_WEIGHTS = {"layer": ("layer/x/w", "layer/h/w"), "conv": ("conv/w",), "query": ("query/w",)}


def write(path: Path, op: str = "LSTM") -> Path:
    onnx.save(attention(op), path)
    return path


def data() -> np.ndarray:
    return np.random.default_rng(4).normal(0, 1, (12, T, 1, SIZE)).astype(np.float32)


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").mkdir()
    for i, x in enumerate(data()):
        x.tofile(tmp_path / f"samples/{i}.bin")
    return write(tmp_path / "net.onnx")


def convert(net: Path, **keys: Any) -> Result:
    return magik.convert(net, "out", calibration="samples", quant_feature_method="MAX_ABS", **keys)


def want(net: Path) -> list[np.ndarray]:
    import onnxruntime as ort

    session = ort.InferenceSession(net.read_bytes(), providers=["CPUExecutionProvider"])
    return [session.run(None, {"x": x})[0] for x in data()]


def sqnr(net: Path) -> float:
    """Of what was converted last, in dB."""
    program, y = magik.load("out.mgk"), np.stack(want(net))
    error = np.stack([program.run(x)["y"] for x in data()]) - y
    return float(10 * np.log10(np.square(y).sum() / np.square(error).sum()))


def kernels(result: Result) -> dict[str, str]:
    p = result.program
    return {s.name: s.op.kernel(p.reads(s), p.writes(s)) for s in p.steps}


def agree(program: Program) -> None:
    """C and numpy, of the first sample."""
    feeds = {"x": data()[0]}
    for a, b in zip(harness.in_c(program, feeds), harness.in_numpy(program, feeds), strict=True):
        assert a.tobytes() == b.tobytes()


def weights(program: Program, node: str) -> list[tuple[int, str, int]]:
    """(bits, dtype, largest code) of each of a node's weights."""
    out = []
    for name in WITH_WEIGHTS[node]:
        t = program.tensors[name]
        assert isinstance(t.quant, WeightParams) and t.data is not None
        out.append((t.quant.bits, t.dtype, int(np.abs(t.data.astype(int)).max())))
    return out


@pytest.mark.parametrize("op", LAYERS)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_features(net: Path, op: str, bits: int) -> None:
    result = convert(write(net, op), quant_feature_bit=bits)
    assert result.float_steps == 0 and result.warnings == ()
    dtype = "u8" if bits == 8 else "u16"
    found = {name: kernel.rpartition("_")[2] for name, kernel in kernels(result).items()}
    assert all(kind in (dtype, "x8" if bits == 8 else "x16", "u16") for kind in found.values()), found
    assert {t.quant.bits for t in result.program.activations()} <= {bits, 16}  # type: ignore[union-attr]
    agree(result.program)


@pytest.mark.parametrize("features", [8, 12])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_weights(net: Path, features: int, bits: int) -> None:
    result = convert(net, quant_feature_bit=features, quant_weight_bit=bits)
    assert result.float_steps == 0
    one = (bits, "s16" if bits == 16 else "s8", 2 ** (bits - 1) - 1)
    for node, names in WITH_WEIGHTS.items():
        assert weights(result.program, node) == [one] * len(names)
    agree(result.program)


def test_more_bits_are_closer_to_float(net: Path) -> None:
    found = []
    for features, bits in ((8, 4), (8, 8), (10, 8), (12, 16), (16, 16)):
        convert(net, quant_feature_bit=features, quant_weight_bit=bits)
        found.append(sqnr(net))
    assert found == sorted(found) and found[0] > 5 and found[-1] > 60, found


def test_32_bits(net: Path) -> None:
    """Features: all in f32, on weights that are codes. Weights: nodes that have some in f32, codes between."""
    all_real = convert(net, quant_feature_bit=32, quant_weight_bit=4)
    assert not any(t.quant for t in all_real.program.activations())
    between = kernels(convert(net, quant_weight_bit=32))
    assert {name for name, k in between.items() if k.endswith("_f32") and "/" not in name} == set(WITH_WEIGHTS)


def test_weights_alone(net: Path) -> None:
    """W and R of a recurrent layer too are what their codes mean."""
    codes = convert(net, quant_weight_bit=4).program
    real = convert(net, quant_weight_bit=4, weight_fake_quant=True).program
    pairs = {"layer/w": "layer/x/w", "layer/r": "layer/h/w"}
    for name, coded in pairs.items():
        t, held = codes.tensors[coded], real.tensors[name]
        assert isinstance(t.quant, WeightParams) and t.data is not None and held.data is not None
        rows = held.data.swapaxes(1, 2).reshape(len(t.quant.scales), -1)
        assert np.array_equal(rows, (t.data * np.array(t.quant.scales)[:, None]).astype(np.float32))
    agree(real)


def test_features_alone(net: Path) -> None:
    result = convert(net, feature_fake_quant=True)
    source = onnx.load(net)
    given = {c.name: onnx.numpy_helper.to_array(c) for c in source.graph.initializer}
    held = result.program.tensors["layer/w"].data
    assert held is not None and np.array_equal(held.swapaxes(1, 2), given["w"])
    found = kernels(result)
    assert found["layer"] == "lstm_f32" and found["share"] == "softmax_u8" and found["score"] == "mat_mul_u8"
    agree(result.program)


@pytest.mark.parametrize("op", LAYERS)
def test_saved_edited_and_loaded(net: Path, op: str) -> None:
    write(net, op)
    before = convert(net, save_op_quant_bit=True)
    rows = json.loads(Path(NODE_BITS).read_text())
    own = {name for name, row in rows.items() if "QUANT_WEIGHT_BIT" in row}
    assert own == set(WITH_WEIGHTS) and list(rows["layer"]) == ["QUANT_FEATURE_BIT", "QUANT_WEIGHT_BIT", "MAX", "MIN"]
    rows["layer"] |= {"QUANT_FEATURE_BIT": 12, "QUANT_WEIGHT_BIT": 4, "MIN": -0.75, "MAX": 0.5}
    rows["query"]["QUANT_WEIGHT_BIT"] = 16
    Path(NODE_BITS).write_text(json.dumps(rows))
    after = convert(net, load_op_quant_bit=True, load_op_quant_min_max=True)
    assert weights(after.program, "layer") == [(4, "s8", 7)] * 2
    assert weights(after.program, "query") == [(16, "s16", 32767)]
    assert weights(after.program, "conv") == weights(before.program, "conv")
    y = after.program.tensors["ys"].quant
    assert y is not None and (y.bits, round(y.scale * 4095, 6)) == (12, 1.25)  # type: ignore[union-attr]
    agree(after.program)


def test_skipping_the_layer(net: Path) -> None:
    """What only moves its results moves reals, up to the next operator that computes."""
    before, after = kernels(convert(net)), kernels(convert(net, quant_op_skip=["LSTM"]))
    assert after["layer"] == "lstm_f32" and after["image"].endswith("_x32")
    assert {name for name in before if after[name] != before[name]} == {"layer", "image"}


def test_values_of_a_run(net: Path) -> None:
    """A program of mixed widths, one more way: numpy's definition of what was written to the file."""
    Path(NODE_BITS).write_text('{"conv": {"QUANT_FEATURE_BIT": 12}, "share": {"QUANT_FEATURE_BIT": 16}}')
    result = convert(net, load_op_quant_bit=True)
    stored = harness.stored_feeds(result.program, {"x": data()[0]})
    y = run(result.program, stored)["y"]
    assert magik.load("out.mgk").run_quantized(stored)["y"].tobytes() == y.tobytes()
    assert {"u8", "u16"} == {t.dtype for t in result.program.activations()}
