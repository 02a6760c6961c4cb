"""Run-time shapes in C: the same bits as the numpy definition at other sizes, and no tensor lost in the arena."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import planner
from magik_core import container, ops
from magik_core.lower import lower
from magik_core.net import Net
from magik_core.ops.clip import Clip
from magik_core.ops.reshape import Reshape
from magik_core.pack import pack, sections_of
from magik_core.plan import Plan, plan
from magik_core.plan_check import check_plan
from magik_core.program import DTYPES, Program, Shape, Step, Tensor
from magik_core.reshape import ShapeError, reshape, stacked
from magik_core.run import run
from magik_core.share import groups_of
from magik_core.source import Quantization
from tests.ops.random_graphs import Graph, graphs
from tests.ops.test_random_graphs import PROFILE, in_codes, sample
from tests.runtime.corpus import nets, programs

Shapes = dict[str, Shape]
Feeds = Mapping[str, np.ndarray]


# ---- helpers ---------------------------------------------------------------------------------------------


def net_of(program: Program) -> Net:
    return Net(pack(program, plan(program), names=False))


def ask(net: Net, program: Program) -> None:
    """Reshape the net to the sizes of a program."""
    shapes = [program.tensors[name].shape for name in program.inputs]
    named = {p.name: tuple(s[p.axes.index(a)] for a in range(len(s))) for p, s in zip(net.inputs, shapes, strict=True)}
    net.reshape(named)


def board_plan(net: Net, program: Program) -> Plan:
    """Where the net's tensors lie, as a plan of the program."""
    _, index = sections_of(program, stacked(program))
    offsets = {t.name: net.offset(index[t.name]) for t in program.activations()}
    end = max(offsets[t.name] + t.nbytes for t in program.activations())
    return Plan(offsets, -(-end // 64) * 64, 0, groups_of(program, offsets))


def feeds_of(program: Program, seed: int = 0) -> Feeds:
    rng, out = np.random.default_rng(seed), {}
    for name in program.inputs:
        t = program.tensors[name]
        if t.dtype == "f32":
            out[name] = rng.uniform(-2, 2, t.shape).astype(np.float32)
        else:
            high = 2 if t.dtype == "bool" else 1 << t.quant.bits if t.quant is not None else 100  # type: ignore[union-attr]
            out[name] = rng.integers(0, high, t.shape).astype(DTYPES[t.dtype])
    return out


def write(net: Net, program: Program, feeds: Feeds) -> None:
    for index, name in zip(net._in, program.inputs, strict=True):
        net._read(index)[...] = feeds[name]


def outputs(net: Net, program: Program, feeds: Feeds) -> list[bytes]:
    """The net's own tensors, from stored inputs and states of zero."""
    net.reset()
    write(net, program, feeds)
    net._lib.magik_run(net._net, None)
    return [net._read(index).tobytes() for index in net._out]


def wanted(program: Program, feeds: Feeds) -> list[bytes]:
    values = run(program, feeds)
    return [np.ascontiguousarray(values[name]).tobytes() for name in program.outputs]


def hold(net: Net, program: Program) -> None:
    """The net at the program's sizes computes what numpy computes, and its plan keeps every tensor."""
    ask(net, program)
    assert [p.board_shape for p in net.outputs] == [program.tensors[name].shape for name in program.outputs]
    check_plan(program, board_plan(net, program))
    feeds = feeds_of(program)
    assert outputs(net, program, feeds) == wanted(program, feeds)


def variants(program: Program) -> Iterator[Shapes]:
    """Other sizes: each axis one larger, one smaller, doubled, in all inputs that have as much there."""
    shapes = {name: program.tensors[name].shape for name in program.inputs}
    for axis in range(max(len(s) for s in shapes.values())):
        size = next(s[axis] for s in shapes.values() if axis < len(s))
        for new in {size + 1, max(size - 1, 1), 2 * size} - {size}:
            yield {
                name: tuple(new if i == axis and n == size else n for i, n in enumerate(s))
                for name, s in shapes.items()
            }


def try_all(program: Program) -> Counter[str]:
    """Every variant is taken, with numpy's bits, by Python and C, or refused by both; back at the file's sizes
    there is the file's plan."""
    counts: Counter[str] = Counter()
    placed = plan(program)
    net = Net(pack(program, placed, names=False))
    feeds = feeds_of(program)
    want = wanted(program, feeds)
    for shapes in variants(program):
        try:
            other = reshape(program, shapes)
        except ShapeError:
            bare = replace(program, tensors={**program.tensors, **_resized(program, shapes)})
            before = board_plan(net, program).offsets
            with pytest.raises(Exception, match="the model cannot have these input sizes"):
                ask(net, bare)
            assert board_plan(net, program).offsets == before
            assert outputs(net, program, feeds) == want
            counts["refused"] += 1
            continue
        hold(net, other)
        counts["taken"] += 1
        ask(net, program)
        assert board_plan(net, program).offsets == placed.offsets
    assert outputs(net, program, feeds) == want
    return counts


def _resized(program: Program, shapes: Shapes) -> dict[str, Tensor]:
    return {name: replace(program.tensors[name], shape=shape) for name, shape in shapes.items()}


# ---- operators, nets, random graphs ----------------------------------------------------------------------

OPERATORS = {name: program for name, program, _ in programs()}


@pytest.mark.parametrize("op", sorted({type(s.op).__name__ for p in OPERATORS.values() for s in p.steps}))
def test_an_operator_at_other_sizes(op: str) -> None:
    counts: Counter[str] = Counter()
    for program in OPERATORS.values():
        if op in {type(s.op).__name__ for s in program.steps}:
            counts += try_all(program)
    assert counts["taken"] > 0


def test_nets_at_other_sizes() -> None:
    for program in nets().values():
        for shape in ((1, 9, 7, 3), (2, 9, 7, 3), (1, 18, 14, 3), (3, 5, 21, 3)):
            try:
                other = reshape(program, {"x": shape})
            except ShapeError:
                continue
            hold(net_of(program), other)


@PROFILE
@given(graphs(), st.booleans(), st.sampled_from([(2, 1, 1), (1, 2, 2), (1, 2, 1), (3, 1, 2)]))
def test_random_graphs(g: Graph, is_float: bool, factors: tuple[int, int, int]) -> None:
    """Other batches, heights and widths: what Python takes, C takes, with the same bits and a plan that holds."""
    s = sample(g, with_passes=True)
    program = lower(s.model, Quantization()) if is_float else in_codes(s)
    n, h, w = factors
    shapes = {}
    for name in program.inputs:
        t = program.tensors[name].shape
        shapes[name] = (t[0] * n, t[1] * h, t[2] * w, *t[3:]) if len(t) == 4 else t
    net = net_of(program)
    try:
        other = reshape(program, shapes)
    except ShapeError:
        bare = replace(program, tensors={**program.tensors, **_resized(program, shapes)})
        with pytest.raises(Exception, match="the model cannot have these input sizes"):
            ask(net, bare)
        other = program
    hold(net, other)


@PROFILE
@given(graphs(), st.booleans())
def test_the_planner_at_the_sizes_of_a_file(g: Graph, is_float: bool) -> None:
    """Coming from another batch, the board plans for the sizes that a graph was drawn with."""
    s = sample(g, with_passes=True)
    program = lower(s.model, Quantization()) if is_float else in_codes(s)
    shapes = {n: (2 * t[0], *t[1:]) for n in program.inputs if (t := program.tensors[n].shape)}
    try:
        other = reshape(program, shapes)
        back = reshape(other, {n: program.tensors[n].shape for n in program.inputs})
    except ShapeError:
        return
    hold(net_of(other), back)


# ---- real models -----------------------------------------------------------------------------------------

SHARED = planner.shared_folder()
MOST = 1.1  # arena of the runtime's planner over that of the offline one
FEW_BYTES = 512  # or so many more: a net of vectors alone has an arena of a few KiB


def in_u8_and_f32(net: planner.Net) -> Iterator[Program]:
    model = planner.prepared(net, SHARED)
    for how in (planner.quantization(model), Quantization()):
        yield lower(model, how, name=net.name)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing")
@pytest.mark.parametrize("net", planner.NETS, ids=lambda n: n.name)
def test_a_real_model_needs_hardly_more_memory(net: planner.Net) -> None:
    for program in in_u8_and_f32(net):
        other = planner.at_other_size(net, program)
        for size, before in ((program, other), (other, program)):
            least = plan(size).arena_bytes
            assert planner.on_the_board(size, before).arena_bytes <= max(MOST * least, least + FEW_BYTES)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing")
@pytest.mark.parametrize("net", planner.NETS, ids=lambda n: n.name)
def test_a_real_model_at_another_size(net: planner.Net) -> None:
    """Every step's outputs are what numpy computes."""
    program, _ = in_u8_and_f32(net)
    other, runtime = planner.at_other_size(net, program), net_of(program)
    ask(runtime, other)
    feeds = feeds_of(other)
    values = run(other, feeds)
    write(runtime, other, feeds)
    written = [name for step in other.steps for name in step.outputs]
    outputs_of = [(s, k) for s, step in enumerate(other.steps) for k in range(len(step.outputs))]
    for name, (step, k) in zip(written, outputs_of, strict=True):
        if k == 0:
            runtime._lib.magik_run_step(runtime._net, step, None)
        got = runtime._read(runtime._lib.magik_step_output(runtime._net, step, k))
        np.testing.assert_array_equal(got, values[name], err_msg=name)


# ---- the planner on nets of many steps -------------------------------------------------------------------


def ladder(steps: int) -> Program:
    """Clips of f32 in place and not, every seventh value read again four steps later."""
    tensors, done = {"x": Tensor("x", "f32", (1, 3, 5), axes=(0, 1, 2))}, ["x"]
    out = []
    for i in range(steps):
        name = f"t{i}"
        tensors[name] = Tensor(name, "f32", (1, 3, 5), axes=(0, 1, 2))
        is_sum = i % 7 == 6
        op: ops.Op = ops.found()["Add"]() if is_sum else Clip(-1.0, 1.0)
        out.append(Step(name, op, (done[-1], done[-5]) if is_sum else (done[-1],), (name,)))
        done.append(name)
    return Program("ladder", tensors, tuple(out), ("x",), (done[-1],))


@pytest.mark.parametrize("steps", [900, 2000])
def test_many_steps(steps: int) -> None:
    program = ladder(steps)
    net = Net(pack(program, stacked(program), names=False))
    hold(net, reshape(program, {"x": (2, 3, 5)}))
    assert net.arena_bytes < 20 * 128


def test_more_tensors_than_the_planner_orders_get_a_place_each() -> None:
    """9000 values that are alive together; the last one lies on x, which nobody reads any more."""
    tensors = {"x": Tensor("x", "f32", (1, 5), axes=(0, 1))}
    steps, names = [], [f"t{i}" for i in range(9000)]
    for name in names:
        tensors[name] = Tensor(name, "f32", (1, 5), axes=(0, 1))
        steps.append(Step(name, Clip(-1.0, 1.0), ("x",), (name,)))
    program = Program("wide", tensors, tuple(steps), ("x",), tuple(names))
    net = Net(pack(program, stacked(program), names=False))
    other = reshape(program, {"x": (20, 5)})
    ask(net, other)
    _, index = sections_of(other, stacked(other))
    assert sorted(net.offset(index[name]) for name in names) == [448 * i for i in range(9000)]
    assert net.offset(index["x"]) == net.offset(index[names[-1]])


# ---- sharing, one rule at a time -------------------------------------------------------------------------


def floats(name: str, *shape: int) -> Tensor:
    return Tensor(name, "f32", shape, axes=tuple(range(len(shape))))


def views(outputs: tuple[str, ...]) -> Program:
    """a = clip(x); v is a in another shape; b and c are other values while v waits to be read."""
    steps = (
        Step("a", Clip(-1.0, 1.0), ("x",), ("a",)),
        Step("v", Reshape.between((2, 3, 5), (2, 15)), ("a",), ("v",)),
        Step("b", Clip(-1.0, 0.5), ("x",), ("b",)),
        Step("c", Clip(-0.5, 0.5), ("b",), ("c",)),
        Step("w", Reshape.between((2, 3, 5), (2, 15)), ("c",), ("w",)),
        Step("y", ops.found()["Add"](), ("v", "w"), ("y",)),
    )
    tensors = [*(floats(n, 2, 3, 5) for n in "xabc"), *(floats(n, 2, 15) for n in "vwy")]
    return Program("views", {t.name: t for t in tensors}, steps, ("x",), outputs)


@pytest.mark.parametrize("more", ["", "a", "v", "b", "c", "w", "x"])
def test_a_view_keeps_what_it_views(more: str) -> None:
    program = views(("y", more) if more else ("y",))
    net = Net(pack(program, stacked(program), names=False))
    other = reshape(program, {"x": (4, 3, 5)})
    hold(net, other)
    at = board_plan(net, other).offsets
    assert at["v"] == at["a"]
    assert at["w"] == at["c"]
    assert net.arena_bytes == 256 * (3 if more in ("b", "x") else 2)


def with_masks(data: bytes, mask: int) -> bytes:
    """The file with these in_place bits in every step."""
    sections, arena = container.read(data, "net")
    words = np.frombuffer(sections[b"STEP"], "<u4").reshape(-1, 8).copy()
    words[:, 7] = mask
    sections[b"STEP"] = words.tobytes()
    return container.write(list(sections.items()), arena)


@pytest.mark.parametrize("mask", [0b01, 0b10, 0b11, 0])
def test_storage_that_is_also_read_otherwise_is_not_overwritten(mask: int) -> None:
    """y = a + v where v is a view of a: output 0 may take input 0, but input 1 reads the same bytes."""
    steps = (
        Step("a", Clip(-1.0, 1.0), ("x",), ("a",)),
        Step("v", Reshape.between((2, 5), (2, 5)), ("a",), ("v",)),
        Step("y", ops.found()["Add"](), ("a", "v"), ("y",)),
    )
    tensors = {n: floats(n, 2, 5) for n in "xavy"}
    program = Program("twice", tensors, steps, ("x",), ("y", "x"))
    net = Net(with_masks(pack(program, stacked(program), names=False), mask))
    other = reshape(program, {"x": (20, 5)})
    hold(net, other)
    at = board_plan(net, other).offsets
    assert at["v"] == at["a"] != at["y"]


def test_a_constant_and_a_larger_input_are_not_overwritten() -> None:
    """Bits of a hostile file for a constant, for an input of other bytes, and for inputs that there are not."""
    constant = Tensor("k", "f32", (1, 5), data=np.ones((1, 5), np.float32), axes=(0, 1))
    steps = (
        Step("a", ops.found()["Add"](), ("x", "k"), ("a",)),
        Step("b", ops.found()["ReduceMax"]((0,), True), ("a",), ("b",)),
        Step("y", ops.found()["Add"](), ("k", "b"), ("y",)),
    )
    tensors = {
        t.name: t for t in (floats("x", 2, 5), constant, floats("a", 2, 5), floats("b", 1, 5), floats("y", 1, 5))
    }
    program = Program("bits", tensors, steps, ("x",), ("y", "a"))
    net = Net(with_masks(pack(program, stacked(program), names=False), 0xFFFFFFFF))
    hold(net, reshape(program, {"x": (20, 5)}))
