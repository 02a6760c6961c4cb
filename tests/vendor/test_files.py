"""The files that the vendor's tool leaves and reads: dumps of a debug run, bins of every type, folders of samples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import magik_core
from magik_core import plugins
from magik_core.data_files import InputSpec
from magik_core.program import QuantParams
from magik_core.samples import load_file
from tests.cli.models import FLOAT, write
from tests.vendor.conftest import Done, made

Tool = Callable[[str], Done]
COMMAND = "magik-transform-tools --inputpath model.onnx --outputpath out/net.mk.h --config own.cfg \\\n\n"
PIXELS = {"SOC": "T40", "INPUT_SHAPE": [1, 3, 32, 32], "MEAN": [127], "NORMAL": [128], "QUANT_DATASET_PATH": "pictures"}
NESTED = {
    "ARCH": {"SOC": "T40"},
    "MODEL": {"FORMAT": "onnx", "INPUT": [{"BATCH": 1, "WIDTH": 32, "HEIGHT": 32, "CHANNEL": 3, "COLOR": "RGB",
                                          "NORMAL": [128] * 3, "MEAN": [127] * 3}]},
    "EXTRA": {"BIZ_CODE": "Ingenic", "VERBOSE": "ON"},
    "QUANT_DATASET_PATH": "pictures",
}  # fmt: skip
BOARD = ["out/magik_model_net.mk.h", "out/net.bin"]
TYPES = {"u8": "<u1", "u10": "<u2", "u12": "<u2", "u14": "<u2", "u16": "<u2", "f32": "<f4"}


@pytest.fixture(autouse=True)
def chips(here: Path, everything: plugins.Plugins) -> None:
    """All of them, as with every distribution installed."""


def convert(tool: Tool, **keys: Any) -> Done:
    Path("own.cfg").write_text(json.dumps(keys))
    done = tool(COMMAND)
    assert done.code == 0, done.err
    return done


@pytest.mark.parametrize("path", ["pictures", "pictures/1.png"])
@pytest.mark.parametrize("config", [PIXELS, NESTED], ids=["flat", "nested"])
def test_debug_path(here: Path, tool: Tool, path: str, config: dict[str, Any]) -> None:
    """A folder or one picture: the dumps of the first, and the table over all."""
    done = convert(tool, **config, DEBUG_PATH=path, QUANT_FEATURE_BIT=12)
    info = json.loads((here / "magik_dump_path/model_node_info.json").read_text())
    assert info["all_type"] == sorted(set(info) - {"all_type"})
    nodes = [name for kind in info["all_type"] for name in info[kind]]
    dumps = {folder: sorted(p.name for p in (here / "magik_dump_path" / folder).iterdir())
             for folder in ("float_model", "ptq_model", "ptq_model_dequantize")}  # fmt: skip
    names = dumps["ptq_model"]
    assert names and dumps["float_model"] == dumps["ptq_model_dequantize"] == names
    assert {name.removesuffix(".bin") for name in names} <= {node.replace("/", "_") for node in nodes}
    others = [name for name in made(here) if name not in BOARD and "model/" not in name and "dequantize/" not in name]
    assert others == ["magik_dump_path/input.bin", "magik_dump_path/input_uint8.bin"]
    raw = np.frombuffer((here / "magik_dump_path/input.bin").read_bytes(), "<f4").reshape(32, 32, 3)
    assert np.array_equal(raw, np.frombuffer((here / "magik_dump_path/input_uint8.bin").read_bytes(), "u1").reshape(
        32, 32, 3))  # fmt: skip
    fed_again = load_file(here / "magik_dump_path/input.bin", InputSpec("image", (1, 3, 32, 32)))
    assert np.array_equal(fed_again[0].transpose(1, 2, 0), raw)
    wide = here / "magik_dump_path/ptq_model" / names[0]
    assert wide.stat().st_size * 2 == (here / "magik_dump_path/float_model" / names[0]).stat().st_size
    rows = [line for line in done.out.splitlines() if re.match(r"\s*\d+\s", line)]
    assert len(rows) == len(names) and "cosine" in done.out and "SQNR" in done.out
    assert done.out.endswith("Convert successfully\n")


def test_debug_path_with_data_that_is_not_there(here: Path, tool: Tool) -> None:
    Path("own.cfg").write_text(json.dumps({**PIXELS, "DEBUG_PATH": "none"}))
    done = tool(COMMAND)
    assert done.code == 1 and "error: data of DEBUG_PATH not found\nwhere: none" in done.err and made(here) == []


@pytest.fixture
def plain(here: Path) -> None:
    """A net of one input x (1, 3, 8, 8), in the place of the pictures' one."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv")]
    w = np.random.default_rng(1).normal(0, 1, (2, 3, 3, 3)).astype(np.float32)
    write(here / "model.onnx", nodes, [("x", FLOAT, (1, 3, 8, 8))], [("y", FLOAT, (1, 2, 6, 6))], {"w": w})


