"""Sums of convolutions and Gemm beyond 8 bits: which kernel takes them, in how many bits, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core import library, numerics
from magik_core.errors import LoadError, LowerError
from magik_core.graph import OPSET
from magik_core.lower import lower
from magik_core.net import Net
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Case, Input, case, floats, weights
from magik_core.ops.conv import Conv
from magik_core.ops.sums import MAX_SUM
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams, Tensor
from magik_core.source import Codes, Quantization
from magik_core.unpack import unpack
from magik_core.weights import weight_codes
from tests import harness
from tests.ops.test_storage import named, said, with_weights

ONE_OF_EACH = {
    "conv": case("Conv", weights(17, 4, 3, 3), floats(17), x=(1, 4, 5, 6), pads=[1, 1, 1, 1]),
    "depthwise_conv": case("Conv", weights(18, 1, 3, 3), floats(18), x=(1, 18, 5, 6), group=18, pads=[0, 1, 2, 0]),
    "conv_transpose": case("ConvTranspose", weights(4, 5, 3, 3), floats(5), x=(1, 4, 4, 5), strides=[2, 1]),
    "gemm": case("Gemm", weights(17, 70), floats(17), x=Input((5, 70), 0, 255), transB=1),
}


def of_case(item: Case, bits: int = 12, y_bits: int = 12, weight_bits: int = 8) -> Program:
    return harness.quantized(item, harness.model_of(item), bits, y_bits, weight_bits)


def bias_of(program: Program) -> Tensor:
    return program.tensors[next(s.inputs[2] for s in program.steps if len(s.inputs) > 2)]


def same_bits(program: Program, feeds: harness.Feeds) -> list[Array]:
    want = harness.in_numpy(program, feeds)
    for threads in (1, 3):
        got = harness.in_c(program, feeds, threads)
        assert [y.tobytes() for y in got] == [y.tobytes() for y in want]
    return want


# ---- which kernel ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("bits", [(8, 10), (10, 8), (16, 16)], ids=str)
@pytest.mark.parametrize("weight_bits", [2, 4, 8, 16])
def test_wide_activations_have_one_kernel_for_all_weights(op: str, bits: tuple[int, int], weight_bits: int) -> None:
    program = of_case(ONE_OF_EACH[op], *bits, weight_bits)
    assert said(program) == ["store_u16"] * (bits[0] == 8) + [f"{op}_u16"] + ["store_u8"] * (bits[1] == 8)
    w = next(t for n, t in program.tensors.items() if n == "node/w")
    assert w.dtype == ("s16" if weight_bits == 16 else "s8")
    again, _ = unpack(pack(program, plan(program), names=True))
    assert said(again) == said(program) and bias_of(again).dtype == bias_of(program).dtype


@pytest.mark.parametrize(("depth", "bits", "dtype"), [(4, 16, "s32"), (600, 16, "s64"), (600, 10, "s32")])
def test_a_layer_has_the_sums_that_its_weights_need(depth: int, bits: int, dtype: str) -> None:
    program = of_case(case("Gemm", weights(5, depth), floats(5), x=(3, depth), transB=1), bits, bits)
    assert said(program) == ["gemm_u16"] and bias_of(program).dtype == dtype


def test_weights_of_16_bits_keep_them_on_codes_of_8() -> None:
    """Sums that 32 bits do not hold: the codes of x in u16, none of the weights' given up."""
    item = case("Gemm", weights(5, 900), floats(5), x=(3, 900), transB=1)
    program = of_case(item, 8, 8, 16)
    assert said(program) == ["store_u16", "gemm_u16", "store_u8"] and bias_of(program).dtype == "s64"
    w = program.tensors["node/w"].data
    assert w is not None and np.array_equal(w, np.round(weights(5, 900) * 128) * 256)
    feeds = harness.data_of(item, program)
    y = program.tensors[program.outputs[0]].quant
    assert isinstance(y, QuantParams)
    (got,), (want,) = same_bits(program, feeds), harness.reference(harness.model_of(item), feeds)
    error = np.abs(numerics.dequantize(got, y) - np.clip(want, -y.scale * y.zero_point, np.inf)) / y.scale
    assert error.max() <= 0.51
    short = case("Gemm", weights(5, 30), floats(5), x=(3, 30), transB=1)
    assert said(of_case(short, 8, 8, 16)) == ["gemm_u8_s16"]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_channel_that_is_switched_off_slows_no_other(bits: int) -> None:
    """Its bias is large beside its weights: a larger scale loses nothing."""
    w = weights(4, 6, 1, 1) * np.array([1e-31, 1e-9, 1, 1], np.float32).reshape(4, 1, 1, 1)
    item = case("Conv", w, floats(4, low=0.5), x=(1, 6, 3, 3))
    program = of_case(item, bits, bits)
    assert said(program) == [f"conv_u{bits}"]
    assert bits == 16 or bias_of(program).dtype == "s32"
    feeds = harness.data_of(item, program)
    y = program.tensors["y0"].quant
    assert isinstance(y, QuantParams)
    (got,), (want,) = (
        harness.as_source(program, same_bits(program, feeds)),
        harness.reference(harness.model_of(item), feeds),
    )
    low, high = -y.scale * y.zero_point, y.scale * (y.top - y.zero_point)
    assert (np.abs(got - np.clip(want, low, high)) / y.scale).max() <= 0.51 + 2.0 ** (bits - 16)


