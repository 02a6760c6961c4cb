"""Every kind of kernels that this machine has gives the same bits: on every operator's cases, and on rescales and
limits that only a damaged file brings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from magik_core import kernels, library
from magik_core.net import Net
from magik_core.ops import Array, Params, Tensors
from magik_core.ops.cases import Case
from magik_core.ops.conv import Conv
from magik_core.ops.depthwise_conv import DepthwiseConv
from magik_core.ops.gemm import Gemm
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program
from tests import harness
from tests.runtime.corpus import CASES, programs

OPS = Path(kernels.CORE) / "ops"
FAST = [isa for isa in library.isas() if isa != "portable"]
EXTREMES = np.array([0, 1, -1, 2**30, 2**30 - 1, 2**31 - 1, -(2**30), -(2**31)], np.int32)


@cache
def built(isa: str) -> frozenset[str]:
    """The kernels that have a variant for `isa`, by the files."""
    text = "".join(p.read_text(encoding="utf-8") for p in OPS.glob(f"*_{isa}.c"))
    return frozenset(name.removesuffix(f"_{isa}") for name in kernels.KERNEL.findall(text))


def outputs(data: bytes, program: Program, feeds: harness.Feeds, isa: str, threads: int) -> list[bytes]:
    codes = harness.in_parts(Net(data, isa=isa, threads=threads), feeds)
    return [codes[program.source.get(name, name)].tobytes() for name in program.outputs]


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case: Case, isa: str) -> None:
    found = list(programs([case]))
    for name, program, feeds in found if case.is_float_only else found[:-1]:
        data = pack(program, plan(program), names=False)
        want = [y.tobytes() for y in harness.in_numpy(program, feeds)]
        for threads in (1, 3):
            assert outputs(data, program, feeds, isa, threads) == want, name


@pytest.mark.parametrize("isa", FAST)
def test_what_is_built_is_chosen(isa: str) -> None:
    """A step runs the fastest variant that has a file, of `isa` and what it builds on."""
    allowed = FAST[: FAST.index(isa) + 1]
    seen: set[str] = set()
    for _, program, _ in programs():
        net = Net(pack(program, plan(program), names=False), isa=isa)
        for step in range(net._lib.magik_steps(net._net)):
            kernel = net._lib.magik_step_kernel(net._net, step).decode()
            want = next((i for i in reversed(allowed) if kernel in built(i)), "portable")
            assert library.ISAS[net._lib.magik_step_isa(net._net, step)] == want, kernel
            seen.add(kernel)
    assert built(isa) <= seen, "a variant that no case reaches"


# ---- what only a damaged file brings -----------------------------------------------------------------------


@dataclass(frozen=True)
class Wild:
    """Multipliers and shifts of any size, limits in any order."""

    seed: int

    def tables(self, count: int) -> tuple[Array, Array]:
        rng = np.random.default_rng(self.seed)
        m = rng.integers(-(2**31), 2**31, count).astype(np.int32)
        m = np.where(rng.random(count) < 0.3, rng.choice(EXTREMES, count), m)
        if self.seed % 2:  # as in a good file, but for the shift
            m = rng.integers(2**30, 2**31, count).astype(np.int32)
        low, high = ((1, 63), (31, 63), (22, 45), (30, 35))[self.seed // 2 % 4]
        return m, rng.integers(low, high, count).astype(np.int32)

    def limits(self) -> tuple[int, int]:
        a, b = np.random.default_rng(self.seed).integers(0, 256, 2)
        return int(a), int(b)


def wild(op: Conv | Gemm, by: Wild) -> Conv | Gemm:
    """The operator with tables and limits of `by`."""
    kind = type(op)

    class Altered(kind):  # type: ignore[misc, valid-type]
        def kernel(self, x: Tensors, y: Tensors) -> str:
            return op.kernel(x, y)

        def tables(self, x: Tensors, y: Tensors) -> tuple[Array, ...]:
            return by.tables(op.tables(x, y)[0].size)

        def params(self, x: Tensors, y: Tensors) -> Params:
            low, high = by.limits()
            return replace(op.params(x, y), low=low, high=high)

    return Altered(**vars(op))


WILD = [c for c in CASES if c.op_type in ("Conv", "Gemm") and not c.is_float_only]


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("case", WILD, ids=str)
def test_any_rescale(case: Case, isa: str) -> None:
    program = harness.quantized(case, harness.model_of(case))
    feeds = harness.stored_feeds(program, harness.data_of(case, program, seed=6))
    for seed in range(8):
        steps = [replace(s, op=wild(s.op, Wild(seed))) if is_conv(s.op) else s for s in program.steps]
        altered = replace(program, steps=tuple(steps))
        data = pack(altered, plan(altered), names=False)
        want = outputs(data, altered, feeds, "portable", 1)
        assert outputs(data, altered, feeds, isa, 1) == want, seed


def is_conv(op: object) -> bool:
    return isinstance(op, (Conv, DepthwiseConv, Gemm))
