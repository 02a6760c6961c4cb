"""Codes of u16 beyond the cases: extremes that need 64 bits, constants, widths that meet, the source's own 16 bits."""

from __future__ import annotations

from math import floor
from pathlib import Path

import numpy as np
import pytest

from magik_core.net import load
from magik_core.ops import mat_mul
from magik_core.ops.cases import Case, Input, case, floats, full, ints
from magik_core.program import Program, QuantParams
from tests import harness
from tests.core import graphs
from tests.ops import test_imported as imported
from tests.ops.test_imported import Net

TOP = 65535
CODES = (0.0, float(TOP))  # a range in which a real is its code


def wide(item: Case, bits: int = 16, y_bits: int = 16) -> Program:
    return harness.quantized(item, harness.model_of(item), bits, y_bits)


def kernels(program: Program) -> list[str]:
    return [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]


def result(program: Program, feeds: harness.Feeds) -> np.ndarray:
    """The codes of the only output, the same from numpy and from C."""
    (want,) = harness.in_numpy(program, feeds)
    for threads in (1, 3):
        assert harness.in_c(program, feeds, threads)[0].tobytes() == want.tobytes()
    return want


def whole(*shape: int) -> Input:
    """An activation of u16 codes that are its reals, all at the top."""
    return Input(shape, *CODES, values=(float(TOP),) * int(np.prod(shape)))


# ---- sums and products beyond 32 bits ------------------------------------------------------------------------


EXTREMES = [
    (case("Mul", whole(3, 2), x=whole(3, 2), range=(0, TOP**2)), TOP),
    (case("Mul", whole(3, 2), x=whole(3, 2), range=(0, TOP**2 * 3)), floor(TOP / 3 + 0.5)),
    (case("ReduceSum", x=whole(70000, 3), range=(0, TOP * 3 * 70000 * 5)), floor(TOP / 5 + 0.5)),
    (case("ReduceMean", x=whole(70000, 3), range=(0, TOP * 7)), floor(TOP / 7 + 0.5)),
    (case("ReduceMean", ints(0), x=whole(70000, 3), range=(0, TOP * 7), keepdims=0), floor(TOP / 7 + 0.5)),
    (case("AveragePool", x=whole(1, 70, 260, 257), kernel_shape=[260, 257], range=(0, TOP * 7)), floor(TOP / 7 + 0.5)),
    (case("MatMul", whole(60000, 2), x=whole(3, 60000), range=(0, TOP**2 * 60000)), TOP),
]


@pytest.mark.parametrize(("item", "want"), EXTREMES, ids=lambda v: str(v)[:60])
def test_sums_of_the_largest_codes(item: Case, want: int) -> None:
    program = wide(item)
    y = result(program, harness.data_of(item, program))
    assert y.dtype == np.uint16
    assert (y == want).all()


def test_a_negative_sum_reaches_the_lowest_code() -> None:
    item = case("MatMul", Input((70000, 1), -TOP, 0), x=Input((1, 70000), *CODES), range=(-(TOP**2) * 70000 / 2, 1))
    program = wide(item)
    feeds = {"x0": np.full((1, 70000), TOP, np.float32), "x1": np.full((70000, 1), -TOP, np.float32)}
    assert result(program, feeds).tolist() == [[0]]


def test_a_deep_product_of_u8_is_summed_in_64_bits() -> None:
    item = case("MatMul", full(40000, 2), x=full(3, 40000), range=(0, 255**2 * 40000 * 3))
    program = wide(item, 8, 8)
    assert kernels(program) == ["store_u16", "store_u16", "mat_mul_u16", "store_u8"]
    y = result(program, harness.data_of(item, program))
    assert y.dtype == np.uint8
    assert (y == 85).all()


def test_numpy_sums_whole_numbers_where_f64_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    item = case("MatMul", Input((70, 5), -3, 1), x=Input((4, 70), -1, 7))
    program = wide(item)
    feeds = harness.data_of(item, program)
    want = result(program, feeds)
    monkeypatch.setattr(mat_mul, "EXACT_DEPTH", 1)
    assert np.array_equal(harness.in_numpy(program, feeds)[0], want)


# ---- comparisons ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Less", "Equal", "GreaterOrEqual"])
@pytest.mark.parametrize("scales", [(1.0, 1 / 3), (1e-4, 7.0), (2.0**20, 2.0**-20), (2.0**16, 1.0), (3.0, 3.0)])
def test_relations_of_wide_codes_are_exact(name: str, scales: tuple[float, float]) -> None:
    a, b = scales
    item = case(name, Input((600,), -9 * b, (TOP - 9) * b), x=Input((600, 1), -3 * a, (TOP - 3) * a))
    program = wide(item)
    qa, qb = (program.tensors[n].quant for n in ("x0", "x1"))
    assert isinstance(qa, QuantParams) and isinstance(qb, QuantParams)
    rng = np.random.default_rng(1)
    near = np.arange(300)
    ca, cb = (np.concatenate([near, rng.integers(0, TOP, 290), TOP - near[:10]]).astype(np.uint16) for _ in "ab")
    got = harness.run(program, {"x0": ca[:, None], "x1": cb})[program.outputs[0]]
    left, right = ([int(q.scale * 2**80) * (int(c) - int(q.zero_point)) for c in cs] for q, cs in ((qa, ca), (qb, cb)))
    relation = {"Less": int.__lt__, "Equal": int.__eq__, "GreaterOrEqual": int.__ge__}[name]
    assert np.array_equal(got, np.array([[relation(u, v) for v in right] for u in left]))