def test_sums_over_u16_are_rounded_once() -> None:
    """A source that rounds twice has codes of 8 bits."""
    item = replace(ONE_OF_EACH["conv"], twice=True)
    assert said(of_case(item)) == ["conv_u16"] and said(of_case(item, 8, 8)) == ["conv_u8_twice"]
    (step,) = of_case(item).steps
    assert isinstance(step.op, Conv) and not step.op.twice


# ---- operators that become a convolution -----------------------------------------------------------------


def channels(*values: float) -> Array:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    "item",
    [
        case("Mul", channels(0.5, -1, 2).reshape(1, 3, 1, 1), x=(1, 3, 4, 5)),
        case("Div", channels(0.5, -1, 2).reshape(3, 1, 1), x=(2, 3, 5, 2)),
        case("Add", channels(0.25, -1, 0.5).reshape(3, 1, 1), x=(1, 3, 4, 5)),
        case("BatchNormalization", *(channels(1, v, 2) for v in (-1, 0.5, 0.25, 1)), x=(1, 3, 4, 5)),
    ],
    ids=str,
)
def test_a_constant_per_channel_is_a_depthwise_convolution(item: Case) -> None:
    program = of_case(item, 12, 12, 16)
    assert said(program) == ["depthwise_conv_u16"]
    same_bits(program, harness.data_of(item, program))


def with_mean(mean: float, padded: bool = True) -> tuple[Program, harness.Feeds]:
    """A convolution of raw pixels less a mean, with outputs of 16 bits."""
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["m"], "x/mean"),
        helper.make_node("Conv", ["m", "w", "b"], ["y"], "conv", pads=[int(padded)] * 4),
    ]
    constants = {
        "mean": np.array([mean, 10.5, 1], np.float32).reshape(1, 3, 1, 1),
        "w": weights(4, 3, 3, 3),
        "b": floats(4),
    }
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 6, 5))
    constants_of = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "mean", [x], [onnx_value("y")], constants_of)
    model = harness.infer(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10))
    y = QuantParams(4 * 2.0**-6, 2.0**15, 16)
    quant = {"x": QuantParams(1.0), "m": QuantParams(4 * 2.0**-8, 0.0, 16), "y": y}
    program = lower(model, Quantization(quant, weights=lambda _, w: weight_codes(harness.channel_scales, 16, True, w)))
    feeds = {"x": np.random.default_rng(3).integers(0, 256, (1, 3, 6, 5)).astype(np.float32)}
    (got,), (want,) = harness.as_source(program, same_bits(program, feeds)), harness.reference(model, feeds)
    high = y.scale * (y.top - y.zero_point)
    assert (np.abs(got - np.clip(want, -y.scale * y.zero_point, high)) / y.scale).max() <= 0.52
    return program, feeds


