"""Every operator's CASES: C equals numpy bit for bit, and both are close to onnxruntime's float."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

from magik_core import ops
from magik_core.ops.cases import Case
from magik_core.program import QuantParams
from tests import harness

CASES = [
    c
    for info in pkgutil.iter_modules(ops.__path__)
    for c in getattr(importlib.import_module(f"magik_core.ops.{info.name}"), "CASES", ())
]


def assert_same_bits(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for x, y in zip(a, b, strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        assert x.tobytes() == y.tobytes(), f"{np.count_nonzero(x != y)} of {x.size} differ"


@pytest.mark.parametrize("case", [c for c in CASES if not c.is_float_only], ids=str)
def test_codes(case: Case) -> None:
    model = harness.model_of(case)
    program = harness.quantized(case, model)
    kernels = [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]
    assert not any(k.endswith("_f32") for k in kernels), kernels
    feeds = harness.data_of(case, program, seed=1)
    codes = harness.in_numpy(program, feeds)
    assert_same_bits(harness.in_c(program, feeds), codes)
    assert_same_bits(harness.in_c(program, feeds, threads=3), codes)
    want = harness.reference(model, feeds)
    for name, y, w in zip(program.outputs, harness.as_source(program, codes), want, strict=True):
        quant = program.tensors[name].quant
        if not isinstance(quant, QuantParams):
            assert np.array_equal(y, w)
            continue
        low, high = quant.scale * (0 - quant.zero_point), quant.scale * (quant.top - quant.zero_point)
        error = np.abs(y - np.clip(w, low, high)) / quant.scale
        assert error.max() <= case.steps, f"{error.max():.3f} codes"


WIDTHS = ((10, 10, 8), (12, 12, 4), (16, 16, 16), (8, 12, 2), (14, 8, 8))  # of inputs, outputs and weights


def is_wide(case: Case) -> bool:
    """Whether the operator of a case has kernels on u16."""
    return not case.is_float_only and "u16" in ops.by_onnx()[case.op_type].dtypes


@pytest.mark.parametrize("bits", WIDTHS, ids=lambda b: "-".join(map(str, b)))
@pytest.mark.parametrize("case", [c for c in CASES if is_wide(c)], ids=str)
def test_wide_codes(case: Case, bits: tuple[int, int, int]) -> None:
    """Codes of more than 8 bits, alone and beside those of 8; weights of another width are other weights."""
    model = harness.model_of(case)
    program = harness.quantized(case, model, *bits)
    kernels = [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]
    assert not any(k.endswith("_f32") for k in kernels), kernels
    feeds = harness.data_of(case, program, seed=1)
    codes = harness.in_numpy(program, feeds)
    assert_same_bits(harness.in_c(program, feeds), codes)
    assert_same_bits(harness.in_c(program, feeds, threads=3), codes)
    if bits[2] < 8:
        return
    for name, y, w in zip(
        program.outputs, harness.as_source(program, codes), harness.reference(model, feeds), strict=True
    ):
        quant = program.tensors[name].quant
        if not isinstance(quant, QuantParams):
            assert np.array_equal(y, w)
            continue
        low, high = quant.scale * (0 - quant.zero_point), quant.scale * (quant.top - quant.zero_point)
        error = np.abs(y - np.clip(w, low, high)) / quant.scale
        assert error.max() <= case.steps + case.wide * 2.0 ** (quant.bits - 16), f"{error.max():.3f} codes"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float(case: Case) -> None:
    model = harness.model_of(case)
    program = harness.in_float(model)
    feeds = harness.data_of(case, seed=2)
    values = harness.in_numpy(program, feeds)
    assert_same_bits(harness.in_c(program, feeds), values)
    assert_same_bits(harness.in_c(program, feeds, threads=3), values)
    for y, w in zip(harness.as_source(program, values), harness.reference(model, feeds), strict=True):
        if w.dtype != np.float32:
            assert np.array_equal(y, w)
        else:
            assert np.abs(y - w).max() <= case.relative * max(np.abs(w).max(), 1e-30)
