"""Models whose source rounds sums twice: what they are lowered to, and that it is the source's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import magik_core as magik
from magik_core import library, numerics
from magik_core.errors import GraphError, LoadError
from magik_core.net import Net
from magik_core.ops import Array, Op, Params, Tensors
from magik_core.ops.cases import Case, Input, case, extreme
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams
from magik_core.result import Result
from magik_core.unpack import unpack
from tests import harness
from tests.core.test_rescale_twice import in_two_steps
from tests.ops import test_imported
from tests.ops.test_storage import named, said, weights_of, with_weights

WIDE = (-255, 255)
ONE_OF_EACH = {
    "conv": case("Conv", extreme(17, 4, 3, 3, codes=WIDE), x=(1, 4, 5, 6), pads=[1] * 4, codes=WIDE, twice=True),
    "depthwise_conv": case("Conv", extreme(18, 1, 3, 3, codes=WIDE), x=(1, 18, 5, 6), group=18, codes=WIDE, twice=True),
    "conv_transpose": case("ConvTranspose", extreme(4, 5, 3, 3, codes=WIDE), x=(1, 4, 4, 5), codes=WIDE, twice=True),
    "gemm": case("Gemm", extreme(17, 70, codes=WIDE), x=Input((5, 70), 0, 255), transB=1, codes=WIDE, twice=True),
}


def of_case(item: Case) -> Program:
    return harness.quantized(item, harness.model_of(item))


def narrow(program: Program) -> Program:
    """The program with its weights in s8."""
    return with_weights(program, np.clip(weights_of(program).data, -128, 127).astype(np.int8))


# ---- kernels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ONE_OF_EACH)
def test_one_kernel_reads_weights_of_both_types(op: str) -> None:
    program = of_case(ONE_OF_EACH[op])
    assert f"{op}_u8_twice" in said(program) and said(program) == said(narrow(program))
    item = replace(ONE_OF_EACH[op], twice=False)
    assert f"{op}_u8_s16" in said(of_case(item)) and f"{op}_f32" in said(harness.in_float(harness.model_of(item)))


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("is_wide", [False, True], ids=["s8", "s16"])
def test_every_kind_of_kernels_computes_the_same(op: str, is_wide: bool) -> None:
    """Whatever the weights; and the file holds all that there is to say."""
    item = ONE_OF_EACH[op]
    program = of_case(item) if is_wide else narrow(of_case(item))
    low, high, dtype = (-(2**15), 2**15 - 1, np.int16) if is_wide else (-128, 127, np.int8)
    feeds, rng = harness.data_of(item, program, seed=8), np.random.default_rng(7)
    shape = weights_of(program).shape
    for values in (rng.integers(low, high + 1, shape), rng.choice([low, high, 0], shape)):
        other = with_weights(program, values.astype(dtype))
        want = harness.in_numpy(other, feeds)
        data = pack(other, plan(other), names=True)
        for isa, threads in product((*library.isas(), "fp64"), (1, 3)):
            got = harness.in_parts(Net(data, isa=isa, threads=threads), feeds)
            assert [got[other.source[n]].tobytes() for n in other.outputs] == [y.tobytes() for y in want], isa
        again, placed = unpack(data)
        assert pack(again, placed, names=True) == data
        assert [y.tobytes() for y in harness.in_numpy(again, feeds)] == [y.tobytes() for y in want]


# ---- a sum that is a tie ---------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("isa", [*library.isas(), "fp64"])
@pytest.mark.parametrize("divisor", [2, 4, 8, 64])
def test_every_small_sum(op: str, isa: str, divisor: int) -> None:
    """Sums in [-255, 255] over a power of two: ties of the first rounding, of the second and of both."""
    groups = 2 if op == "depthwise_conv" else 1
    shape = (256, 1) if op == "gemm" else (1, groups, 1, 256)
    w = np.array([1, -1], np.float32).reshape((2, 1) if op == "gemm" else (2, 1, 1, 1)) / np.float32(128)
    w = w.swapaxes(0, 1) if op == "conv_transpose" else w
    more = {"transB": 1} if op == "gemm" else {"group": groups}
    kind = {"gemm": "Gemm", "conv_transpose": "ConvTranspose"}.get(op, "Conv")
    x = Input(shape, 0, 255, values=tuple(range(256)) * groups)
    item = case(kind, w, x=x, codes=(-1, 1), twice=True, **more)
    program = with_output(of_case(item), QuantParams(divisor / 128, 128.0))
    assert f"{op}_u8_twice" in said(program)
    data = pack(program, plan(program), names=False)
    (got,) = harness.in_parts(Net(data, isa=isa), harness.data_of(item, program)).values()
    m, s = numerics.multiplier(1 / divisor)
    want = [[in_two_steps(v, m, 31 - s) for v in (code, -code)] for code in range(256)]
    assert got.reshape(-1, 2).tolist() == np.clip(np.array(want) + 128, 0, 255).tolist()


def with_output(program: Program, quant: QuantParams) -> Program:
    """Other parameters of the output."""
    changed = {n: replace(program.tensors[n], quant=quant) for n in program.outputs}
    return replace(program, tensors={**program.tensors, **changed})


# ---- what the loader refuses -----------------------------------------------------------------------------


def altered(op: Op, m: int, shift: int, zero: int) -> Op:
    """The operator with a multiplier, a shift and a zero point of a damaged file."""

    class Altered(type(op)):  # type: ignore[misc]
        def kernel(self, x: Tensors, y: Tensors) -> str:
            return op.kernel(x, y)

        def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
            return tuple(np.full_like(t, v) for t, v in zip(op.tables(x, y), (m, shift), strict=True))

        def params(self, x: Tensors, y: Tensors) -> Params:
            return replace(op.params(x, y), y_zero=zero)  # type: ignore[type-var]

    return Altered(**vars(op))


def with_ops(program: Program, change: Callable[[Op], Op]) -> Program:
    """The program with the operators that have weights changed."""
    steps = tuple(replace(s, op=change(s.op)) if len(s.inputs) > 2 else s for s in program.steps)
    return replace(program, steps=steps)


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize(("m", "shift", "zero"), [(2**30, 0, 9), (2**30, 63, 9), (2**30, 40, 256), (2**30, 40, -1)])
def test_params_out_of_range_are_refused(op: str, m: int, shift: int, zero: int) -> None:
    program = with_ops(of_case(ONE_OF_EACH[op]), lambda found: altered(found, m, shift, zero))
    refused(program, "a parameter of a step is out of its range")


@pytest.mark.parametrize("op", ONE_OF_EACH)
@pytest.mark.parametrize("shift", [1, 31, 32, 33, 62])
@pytest.mark.parametrize("m", [-(2**31), -(2**30), -1, 0, 2**31 - 1])
def test_any_multiplier_that_is_not_refused(op: str, m: int, shift: int) -> None:
    """No good file has a negative one; C and numpy agree on it all the same."""
    item = ONE_OF_EACH[op]
    program = of_case(item)
    feeds = harness.stored_feeds(program, harness.data_of(item, program))
    program = with_ops(program, lambda found: altered(found, m, shift, 100))
    data = pack(program, plan(program), names=False)
    want = [y.tobytes() for y in harness.in_numpy(program, feeds_as_real(program, feeds))]
    for isa in library.isas():
        got = harness.in_parts(Net(data, isa=isa), feeds)
        assert [got[program.source[n]].tobytes() for n in program.outputs] == want, isa


def feeds_as_real(program: Program, feeds: harness.Feeds) -> harness.Feeds:
    """Stored codes as reals in source order."""
    out = {}
    for name, x in feeds.items():
        t = program.tensors[name]
        assert isinstance(t.quant, QuantParams)
        out[name] = numerics.dequantize(x, t.quant).transpose([t.axes.index(a) for a in range(len(t.axes))])
    return out


@pytest.mark.parametrize("op", ONE_OF_EACH)
def test_weights_of_reals_are_refused(op: str) -> None:
    program = harness.in_float(harness.model_of(ONE_OF_EACH[op]))
    refused(with_ops(program, lambda found: named(found, f"{op}_u8_twice")), None)


def refused(program: Program, found: str | None) -> None:
    with pytest.raises(LoadError) as error:
        Net(pack(program, plan(program), names=False))
    assert found is None or error.value.problems[0].found == found


# ---- from a source that says so --------------------------------------------------------------------------


def source() -> tuple[test_imported.Net, list[str]]:
    """A net of one convolution of each kind and a matrix, and what each of them gives."""
    net, rng = test_imported.Net(1, 5, 6, 7), np.random.default_rng(3)
    x, outputs = net.pair("x", 0.05, np.int8(-20)), []
    for kind, channels, shape, more in (
        ("Conv", 8, (8, 5, 3, 3), {"pads": [1, 1, 1, 1]}),
        ("Conv", 8, (8, 1, 3, 3), {"group": 8}),
        ("ConvTranspose", 6, (8, 6, 2, 2), {"strides": [2, 2]}),
    ):
        scale = rng.uniform(0.002, 0.006, channels).astype(np.float32)
        axis = 1 if kind == "ConvTranspose" else 0
        w = net.weight(rng.integers(-127, 128, shape).astype(np.int8), scale, axis=axis)
        b = net.weight(rng.integers(-2000, 2000, channels).astype(np.int32), np.float32(0.05) * scale)
        x = net.pair(net.op(kind, x, w, b, **more), 0.05, np.int8(3))
        outputs.append(x)
    rows = net.pair(net.op("Flatten", x, axis=1), 0.05, np.int8(3))
    w = net.weight(rng.integers(-127, 128, (480, 10)).astype(np.int8), np.float32(0.002))
    return net, [*outputs, net.pair(net.op("MatMul", rows, w), 0.1, np.int8(-9))]


def convert(rounding: str | None, folder: Path, **keys: bool) -> Result:
    net, outputs = source()
    model = ir.from_proto(net.model(*outputs))
    if rounding is not None:
        model.metadata_props["magik.rounding"] = rounding
    return magik.convert(model, folder / "net", **keys)


def test_the_property_of_a_model_reaches_its_steps(tmp_path: Path) -> None:
    kinds = [k for k in said(convert("twice", tmp_path).program) if "_x8" not in k]
    assert kinds == ["conv_u8_twice", "depthwise_conv_u8_twice", "conv_transpose_u8_twice", "gemm_u8_twice"]
    once = said(convert("once", tmp_path).program)
    assert not any("twice" in k for k in once) and once == said(convert(None, tmp_path).program)
    assert not any("twice" in k for k in said(convert("twice", tmp_path, is_float=True).program))


@pytest.mark.parametrize("is_float", [False, True])
def test_another_rounding_is_refused(tmp_path: Path, is_float: bool) -> None:
    with pytest.raises(GraphError) as error:
        convert("thrice", tmp_path, is_float=is_float)
    (problem,) = error.value.problems
    assert problem.what == "a model rounds in a way that no kernel does"
    assert problem.where == "metadata property 'magik.rounding'"
    assert (problem.found, problem.need) == ("thrice", "once or twice")


def test_every_step_is_the_source_s_arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same codes come out where every sum goes through the two steps of tests/core/test_rescale_twice.py."""
    program = convert("twice", tmp_path).program
    feeds = {"x": np.random.default_rng(4).uniform(-3, 3, (1, 5, 6, 7)).astype(np.float32)}
    got, once = (harness.in_c(p, feeds) for p in (program, convert("once", tmp_path).program))
    two_steps = np.vectorize(lambda acc, m, s: in_two_steps(int(acc), int(m), 31 - s), otypes=[np.int64])
    monkeypatch.setattr(numerics, "rescale_twice", two_steps)
    want = harness.in_numpy(program, feeds)
    for y, w in zip(got, want, strict=True):
        assert np.array_equal(y, w) and len(np.unique(w)) > 5
    assert any((a != b).any() for a, b in zip(once, want, strict=True))  # where it makes a difference
