"""A graph with its quantization: what calibration leaves and lowering takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from magik_core.config import Config
from magik_core.imported import NOTHING, Imported
from magik_core.lower import lower
from magik_core.ops import Op
from magik_core.program import Program
from magik_core.samples import Samples
from magik_core.source import Quantization
from magik_core.streamed import Streamed


@dataclass(frozen=True, eq=False)
class Quantized:
    """A graph after the passes, and how it is quantized.

    Args:
        graph: what float computes; corrected: the same with corrected biases, which is what is lowered.
        imported: what of the quantization is the source's own; ops: of plugins too, None for magik's own.
        samples: calibration data, if any was needed; settings: of the conversion, None without one.
        remarks: what was chosen and has no effect.
    """

    graph: ir.Model
    quantization: Quantization
    corrected: ir.Model
    imported: Imported = NOTHING
    ops: Mapping[str, type[Op]] | None = None
    samples: Samples | Streamed | None = None
    settings: Config | None = None
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, graph: ir.Model, quantization: Quantization) -> Quantized:
        """A graph whose biases are as they are."""
        return cls(graph, quantization, graph)

    def program(self, name: str = "model") -> Program:
        """The program that it is converted to, its states still inputs and outputs."""
        return lower(self.corrected, self.quantization, name=name, ops=self.ops)
