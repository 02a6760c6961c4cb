"""Weights in s16 and codes in u16 beyond the cases: every value of them, and what the loader holds against names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from magik_core import library, numerics
from magik_core.errors import LoadError
from magik_core.net import Net
from magik_core.ops import Op, Tensors
from magik_core.ops.cases import Case, Input, case, extreme
from magik_core.ops.dequantize import Dequantize
from magik_core.ops.quantize import Quantize
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams, Step, Tensor, WeightParams
from magik_core.unpack import unpack
from tests import harness

WIDE = (-255, 255)
ONE_OF_EACH = {
    "conv": case("Conv", extreme(17, 4, 3, 3, codes=WIDE), x=(1, 4, 5, 6), pads=[1, 1, 1, 1], codes=WIDE),
    "depthwise_conv": case("Conv", extreme(18, 1, 3, 3, codes=WIDE), x=(1, 18, 5, 6), group=18, codes=WIDE),
    "conv_transpose": case("ConvTranspose", extreme(4, 5, 3, 3, codes=WIDE), x=(1, 4, 4, 5), codes=WIDE),
    "gemm": case("Gemm", extreme(17, 70, codes=WIDE), x=Input((5, 70), 0, 255), transB=1, codes=WIDE),
}
Change = Callable[[Program], Program]


def of_case(item: Case) -> Program:
    return harness.quantized(item, harness.model_of(item))


def with_weights(program: Program, values: np.ndarray) -> Program:
    """Other weights, in the storage of `values`."""
    name = next(s.inputs[1] for s in program.steps if len(s.inputs) > 2)
    dtype = {1: "s8", 2: "s16"}[values.dtype.itemsize]
    weights = replace(program.tensors[name], dtype=dtype, data=values)
    return replace(program, tensors={**program.tensors, name: weights})


def weights_of(program: Program) -> Tensor:
    return next(t for t in program.tensors.values() if isinstance(t.quant, WeightParams))


def said(program: Program) -> list[str]:
    return [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]


def named(op: Op, kernel: str) -> Op:
    """The operator, said to be computed by another kernel."""

    class Misnamed(type(op)):  # type: ignore[misc]
        def kernel(self, x: Tensors, y: Tensors) -> str:
            return kernel

    return Misnamed(**vars(op))


# ---- weights ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ONE_OF_EACH)
def test_the_dtype_of_the_weights_chooses_the_kernel(op: str) -> None:
    program = of_case(ONE_OF_EACH[op])
    narrow = with_weights(program, np.clip(weights_of(program).data, -128, 127).astype(np.int8))
    assert f"{op}_u8_s16" in said(program) and f"{op}_u8" in said(narrow)


@pytest.mark.parametrize("op", ONE_OF_EACH)
def test_any_weights_of_s16(op: str) -> None:
    """Every kind of kernels computes what numpy does, as long as the sums fit 32 bits: here whatever the weights."""
    item = ONE_OF_EACH[op]
    program = of_case(item)
    feeds = harness.data_of(item, program, seed=8)
    rng = np.random.default_rng(7)
    shape = weights_of(program).shape
    for values in (rng.integers(-(2**15), 2**15, shape), rng.choice([-(2**15), 2**15 - 1, 0], shape)):
        other = with_weights(program, values.astype(np.int16))
        want = harness.in_numpy(other, feeds)
        data = pack(other, plan(other), names=True)
        for isa in (*library.isas(), "fp64"):
            got = harness.in_parts(Net(data, isa=isa), feeds)
            assert [got[other.source[n]].tobytes() for n in other.outputs] == [y.tobytes() for y in want], isa
        again, placed = unpack(data)
        assert pack(again, placed, names=True) == data and weights_of(again).dtype == "s16"


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("is_wide", [False, True], ids=["s8", "s16"])
def test_weights_that_the_kernel_does_not_read_are_refused(op: str, is_wide: bool) -> None:
    """What would be read past its end, or as half of its elements."""
    program = of_case(ONE_OF_EACH[op])
    if not is_wide:
        program = with_weights(program, np.clip(weights_of(program).data, -128, 127).astype(np.int8))
    wrong = f"{op}_u8" if is_wide else f"{op}_u8_s16"
    steps = tuple(replace(s, op=named(s.op, wrong)) if len(s.inputs) > 2 else s for s in program.steps)
    refused(replace(program, steps=steps), "a step's shapes do not fit each other")


def refused(program: Program, found: str) -> None:
    with pytest.raises(LoadError) as error:
        Net(pack(program, plan(program), names=False))
    assert error.value.problems[0].found == found


# ---- codes of u16 ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantizes(Quantize):
    """A Quantize with a kernel and a largest code of its own."""

    named: str = "quantize_u16"
    top: int = 65535

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return self.named

    def params(self, x: Tensors, y: Tensors):  # type: ignore[no-untyped-def]
        return replace(super().params(x, y), top=self.top)


def one_step(op: Op, x: str, y: str, quant: QuantParams, count: int = 4) -> Program:
    """A program of one step of `count` elements; `quant` is that of the codes."""
    kinds = {"x": x, "y": y}
    tensors = {n: Tensor(n, t, (count,), None if t == "f32" else quant, None, (0,)) for n, t in kinds.items()}
    return Program("one", tensors, (Step("one", op, ("x",), ("y",)),), ("x",), ("y",), {"y": "y"})


GRIDS = [QuantParams(1 / 3, z, 16) for z in (0.0, 1.0, 32768.0, 32767.5, 65535.0)]
GRIDS += [QuantParams(2**-20, 40000.0, 16), QuantParams(3e-30, 7.0, 16), QuantParams(1e30, 9.0, 16)]
GRIDS += [QuantParams(0.1, 2048.0, 12), QuantParams(0.1, 3.0, 9)]


@pytest.mark.parametrize("quant", GRIDS, ids=str)
def test_every_code_comes_back(quant: QuantParams) -> None:
    """Codes to f32 and back are the same, in numpy and in C."""
    codes = np.arange(quant.top + 1, dtype=np.uint16)
    (real,) = harness.in_numpy(one_step(Dequantize(), "u16", "f32", quant, codes.size), {"x": as_real(codes, quant)})
    down = Net(packed(one_step(Dequantize(), "u16", "f32", quant, codes.size)), threads=2)
    up = Net(packed(one_step(Quantize(), "f32", "u16", quant, codes.size)), threads=2)
    assert down.run_quantized(codes)["y"].tobytes() == real.tobytes()
    for net_codes in (up.run_quantized(real)["y"], numerics.quantize(real, quant)):
        assert net_codes.dtype == np.uint16 and np.array_equal(net_codes, codes)


def as_real(codes: np.ndarray, quant: QuantParams) -> np.ndarray:
    return numerics.dequantize(codes, quant)


def packed(program: Program) -> bytes:
    return pack(program, plan(program), names=True)


@pytest.mark.parametrize("quant", GRIDS, ids=str)
def test_ties_ends_and_what_is_no_number(quant: QuantParams) -> None:
    codes = np.array([0, 1, 2, quant.top // 2, quant.top - 1, quant.top], np.float64)
    with np.errstate(over="ignore"):
        ties = ((codes + 0.5 - quant.zero_point) * quant.scale).astype(np.float32)
    near = [np.nextafter(ties, np.float32(to)) for to in (-np.inf, np.inf)]
    odd = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-45, 3e38, -3e38], np.float32)
    x = np.concatenate([ties, *near, odd])
    program = one_step(Quantize(), "f32", "u16", quant, x.size)
    assert Net(packed(program)).run_quantized(x)["y"].tobytes() == harness.in_numpy(program, {"x": x})[0].tobytes()


@pytest.mark.parametrize(
    ("op", "x", "y", "found"),
    [
        (Quantizes(named="quantize_u8"), "f32", "u16", "a parameter of a step is out of its range"),
        (Quantizes(named="quantize_u8", top=255), "f32", "u16", "a step's shapes do not fit each other"),
        (Quantizes(named="quantize_u16", top=255), "f32", "u8", "a step's shapes do not fit each other"),
        (Quantizes(top=65536), "f32", "u16", "a parameter of a step is out of its range"),
        (Quantizes(top=-1), "f32", "u16", "a parameter of a step is out of its range"),
        (Quantizes(), "u16", "u16", "a step's shapes do not fit each other"),
        (named(Dequantize(), "dequantize_u8"), "u16", "f32", "a step's shapes do not fit each other"),
        (named(Dequantize(), "dequantize_u16"), "u8", "f32", "a step's shapes do not fit each other"),
        (named(Dequantize(), "dequantize_u16"), "u16", "u16", "a step's shapes do not fit each other"),
    ],
    ids=str,
)
def test_the_loader_holds_codes_against_the_kernels_name(op: Op, x: str, y: str, found: str) -> None:
    refused(one_step(op, x, y, QuantParams(0.5, 3.0, 8)), found)


def test_reals_and_codes_are_the_same_feed() -> None:
    quant = QuantParams(2**-15, 32768.0, 16)
    net = Net(packed(one_step(Dequantize(), "u16", "f32", quant)))
    x = np.array([-1, 0, 0.5, 1], np.float32)
    (port,) = net.inputs
    assert (port.dtype, port.quant) == ("u16", quant)
    assert net.run(x)["y"].tolist() == net.run(np.array([0, 32768, 49152, 65535], np.uint16))["y"].tolist()
    assert net.run(x)["y"].tolist() == [-1, 0, 0.5, 1 - 2**-15]
