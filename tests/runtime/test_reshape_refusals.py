"""What magik_reshape and the calls about memory refuse, and that the net is then as it was."""

from __future__ import annotations

import ctypes as c

import numpy as np
import pytest

from magik_core import container
from magik_core.library import CFault, library
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, Shape
from tests.runtime.corpus import nets
from tests.runtime.test_reshape import ladder

OK, BAD_TENSOR, BAD_STEP, BAD_SHAPE, NO_MEMORY, BAD_ARGUMENT = 0, -6, -7, -10, -11, -12


class Bare:
    """The C functions on one file, without Net's own checks."""

    def __init__(self, data: bytes) -> None:
        self.lib = library()
        self.file = np.frombuffer(data + bytes(64), np.uint8).copy()
        self.size = len(data)
        self.need = self.lib.magik_net_bytes(self.file.ctypes.data, self.size)
        self.memory = np.zeros(self.need + 128, np.uint8)
        self.net = c.c_void_p()

    def load(self, memory_bytes: int) -> int:
        fault = CFault(0, -1, -1)
        at = -self.memory.ctypes.data % 64 + self.memory.ctypes.data
        args = self.file.ctypes.data, self.size, at, memory_bytes
        return int(self.lib.magik_load(c.byref(self.net), *args, c.byref(fault)))

    def reshape(self, *rows: Shape) -> tuple[int, int, int]:
        """(status, step, tensor) of the fault."""
        dims = np.zeros((len(rows), 8), np.int32)
        for row, shape in zip(dims, rows, strict=True):
            row[: len(shape)] = shape
        fault = CFault(0, -1, -1)
        status = self.lib.magik_reshape(self.net, dims.ctypes.data_as(c.POINTER(c.c_int32)), c.byref(fault))
        assert status == fault.status
        return fault.status, fault.step, fault.tensor


def loaded(program: Program) -> Bare:
    bare = Bare(pack(program, plan(program), names=False))
    assert bare.load(bare.need) == OK
    return bare


NET = nets()["net u8"]


@pytest.mark.parametrize(
    "shape",
    [(1, 0, 7, 3), (1, -9, 7, 3), (1, 2**31 - 1, 7, 3), (1, 2**20, 2**20, 3), (0, 0, 0, 0), (1, 9, 7, 3, 1), (1, 9, 7)],
)
def test_sizes_that_no_tensor_has(shape: Shape) -> None:
    assert loaded(NET).reshape(shape) == (BAD_TENSOR, -1, 0)


def test_sizes_that_an_operator_refuses_name_the_step() -> None:
    status, step, _ = loaded(NET).reshape((1, 9, 7, 4))
    assert (status, step) == (BAD_SHAPE, 0)


def test_no_sizes_at_all() -> None:
    bare = loaded(NET)
    fault = CFault(0, -1, -1)
    assert bare.lib.magik_reshape(bare.net, None, c.byref(fault)) == BAD_ARGUMENT
    assert bare.lib.magik_reshape(bare.net, None, None) == BAD_ARGUMENT


def test_an_arena_of_2_gib_is_refused() -> None:
    """Each tensor is small enough; together they are too large."""
    program = ladder(8)
    bare = loaded(program)
    arena = bare.lib.magik_arena_bytes(bare.net, 1)
    assert bare.reshape((1, 3, 2**27)) == (BAD_TENSOR, -1, 0)
    assert bare.lib.magik_arena_bytes(bare.net, 1) == arena
    assert bare.reshape((1, 3, 2**20)) == (OK, -1, -1)
    assert bare.lib.magik_arena_bytes(bare.net, 1) > arena


def test_after_a_reshape_there_is_no_data_until_there_is_an_arena() -> None:
    bare = loaded(NET)
    arena = np.zeros(bare.lib.magik_arena_bytes(bare.net, 1) + 64, np.uint8)
    at = arena.ctypes.data + -arena.ctypes.data % 64
    assert bare.lib.magik_set_arena(bare.net, at, arena.nbytes - 64, 1) == OK
    index = bare.lib.magik_input(bare.net, 0)
    assert bare.lib.magik_tensor(bare.net, index).contents.data
    assert bare.reshape((1, 9, 7, 4))[0] == BAD_SHAPE
    assert bare.lib.magik_tensor(bare.net, index).contents.data
    for shape in ((2, 9, 7, 3), (1, 9, 7, 3)):
        assert bare.reshape(shape)[0] == OK
        assert not bare.lib.magik_tensor(bare.net, index).contents.data


def test_too_little_memory_is_a_status() -> None:
    bare = Bare(pack(NET, plan(NET), names=False))
    assert bare.load(bare.need - 1) == NO_MEMORY
    assert bare.load(bare.need) == OK
    lib, room = bare.lib, np.zeros(1 << 20, np.uint8)
    at = room.ctypes.data + -room.ctypes.data % 64
    for shape in (None, (2, 18, 14, 3)):
        if shape is not None:
            assert bare.reshape(shape)[0] == OK
        need, prepared = lib.magik_arena_bytes(bare.net, 2), lib.magik_prepared_bytes(bare.net)
        assert lib.magik_set_arena(bare.net, at, need - 1, 2) == NO_MEMORY
        assert lib.magik_set_arena(bare.net, at + 1, need, 2) == NO_MEMORY
        assert lib.magik_set_arena(bare.net, None, need, 2) == NO_MEMORY
        assert lib.magik_set_arena(bare.net, at, need, 0) == NO_MEMORY
        assert lib.magik_set_arena(bare.net, at, need, 2) == OK
        if prepared > 0:
            assert lib.magik_prepare(bare.net, at, prepared - 1) == NO_MEMORY


def test_a_file_whose_steps_are_in_no_order_keeps_its_sizes() -> None:
    """It loads, since every step's shapes fit; with other sizes a step would be checked against old ones."""
    sections, arena = container.read(pack(NET, plan(NET), names=False), "net")
    steps = [sections[b"STEP"][i : i + 32] for i in range(0, len(sections[b"STEP"]), 32)]
    sections[b"STEP"] = b"".join([steps[1], steps[0], *steps[2:]])
    bare = Bare(container.write(list(sections.items()), arena))
    assert bare.load(bare.need) == OK
    assert bare.reshape((1, 9, 7, 3))[0] == OK
    assert bare.reshape((2, 9, 7, 3))[:2] == (BAD_STEP, 0)


def test_a_tensor_that_is_written_twice_is_refused() -> None:
    sections, arena = container.read(pack(NET, plan(NET), names=False), "net")
    sections[b"STEP"] = sections[b"STEP"][:32] + sections[b"STEP"]
    bare = Bare(container.write(list(sections.items()), arena))
    assert bare.load(bare.need) == OK
    assert bare.reshape((2, 9, 7, 3))[:2] == (BAD_STEP, 1)
