"""What lies in front of MEAN and NORMAL: pixels keep their codes, other data get codes that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import magik_core as magik
from magik_core.program import QuantParams
from magik_core.result import Result
from magik_core.spelling import serialize
from tests.core.test_lower import model, node

RNG = np.random.default_rng(3)
SHAPE = (3, 6, 6)
PIXELS = QuantParams(1.0, 0.0)


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    w = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    Path("net.onnx").write_bytes(serialize(model([node("Conv", "x w", "y", "conv")], (1, *SHAPE), ["y"], w=w)))
    return tmp_path / "net.onnx"


def convert(net: Path, data: np.ndarray, **keys: Any) -> Result:
    np.save("data.npy", data.astype(np.float32))
    return magik.convert(net, "out", calibration="data.npy", quant_feature_method="MAX_ABS", **keys)


def codes(result: Result) -> Any:
    return result.program.tensors["x"].quant


def sqnr(net: Path, data: np.ndarray, **keys: Any) -> float:
    """In dB, of the program on its calibration data against float."""
    convert(net, data, **keys)
    x = data[:1].astype(np.float32)
    found = magik.load("out.mgk").run(x)["y"]
    magik.convert(net, "float", is_float=True, mean=keys.get("mean", ()), normal=keys.get("normal", ()))
    want = magik.load("float.mgk").run(x)["y"]
    return float(10 * np.log10(np.square(want).sum() / np.square(want - found).sum()))


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("top", [1, 200, 255])
def test_whole_numbers_of_8_bits_are_pixels(net: Path, bits: int, top: int) -> None:
    """Of any features' width, and dark ones too."""
    data = RNG.integers(0, top + 1, (2, *SHAPE))
    assert codes(convert(net, data, mean=[127], normal=[128], quant_feature_bit=bits)) == PIXELS


@pytest.mark.parametrize(("width", "bits"), [(10, 10), (12, 12), (12, 16), (16, 16)])
def test_whole_numbers_that_fit_the_features_are_their_own_codes(net: Path, width: int, bits: int) -> None:
    data = RNG.integers(0, 1 << width, (2, *SHAPE))
    assert codes(convert(net, data, normal=[4095], quant_feature_bit=bits)) == QuantParams(1.0, 0.0, bits)
    assert sqnr(net, data, normal=[4095], quant_feature_bit=bits) > 40


def test_wider_whole_numbers_get_the_codes_of_their_range(net: Path) -> None:
    data = RNG.integers(0, 4096, (2, *SHAPE))
    data[0, 0, 0, 0] = 4095
    assert codes(convert(net, data, normal=[4095])) == QuantParams(float(np.float32(4095 / 255)), 0.0)
    assert sqnr(net, data, normal=[4095]) > 30


@pytest.mark.parametrize("bits", [8, 12])
def test_other_data_get_the_codes_of_their_range(net: Path, bits: int) -> None:
    data = RNG.uniform(-60, 20, (2, *SHAPE))
    data[0, 0, 0, :2] = -60, 20
    found = codes(convert(net, data, mean=[-20], normal=[10], quant_feature_bit=bits))
    assert found.bits == bits and found.scale == pytest.approx(80 / (2**bits - 1), rel=1e-6)
    assert sqnr(net, data, mean=[-20], normal=[10], quant_feature_bit=bits) > 30


@pytest.mark.parametrize(("top", "is_pixels"), [(255, True), (128, True), (127.5, False), (255.5, False)])
def test_pixels_that_were_resized_are_pixels(net: Path, top: float, is_pixels: bool) -> None:
    data = RNG.uniform(0, 100, (2, *SHAPE))
    data[1, 0, 0, 0] = top
    assert (codes(convert(net, data, mean=[127], normal=[128])) == PIXELS) is is_pixels


def test_fractions_of_pixels_are_no_pixels(net: Path) -> None:
    assert codes(convert(net, RNG.uniform(0, 1, (2, *SHAPE)), mean=[0.5], normal=[0.5])).scale < 1 / 254


def test_one_sample_that_is_no_picture_decides(net: Path) -> None:
    data = RNG.integers(0, 256, (3, *SHAPE))
    data[2, 0, 0, 0] = -1
    assert codes(convert(net, data, mean=[127], normal=[128])) != PIXELS


def test_features_in_f32_read_an_input_as_it_is(net: Path) -> None:
    data = RNG.uniform(-60, 20, (2, *SHAPE))
    assert codes(convert(net, data, mean=[-20], normal=[10], quant_feature_bit=32)) is None