def onnx_value(name: str) -> object:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def test_a_mean_is_folded_into_wide_outputs_too() -> None:
    program, _ = with_mean(120.25)
    assert said(program) == ["store_u16", "conv_u16"] and "conv/border" in program.tensors


def test_padding_that_adds_too_much_is_refused() -> None:
    with pytest.raises(LowerError) as caught:
        with_mean(1e6)
    (problem,) = caught.value.problems
    assert (problem.what, problem.where) == ("Conv: what padding adds does not fit 32 bits", "node 'conv'")
    assert problem.need == "at most 2147483647"


# ---- codes of a source that stay -------------------------------------------------------------------------


def of_source(bias: float, twice: bool, y_scale: float = 1.0) -> Program:
    """A Gemm whose weights have codes of their own; the sums are near what its bias is."""
    codes = Codes(np.full((2, 9), 100), np.array([0.5]), np.array([0]))
    item = case("Gemm", codes.reals(), np.full(2, bias, np.float32), x=(3, 9), transB=1)
    quant = {"x0": QuantParams(0.5, 3.0), "y0": QuantParams(y_scale, 7.0)}
    return lower(harness.model_of(item), Quantization(quant, constants={"x1": codes}, rounds_twice=twice))


def test_codes_of_a_source_get_the_bits_that_they_need() -> None:
    assert said(of_source(2.0**28, twice=True)) == ["gemm_u8_twice"]
    program = of_source(2.0**30, twice=False)
    assert said(program) == ["store_u16", "gemm_u16", "store_u8"] and bias_of(program).dtype == "s64"
    w = program.tensors["node/w"]
    assert w.data is not None and (w.data == 100).all() and w.dtype == "s8"


@pytest.mark.parametrize(("bias", "dtype"), [(381.5, "s32"), (382.5, "s64"), (-382.5, "s32"), (-383.5, "s64")])
def test_the_largest_sum_is_that_of_the_bias_as_it_is_stored(bias: float, dtype: str) -> None:
    """A tie is rounded up: 255 * 8421503 + 382.5 is 2^31 - 0.5, and its bias makes it 2^31."""
    numbers = np.full((1, 66312), 127 if bias > 0 else -127, np.int64)
    numbers[0, 0] = 6 if bias > 0 else -6
    codes = Codes(numbers, np.ones(1), np.zeros(1, np.int64))
    item = case("Gemm", codes.reals(), np.array([bias], np.float32), x=(1, numbers.size), transB=1)
    quant = {"x0": QuantParams(1.0, 0.0), "y0": QuantParams(2.0**24, 128.0)}
    program = lower(harness.model_of(item), Quantization(quant, constants={"x1": codes}))
    assert bias_of(program).dtype == dtype
    same_bits(program, {"x0": np.full((1, numbers.size), 255, np.float32)})


@pytest.mark.parametrize(
    ("bias", "twice", "y_scale", "bits", "need"),
    [
        (2.0**30, True, 1.0, 32, 2**31 - 1),
        (2.0**30, False, 2.0**30, 32, 2**31 - 1),
        (2.0**54, False, 1.0, 64, MAX_SUM),
    ],
    ids=["twice", "tiny", "too large"],
)
def test_codes_of_a_source_that_no_kernel_sums(bias: float, twice: bool, y_scale: float, bits: int, need: int) -> None:
    with pytest.raises(LowerError) as caught:
        of_source(bias, twice, y_scale)
    (problem,) = caught.value.problems
    assert problem.what == f"Gemm: sums do not fit {bits} bits"
    assert (problem.where, problem.need) == ("node 'node'", f"at most {need}")


# ---- files that are not ours -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Wrong:
    """What a damaged file says in the place of its own."""

    m: int = 2**30
    shift: int = 40
    zero: int = 9


