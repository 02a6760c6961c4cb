"""How near the memory plan of each shared ONNX model comes to the least memory there can be.

    python -m bench.planner [--shared FOLDER]

"board" is the arena that the runtime itself plans for these sizes, after a reshape; then all of it again at
another size of the inputs.

Each model is lowered as a conversion would, in u8 where its operators have integer kernels and once in f32.
Ranges come from two random samples: a plan depends on sizes and order, not on them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx_ir as ir

from magik_core import layout, passes
from magik_core import net as runtime
from magik_core.float_session import FloatSession
from magik_core.lower import lower
from magik_core.pack import pack, sections_of
from magik_core.plan import Plan, check_plan, plan
from magik_core.plugins import load
from magik_core.prepare import prepare
from magik_core.program import Program
from magik_core.quantize import quantize, values_to_calibrate
from magik_core.read import read
from magik_core.recipe import Recipe
from magik_core.reshape import reshape, stacked
from magik_core.share import groups_of
from magik_core.source import Quantization

BESIDE = Path(__file__).resolve().parents[2] / "shared"
HEADS = ("model", "type", "arena", "lower bound", "ratio", "board", "board/arena", "other size", "its arena",
         "its board", "its board/arena", "steps", "float steps")  # fmt: skip


@dataclass(frozen=True)
class Net:
    """A model of the shared folder, and what it needs to have static shapes."""

    name: str
    path: str
    shapes: tuple[tuple[int, ...], ...]
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    other: tuple[tuple[int, ...], ...] = ()  # stored shapes of the inputs at another size that the model can have


NETS = (
    *(Net(f"ultraface{kind}", f"models/ultraface-rfb320/onnx/version-RFB-320{kind}.onnx", ((1, 3, 240, 320),),
          other=(other,))
      for kind, other in (("", (2, 240, 320, 3)), ("_simplified", (1, 120, 160, 3)),
                          ("_without_postprocessing", (1, 480, 640, 3)))),
    Net("ppocr-cls", "models/ppocr-cls/ch_ppocr_mobile_v2.0_cls_infer.onnx", ((1, 3, 48, 192),),
        other=((1, 48, 320, 3),)),
    Net("fastestdet", "models/fastestdet/FastestDet.onnx", ((1, 3, 352, 352),), other=((1, 224, 256, 3),)),
    Net("dtln-1", "models/dtln/model_1.onnx", ((1, 1, 257), (1, 2, 128, 2)),
        other=((4, 1, 257), (1, 128, 2, 2))),
    Net("dtln-2", "models/dtln/model_2.onnx", ((1, 1, 512), (1, 2, 128, 2)),
        other=((2, 1, 512), (2, 128, 2, 2))),
    Net("silero-op15", "models/silero-vad/silero_vad_16k_op15.onnx", ((1, 576), (2, 1, 128)),
        {"sr": np.array(16000)}, other=((1, 512), (2, 1, 128))),
    Net("silero-sequence", "models/silero-vad/silero_vad_16k_sequence.onnx",
        ((31, 576), (1, 1, 128), (1, 1, 128)),
        other=((7, 576), (1, 1, 128), (1, 1, 128))),
)  # fmt: skip


def shared_folder() -> Path:
    """Where models and data are: MAGIK_SHARED, or beside the checkout."""
    return Path(os.environ.get("MAGIK_SHARED", BESIDE))


def prepared(net: Net, shared: Path) -> ir.Model:
    """The model with static shapes, after the passes."""
    source = read(shared / net.path)
    model = prepare(source, input_shapes=net.shapes, constants=net.constants)
    passes.run(model)
    return model


def quantization(model: ir.Model) -> Quantization:
    """Ranges of two random samples, min to max."""
    names, recipe = values_to_calibrate(model, Recipe()), Recipe()
    session, rng = FloatSession(model, names), np.random.default_rng(0)
    ranges: dict[str, tuple[float, float]] = {}
    for _ in range(2):
        feeds = {v.name: rng.normal(0, 1, v.shape.numpy()).astype(np.float32) for v in model.graph.inputs}
        for name, x in session.run(feeds).items():
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = (min(low, float(x.min())), max(high, float(x.max())))
    scales = load().quantizer("max_abs").weight
    return quantize(model, {n: ranges[n] for n in names}, recipe, scales)


def float_steps(program: Program) -> Counter[str]:
    """How many steps compute in f32, by operator."""
    kernels = (s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps)
    return Counter(k.removesuffix("_f32") for k in kernels if k.endswith("_f32"))


def planned(program: Program) -> Plan:
    """The plan, proven to keep every tensor."""
    out = plan(program)
    check_plan(program, out)
    return out


def at_other_size(net: Net, program: Program) -> Program:
    return reshape(program, dict(zip(program.inputs, net.other, strict=True)))


def on_the_board(program: Program, before: Program) -> Plan:
    """The runtime's own plan for a program, proven; from the file of the same program at sizes `before`."""
    start = stacked(before)
    _, index = sections_of(before, start)
    net = runtime.Net(pack(before, start, names=False))
    stored = zip(net.inputs, (program.tensors[n].shape for n in program.inputs), strict=True)
    net.reshape({p.name: layout.logical(shape, p.axes) for p, shape in stored})
    offsets = {t.name: net.offset(index[t.name]) for t in program.activations()}
    end = max(offsets[t.name] + t.nbytes for t in program.activations())
    out = Plan(offsets, -(-end // 64) * 64, 0, groups_of(program, offsets))
    check_plan(program, out)
    return out


def row(net: Net, kind: str, program: Program) -> list[str]:
    """A line of the table."""
    placed, other = planned(program), at_other_size(net, program)
    elsewhere, here, there = planned(other), on_the_board(program, other), on_the_board(other, program)
    real = float_steps(program)
    detail = f" ({', '.join(f'{n} {op}' for op, n in sorted(real.items()))})" if kind == "u8" and real else ""
    ratio = placed.arena_bytes / placed.lower_bound
    sizes = " ".join("x".join(map(str, shape)) for shape in net.other)
    return [net.name, kind, f"{placed.arena_bytes:,}", f"{placed.lower_bound:,}", f"{ratio:.4f}",
            *_beside(here, placed), sizes, f"{elsewhere.arena_bytes:,}", *_beside(there, elsewhere),
            str(len(program.steps)), f"{real.total()}{detail}"]  # fmt: skip


def _beside(board: Plan, offline: Plan) -> tuple[str, str]:
    return f"{board.arena_bytes:,}", f"{board.arena_bytes / offline.arena_bytes:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=shared_folder())
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
    for net in NETS:
        model = prepared(net, options.shared)
        for kind, how in (("u8", quantization(model)), ("f32", Quantization())):
            program = lower(model, how, name=net.name)
            print("| " + " | ".join(row(net, kind, program)) + " |", flush=True)


if __name__ == "__main__":
    main()
