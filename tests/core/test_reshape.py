"""Programs and nets at other sizes: what follows from the inputs, what stays, and every message."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from magik_core.errors import MagikError, Problem, RunError
from magik_core.net import Net
from magik_core.ops.cases import case, ints
from magik_core.ops.reshape import Reshape
from magik_core.ops.slice import TO_END, Slice
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.plan_check import check_plan
from magik_core.program import Program, Shape
from magik_core.reshape import ShapeError, reshape, stacked
from magik_core.run import run
from tests import harness
from tests.runtime.corpus import nets

NETS = nets()


def net_of(name: str, threads: int = 1) -> Net:
    return Net(pack(NETS[name], plan(NETS[name]), names=True), threads=threads)


def only(error: pytest.ExceptionInfo[MagikError]) -> Problem:
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize("name", NETS)
def test_steps_stay_and_sizes_follow(name: str) -> None:
    program = NETS[name]
    other = reshape(program, {"x": (2, 18, 14, 3)})
    assert other.steps == program.steps
    assert other.tensors["x"].shape == (2, 18, 14, 3)
    for step in other.steps:
        want = step.op.shape(*(t.shape for t in other.reads(step)))
        assert tuple(t.shape for t in other.writes(step)) == want
        before, after = ([p.reads(step), p.writes(step)] for p in (program, other))
        assert step.op.params(*before) == step.op.params(*after)
        tables = zip(step.op.tables(*before), step.op.tables(*after), strict=True)
        assert all(np.array_equal(a, b) for a, b in tables)
    for same in (reshape(other, {"x": (1, 9, 7, 3)}), reshape(program, {})):
        assert {n: t.shape for n, t in same.tensors.items()} == {n: t.shape for n, t in program.tensors.items()}


def test_stacked_tensors_never_meet() -> None:
    program = NETS["net u8"]
    placed = stacked(program)
    check_plan(program, placed)
    assert placed.arena_bytes == sum(-(-t.nbytes // 64) * 64 for t in program.activations())


def test_an_unknown_input() -> None:
    with pytest.raises(ShapeError) as error:
        reshape(NETS["net u8"], {"image": (1, 9, 7, 3)})
    assert only(error) == Problem("the model has no such input", NETS["net u8"].name, "image", "x")


@pytest.mark.parametrize("shape", [(9, 7, 3), (1, 9, 7, 3, 1), (1, 0, 7, 3), (1, -1, 7, 3), (1, 2**20, 2**20, 3)])
def test_a_shape_that_no_input_has(shape: Shape) -> None:
    with pytest.raises(ShapeError) as error:
        reshape(NETS["net u8"], {"x": shape})
    need = "4 sizes of 1 and above, at most 536870911 elements"
    assert only(error) == Problem("an input cannot have this shape", "input 'x'", str(shape), need)


def test_a_step_that_leaves_nothing() -> None:
    program = harness.in_float(harness.model_of(case("MaxPool", x=(1, 2, 5, 5), kernel_shape=[3, 3])))
    with pytest.raises(ShapeError) as error:
        reshape(program, {"x0": (1, 2, 5, 2)})
    found = only(error)
    assert found.what == "the model cannot have these input sizes"
    assert found.where == f"step 'node' in {program.name}"
    assert found.found == "[(1, 2, 5, 2)] gives (1, 0, 3, 2)"
    assert found.need == "sizes of 1 and above that the operator takes"


def test_a_step_whose_inputs_no_longer_fit() -> None:
    weights = np.ones((1, 2, 5, 5), np.float32)
    program = harness.in_float(harness.model_of(case("Add", weights, x=(1, 2, 5, 5))))
    with pytest.raises(ShapeError) as error:
        reshape(program, {"x0": (1, 6, 5, 2)})
    assert only(error).need == "shapes do not broadcast"
    assert "(1, 6, 5, 2)" in only(error).found


def test_sizes_that_only_the_runtime_refuses() -> None:
    """Conv's own `shape` does not look at the channels."""
    with pytest.raises(ShapeError) as error:
        reshape(NETS["net u8"], {"x": (1, 9, 7, 4)})
    assert only(error) == Problem(
        "the runtime would refuse the model", "node 'conv'", "a step's shapes do not fit each other"
    )


# ---- Net.reshape -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", NETS)
def test_a_net_at_other_sizes_equals_numpy(name: str, threads: int) -> None:
    net, program = net_of(name, threads), NETS[name]
    rng = np.random.default_rng(1)
    for shape in ((1, 3, 18, 14), (2, 3, 9, 7), (1, 3, 9, 7)):
        net.reshape({"x": shape})
        x = rng.uniform(-1, 1, shape).astype(np.float32)
        other = reshape(program, {"x": (shape[0], *shape[2:], shape[1])})
        assert net.inputs[0].shape == shape
        want = run(other, harness.stored_feeds(other, {"x": x}))
        for name_out, y in net.run_quantized(x).items():
            np.testing.assert_array_equal(y, want[_stored_name(program, name_out)])
        assert [p.board_shape for p in net.outputs] == [other.tensors[n].shape for n in other.outputs]


