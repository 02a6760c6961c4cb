"""Kernels of MSA give the portable bits on constants that no quantizer makes: what a hostile file may hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magik_core import toolchain
from magik_core.kernels import RUNTIME, Source
from magik_core.ops import Op, Params, Tensors
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program
from tests import harness
from tests.runtime.corpus import CASES, programs

KINDS = ("lowest weights", "any constants", "shifts about 32")
CONVOLUTIONS = ("Conv", "DepthwiseConv", "Gemm")
LOWEST_WIDE = (-(2**15), -(2**15) + 1, 2**15 - 1)
INT32 = (-(2**31), 2**31)
MULTIPLIERS = (-(2**31), 2**31 - 1, 0, -5, 2**30, 2**31 - 2**15)
SCALARS = ("multiplier", "a_multiplier", "b_multiplier", "shift", "low", "high")  # of params


def rescaling(kind: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers and shifts."""
    if kind == "any constants":
        return rng.choice(MULTIPLIERS, count).astype(np.int32), rng.integers(1, 63, count, np.int32)
    return rng.integers(2**17, 2**20, count, np.int32), np.full(count, rng.integers(31, 34), np.int32)


def extreme(op: Op, kind: str, rng: np.random.Generator) -> Op:
    """The same operator with other tables and params; convolutions of lowest weights keep theirs."""
    name = type(op).__name__

    def tables(self: Op, x: Tensors, y: Tensors) -> tuple[np.ndarray, ...]:
        old = type(op).tables(op, x, y)
        if name in CONVOLUTIONS and len(old) >= 2:
            return (*old[:-2], *rescaling(kind, len(old[-1]), rng))
        if name == "Concat" and old:
            m, shift = rescaling(kind, old[0].size // 3, rng)
            return (np.stack([rng.integers(0, 256, len(m)), m, shift], 1).astype(np.int32).reshape(old[0].shape),)
        return old

    def params(self: Op, x: Tensors, y: Tensors) -> Params:
        old = type(op).params(op, x, y)
        m, shift = rescaling(kind, 1, rng)
        values = {
            "multiplier": m[0],
            "a_multiplier": m[0],
            "b_multiplier": -5,
            "shift": shift[0],
            "low": 200,
            "high": 9,
        }
        fields = {
            k: int(v) for k, v in values.items() if hasattr(old, k) and (k not in ("low", "high") or rng.random() < 0.2)
        }
        return replace(old, **fields)

    if kind == "lowest weights":
        return op
    other = type(name, (type(op),), {"tables": tables, "params": params})
    changed: Op = object.__new__(other)
    changed.__dict__.update(op.__dict__)
    return changed


def changed(program: Program, kind: str, rng: np.random.Generator) -> Program:
    """A program with other weights, biases, multipliers, shifts and limits."""
    tensors = dict(program.tensors)
    for name, t in program.tensors.items():
        if t.data is None or t.dtype not in ("s8", "s16", "s32"):
            continue
        if t.dtype == "s16":
            values = rng.choice(LOWEST_WIDE, t.shape) if kind == KINDS[0] else rng.integers(-(2**15), 2**15, t.shape)
            tensors[name] = replace(t, data=values.astype(np.int16))
        elif t.dtype == "s8":
            values = rng.choice([-128, -127, 127], t.shape) if kind == KINDS[0] else rng.integers(-128, 128, t.shape)
            tensors[name] = replace(t, data=values.astype(np.int8))
        elif kind == "any constants":
            tensors[name] = replace(t, data=rng.integers(*INT32, t.shape, np.int64).astype(np.int32))
    steps = tuple(replace(s, op=extreme(s.op, kind, rng)) for s in program.steps)
    return replace(program, tensors=tensors, steps=steps)


def files(folder: Path) -> Iterator[str]:
    """A line for digest's list per model."""
    rng = np.random.default_rng(6)
    cases = [c for c in CASES if str(c).startswith(("Conv(", "Gemm(", "Add(", "Mul(", "Concat(", "AveragePool("))]
    codes = [(p, feeds) for name, p, feeds in programs(cases) if " u8 " in name]
    for i, (program, feeds) in enumerate(codes):
        for kind in KINDS:
            other = changed(program, kind, rng)
            path = folder / f"{i} {kind}"
            stored = harness.stored_feeds(other, feeds)
            inputs = [
                rng.choice([0, 255], v.shape).astype(v.dtype) if kind == KINDS[0] and v.dtype == np.uint8 else v
                for v in (stored[n] for n in other.inputs)
            ]
            path.with_suffix(".bin").write_bytes(pack(other, plan(other), names=False))
            path.with_suffix(".raw").write_bytes(b"".join(v.tobytes() for v in inputs))
            yield f"{path}.bin\t{path}.raw\n"


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, chain = tmp_path_factory.mktemp("msa"), toolchain.mips(msa=True)
    objects = toolchain.compile_all(chain, [Source(RUNTIME / "tools" / "digest.c")], folder)
    return toolchain.link(chain, [*objects, toolchain.runtime(chain, folder)], folder / "digest")


def test_msa_equals_portable_on_any_constants(digest: Path, tmp_path: Path) -> None:
    models = list(files(tmp_path))
    listed = tmp_path / "list"
    listed.write_text("".join(models), encoding="utf-8")
    found = {}
    for isa in ("portable", "msa"):
        done = toolchain.run(toolchain.mips(msa=True), digest, "-", str(listed), "--isa", isa, "--apart", "1")
        assert done.returncode == 0, done.stderr
        found[isa] = done.stdout.split("\n\n")
    assert "msa" in found["msa"][0] and len(found["msa"]) == len(models) + 1 > 120
    crcs = {isa: [[line.split()[3] for line in text.split("\n") if line] for text in found[isa]] for isa in found}
    assert crcs["msa"] == crcs["portable"]
