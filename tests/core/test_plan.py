"""The planner: no tensor is ever lost, arenas are at their bound, and plans repeat."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magik_core.live import BEFORE, Life, lives
from magik_core.place import Piece, place, profile
from magik_core.plan import check_plan, plan
from magik_core.plan_check import PlanError
from magik_core.program import DTYPES, Program, Tensor

from . import plan_cases
from .plan_cases import Add, Concat, Conv, Net, Relu, Scale, Split

SIZES = st.sampled_from((1, 7, 63, 64, 65, 128, 200, 1000))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Random nets of operators with every storage rule, sizes off the alignment, any outputs."""
    net = Net()
    names = [net.input(draw(SIZES)) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(1, 14))):
        _draw_step(draw, net, names)
    defined = [y for step in net.steps for y in step.outputs]
    outputs = draw(st.lists(st.sampled_from(defined + names), min_size=1, max_size=3, unique=True))
    return net.program(*outputs)


def _draw_step(draw: st.DrawFn, net: Net, names: list[str]) -> None:
    before = len(net.tensors)
    x = draw(st.sampled_from(names[-5:]))
    size = net.size(x)
    same = [n for n in names if net.size(n) == size and net.tensors[n].dtype == net.tensors[x].dtype]
    kind = draw(st.sampled_from(("conv", "relu", "add", "scale", "concat", "concat", "split", "slice", "reshape")))
    if kind == "conv":
        dtype = draw(st.sampled_from(("u8", "f32")))
        net.add(Conv(), [x], *draw(st.lists(SIZES, min_size=1, max_size=2)), dtype=dtype)
    elif kind == "relu":
        net.add(Relu(), [x], size, dtype=net.tensors[x].dtype)
    elif kind in ("add", "scale"):
        other = draw(st.sampled_from(same))
        net.add(Add() if kind == "add" else Scale(), [x, other], size, dtype=net.tensors[x].dtype)
    elif kind == "concat":
        parts = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
        parts = [p for p in parts if net.tensors[p].dtype == "u8"] or names[:1]
        net.concat(*parts)
    elif net.tensors[x].dtype != "u8" or kind == "reshape":
        net.add(Split(), [x], size, dtype=net.tensors[x].dtype)
    else:
        cut = draw(st.integers(0, size - 1))
        if kind == "slice" or cut == 0:
            net.add(Split(cut), [x], size - cut)
        else:
            net.add(Split(), [x], cut, size - cut)
    names += list(net.tensors)[before:]


@settings(max_examples=400, deadline=None)
@given(programs())
def test_every_plan_keeps_every_tensor(program: Program) -> None:
    found = plan(program)
    check_plan(program, found)
    assert found.arena_bytes >= found.lower_bound
    assert list(found.offsets) == [t.name for t in program.activations()]