def _stored_name(program: Program, name: str) -> str:
    return next(n for n in program.outputs if program.source.get(n, n) == name)


def test_the_files_sizes_have_the_files_plan() -> None:
    net = net_of("net u8")
    before = net.arena_bytes
    net.reshape({"x": (3, 3, 18, 14)})
    assert net.arena_bytes > before
    net.reshape({"x": (1, 3, 9, 7)})
    assert net.arena_bytes == before


def test_a_refusal_leaves_the_net_as_it_was() -> None:
    net = net_of("net u8")
    x = np.random.default_rng(2).uniform(-1, 1, (1, 3, 9, 7)).astype(np.float32)
    want = net.run(x)
    with pytest.raises(RunError) as error:
        net.reshape({"x": (1, 4, 9, 7)})
    assert only(error) == Problem(
        "the model cannot have these input sizes",
        "step 0 (conv_u8)",
        "x (1, 4, 9, 7): a step's shapes do not fit each other",
        "sizes that every operator takes, in less than 2 GiB",
    )
    for name, y in net.run(x).items():
        np.testing.assert_array_equal(y, want[name])


def test_a_net_that_would_not_fit_names_the_tensor() -> None:
    with pytest.raises(RunError) as error:
        net_of("net u8").reshape({"x": (1, 3, 2**15, 2**15)})
    assert only(error).where == "input 'x'"
    assert only(error).found.endswith("a tensor's type, size or place is wrong")


def test_wrong_names_and_ranks_are_reported_together() -> None:
    with pytest.raises(RunError) as error:
        net_of("net u8").reshape({"image": (1, 3, 9, 7), "x": (3, 9, 7)})
    assert list(error.value.problems) == [
        Problem("an input has an unknown name", found="image", need="x"),
        Problem(
            "an input cannot have this shape", "input 'x'", "(3, 9, 7)", "4 sizes of 1 and above, as in (1, 3, 9, 7)"
        ),
    ]


# ---- parameters that follow height and width ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "other", "want"),
    [
        ((4420, 2), (1, 4420, 2), (1118, 2), (1, 1118, 2)),
        ((1, 30, 40, 6), (1, 3600, 2), (1, 15, 20, 6), (1, 900, 2)),
        ((1, 640), (1, 1, 640), (1, 576), (1, 1, 576)),
        ((31, 1, 128), (1, 31, 128), (7, 1, 128), (1, 7, 128)),
        ((2, 3, 4), (6, 4), (5, 3, 4), (15, 4)),
        ((1, 1, 128), (1, 128), (3, 1, 128), (3, 128)),
    ],
)
def test_a_reshape_leaves_the_axis_open_that_is_not_1(x: Shape, y: Shape, other: Shape, want: Shape) -> None:
    op = Reshape.between(x, y)
    assert op.shape(x) == (y,)
    assert op.shape(other) == (want,)


@pytest.mark.parametrize(("end", "step"), [(7, 1), (7, 2), (6, 2), (5, 4)])
def test_a_slice_that_leaves_nothing_out_goes_to_the_end(end: int, step: int) -> None:
    """[0:6:2] of 7 takes elements 0, 2, 4 and leaves out 6, so it keeps its end."""
    program = harness.in_float(harness.model_of(case("Slice", ints(0), ints(end), ints(2), ints(step), x=(1, 1, 7, 2))))
    (op,) = (s.op for s in program.steps if isinstance(s.op, Slice))
    takes_all = len(range(0, end, step)) == len(range(0, 7, step))
    axis = [i for i, e in enumerate(op.end) if e != TO_END]
    assert (axis == []) == takes_all
    other = reshape(program, {"x0": (1, 11, 2, 1)})
    count = len(range(0, 11 if takes_all else end, step))
    assert other.tensors[other.outputs[0]].shape == (1, count, 2, 1)
    assert replace(other, tensors=program.tensors) == program


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((1, 3, 32.5, 32), "(1, 3, 32.5, 32)"),
        (None, "None"),
        ("1x3", "('1', 'x', '3')"),
        ((1, 3, 32, 0), "(1, 3, 32, 0)"),
    ],
)
def test_shapes_that_are_none(shape: object, found: str) -> None:
    net = net_of("net u8")
    before = net.inputs[0].shape
    with pytest.raises(RunError) as caught:
        net.reshape({"x": shape})  # type: ignore[dict-item]
    problem = only(caught)
    assert (problem.what, problem.where, problem.found) == ("an input cannot have this shape", "input 'x'", found)
    assert net.inputs[0].shape == before
