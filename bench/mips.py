"""Instructions that a MIPS board executes for a run of each model: counted under QEMU, the same on every machine.

    python -m bench.mips [--shared FOLDER] [--only NAME]… [--layers] [--json]

Each of the shared ONNX models, quantized as bench.planner does, and a net of 3x3 and 1x1 convolutions with
seeded weights. Columns: the portable kernels, the scalar ones for the board (fp64) and those of SIMD (msa);
million instructions of all steps, and in brackets how many for one multiply-accumulate.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from bench import planner
from magik_core import qemu, toolchain
from magik_core.kernels import Source
from magik_core.lower import lower
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import DTYPES, Program
from magik_core.toolchain import Toolchain

KINDS = {"portable": "mips", "fp64": "mips", "msa": "mips-msa"}  # isa: machine that runs it
PLAIN = "conv-3x3-1x1"
SIZE = 128  # of the image of the plain net
# (channels, window, stride) of each of its convolutions
LAYERS = (
    (16, 3, 2), (32, 1, 1), (32, 3, 2), (64, 1, 1), (64, 3, 1), (64, 1, 1),
    (96, 3, 2), (96, 1, 1), (128, 3, 1), (64, 1, 1), (128, 3, 2), (128, 1, 1),
)  # fmt: skip
HEADS = ("model", "MACs", *KINDS)


@dataclass(frozen=True)
class Row:
    """A model or one of its steps: instructions by isa."""

    name: str
    macs: int
    counts: dict[str, int] = field(default_factory=dict)

    def cells(self) -> tuple[str, ...]:
        return (self.name, f"{self.macs:,}", *(self._cell(self.counts[isa]) for isa in KINDS))

    def _cell(self, count: int) -> str:
        rate = f" ({count / self.macs:.3f})" if self.macs else ""
        return f"{count / 1e6:.3f} M{rate}"


def plain() -> ir.Model:
    """The net of LAYERS, each with a Relu, as it is after the passes."""
    rng = np.random.default_rng(0)
    nodes, constants, value, channels, size = [], [], "x", 3, SIZE
    for i, (out, window, stride) in enumerate(LAYERS):
        shape = (out, channels, window, window)
        w = rng.normal(0, np.sqrt(2 / (channels * window * window)), shape).astype(np.float32)
        b = rng.normal(0, 0.1, out).astype(np.float32)
        constants += [numpy_helper.from_array(w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        pads = [window // 2] * 4
        nodes.append(helper.make_node("Conv", [value, f"w{i}", f"b{i}"], [f"c{i}"], strides=[stride] * 2, pads=pads))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        value, channels, size = f"r{i}", out, size // stride
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, SIZE, SIZE))
    y = helper.make_tensor_value_info(value, TensorProto.FLOAT, (1, channels, size, size))
    graph = helper.make_graph(nodes, PLAIN, [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.onnx"
        onnx.save(model, path)
        return planner.prepared(planner.Net(PLAIN, str(path), ((1, 3, SIZE, SIZE),)), Path("/"))


def programs(shared: Path, only: Sequence[str]) -> Iterator[tuple[str, Program]]:
    """The models by name, quantized."""
    for net in (*planner.NETS, planner.Net(PLAIN, "", ())):
        if not only or net.name in only:
            model = plain() if net.name == PLAIN else planner.prepared(net, shared)
            yield net.name, lower(model, planner.quantization(model), name=net.name)


def write(program: Program, folder: Path) -> tuple[Path, Path]:
    """The model file and random inputs."""
    rng = np.random.default_rng(0)
    model, inputs = folder / "model.bin", folder / "model.raw"
    model.write_bytes(pack(program, plan(program), names=False))
    tensors = [program.tensors[n] for n in program.inputs]
    inputs.write_bytes(
        b"".join(
            (rng.integers(0, 256, t.shape) if t.dtype != "f32" else rng.normal(0, 1, t.shape))
            .astype(DTYPES[t.dtype])
            .tobytes()
            for t in tensors
        )
    )
    return model, inputs


def digest_program(chain: Toolchain, folder: Path) -> Path:
    """tools/digest.c with the whole runtime."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = toolchain.compile_all(chain, [Source(qemu.TOOLS / "digest.c")], folder)
    return toolchain.link(chain, [*objects, toolchain.runtime(chain, folder)], folder / "digest")


def steps(program: Program, counts: dict[str, list[int]]) -> list[Row]:
    """One row per step of a program."""
    out = []
    for i, step in enumerate(program.steps):
        x, y = program.reads(step), program.writes(step)
        shape = "x".join(map(str, y[0].shape))
        name = f"{i} {step.op.kernel(x, y)} {shape}"
        out.append(Row(name, step.op.macs(x, y), {isa: counts[isa][i] for isa in KINDS}))
    return out


def total(name: str, rows: Sequence[Row]) -> Row:
    return Row(name, sum(r.macs for r in rows), {isa: sum(r.counts[isa] for r in rows) for isa in KINDS})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=planner.shared_folder())
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--layers", action="store_true", help="a line per step too")
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args()
    known = [net.name for net in planner.NETS] + [PLAIN]
    if unknown := set(options.only) - set(known):
        sys.exit(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if not options.shared.is_dir() and options.only != [PLAIN]:
        sys.exit(f"no such folder: {options.shared}")
    chains = {"mips": toolchain.mips(), "mips-msa": toolchain.mips(msa=True)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digests = {machine: digest_program(chain, folder / machine) for machine, chain in chains.items()}
        if not options.json:
            print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
        for net, program in programs(options.shared, options.only):
            model, inputs = write(program, folder)
            counts = {
                isa: qemu.step_instructions(chains[m], digests[m], model, inputs, "--isa", isa)
                for isa, m in KINDS.items()
            }
            rows = steps(program, counts)
            for row in (*(rows if options.layers else ()), total(net, rows)):
                if options.json:
                    print(json.dumps({"name": row.name, "macs": row.macs, **row.counts}), flush=True)
                else:
                    print("| " + " | ".join(row.cells()) + " |", flush=True)


if __name__ == "__main__":
    main()
