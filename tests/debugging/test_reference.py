"""Layers of a model that brings its quantization are held against what that makes of them, in codes of any width."""

from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from magik_core.debug import debug
from magik_core.debugging.reference import rounded
from magik_core.debugging.report import Report
from magik_core.program import QuantParams
from tests.core.graphs import source_of

CODES = {8: np.uint8, 4: ml_dtypes.uint4}
TEXT = """g (float[1,3,8,8] x) => (float[1,4,8,8] y) {
    q = QuantizeLinear (x, s, z)
    d = DequantizeLinear (q, s, z)
    w = DequantizeLinear (wq, ws, wz)
    a = Conv (d, w)
    r = QuantizeLinear (a, s, z)
    y = DequantizeLinear (r, s, z)
}"""


def debugged(bits: int, folder: Path | None = None) -> Report:
    """A convolution of codes, many of whose results are below 0 or above the largest of them."""
    rng = np.random.default_rng(0)
    w = rng.integers(-9, 10, (4, 3, 1, 1)).astype(np.int8)
    constants = {"wq": w, "ws": np.float32(0.123), "wz": np.int8(0), "s": np.float32(0.25)}
    model = source_of(TEXT, z=np.array(0, CODES[bits]), **constants)
    return debug(model, [{"x": rng.uniform(0, 2**bits / 4, (1, 3, 8, 8)).astype(np.float32)}], folder)


@pytest.mark.parametrize("bits", CODES)
def test_what_the_source_saturates_and_rounds_is_no_error(tmp_path: Path, bits: int) -> None:
    found = debugged(bits, tmp_path / "dump")
    (layer,) = (one for one in found.layers if one.op == "Conv")
    assert layer.bits == bits and layer.accumulated and layer.isolated and layer.features
    assert {layer.accumulated.sqnr_db, layer.isolated.sqnr_db, layer.features.sqnr_db} == {math.inf}
    (usage,) = (one for one in found.tensors if one.layer == layer.name)
    assert usage.saturated_low > 0.1 and usage.saturated_high > 0.01 and usage.seen_low < -1, "which the shares do say"
    raw = np.frombuffer((tmp_path / f"dump/float_model/{layer.name}.bin").read_bytes(), "<f4")
    assert raw.min() == np.float32(usage.seen_low), "what float computes is dumped as it is"


def test_only_where_both_have_the_same_codes() -> None:
    want, q = np.float32([-1, 0.3, 99]), QuantParams(0.5, 2.0, 4)
    np.testing.assert_array_equal(rounded(want, q, q), np.float32([-1, 0.5, 6.5]))
    for said, held in ((None, q), (q, None), (q, QuantParams(0.5, 2.0, 8))):
        assert rounded(want, said, held) is want
