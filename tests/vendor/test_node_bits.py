"""The vendor's recipe for an accuracy that is lost: save bits and ranges, edit them, load them; skip by halves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import magik_core
from magik_core import plugins, unpack
from magik_core.cli import main
from magik_core.config import NODE_BITS
from magik_core.program import Program, QuantParams, WeightParams
from tests.core.chain import DEPTH, SHAPE, SPOILED, bisect, chain
from tests.vendor.conftest import Done

Tool = Callable[[str], Done]
BASE = {"SOC": "T41", "QUANT_DATASET_PATH": "samples", "QUANT_FEATURE_METHOD": "MAX_ABS"}
COMMAND = "magik-transform-tools --inputpath {}.onnx --outputpath out/{}.mk.h --config own.cfg \\\n"
MODEL = Path("out/save-magik/model_quant.mgk")


@pytest.fixture(autouse=True)
def files(here: Path, everything: plugins.Plugins) -> None:
    chain(here / "good.onnx", spoiled=False)
    chain(here / "bad.onnx", spoiled=True)
    (here / "samples").mkdir()
    for i, x in enumerate(np.random.default_rng(5).normal(0, 1, (8, *SHAPE[1:])).astype("<f4")):
        x.tofile(here / f"samples/{i}.bin")


def convert(tool: Tool, name: str, **keys: Any) -> tuple[Program, Done]:
    Path("own.cfg").write_text(json.dumps({**BASE, **keys}))
    done = tool(COMMAND.format(name, name) + " --save_quantize_model true \\\n\n")
    assert done.code == 0, done.err
    return unpack.read(MODEL)[0], done


def inspected(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """What `magik inspect` says of the convolutions: outputs and inputs, by node."""
    capsys.readouterr()
    assert main(["inspect", str(MODEL), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    return {row["name"]: row for row in rows if row["op"] == "Conv"}


def test_save_edit_load(tool: Tool, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, done = convert(tool, "good", SAVE_OP_QUANT_BIT=True)
    assert "update node" not in done.err
    rows = json.loads(Path(NODE_BITS).read_text())
    assert [*rows] == [*(f"conv{i}" for i in range(DEPTH)), "add"]
    assert {row["QUANT_FEATURE_BIT"] for row in rows.values()} == {8}

    rows["conv1"]["QUANT_FEATURE_BIT"] = 12
    rows["conv2"] |= {"MAX": 1.75, "MIN": 0}
    rows["conv4"]["QUANT_WEIGHT_BIT"] = 4
    Path(NODE_BITS).write_text(json.dumps(rows))
    after, done = convert(tool, "good", LOAD_OP_QUANT_BIT=True, LOAD_OP_QUANT_MIN_MAX=True)
    assert re.search(r": I \w+\.py:\d+-\w+\] update node conv2 FEATURE_BIT 8 WEIGHT_BIT 8 MIN 0 MAX 1.75\n", done.err)
    assert done.err.count("update node") == len(rows)

    high = rows["conv1"]["MAX"]
    want = {"relu1": QuantParams(float(np.float32(high / 4095)), 0.0, 12),
            "relu2": QuantParams(float(np.float32(1.75 / 255)), 0.0, 8)}  # fmt: skip
    quants = {t.name: t.quant for t in after.activations() if t.name in want}
    assert quants == want
    others = {t.name for t in before.activations()} - set(want)
    assert all(after.tensors[name].quant == before.tensors[name].quant for name in others)
    weights = after.tensors["conv4/w"]
    assert isinstance(weights.quant, WeightParams) and weights.quant.bits == 4
    assert weights.data is not None and np.abs(weights.data).max() == 7

    found = inspected(capsys)
    shown = {name: row["outputs"][0]["bits"] for name, row in found.items()}
    assert shown == {f"conv{i}": 12 if i == 1 else 8 for i in range(DEPTH)}
    bits = {name: row["inputs"][1]["bits"] for name, row in found.items()}
    assert bits == {f"conv{i}": 4 if i == 4 else 8 for i in range(DEPTH)}


def test_bits_alone_and_limits_alone(tool: Tool) -> None:
    before, _ = convert(tool, "good", SAVE_OP_QUANT_BIT=True)
    Path(NODE_BITS).write_text('{"conv1": {"QUANT_FEATURE_BIT": 10, "MIN": 0, "MAX": 0.5}}')
    bits, _ = convert(tool, "good", LOAD_OP_QUANT_BIT=True)
    old, new = before.tensors["relu1"].quant, bits.tensors["relu1"].quant
    assert isinstance(old, QuantParams) and isinstance(new, QuantParams)
    assert new.bits == 10 and new.scale * 1023 == pytest.approx(old.scale * 255, rel=1e-6)
    limits, done = convert(tool, "good", LOAD_OP_QUANT_MIN_MAX=True)
    assert limits.tensors["relu1"].quant == QuantParams(float(np.float32(0.5 / 255)), 0.0, 8)
    assert "update node conv1 MIN 0 MAX 0.5\n" in done.err


def test_activations_alone_leave_out_the_bits_of_weights(tool: Tool) -> None:
    convert(tool, "good", SAVE_OP_QUANT_BIT=True)
    loaded, done = convert(tool, "good", LOAD_OP_QUANT_BIT=True, FEATURE_FAKE_QUANT=True)
    alone, _ = convert(tool, "good", FEATURE_FAKE_QUANT=True)
    assert {t.name: (t.dtype, t.quant) for t in loaded.tensors.values()} == {
        t.name: (t.dtype, t.quant) for t in alone.tensors.values()
    }
    assert loaded.tensors["conv4/w"].dtype == "f32" and "WEIGHT_BIT" not in done.err


def test_halving_finds_the_layer_that_was_spoiled(tool: Tool, here: Path) -> None:
    """By operator type first, then by node, as QUANT_OP_SKIP and QUANT_NODE_SKIP have it."""
    import onnxruntime as ort

    x = np.stack([np.fromfile(p, "<f4").reshape(SHAPE[1:]) for p in sorted(here.glob("samples/*"))])
    session = ort.InferenceSession("bad.onnx", providers=["CPUExecutionProvider"])
    want = [session.run(None, {"x": v[None]})[0] for v in x]

    def error(**keys: Any) -> float:
        convert(tool, "bad", **keys)
        net = magik_core.load("out/bad.bin")
        return float(np.mean([np.square(net.run(v[None])["y"] - y).mean() for v, y in zip(x, want, strict=True)]))

    def cures(nodes: Collection[str]) -> bool:
        return error(QUANT_NODE_SKIP=list(nodes)) < bad / 4

    bad = error()
    assert error(QUANT_OP_SKIP=["EltwiseAdd"]) > bad / 4 and error(QUANT_OP_SKIP=["Conv2D"]) < bad / 20
    assert bisect([f"conv{i}" for i in range(DEPTH)], cures) == SPOILED
    convert(tool, "bad", QUANT_NODE_SKIP=[SPOILED], SAVE_OP_QUANT_BIT=True)
    rows = json.loads(Path(NODE_BITS).read_text())
    assert {name for name, row in rows.items() if row["QUANT_FEATURE_BIT"] == 32} == {SPOILED}
