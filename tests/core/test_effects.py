"""Choices for single nodes that change nothing are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

import magik_core as magik
from magik_core.cli import main
from magik_core.config import NODE_BITS
from magik_core.recipe import Recipe
from magik_core.spelling import serialize
from tests.core.test_lower import model, node


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    nodes = [
        node("Conv", "x w", "a", "conv"),
        node("Relu", "a", "b", "relu"),
        node("GlobalAveragePool", "b", "c", "gap"),
        node("Flatten", "c", "y", "flat"),
    ]
    w = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    path = tmp_path / "net.onnx"
    path.write_bytes(serialize(model(nodes, (1, 3, 6, 6), ["y"], w=w)))
    np.save("calib.npy", np.random.default_rng(1).normal(size=(4, 3, 6, 6)).astype(np.float32))
    return path


LOADS = {"load_op_quant_bit": True, "load_op_quant_min_max": True}


def told(net: Path, rows: dict[str, dict[str, Any]] | None, **keys: Any) -> list[str]:
    if rows is not None:
        Path(NODE_BITS).write_text(json.dumps(rows))
    found = magik.convert(net, "out", calibration="calib.npy", **(keys or LOADS))
    return [text for text in found.warnings if "in f32: gap" not in text]


@pytest.mark.parametrize(
    ("node", "row", "text"),
    [
        ("gap", {"QUANT_WEIGHT_BIT": 4}, "QUANT_WEIGHT_BIT 4 has no effect: it has no weights"),
        (
            "flat",
            {"QUANT_FEATURE_BIT": 16},
            "QUANT_FEATURE_BIT 16 has no effect: its result has the 8 bits of what it follows or of the source",
        ),
        (
            "flat",
            {"MIN": 0, "MAX": 7},
            "MIN 0 MAX 7 have no effect: its result has the codes of what it follows or of the source",
        ),
        (
            "gap",
            {"QUANT_FEATURE_BIT": 32, "MIN": 0, "MAX": 7},
            "MIN 0 MAX 7 have no effect: its result is in f32",
        ),
        ("gap", {"MIN": 3, "MAX": 5}, "MIN 3 MAX 5 become 0 and 5: 0 is always a code"),
        ("gap", {"MIN": -5, "MAX": -3}, "MIN -5 MAX -3 become -5 and 0: 0 is always a code"),
    ],
    ids=str,
)
def test_what_changes_nothing_is_told(net: Path, node: str, row: dict[str, Any], text: str) -> None:
    assert told(net, {node: row}) == [f"{node}: {text}"]


def test_what_has_an_effect_is_not_told(net: Path) -> None:
    assert told(net, {"conv": {"QUANT_WEIGHT_BIT": 4, "QUANT_FEATURE_BIT": 12, "MIN": 0, "MAX": 3}}) == []
    assert told(net, {"relu": {"QUANT_FEATURE_BIT": 10, "MIN": 0, "MAX": 2}, "gap": {"QUANT_FEATURE_BIT": 16}}) == []


ALL_REAL = "QUANT_FEATURE_BIT 32 leaves the activations in f32 too"


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        ({"feature_correct_path": "calib.npy"}, []),
        ({"feature_correct_path": "calib.npy", "feature_fake_quant": True}, []),
        ({"feature_correct_path": "calib.npy", "quant_node_skip": ["conv"]}, []),
        ({"weight_correct_path": "calib.npy"}, []),
        ({"weight_correct_path": "calib.npy", "weight_fake_quant": True}, []),
        (
            {"feature_correct_path": "calib.npy", "weight_fake_quant": True},
            ["FEATURE_CORRECT_PATH has no effect: no layer with a bias reads what is rounded"],
        ),
        (
            {"weight_correct_path": "calib.npy", "feature_fake_quant": True},
            ["WEIGHT_CORRECT_PATH has no effect: no layer with a bias has weights that are rounded"],
        ),
        (
            {"weight_correct_path": "calib.npy", "recipe": Recipe(correct_bias=False)},
            ["WEIGHT_CORRECT_PATH has no effect: biases are not corrected"],
        ),
        ({"feature_fake_quant": True, "quant_feature_bit": 32}, [f"FEATURE_FAKE_QUANT has no effect: {ALL_REAL}"]),
        (
            {"weight_fake_quant": True, "quant_weight_bit": 32},
            ["WEIGHT_FAKE_QUANT has no effect: QUANT_WEIGHT_BIT 32 leaves the weights in f32 too"],
        ),
        ({"feature_fake_quant": True, "weight_fake_quant": True}, []),
        ({"feature_correct_path": "calib.npy", "is_float": True}, []),
    ],
    ids=str,
)
def test_keys_of_diagnosis_and_correction(net: Path, keys: dict[str, Any], texts: list[str]) -> None:
    assert told(net, None, **keys) == texts


@pytest.mark.parametrize(
    ("keys", "has_effect"),
    [
        ({}, True),
        ({"feature_fake_quant": True}, True),
        ({"quant_node_skip": ["conv"]}, True),
        ({"weight_fake_quant": True}, False),
        ({"quant_feature_bit": 32}, False),
    ],
    ids=str,
)
def test_what_the_correction_for_activations_changes(net: Path, keys: dict[str, Any], has_effect: bool) -> None:
    magik.convert(net, "without", calibration="calib.npy", **keys)
    warned = told(net, None, feature_correct_path="calib.npy", **keys)
    assert (Path("out.bin").read_bytes() != Path("without.bin").read_bytes()) == has_effect == (not warned)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"quant_node_skip": ["conv"]}, "conv: QUANT_WEIGHT_BIT 4 has no effect: it computes in f32"),
        ({"quant_feature_bit": 32}, "conv: bits and ranges have no effect: every step computes in f32"),
        ({"is_float": True}, "conv: bits and ranges have no effect: every step computes in f32"),
    ],
    ids=str,
)
def test_choices_for_a_node_without_codes(net: Path, keys: dict[str, Any], text: str) -> None:
    row = {"QUANT_WEIGHT_BIT": 4, "MIN": 0, "MAX": 7}
    assert [t for t in told(net, {"conv": row}, **LOADS, **keys) if "in f32: conv" not in t] == [text]


def test_debug_tells_them_too(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(NODE_BITS).write_text('{"gap": {"QUANT_WEIGHT_BIT": 4}}')
    loads = ["--set", "LOAD_OP_QUANT_BIT=true", "--no-dump", "--no-try-skips"]
    assert main(["debug", str(net), "--calib", "calib.npy", *loads]) == 0
    assert "warning: gap: QUANT_WEIGHT_BIT 4 has no effect: it has no weights" in capsys.readouterr().err


@pytest.fixture
def quantized(net: Path) -> Path:
    """The net with the quantization of another tool."""
    x = iter([{"x": sample[None]} for sample in np.load("calib.npy")])
    reader = type("Reader", (CalibrationDataReader,), {"get_next": lambda _: next(x, None)})
    quantize_static(net, net.with_name("qdq.onnx"), reader(), quant_format=QuantFormat.QDQ)
    return net.with_name("qdq.onnx")


def test_bits_for_all_of_a_model_that_arrives_quantized(quantized: Path) -> None:
    reason = "has no effect: the model arrives quantized, and keeps what it has"
    assert magik.convert(quantized, "out").warnings == ()
    assert magik.convert(quantized, "out", quant_feature_bit=12, quant_weight_bit=4).warnings == (
        f"QUANT_FEATURE_BIT 12 {reason}",
        f"QUANT_WEIGHT_BIT 4 {reason}",
    )
    assert magik.convert(quantized, "out", quant_feature_bit=32, quant_weight_bit=32).warnings == ()
    Path(NODE_BITS).write_text('{"conv": {"QUANT_WEIGHT_BIT": 4}}')
    assert magik.convert(quantized, "out", load_op_quant_bit=True).warnings == (
        "conv: QUANT_WEIGHT_BIT 4 has no effect: its weights have the codes of the source",
    )


def test_the_file_of_a_model_that_arrives_quantized(quantized: Path) -> None:
    text = f"{NODE_BITS} leaves out what the source has quantized: that cannot be edited"
    assert magik.convert(quantized, "out", save_op_quant_bit=True).warnings == (text,)
    assert json.loads(Path(NODE_BITS).read_text()) == {}


def test_what_was_saved_is_no_news(net: Path) -> None:
    assert told(net, None, save_op_quant_bit=True) == []
    assert told(net, None) == []


def test_not_all_of_many_are_told(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magik_core.effects.MAX_PROBLEMS", 1)
    notes = told(net, {"gap": {"QUANT_WEIGHT_BIT": 4}, "flat": {"QUANT_FEATURE_BIT": 16, "QUANT_WEIGHT_BIT": 4}})
    assert len(notes) == 2 and notes[-1] == "and 2 more choices for single nodes"


def test_inputs_that_a_file_of_bits_cannot_name_are_told(net: Path) -> None:
    keys: dict[str, Any] = {"calibration": "calib.npy", "load_op_quant_bit": True}
    magik.convert(net, "out", calibration="calib.npy", quant_feature_bit=16, save_op_quant_bit=True)
    again = magik.convert(net, "again", **keys)
    assert again.warnings == ("x: 8 bits, QUANT_FEATURE_BIT, where the file of bits has 16 for its nodes",)
    assert magik.convert(net, "same", quant_feature_bit=16, **keys).warnings == ()
    Path(NODE_BITS).write_text(json.dumps({"gap": {"QUANT_FEATURE_BIT": 16}}))
    assert magik.convert(net, "one", **keys).warnings == ()
    Path(NODE_BITS).write_text(json.dumps({"conv": {"QUANT_FEATURE_BIT": 16}, "gap": {"QUANT_FEATURE_BIT": 16}}))
    assert magik.convert(net, "small", **keys).warnings == again.warnings