@settings(max_examples=60, deadline=None)
@given(programs())
def test_arena_is_never_larger_than_without_reuse(program: Program) -> None:
    whole = sum(-(-t.nbytes // 64) * 64 for t in program.activations())
    assert plan(program).arena_bytes <= whole


@settings(max_examples=60, deadline=None)
@given(programs(), st.sampled_from((4, 16, 64, 4096)))
def test_alignment_is_kept(program: Program, alignment: int) -> None:
    found = plan(program, alignment)
    check_plan(program, found)
    shared = {name for group in found.groups for name in group}
    for name, offset in found.offsets.items():
        unit = DTYPES[program.tensors[name].dtype].itemsize if name in shared else alignment
        assert offset % unit == 0
    for group in found.groups:
        assert min(found.offsets[name] for name in group) % alignment == 0


@settings(max_examples=150, deadline=None)
@given(programs(), st.data())
def test_check_finds_a_tensor_moved_onto_another(program: Program, data: st.DataObject) -> None:
    """Two tensors alive at once without a shared origin cannot be put on the same bytes."""
    tied = {
        (x, y) for step in program.steps if not isinstance(step.op, Conv) for x in step.inputs for y in step.outputs
    }
    life = lives(program)
    names = [n for n, i in life.items() if i.last > i.first]
    pairs = [(a, b) for a in names for b in names if a < b and _meet_inside(life[a], life[b])]
    pairs = [(a, b) for a, b in pairs if not _related(a, b, tied)]
    if not pairs:
        return
    a, b = data.draw(st.sampled_from(pairs))
    good = plan(program)
    bad = replace(good, offsets={**good.offsets, a: good.offsets[b]}, arena_bytes=good.arena_bytes * 2 + 8192)
    with pytest.raises(PlanError):
        check_plan(program, bad)


def _meet_inside(a: Life, b: Life) -> bool:
    return a.first < b.last and b.first < a.last


def _related(a: str, b: str, tied: set[tuple[str, str]]) -> bool:
    group = {a}
    while True:
        more = group | {x for pair in tied for x in pair if set(pair) & group}
        if more == group:
            return b in group
        group = more


@pytest.mark.parametrize("make", plan_cases.NETS, ids=lambda make: make.__name__)
def test_real_shapes_are_within_two_percent_of_the_bound(make) -> None:
    program = make()
    began = time.perf_counter()
    found = plan(program)
    assert time.perf_counter() - began < 5
    check_plan(program, found)
    assert found.lower_bound <= found.arena_bytes <= 1.02 * found.lower_bound


@pytest.mark.parametrize("make", plan_cases.NETS, ids=lambda make: make.__name__)
def test_plans_repeat(make) -> None:
    assert plan(make()) == plan(make())


def test_a_chain_needs_its_two_largest_neighbors() -> None:
    net = Net()
    x = net.input(640)
    for size in (6400, 3200, 6400, 640):
        x = net.conv(x, size)
    found = plan(net.program(x))
    assert found.arena_bytes == found.lower_bound == 9600


def test_in_place_chain_takes_one_buffer() -> None:
    net = Net()
    y = net.relu(net.relu(net.conv(net.input(64), 640)))
    found = plan(net.program(y))
    assert len({found.offsets[n] for n in ("t1", "t2", "t3")}) == 1
    assert found.groups == (("t1", "t2", "t3"),)
    assert found.arena_bytes == 704


def test_in_place_overwrites_an_input_after_its_last_use() -> None:
    net = Net()
    found = plan(net.program(net.relu(net.input(640))))
    assert found.arena_bytes == 640


def test_in_place_keeps_what_is_read_later() -> None:
    net = Net()
    x = net.conv(net.input(64), 640)
    y = net.relu(x)
    found = plan(net.program(net.sum(y, x)))
    assert found.offsets[x] != found.offsets[y]


def test_in_place_keeps_a_program_output() -> None:
    net = Net()
    x = net.conv(net.input(64), 640)
    y = net.relu(x)
    found = plan(net.program(x, y))
    assert found.offsets[x] != found.offsets[y]


def test_in_place_refuses_a_tensor_read_in_another_role() -> None:
    net = Net()
    x = net.conv(net.input(64), 640)
    y = net.add(Scale(), [x, x], 640)
    z = net.sum(y, y)
    found = plan(net.program(z))
    assert found.offsets[x] != found.offsets[y] == found.offsets[z]


def test_in_place_needs_as_many_bytes() -> None:
    net = Net()
    x = net.conv(net.input(64), 640)
    y = net.add(Relu(), [x], 640, dtype="f32")
    assert plan(net.program(y)).groups == ()


def test_in_place_keeps_another_view_of_the_same_bytes() -> None:
    net = Net()
    x = net.conv(net.input(64), 640)
    flat = net.add(Split(), [x], 640)
    y = net.relu(flat)
    found = plan(net.program(net.concat(y, x)))
    assert found.offsets[flat] == found.offsets[x] != found.offsets[y]


def test_concat_inputs_lie_in_its_output() -> None:
    net = Net()
    x = net.input(64)
    a, b = net.conv(x, 100), net.conv(x, 28)
    y = net.concat(a, b)
    found = plan(net.program(y))
    assert (found.offsets[a], found.offsets[b]) == (found.offsets[y], found.offsets[y] + 100)


def test_concat_through_reshapes_copies_nothing() -> None:
    """The SSD pattern: every head is reshaped, then all are concatenated."""
    net = Net()
    heads = [net.conv(net.input(64), size) for size in (640, 320)]
    y = net.concat(*(net.add(Split(), [head], net.size(head)) for head in heads))
    found = plan(net.program(y))
    assert [found.offsets[h] - found.offsets[y] for h in heads] == [0, 640]


def test_concat_of_one_tensor_twice_places_it_once() -> None:
    net = Net()
    x = net.conv(net.input(64), 128)
    found = plan(net.program(net.concat(x, x)))
    check_plan(net.program("t2"), found)
    assert found.offsets[x] == found.offsets["t2"]


def test_concat_leaves_constants_and_inputs_where_they_are() -> None:
    net = Net()
    x = net.input(128)
    net.tensors["w"] = Tensor("w", "u8", (64,), data=np.zeros(64, np.uint8))
    y = net.concat(x, "w")
    found = plan(net.program(y))
    assert found.groups == () and "w" not in found.offsets
    check_plan(net.program(y), found)


def test_concat_input_cannot_lie_in_two_outputs() -> None:
    net = Net()
    x = net.input(64)
    a, b, c = (net.conv(x, 128) for _ in range(3))
    one, two = net.concat(a, b), net.concat(a, c)
    program = net.program(one, two)
    found = plan(program)
    check_plan(program, found)
    assert found.offsets[one] == found.offsets[a] != found.offsets[two]


def test_a_part_of_a_concat_is_not_overwritten_while_the_concat_lives() -> None:
    net = Net()
    x = net.input(64)
    a, b = net.conv(x, 128), net.conv(x, 128)
    y = net.concat(a, b)
    z = net.relu(a)
    program = net.program(y, z)
    found = plan(program)
    check_plan(program, found)
    assert found.offsets[z] != found.offsets[a]


def test_words_inside_bytes_keep_their_alignment() -> None:
    net = Net()
    x = net.conv(net.input(64), 103)
    word = net.add(Split(3), [x], 25, dtype="f32")
    program = net.program(word)
    found = plan(program)
    check_plan(program, found)
    assert found.offsets[word] % 4 == 0


def test_space_that_a_concat_does_not_fill_yet_is_used() -> None:
    """The long-lived first part holds its bytes only, not those of the whole."""
    net = Net()
    x = net.input(64)
    skip = net.conv(x, 640)
    deep = net.conv(net.conv(net.conv(skip, 6400), 64), 6400)
    y = net.concat(skip, deep)
    found = plan(net.program(y))
    assert found.arena_bytes == found.lower_bound == 7104
    assert found.offsets[skip] == found.offsets[y]


def _cut(rng: random.Random, low: int, high: int, life: Life, depth: int) -> list[tuple[Piece, ...]]:
    """Blocks that fill [low, high) x life without a hole."""
    first, last = life
    if depth == 0 or (high - low < 2 and first == last):
        return [(Piece(0, 64 * (high - low), life),)]
    if first == last or (high - low >= 2 and rng.random() < 0.5):
        at = rng.randrange(low + 1, high)
        return _cut(rng, low, at, life, depth - 1) + _cut(rng, at, high, life, depth - 1)
    at = rng.randrange(first, last)
    return _cut(rng, low, high, Life(first, at), depth - 1) + _cut(rng, low, high, Life(at + 1, last), depth - 1)


def test_search_improves_on_the_fixed_orders() -> None:
    """A rectangle cut into 64 pieces: its bound is reachable, and only without a single hole."""
    blocks = _cut(random.Random(8), 0, 500, Life(0, 60), 6)
    _, fixed = place(blocks, 61, trials=0)
    bases, peak = place(blocks, 61)
    assert max(profile(blocks, 61)) == 500 * 64 <= peak < 0.97 * fixed
    assert place(blocks, 61) == (bases, peak)


def test_four_hundred_buffers_are_placed() -> None:
    program = plan_cases.inception(40)
    assert len(program.steps) == 400
    found = plan(program)
    check_plan(program, found)
    assert found.arena_bytes <= 1.02 * found.lower_bound


def test_lives_of_inputs_outputs_and_unread_tensors() -> None:
    net = Net()
    x, unread = net.input(64), net.input(64)
    y = net.add(Conv(), [x], 64, 64)
    z = net.relu(y)
    assert lives(net.program(z)) == {
        x: Life(BEFORE, 0),
        unread: Life(BEFORE, BEFORE),
        y: Life(0, 1),
        "t3": Life(0, 0),
        z: Life(1, 2),
    }


def test_an_empty_program_needs_nothing() -> None:
    assert plan(Net().program()).arena_bytes == 0


def _two_convs() -> tuple[Program, object]:
    net = Net("two.onnx")
    program = net.program(net.conv(net.conv(net.input(64), 128), 64))
    return program, plan(program)


def test_check_names_a_missing_tensor() -> None:
    program, good = _two_convs()
    with pytest.raises(PlanError) as caught:
        check_plan(program, replace(good, offsets={"t0": 0, "t1": 64}))
    assert str(caught.value) == ("error: tensor has no place in the memory plan\nwhere: tensor 't2' in two.onnx")


def test_check_names_a_place_outside_and_one_unaligned() -> None:
    program, good = _two_convs()
    with pytest.raises(PlanError) as caught:
        check_plan(program, replace(good, offsets={**good.offsets, "t1": 4096, "t2": 3}))
    assert str(caught.value) == (
        "error: tensor lies outside the arena\nwhere: tensor 't1' in two.onnx\n"
        f"found: bytes [4096, 4224)\n need: [0, {good.arena_bytes})\n\n"
        "error: tensor is not aligned\nwhere: tensor 't2' in two.onnx\n"
        "found: offset 3\n need: a multiple of 64"
    )


def test_check_names_tensors_of_one_step_that_overlap() -> None:
    program, good = _two_convs()
    with pytest.raises(PlanError) as caught:
        check_plan(program, replace(good, offsets={"t0": 0, "t1": 0, "t2": 128}, arena_bytes=192))
    assert str(caught.value) == (
        "error: tensors of one step overlap\nwhere: step 'Conv_0' in two.onnx\nfound: 't1' [0, 128) and 't0' [0, 64)"
    )


def test_check_names_a_tensor_that_was_overwritten() -> None:
    net = Net("lost.onnx")
    x = net.conv(net.input(64), 64)
    y = net.conv(x, 64)
    program = net.program(net.sum(net.conv(y, 64), x))
    good = plan(program)
    with pytest.raises(PlanError) as caught:
        check_plan(program, replace(good, offsets={"t0": 0, "t1": 64, "t2": 0, "t3": 64, "t4": 128}, arena_bytes=192))
    assert str(caught.value) == (
        "error: tensor has lost its contents\nwhere: step 'Add_3', tensor 't1' in lost.onnx\n"
        "found: bytes [64, 128) hold t3"
    )


def test_check_accepts_only_a_view_at_its_own_offset() -> None:
    net = Net()
    y = net.add(Concat(), [net.conv(net.input(64), 64), net.conv("t0", 64)], 128)
    program = net.program(y)
    good = plan(program)
    check_plan(program, good)
    with pytest.raises(PlanError, match="tensors of one step overlap"):
        check_plan(program, replace(good, offsets={"t0": 128, "t1": 64, "t2": 0, "t3": 0}, arena_bytes=192))
