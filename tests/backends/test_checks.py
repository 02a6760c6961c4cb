"""Each restriction of each chip, found and passed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from magik_core.ops import Op
from magik_core.program import Program, QuantParams, Step, Tensor, WeightParams
from tests.conftest import repository

SOCS = repository().socs
CHIPS = ("T40", "X2500", "T41", "A1")
U8 = QuantParams(0.5)


@dataclass(frozen=True)
class Conv(Op):
    strides: tuple[int, ...] = (1, 1)


@dataclass(frozen=True)
class DepthwiseConv(Conv):
    pass


@dataclass(frozen=True)
class Gemm(Op):
    pass


@dataclass(frozen=True)
class Resize(Op):
    mode: str = "nearest"


@dataclass(frozen=True)
class LSTM(Op):
    pass


class Mul(Op):
    pass


class Extremum(Op):
    pass


class Sub(Op):
    pass


class Lut(Op):
    onnx = ("Sigmoid", "Tanh")


class Erf(Op):
    pass


@dataclass
class Case:
    """One step: its operator, shapes and storage; `finds` is what the check says, None that it passes."""

    check: str
    op: Op
    finds: str | None
    x: tuple[int, ...] = (1, 8, 8, 4)
    w: tuple[int, ...] | None = None
    dtype: str = "u8"
    bits: int = 8
    weight_bits: int = 8
    is_first: bool = False
    only: tuple[str, ...] = field(default=CHIPS)


NNA1 = ("T40", "X2500")
BIG = (1, 2048, 2048, 4)
CASES = [
    Case("nna_operator", Erf(), "operator Erf"),
    Case("nna_operator", Conv(), None),
    Case("nna_operator", Lut(), None),
    Case("nna_convolution_stride", Conv((3, 3)), "strides 3x3, kernel 3x3", w=(8, 3, 3, 4)),
    Case("nna_convolution_stride", Conv((2, 2)), None, w=(8, 3, 3, 4)),
    Case("nna_convolution_stride", Conv((4, 4)), None, w=(8, 5, 5, 4), is_first=True),
    Case("nna_convolution_stride", Conv((4, 4)), "strides 4x4, kernel 5x5", w=(8, 5, 5, 4)),
    Case("nna_convolution_stride", Conv((4, 4)), "kernel 3x3, the first layer", w=(8, 3, 3, 4), is_first=True),
    Case("nna_depthwise_stride", DepthwiseConv((3, 1)), "strides 3x1", w=(4, 3, 3, 1)),
    Case("nna_depthwise_stride", DepthwiseConv((2, 1)), None, w=(4, 3, 3, 1)),
    Case("nna_convolution_storage", Conv(), "input x is f32", dtype="f32"),
    Case("nna_convolution_storage", Conv(), None),
    Case("nna_depthwise_storage", DepthwiseConv(), "input x is u16", dtype="u16", bits=16),
    Case("nna_fullconnected_storage", Gemm(), "input x is f32", dtype="f32"),
    Case("nna_convolution_weight_bits", Conv(), "weights of 16 bits", w=(8, 3, 3, 4), weight_bits=16),
    Case("nna_convolution_weight_bits", Conv(), None, w=(8, 3, 3, 4), weight_bits=4),
    Case("nna_depthwise_weight_bits", DepthwiseConv(), "weights of 16 bits", w=(4, 3, 3, 1), weight_bits=16),
    Case("nna_fullconnected_weight_bits", Gemm(), "weights of 16 bits", x=(1, 4), w=(8, 4), weight_bits=16),
    Case(
        "nna_fullconnected_weight_bits",
        Gemm(),
        "weights of 6 bits",
        x=(1, 4),
        w=(8, 4),
        weight_bits=6,
        only=NNA1,
    ),
    Case("nna_convolution_pair", Conv(), "features of 2 bits, weights of 8 bits", w=(8, 3, 3, 4), bits=2, only=NNA1),
    Case("nna_convolution_pair", Conv(), None, w=(8, 3, 3, 4), bits=2, weight_bits=4, only=NNA1),
    Case("nna_convolution_pair", Conv(), None, w=(8, 3, 3, 4), only=NNA1),
    Case(
        "nna_depthwise_pair",
        DepthwiseConv(),
        "features of 4 bits, weights of 8 bits",
        w=(4, 3, 3, 1),
        bits=4,
        only=NNA1,
    ),
    Case("nna_lstm_storage", LSTM(), "input x is u16", x=(5, 1, 4), dtype="u16", bits=12, only=NNA1),
    Case("nna_lstm_weight_bits", LSTM(), "weights of 16 bits", x=(5, 1, 4), w=(16, 4), weight_bits=16, only=NNA1),
    Case("feature_bits", Sub(), "y of 14 bits", dtype="u16", bits=14),
    Case("feature_bits", Sub(), "x of 16 bits, y of 16 bits", dtype="u16", bits=16, is_first=True),
    Case("feature_bits", Sub(), None, dtype="u16", bits=12, is_first=True),
    Case("feature_bits", Sub(), None, dtype="f32"),
    Case("weight_bits", Conv(), "weights of 16 bits", w=(8, 3, 3, 4), weight_bits=16),
    Case("weight_bits", Conv(), None, w=(8, 3, 3, 4)),
    Case("nna_resize_mode", Resize("linear"), "mode linear", only=NNA1),
    Case("nna_resize_mode", Resize(), None, only=NNA1),
    Case("nna_mul_broadcast", Mul(), "shapes 1x8x8x4 and 8x1x1", w=(8, 1, 1), only=NNA1),
    Case("nna_mul_broadcast", Mul(), None, w=(1, 1, 1, 4), only=NNA1),
    Case("nna_mul_broadcast", Mul(), None, w=(1, 8, 8, 1), only=NNA1),
    Case("nna_mul_broadcast", Mul(), None, w=(1,), only=NNA1),
    Case("nna_mul_broadcast", Mul(), None, w=(1, 8, 8, 4), only=NNA1),
    Case("nna_extremum_batch", Extremum(), "batch 2", x=(2, 8, 8, 4), only=NNA1),
    Case("nna_extremum_batch", Extremum(), None, only=NNA1),
    Case("nna_memory", Sub(), "32.0 MiB", x=BIG),
    Case("nna_memory", Sub(), None),
]


def _program(case: Case) -> Program:
    quant = None if case.dtype == "f32" else QuantParams(0.5, bits=case.bits)
    tensors = {
        "in": Tensor("in", "u8", (1, 1), U8),
        "x": Tensor("x", case.dtype, case.x, quant),
        "y": Tensor("y", case.dtype, case.x, quant),
    }
    names: tuple[str, ...] = ("x",)
    if case.w is not None:
        params = WeightParams((0.1,), bits=case.weight_bits)
        tensors["w"] = Tensor("w", "s8", case.w, params, np.zeros(case.w, np.int8))
        names = ("x", "w")
    step = Step("node", case.op, names, ("y",))
    return Program("one", tensors, (step,), ("x",) if case.is_first else ("in",), ("y",))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.check}-{c.finds}")
def test_check(case: Case) -> None:
    program = _program(case)
    for name in case.only:
        (one,) = (c for c in SOCS[name].checks if c.name == case.check)
        found = one(program, program.steps[0])
        assert (found is None) if case.finds is None else (found is not None and case.finds in found), (
            name,
            found,
        )


@pytest.mark.parametrize(
    ("codes", "finds"),
    [
        ([-255, 1, 255], None),
        ([-255, 0, 255], "weights of 16 bits"),
        ([-257, 1, 255], "weights of 9 bits"),
        ([-255, 1, 255, 0, 0, 0], None),
        ([-255, 1, 255, 0, 0, 1], "weights of 16 bits"),
    ],
)
@pytest.mark.parametrize("name", CHIPS)
def test_odd_weights_have_half_as_many_codes(name: str, codes: list[int], finds: str | None) -> None:
    """The 8 bits of training for these chips are the odd numbers from -255 to 255, or a channel of zeros."""
    program = _program(Case("weight_bits", Conv(), None, w=(len(codes) // 3, 1, 1, 3), weight_bits=16))
    own = program.tensors["w"]
    program.tensors["w"] = replace(own, dtype="s16", data=np.array(codes, np.int16).reshape(own.shape))
    (one,) = (c for c in SOCS[name].checks if c.name == "weight_bits")
    found = one(program, program.steps[0])
    assert found == finds


def test_every_check_has_a_case_that_finds_something() -> None:
    finding = {case.check for case in CASES if case.finds}
    assert {c.name for name in CHIPS for c in SOCS[name].checks} <= finding


@pytest.mark.parametrize("name", CHIPS)
def test_what_only_the_accelerator_declines_is_a_notice(name: str) -> None:
    kinds = {one.name: one.is_notice for one in SOCS[name].checks}
    assert {check for check, is_notice in kinds.items() if not is_notice} == {"feature_bits", "weight_bits"}
    assert all(is_notice for check, is_notice in kinds.items() if check.startswith("nna_"))


def test_figures() -> None:
    assert (SOCS["T40"].memory_bytes, SOCS["T41"].memory_bytes) == (256 * 2**20, 512 * 2**20)
    assert (SOCS["X2500"].memory_bytes, SOCS["A1"].memory_bytes) == (None, None)
    assert {SOCS[name].alignment for name in CHIPS} == {64}
    assert SOCS["X2500"].checks == SOCS["T40"].checks
    assert SOCS["A1"].checks == SOCS["T41"].checks


def test_the_message_of_a_check_is_short() -> None:
    (one,) = (c for c in SOCS["T40"].checks if c.name == "nna_operator")
    assert one.need == "the operator is one of the operators of the vendor's manual and change log"
