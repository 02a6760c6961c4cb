"""magik.load: the same integers as the numpy definition, feeds in either layout, errors all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import magik_core as magik
from magik_core import numerics, pack
from magik_core.errors import LoadError, Problem, RunError
from magik_core.graph import OPSET
from magik_core.library import kernel_names
from magik_core.lower import lower
from magik_core.net import Net, Port, encode, load
from magik_core.plan import plan
from magik_core.program import Program, QuantParams
from magik_core.run import run
from magik_core.source import Quantization
from tests import harness
from tests.runtime.corpus import nets

PROGRAMS = nets()
X = np.random.default_rng(7).uniform(-1, 1, (1, 3, 9, 7)).astype(np.float32)


def packed(program: Program) -> bytes:
    return pack.pack(program, plan(program), names=True)


def net_of(name: str, threads: int = 1) -> Net:
    return Net(packed(PROGRAMS[name]), threads=threads)


def two_inputs() -> Program:
    """y = a + b with a quantized and b f32 of another shape, and z = not c."""
    nodes = [helper.make_node("Add", ["a", "b"], ["y"], "sum"), helper.make_node("Identity", ["c"], ["z"], "same")]
    values = [
        ("a", TensorProto.FLOAT, (1, 2, 3, 4)),
        ("b", TensorProto.FLOAT, (2, 1, 1)),
        ("c", TensorProto.INT64, (3,)),
    ]
    inputs = [helper.make_tensor_value_info(*v) for v in values]
    outputs = [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2, 3, 4)),
        helper.make_tensor_value_info("z", TensorProto.INT64, (3,)),
    ]
    graph = helper.make_graph(nodes, "two", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    return lower(harness.infer(model), Quantization({"a": QuantParams(0.5, 3.0), "y": QuantParams(1.0, 0.0)}))


def problems(feeds: Mapping[str, object] | object, net: Net | None = None) -> list[Problem]:
    with pytest.raises(RunError) as error:
        (net or Net(packed(two_inputs()))).run(feeds)  # type: ignore[arg-type]
    return list(error.value.problems)


GOOD = {"a": np.zeros((1, 2, 3, 4), np.float32), "b": np.zeros((2, 1, 1)), "c": np.zeros(3, np.int64)}

# ---- the same numbers as numpy -----------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_run_equals_numpy(name: str) -> None:
    program, net = PROGRAMS[name], net_of(name)
    x = X * 255 if name == "net border" else X
    values = run(program, harness.stored_feeds(program, {"x": x}))
    codes, reals = net.run_quantized({"x": x}), net.run({"x": x})
    for t in program.outputs:
        tensor, public = program.tensors[t], program.source[t]
        assert codes[public].dtype == values[t].dtype and np.array_equal(codes[public], values[t])
        (want,) = harness.as_source(Program("", program.tensors, (), (), (t,)), [values[t]])
        assert reals[public].dtype == np.float32 and np.array_equal(reals[public], want), tensor


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_trace_equals_numpy_for_any_number_of_threads(name: str, threads: int) -> None:
    program = PROGRAMS[name]
    values = run(program, harness.stored_feeds(program, {"x": X}))
    trace = net_of(name, threads).trace({"x": X})
    order = list(program.tensors)
    wanted = [(s.op.kernel(program.reads(s), program.writes(s)), t) for s in program.steps for t in s.outputs]
    assert [(kernel, order[index]) for kernel, index, _ in trace] == wanted
    for (_, t), (_, _, value) in zip(wanted, trace, strict=True):
        assert value.tobytes() == np.ascontiguousarray(values[t]).tobytes(), t


def test_several_nets_in_several_threads() -> None:
    """Separate nets share nothing; a net is used by one thread at a time, whichever."""
    inputs = [X * k for k in (1.0, 0.5, -0.25, 0.0)]
    alone = {n: [net_of(n).run_quantized(x) for x in inputs] for n in PROGRAMS}
    shared = {n: net_of(n, threads=2) for n in PROGRAMS}

    def work(name: str) -> list[dict[str, np.ndarray]]:
        return [harness.in_parts(shared[name], {"x": x}) for _ in range(20) for x in inputs]

    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        for name, got in zip(PROGRAMS, pool.map(work, PROGRAMS), strict=True):
            for i, y in enumerate(got):
                assert all(np.array_equal(y[k], alone[name][i % 4][k]) for k in y), name


def test_a_run_leaves_nothing_behind() -> None:
    net = net_of("net u8")
    first = net.run_quantized(X)
    net.run_quantized(np.full_like(X, 1e30))
    assert all(np.array_equal(v, first[k]) for k, v in net.run_quantized(X).items())


# ---- ports and feeds -----------------------------------------------------------------------------------


def test_ports() -> None:
    net = net_of("net u8")
    (x,), outputs = net.inputs, {p.name: p for p in net.outputs}
    assert (x.name, x.shape, x.board_shape, x.dtype, x.layout, x.bits) == (
        "x",
        (1, 3, 9, 7),
        (1, 9, 7, 3),
        "u8",
        "NHWC",
        8,
    )
    assert x.quant == numerics.params_of_range(-1, 1)
    assert set(outputs) == {"y", "c"} and outputs["c"].layout == "NHWC" and outputs["y"].layout == "source"
    (f,) = net_of("net f32").inputs
    assert f.dtype == "f32" and f.quant is None and (f.scale, f.zero_point) == (0.0, 0.0)


def test_codes_in_the_boards_layout_and_reals_in_the_sources_are_the_same_feed() -> None:
    net = net_of("net u8")
    quant = net.inputs[0].quant
    assert quant is not None
    codes = numerics.quantize(X.transpose(0, 2, 3, 1), quant)
    for feed in (X, {"x": X}, {"x": X.astype(np.float64)}, codes, {"x": codes}):
        got = net.run_quantized(feed)
        assert all(np.array_equal(v, got[k]) for k, v in net.run_quantized(X).items())


def test_whole_numbers_in_the_sources_order_are_raw_pixels() -> None:
    net = net_of("net border")
    pixels = np.random.default_rng(1).integers(0, 256, (1, 3, 9, 7), np.uint8)
    board = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    for feed in (pixels.astype(np.float32), pixels.astype(np.int64), board):
        assert all(np.array_equal(v, net.run_quantized(pixels)[k]) for k, v in net.run_quantized(feed).items())


def test_integers_stay_integers() -> None:
    out = Net(packed(two_inputs())).run({**GOOD, "c": np.array([5, -7, 2**31 - 1])})
    assert out["z"].dtype == np.int32 and out["z"].tolist() == [5, -7, 2**31 - 1]


# ---- errors ---------------------------------------------------------------------------------------------


def test_every_wrong_feed_is_said_at_once() -> None:
    found = problems({"A": GOOD["a"], "a": np.zeros((1, 2, 3, 5)), "c": np.array(["x", "y", "z"])})
    assert [str(p) for p in found] == [
        "error: an input is missing\nfound: A, a, c\n need: b",
        "error: an input has an unknown name\nfound: A\n need: a, b, c",
        "error: an input has another shape\nwhere: input 'a'\nfound: (1, 2, 3, 5)\n"
        " need: (1, 2, 3, 4), or u8 (1, 3, 4, 2) in the board's layout",
        "error: an input is not numbers\nwhere: input 'c'\nfound: <U1\n need: floats or integers",
    ]


def test_rows_of_several_lengths() -> None:
    (problem,) = problems({**GOOD, "a": [[1], [1, 2]]})
    assert (problem.what, problem.where) == ("an input is no array", "input 'a'") and "inhomogeneous" in problem.found


def test_one_array_feeds_one_input_only() -> None:
    assert [(p.what, p.need) for p in problems(GOOD["a"])] == [
        ("an input is missing", "b"),
        ("an input is missing", "c"),
    ]


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, np.nan, np.inf])
def test_integers_that_do_not_fit(value: float) -> None:
    (problem,) = problems({**GOOD, "c": np.array([0, 1, value])})
    assert str(problem) == (
        "error: an input does not fit its type\nwhere: input 'c'\nfound: values out of range or NaN\n"
        " need: integers that s32 holds"
    )


@pytest.mark.parametrize("value", [np.zeros(3, np.complex64), np.zeros(3, object), np.zeros(3, "datetime64[s]")])
def test_what_is_no_number(value: np.ndarray) -> None:
    (problem,) = problems({**GOOD, "c": value})
    assert problem.what == "an input is not numbers" and problem.found == str(value.dtype)


def test_a_refused_feed_changes_nothing() -> None:
    net = Net(packed(two_inputs()))
    want = net.run(GOOD)
    problems({**GOOD, "a": np.ones((1, 2, 3, 4)), "b": np.zeros(1)}, net)
    got = net.trace(GOOD)
    assert np.array_equal(net.run(GOOD)["y"], want["y"]) and len(got) > 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e39])
def test_a_number_without_a_code_is_refused_and_f32_takes_it(value: float) -> None:
    a, b = np.zeros((1, 2, 3, 4)), np.zeros((2, 1, 1), np.float32)
    a[0, 1, 2, 3] = value
    (problem,) = problems({**GOOD, "a": a})
    assert str(problem) == (
        "error: an input is not finite\nwhere: input 'a'\nfound: 1 of 24 values are NaN, infinite or beyond f32\n"
        " need: numbers that codes stand for"
    )
    b[0, 0, 0] = np.nan
    assert set(Net(packed(two_inputs())).run({**GOOD, "b": b})) == {"y", "z"}


def test_a_name_that_is_no_text() -> None:
    assert [(p.what, p.found) for p in problems({3: 4})][-1] == ("an input has an unknown name", "3")


@pytest.mark.parametrize("threads", [0, -1, "x", None, 1.5])
def test_a_wrong_number_of_threads(threads: Any) -> None:
    actions: list[Callable[[], object]] = [lambda: net_of("net u8", threads)]
    if threads is not None:  # which is the default there
        actions.append(lambda: magik.convert("none.onnx", threads=threads))
    for action in actions:
        with pytest.raises(RunError) as error:
            action()
        assert str(error.value) == f"error: the number of threads is wrong\nfound: {threads}\n need: 1 or more"


def test_load(tmp_path: Path) -> None:
    path = tmp_path / "net.mgk"
    path.write_bytes(packed(PROGRAMS["net u8"]))
    assert load(path, threads=2).outputs == load(str(path)).outputs
    with pytest.raises(LoadError) as error:
        load(tmp_path / "none.bin")
    assert str(error.value) == (
        f"error: a model file cannot be read\nwhere: {tmp_path / 'none.bin'}\nfound: No such file or directory\n"
        " need: a .bin or .mgk that magik convert has written"
    )


def test_a_refused_file_says_where() -> None:
    data = bytearray(packed(PROGRAMS["net u8"]))
    data[-1] ^= 1
    with pytest.raises(LoadError) as error:
        Net(bytes(data), name="my.bin")
    assert str(error.value) == (
        "error: a model file is refused\nwhere: my.bin\nfound: a checksum does not match\n"
        " need: a .bin or .mgk as `magik convert` writes them"
    )


def test_encode_bool_and_half_codes() -> None:
    flag = Port("f", (2,), (2,), "bool", 0.0, 0.0, 0, (0,))
    assert encode(flag, np.array([0.0, -3.0])).tolist() == [0, 1]
    half = Port("h", (3,), (3,), "u8", 1.0, 127.5, 8, (0,))
    assert encode(half, np.array([-0.5, 0.0, 0.49], np.float32)).tolist() == [127, 128, 128]


def test_kernel_names_are_the_operators() -> None:
    names = kernel_names()
    assert len(set(names)) == len(names) and {"conv_u8", "conv_f32", "add_u8", "reshape_x8"} <= set(names)
