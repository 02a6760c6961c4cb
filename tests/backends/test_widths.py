"""The widest codes that chips document: `check` lists what is wider, `convert` stops before it calibrates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import magik_core as magik
from magik_core import plugins
from magik_core.errors import CheckError
from magik_core.result import Result
from tests.cli import models

CHIPS = ("T40", "X2500", "T41", "A1")
HINT = "ask for fewer bits, or convert for SOC host: its files run on the CPU of this chip as well"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, everything: plugins.Plugins) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def net(here: Path) -> Path:
    """A convolution and a product."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        helper.make_node("GlobalAveragePool", ["a"], ["b"], "pool"),
        helper.make_node("Flatten", ["b"], ["c"], "flat"),
        helper.make_node("Gemm", ["c", "v"], ["y"], "dense"),
    ]
    constants = {"w": models.weights(4, 3, 3, 3), "v": models.weights(4, 5)}
    np.save("calib.npy", np.random.default_rng(1).normal(0, 1, (3, 3, 8, 8)).astype(np.float32))
    return models.write(
        here / "net.onnx", nodes, [("x", models.FLOAT, models.IMAGE)], [("y", models.FLOAT, (1, 5))], constants
    )


@pytest.fixture
def layer(here: Path) -> Path:
    """An LSTM whose states go in and out, all outputs read; the state h also turned and turned back."""
    nodes = [
        helper.make_node("Transpose", ["h0"], ["h1"], "turn", perm=[1, 0, 2]),
        helper.make_node("LSTM", ["x", "w", "r", "", "", "h1", "c0"], ["ys", "h", "c"], "lstm", hidden_size=4),
        helper.make_node("Squeeze", ["ys", "one"], ["y"], "flat"),
        helper.make_node("Gather", ["h", "zero"], ["last"], "last", axis=0),
    ]
    constants = {"w": models.weights(1, 16, 3), "r": models.weights(1, 16, 4), "one": np.array([1], np.int64),
                 "zero": np.array(0, np.int64)}  # fmt: skip
    state, sizes = (1, 1, 4), {"x": (5, 1, 3), "h0": (1, 1, 4), "c0": (1, 1, 4)}
    for name, shape in sizes.items():
        (here / "calib/0").mkdir(parents=True, exist_ok=True)
        np.random.default_rng(2).normal(0, 0.5, shape).astype(np.float32).tofile(here / f"calib/0/{name}.bin")
    inputs = [(name, models.FLOAT, shape) for name, shape in sizes.items()]
    outputs = [("y", models.FLOAT, (5, 1, 4)), ("c", models.FLOAT, state), ("last", models.FLOAT, (1, 4))]
    return models.write(here / "layer.onnx", nodes, inputs, outputs, constants)


def blockers(net: Path, soc: str, **keys: Any) -> list[tuple[str, str, str]]:
    found = [f for f in magik.check(net, soc=soc, **keys) if not f.is_notice]
    assert {f.hint for f in found} <= {HINT}
    return [(f.node, f.check, f.found) for f in found]


@pytest.mark.parametrize("soc", CHIPS)
@pytest.mark.parametrize(
    ("keys", "want"),
    [
        ({"quant_feature_bit": 12, "quant_weight_bit": 4}, []),
        ({"quant_feature_bit": 14}, [
            ("conv", "feature_bits", "x of 14 bits, a of 14 bits"), ("pool", "feature_bits", "b of 14 bits"),
            ("flat", "feature_bits", "c of 14 bits"), ("dense", "feature_bits", "y of 14 bits"),
        ]),
        ({"quant_weight_bit": 16}, [
            ("conv", "weight_bits", "weights of 16 bits"), ("dense", "weight_bits", "weights of 16 bits"),
        ]),
        ({"quant_feature_bit": 32}, []),
        ({"quant_weight_bit": 32}, []),
    ],
    ids=str,
)  # fmt: skip
def test_limits(net: Path, soc: str, keys: Mapping[str, Any], want: list[tuple[str, str, str]]) -> None:
    given = {"calibration": "calib.npy", **keys}
    assert blockers(net, soc, **given) == [(n, f"{soc.lower()}.{check}", found) for n, check, found in want]
    assert blockers(net, "host", **given) == []


def test_the_message_and_that_nothing_was_calibrated(net: Path) -> None:
    stages: list[str] = []
    with pytest.raises(CheckError) as error:
        magik.convert(
            net, "out", soc="T40", calibration="calib.npy", quant_feature_bit=16, quant_op_skip=["Conv"],
            progress=lambda stage, *_: stages.append(stage),
        )  # fmt: skip
    assert stages == [] and not Path("out.bin").exists()
    assert str(error.value.problems[-1]) == (
        "error: Gemm cannot run on T40\nwhere: node 'dense'\nfound: y of 16 bits\n"
        f" need: features have at most 12 bits, states of recurrent layers left out (t40.feature_bits)\n\n hint: {HINT}"
    )


def test_bits_of_one_node_are_held_against_the_chip(net: Path) -> None:
    Path("magik_node_quant_bit_info.json").write_text('{"dense": {"QUANT_WEIGHT_BIT": 16, "QUANT_FEATURE_BIT": 14}}')
    found = blockers(net, "T41", calibration="calib.npy", load_op_quant_bit=True)
    assert found == [("dense", "t41.feature_bits", "y of 14 bits"), ("dense", "t41.weight_bits", "weights of 16 bits")]


@pytest.mark.parametrize("soc", ["T40", "T41"])
def test_states_have_16_bits_on_every_chip(layer: Path, soc: str) -> None:
    result: Result = magik.convert(layer, "out", soc=soc, calibration="calib", quant_feature_bit=10)
    bits = {name: result.program.tensors[name].quant.bits for name in ("x", "h0", "c0", "y", "c", "last")}  # type: ignore[union-attr]
    assert bits == {"x": 10, "h0": 16, "c0": 16, "y": 10, "c": 16, "last": 16}
    assert blockers(layer, soc, calibration="calib", quant_feature_bit=14, quant_weight_bit=16) == [
        ("lstm", f"{soc.lower()}.feature_bits", "x of 14 bits, ys of 14 bits"),
        ("lstm", f"{soc.lower()}.weight_bits", "weights of 16 bits"),
        ("flat", f"{soc.lower()}.feature_bits", "y of 14 bits"),
    ]
