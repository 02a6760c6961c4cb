"""Functions on u16 beyond their CASES: the stated errors over all codes, extremes of sums, codes of hostile files."""

from __future__ import annotations

import numpy as np
import pytest

from magik_core import numerics, ops
from magik_core.net import Net
from magik_core.ops.affine import MAX_SHIFT, Affine, AffineParams
from magik_core.ops.cases import Case, Input, case, floats
from magik_core.ops.lut import Pointwise
from magik_core.ops.normalization import count_bits
from magik_core.ops.softmax import Softmax
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams, Step, Tensor
from tests import harness
from tests.ops.test_pointwise import NAMES, NEEDS

RANGES = {"Log": (0.01, 9), "Sqrt": (0, 9), "Reciprocal": (0.5, 9), "Pow": (0, 9)}
SMOOTH = {"Cos", "Erf", "Exp", "Gelu", "Mish", "Pow", "Sigmoid", "Sin", "Softplus", "Swish", "Tanh"}
BENT_AT_0 = {"Abs", "Celu", "Elu", "LeakyRelu", "Selu", "Softsign"}
STRAIGHT = {"Clip", "HardSigmoid", "Neg", "Relu"}


def one_step(op: ops.Op, x: QuantParams, y: QuantParams, shape: tuple[int, ...]) -> Program:
    """A program of one step on u16."""
    tensors = {"x": Tensor("x", "u16", shape, x), "y": Tensor("y", "u16", shape, y)}
    return Program("one", tensors, (Step("one", op, ("x",), ("y",)),), ("x",), ("y",))


def in_c(program: Program, codes: np.ndarray) -> np.ndarray:
    return harness.in_parts(Net(pack(program, plan(program), names=False)), {"x": codes})["y"]


def in_numpy(program: Program, codes: np.ndarray) -> np.ndarray:
    (y,) = program.steps[0].op.run((program.tensors["x"],), (program.tensors["y"],), (codes,))
    return y


def every_code(name: str, bits: int) -> tuple[Program, np.ndarray, np.ndarray]:
    """The program of a function, all codes of its input, and the real results in codes of y."""
    item = case(name, *NEEDS.get(name, ()), x=Input((2**bits,), *RANGES.get(name, (-6, 7))))
    program = harness.quantized(item, harness.model_of(item), bits, bits)
    codes = np.arange(2**bits, dtype=np.uint16)
    step, x, y = program.steps[0], program.tensors["x0"].quant, program.tensors["y0"].quant
    assert len(program.steps) == 1 and isinstance(step.op, Pointwise)
    assert isinstance(x, QuantParams) and isinstance(y, QuantParams)
    with np.errstate(all="ignore"):
        real = np.nan_to_num(step.op.function(x.scale * (codes - x.zero_point)) / y.scale) + y.zero_point
    return program, codes, np.clip(real, 0, y.top)


@pytest.mark.parametrize("bits", [12, 14, 16])
@pytest.mark.parametrize("name", NAMES)
def test_every_code(name: str, bits: int) -> None:
    """C equals numpy, both within 5/8 code of the function; what is smooth or bends at 0 is points at 16 bits."""
    program, codes, want = every_code(name, bits)
    step, x, y = program.steps[0], program.tensors["x0"], program.tensors["y0"]
    (got,) = step.op.run((x,), (y,), (codes,))
    assert np.array_equal(harness.in_parts(Net(pack(program, plan(program), names=False)), {"x0": codes})["y0"], got)
    is_points = step.op.kernel((x,), (y,)) == "points_u16"
    assert np.abs(got - want).max() <= (0.626 if is_points else 0.501)
    if bits == 16:
        assert is_points == (name in SMOOTH | BENT_AT_0)
        assert isinstance(step.op, Affine) == (name in STRAIGHT)


@pytest.mark.parametrize("name", ["Sigmoid", "Round"])
@pytest.mark.parametrize("bits", [10, 14])
def test_codes_that_no_program_has_count_as_the_last(name: str, bits: int) -> None:
    program, codes, _ = every_code(name, bits)
    net = Net(pack(program, plan(program), names=False))
    above = np.where(codes % 2, codes, 65535 - codes).astype(np.uint16)
    want = harness.in_parts(net, {"x0": np.minimum(above, 2**bits - 1).astype(np.uint16)})["y0"]
    assert np.array_equal(harness.in_parts(net, {"x0": above})["y0"], want)