# ---- constants -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [(10, 10), (16, 16), (8, 12), (14, 8)], ids=str)
def test_a_quotient_by_constants_is_a_product(bits: tuple[int, int]) -> None:
    item = case("Div", np.array([[-8.0, 4], [1, 2]], np.float32), x=Input((3, 2, 2), -1, 2))
    program = wide(item, *bits)
    assert "mul_u16" in kernels(program)
    feeds = harness.data_of(item, program)
    codes = result(program, feeds)
    (y,), (w,) = harness.as_source(program, [codes]), harness.reference(harness.model_of(item), feeds)
    quant = program.tensors[program.outputs[0]].quant
    assert isinstance(quant, QuantParams)
    assert np.abs(y - w).max() / quant.scale <= 0.51 + 1.5 * 2.0 ** (quant.bits - 16)


@pytest.mark.parametrize(("value", "code"), [(-np.inf, 0), (0.0, 1365), (9.0, 4095)])
def test_a_constant_of_pad_saturates_at_its_width(value: float, code: int) -> None:
    item = case("Pad", ints(1, 0), np.array(value, np.float32), x=Input((3,), -1, 2))
    program = wide(item, 12, 12)
    assert kernels(program) == ["pad_x16"]
    assert result(program, harness.data_of(item, program))[0] == code


@pytest.mark.parametrize(("bits", "kernel"), [(8, "gather_x8"), (10, "gather_x16")])
def test_a_gathered_table_has_the_width_of_the_result(bits: int, kernel: str) -> None:
    rows = Input((3,), dtype="s32", values=(2, 0, -1))
    item = case("Gather", rows, x=floats(5, 4))
    program = wide(item, 16, bits)
    assert kernels(program) == [kernel]
    feeds = harness.data_of(item, program)
    (y,) = harness.as_source(program, [result(program, feeds)])
    assert np.abs(y - harness.reference(harness.model_of(item), feeds)[0]).max() <= 1.01 / 2**bits


# ---- widths that meet ----------------------------------------------------------------------------------------


def test_narrow_codes_are_widened_once_and_the_result_is_narrowed() -> None:
    item = case("Concat", Input((1, 2, 4, 5), 0, 3), x=Input((1, 3, 4, 5), -1, 1), axis=1)
    assert kernels(wide(item, 12, 8)) == ["concat_u16", "store_u8"]
    assert kernels(wide(item, 8, 12)) == ["store_u16", "store_u16", "concat_u16"]
    assert kernels(wide(item, 8, 8)) == ["concat_u8"]


def test_moved_codes_stay_as_narrow_as_they_are() -> None:
    item = case("Slice", ints(1), ints(3), ints(1), x=(2, 4, 3))
    assert kernels(wide(item, 8, 16)) == ["slice_x8"]
    assert kernels(wide(item, 10, 8)) == ["slice_x16"]


# ---- codes that the source brings ----------------------------------------------------------------------------


def test_parameters_of_the_source_are_rescaled_at_any_width(tmp_path: Path) -> None:
    """From u8 to s16 and back, an operator on each."""
    net = Net(1, 3, 6, 6)
    pooled = net.op("MaxPool", net.pair("x", 0.02, np.uint8(90)), kernel_shape=[2, 2], strides=[2, 2])
    a = net.pair(pooled, 0.00031, np.int16(-200))
    b = net.op("MaxPool", a, kernel_shape=[2, 2])
    found, model = imported.convert(net, net.pair(b, 0.031, np.uint8(40)), folder=tmp_path)
    said = ["max_pool_u8", "store_u16", "concat_u16", "max_pool_u16", "concat_u16", "store_u8"]
    assert kernels(found.program) == said
    imported.close(found, model, [0.031])


def test_arithmetic_on_the_source_s_16_bits(tmp_path: Path) -> None:
    net = Net(1, 4, 5, 6)
    x = net.pair("x", 0.0001, np.uint16(32000))
    m = net.pair(net.op("Mul", x, x), 0.0003, np.int16(-1000))
    both = net.pair(net.op("Concat", m, x, axis=1), 0.0004, np.uint16(20000))
    y = net.pair(net.op("GlobalAveragePool", both), 0.0002, np.uint16(7))
    found, model = imported.convert(net, y, folder=tmp_path)
    assert [k.rsplit("_", 1)[1] for k in kernels(found.program)] == ["u16"] * len(found.program.steps)
    x0 = {"x": np.random.default_rng(3).uniform(-3, 3, (1, 4, 5, 6)).astype(np.float32)}
    (got,), (want,) = load(found.outputs[1]).run(x0).values(), graphs.run(model, x0)
    assert np.abs(got - want).max() <= 0.0002 * 1.001  # f32 there rounds sums of 16 bits