def altered(op: Op, wrong: Wrong) -> Op:
    class Altered(type(op)):  # type: ignore[misc]
        def kernel(self, x: Tensors, y: Tensors) -> str:
            return op.kernel(x, y)

        def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
            return tuple(np.full_like(t, v) for t, v in zip(op.tables(x, y), (wrong.m, wrong.shift), strict=True))

        def params(self, x: Tensors, y: Tensors) -> Params:
            return replace(op.params(x, y), y_zero=wrong.zero)  # type: ignore[type-var]

    return Altered(**vars(op))


def with_op(program: Program, wrong: Wrong) -> Program:
    steps = tuple(replace(s, op=altered(s.op, wrong)) if len(s.inputs) > 2 else s for s in program.steps)
    return replace(program, steps=steps)


def with_bias(program: Program, values: Array) -> Program:
    t = bias_of(program)
    fresh = replace(t, dtype={4: "s32", 8: "s64"}[values.dtype.itemsize], data=values)
    return replace(program, tensors={**program.tensors, t.name: fresh})


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("shift", [1, 31, 32, 62])
@pytest.mark.parametrize("m", [-(2**31), -1, 0, 2**30, 2**31 - 1])
def test_any_sums_that_are_not_refused(op: str, m: int, shift: int) -> None:
    """Weights and biases at their ends; C and numpy agree, and no sum overflows."""
    item = ONE_OF_EACH[op]
    program, rng = of_case(item, 16, 16, 16), np.random.default_rng(m % 97 + shift)
    feeds = harness.data_of(item, program)
    w, b = program.tensors["node/w"], bias_of(program)
    program = with_weights(program, rng.choice(np.array([-(2**15), 2**15 - 1, 0], np.int16), w.shape))
    ends = np.array([-MAX_SUM, MAX_SUM, MAX_SUM - 1, 0, 2**33], np.int64)
    program = with_op(with_bias(program, rng.choice(ends, b.shape)), Wrong(m, shift, 30000))
    same_bits(program, feeds)


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("wrong", [Wrong(shift=0), Wrong(shift=63), Wrong(zero=-1), Wrong(zero=65536)], ids=str)
def test_params_out_of_range_are_refused(op: str, wrong: Wrong) -> None:
    refused(with_op(of_case(ONE_OF_EACH[op]), wrong), "a parameter of a step is out of its range")


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("value", [MAX_SUM + 1, -MAX_SUM - 1, 2**63 - 1, -(2**63)])
def test_a_bias_beyond_its_range_is_refused(op: str, value: int) -> None:
    program = of_case(ONE_OF_EACH[op])
    refused(with_bias(program, np.full(bias_of(program).shape, value)), "a step's shapes do not fit each other")


@pytest.mark.parametrize("op", ONE_OF_EACH)
def test_a_bias_of_s64_is_for_u16_alone(op: str) -> None:
    program = of_case(ONE_OF_EACH[op], 8, 8)
    refused(with_bias(program, np.zeros(bias_of(program).shape, np.int64)), "a step's shapes do not fit each other")


@pytest.mark.parametrize("op", ONE_OF_EACH)
def test_a_kernel_for_other_codes_is_refused(op: str) -> None:
    for bits, wrong in ((8, f"{op}_u16"), (16, f"{op}_u8"), (16, f"{op}_f32")):
        program = of_case(ONE_OF_EACH[op], bits, bits)
        steps = tuple(replace(s, op=named(s.op, wrong)) for s in program.steps)
        with pytest.raises(LoadError):
            Net(pack(replace(program, steps=steps), plan(program), names=False))


def refused(program: Program, found: str) -> None:
    with pytest.raises(LoadError) as error:
        Net(pack(program, plan(program), names=False))
    assert error.value.problems[0].found == found


def test_every_kind_of_kernels_has_them() -> None:
    for op, item in ONE_OF_EACH.items():
        program = of_case(item)
        feeds = harness.data_of(item, program)
        data = pack(program, plan(program), names=False)
        found = [harness.in_parts(Net(data, isa=isa), feeds) for isa in (*library.isas(), "fp64")]
        assert len({next(iter(y.values())).tobytes() for y in found}) == 1, op
