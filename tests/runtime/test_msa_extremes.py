"""Kernels of MSA give the portable bits on constants that no quantizer makes: what a hostile file may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magik_core import toolchain
from magik_core.kernels import RUNTIME, Source
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, Tensor
from tests import harness
from tests.runtime.corpus import CASES, programs

OPERATORS = ("Conv", "DepthwiseConv", "Gemm")
INT32 = (-(2**31), 2**31)


def constants(program: Program, kind: str, rng: np.random.Generator) -> Mapping[str, Tensor]:
    """Tensors of a program with other weights, or with any weights, biases, multipliers and shifts."""
    tensors = dict(program.tensors)

    def put(name: str, values: np.ndarray) -> None:
        old = tensors[name].data
        assert old is not None
        tensors[name] = replace(tensors[name], data=values.astype(old.dtype).reshape(old.shape))

    for step in program.steps:
        if type(step.op).__name__ not in OPERATORS:
            continue
        w, bias, m, shift = step.inputs[1], step.inputs[2], step.inputs[-2], step.inputs[-1]
        count = tensors[w].count
        put(w, rng.choice([-128, -127, 127], count) if kind == "lowest weights" else rng.integers(-128, 128, count))
        if kind == "any constants":
            put(bias, rng.integers(*INT32, tensors[bias].count))
            put(m, rng.choice([*INT32[:1], 2**31 - 1, 0, -5, 2**30], tensors[m].count))
            put(shift, rng.integers(1, 63, tensors[shift].count))
        if kind == "shifts about 32":  # from which 32 bits are enough
            put(m, rng.integers(2**17, 2**20, tensors[m].count))
            put(shift, np.full(tensors[shift].count, rng.integers(31, 34)))
    return tensors


def files(folder: Path) -> Iterator[str]:
    """A line for digest's list per model."""
    rng = np.random.default_rng(6)
    cases = [c for c in CASES if str(c).startswith(("Conv(", "Gemm("))]
    codes = [(p, feeds) for name, p, feeds in programs(cases) if " u8 " in name]
    for i, (program, feeds) in enumerate(codes):
        for kind in ("lowest weights", "any constants", "shifts about 32"):
            changed = replace(program, tensors=constants(program, kind, rng))
            path = folder / f"{i} {kind}"
            stored = harness.stored_feeds(changed, feeds)
            inputs = [rng.choice([0, 255], stored[n].shape).astype(stored[n].dtype) for n in changed.inputs]
            path.with_suffix(".bin").write_bytes(pack(changed, plan(changed), names=False))
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
