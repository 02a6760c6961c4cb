"""Every layer of every shared ONNX model has one digest: numpy, each kind of kernels, MIPS with and without SIMD."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from bench import planner
from magik_core import layout, places, proof
from magik_core.library import isas
from magik_core.lower import lower
from magik_core.pack import pack
from magik_core.places import load
from magik_core.plan import plan
from magik_core.proof import Where

SHARED = planner.shared_folder()
MIPS = {"mips portable under QEMU", "mips fp64 under QEMU", "mips-msa msa under QEMU"}
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]


def test_this_machine_shows_what_it_can() -> None:
    """On a CPU without AVX2 or VNNI fewer kernels are compared: then this says so."""
    if platform.machine() != "x86_64" or "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the CPU has no AVX-512 VNNI: its kernels are not compared here")
    assert {"avx2", "vnni"} <= set(isas())


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("is_other", [False, True], ids=["size", "other size"])
@pytest.mark.parametrize("net", planner.NETS, ids=lambda n: n.name)
def test_one_digest_everywhere(net: planner.Net, is_other: bool, tmp_path: Path) -> None:
    model = planner.prepared(net, SHARED)
    program = lower(model, planner.quantization(model), name=net.name)
    path = tmp_path / f"{net.name}.mgk"
    path.write_bytes(pack(program, plan(program), names=True))
    axes = [port.axes for port in load(path).inputs]
    shapes = tuple(layout.logical(s, a) for s, a in zip(net.other, axes, strict=True)) if is_other else ()
    inputs = proof.random_inputs(load(path, shapes=shapes), 1)
    found = proof.prove(path, Where(targets=places.TARGETS, is_numpy=True, shapes=shapes), inputs)
    assert [str(row.where) for row in found.rows if row.result != f"all {row.layers} layers agree"] == []
    assert {row.layers for row in found.rows} == {len(program.steps)}
    assert {"numpy definition", "host portable", "host fp64", *MIPS} <= {row.where for row in found.rows}
    assert {f"host {isa}" for isa in isas()} <= {row.where for row in found.rows}
