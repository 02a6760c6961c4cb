"""How much closer to float wider features come: magik alone, on the same samples at every width."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import magik_core as magik
from bench import metrics, ours, peer
from bench.datasets import split
from bench.tasks import Task, as_onnx
from magik_core.recipe import FEATURE_BITS, REAL


@dataclass(frozen=True)
class Widths:
    """SQNR in dB of a network's outputs by bits of its features; `f32` are steps that stay in float, by bits too."""

    network: str
    samples: str
    decibels: dict[int, float]
    f32: dict[int, int]

    @property
    def is_closer(self) -> bool:
        """Whether more bits are closer to float at each step."""
        found = [self.decibels[bits] for bits in sorted(self.decibels)]
        return all(a < b for a, b in pairwise(found))


def parse(text: str) -> tuple[int, ...]:
    """Widths separated by commas."""
    known = {str(bits): bits for bits in FEATURE_BITS if bits != REAL}
    if not set(text.split(",")) <= set(known):
        raise argparse.ArgumentTypeError(f"{text}: one or more of {','.join(known)}")
    return tuple(known[one] for one in text.split(","))


def measure(task: Task, shared: Path, most: int | None, bits: Sequence[int]) -> Widths:
    """A network at each width, calibrated with the same samples."""
    calibration, held_out = split(task.data(shared), task.calibrate, most)
    decibels, f32 = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = as_onnx(task, shared, folder, calibration.x)
        real = peer.run(model, task.normalized(held_out.x))
        for width in bits:
            result = ours.convert(task, model, calibration.x, folder, quant_feature_bit=width)
            found = ours.run(magik.load(folder / "ours.bin", threads=2), task.raw(held_out.x))
            decibels[width] = metrics.sqnr(real, found)
            program = result.program
            kernels = [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]
            f32[width] = sum(kernel.endswith("_f32") for kernel in kernels)
    return Widths(task.name, f"{len(calibration)} + {len(held_out)}", decibels, f32)


def table(found: Sequence[Widths]) -> str:
    """Rows as markdown."""
    bits = list(found[0].decibels)
    heads = ("network", "samples", *(f"{b} bits" for b in bits), "f32 steps", "wider is closer")
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in found:
        cells = [f"{row.decibels[b]:.1f}" for b in bits]
        islands = "/".join(str(row.f32[b]) for b in bits)
        lines.append(f"| {' | '.join((row.network, row.samples, *cells, islands, 'yes' if row.is_closer else 'no'))} |")
    return "\n".join(lines)