@pytest.mark.parametrize("tag", TYPES)
def test_bins_of_every_type(here: Path, tool: Tool, plain: None, tag: str) -> None:
    (here / "bins").mkdir()
    top = 5.5 if tag == "f32" else 2 ** int(tag[1:]) - 1
    values = np.random.default_rng(2).uniform(0, top, (3, 8, 8, 3)).astype(TYPES[tag])
    values[0, 0, 0, 0] = top
    for i, x in enumerate(values):
        x.tofile(here / f"bins/{i}_{tag}.bin")
    convert(tool, SOC="T41", QUANT_DATASET_PATH="bins", QUANT_FEATURE_METHOD="MAX_ABS")
    assert made(here / "out") == [name.removeprefix("out/") for name in BOARD]
    quant = magik_core.load("out/net.bin").inputs[0].quant
    assert quant == QuantParams(float(np.float32(top / 255)), 0.0, 8)


def test_a_folder_per_sample(here: Path, tool: Tool) -> None:
    """As the GRU of the vendor's demonstration: NAME_input.bin for one input, NAME.bin for the other."""
    rng = np.random.default_rng(3)
    nodes = [helper.make_node("GRU", ["740", "w", "r", "", "", "last_state"], ["y", "state"], "gru", hidden_size=4)]
    constants = {"w": rng.normal(0, 1, (1, 12, 3)).astype(np.float32), "r": np.zeros((1, 12, 4), np.float32)}
    inputs = [("740", FLOAT, (5, 1, 3)), ("last_state", FLOAT, (1, 1, 4))]
    outputs = [("y", FLOAT, (5, 1, 1, 4)), ("state", FLOAT, (1, 1, 4))]
    write(here / "model.onnx", nodes, inputs, outputs, constants)
    for i in range(3):
        (here / f"data/{i}").mkdir(parents=True)
        rng.uniform(-1, 1, (5, 1, 3)).astype("<f4").tofile(here / f"data/{i}/740_input.bin")
        rng.uniform(-1, 1, (1, 1, 4)).astype("<f4").tofile(here / f"data/{i}/last_state.bin")
    convert(tool, SOC="T40", QUANT_DATASET_PATH="data", INPUT_SHAPE=[[5, 1, 3], [1, 1, 4]])
    assert "gru_u8" in magik_core.load("out/net.bin").kernels


@pytest.mark.parametrize("weights", [2, 4, 8])
@pytest.mark.parametrize("features", [8, 10, 12])
def test_every_documented_width(here: Path, tool: Tool, plain: None, features: int, weights: int) -> None:
    np.random.default_rng(2).normal(0, 1, (8, 8, 3)).astype("<f4").tofile(here / "one.bin")
    convert(tool, SOC="T41", QUANT_DATASET_PATH="one.bin", QUANT_FEATURE_BIT=features, QUANT_WEIGHT_BIT=weights)
    net = magik_core.load("out/net.bin")
    assert net.outputs[0].bits == features and net.kernels == ("conv_u8" if features == 8 else "conv_u16",)


def test_widths_that_the_chip_does_not_have(here: Path, tool: Tool, plain: None) -> None:
    np.random.default_rng(2).normal(0, 1, (8, 8, 3)).astype("<f4").tofile(here / "one.bin")
    Path("own.cfg").write_text(json.dumps({"SOC": "T41", "QUANT_DATASET_PATH": "one.bin", "QUANT_FEATURE_BIT": 14}))
    done = tool(COMMAND)
    assert done.code == 1 and "found: x of 14 bits, y of 14 bits" in done.err and made(here) == ["one.bin"]