@pytest.mark.parametrize("gain", [0.0, 1.0, -0.37, 3e-9, 1e-12, 900.5, -2.5e7])
@pytest.mark.parametrize("offset", [0.0, 0.123, -40000.0, 3e12])
def test_affine_over_all_codes(gain: float, offset: float) -> None:
    x, y = QuantParams(0.25, 32771.0, 16), QuantParams(0.5, 100.0, 16)
    program = one_step(Affine(gain, offset, -20.0, 30000.0), x, y, (2**16,))
    codes = np.arange(2**16, dtype=np.uint16)
    got, p = in_numpy(program, codes), program.steps[0].op.params((program.tensors["x"],), (program.tensors["y"],))
    assert np.array_equal(in_c(program, codes), got)
    assert isinstance(p, AffineParams) and 1 <= p.shift <= MAX_SHIFT
    real = (gain * x.scale * (codes - x.zero_point) + offset) / y.scale + y.zero_point
    error = np.abs(got - np.clip(real, 60, 60100))
    assert error.max() <= 0.5 + 2.0**-15 * max(1.0, abs(gain) * x.scale / y.scale)


@pytest.mark.parametrize("size", [2, 1000, 20000])
@pytest.mark.parametrize("top", [1e-4, 3.0, 40.0])
def test_softmax_is_as_close_as_stated(size: int, top: float) -> None:
    x, y = QuantParams(top / 65535, 0.0, 16), QuantParams(1 / 65535, 0.0, 16)
    program = one_step(Softmax(1), x, y, (3, size))
    codes = np.random.default_rng(size).integers(0, 2**16, (3, size)).astype(np.uint16)
    codes[0, :-1], codes[0, -1] = 0, 65535
    got = in_numpy(program, codes)
    assert np.array_equal(in_c(program, codes), got)
    e = np.exp(x.scale * (codes - codes.max(1, keepdims=True).astype(np.float64)))
    error = np.abs(got - e / e.sum(1, keepdims=True) / y.scale)
    assert error.max() <= 0.5 + (size + 4) * 2.0**-29 / y.scale


def widest(bits: int, more: int = 0) -> tuple[Case, Program]:
    """An InstanceNormalization over as many elements as its codes allow, and some more."""
    item = case("InstanceNormalization", floats(1), floats(1), x=Input((1, 1, 2 ** count_bits(bits) + more)))
    return item, harness.quantized(item, harness.model_of(item), bits, bits)


@pytest.mark.parametrize("bits", [12, 16])
def test_the_longest_normalization(bits: int) -> None:
    """Codes half at one end and half at the other: the largest sums there are."""
    item, program = widest(bits)
    (step,) = (s for s in program.steps if "Normalization" in type(s.op).__name__)
    assert program.reads(step)[0].dtype == "u16"
    n = 2 ** count_bits(bits)
    for ends in (np.arange(n) % 2, np.arange(n) > 0, np.arange(n) < n - 1, np.ones(n)):
        x0 = program.tensors["x0"].quant
        assert isinstance(x0, QuantParams)
        x = numerics.dequantize((ends * x0.top).astype(np.uint16).reshape(1, 1, n), x0)
        (got,), (c,) = harness.in_numpy(program, {"x0": x}), harness.in_c(program, {"x0": x})
        assert np.array_equal(got, c)
        y0 = program.tensors["y0"].quant
        assert isinstance(y0, QuantParams)
        d = (x - x.mean(dtype=np.float64)).astype(np.float64)
        scale, bias = (float(v[0]) for v in item.inputs[1:] if isinstance(v, np.ndarray))
        want = (d / np.sqrt((d * d).mean() + 1e-5) * scale + bias) / y0.scale + y0.zero_point
        assert np.abs(got.reshape(x.shape) - np.clip(want, 0, y0.top)).max() <= 0.51


def test_a_longer_normalization_is_computed_on_f32() -> None:
    _, program = widest(16, more=1)
    assert [type(s.op).__name__ for s in program.steps if not s.op.keeps_codes] == ["Dequantize", "Normalization"]
