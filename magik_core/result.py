"""What a conversion made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magik_core.legalize import Finding, weight_bytes
from magik_core.plan import Plan
from magik_core.program import Program


@dataclass(frozen=True)
class Result:
    """What a conversion made.

    Args: program, plan: what was packed; outputs: the files written, none without an output path;
        findings: the chip's notices; calibration_samples: how many were read;
        imported_values: activations that have the source's own quantization; seconds: it took.
    """

    model: str
    soc: str
    program: Program = field(repr=False)
    plan: Plan = field(repr=False)
    outputs: tuple[Path, ...]
    findings: tuple[Finding, ...]
    calibration_samples: int
    imported_values: int
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        p = self.program
        return sum(s.op.macs(p.reads(s), p.writes(s)) for s in p.steps)

    @property
    def float_steps(self) -> int:
        """Steps that compute in f32."""
        p = self.program
        return sum(s.op.kernel(p.reads(s), p.writes(s)).endswith("_f32") for s in p.steps)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "soc": self.soc,
            "outputs": [str(path) for path in self.outputs],
            "arena_bytes": self.plan.arena_bytes,
            "arena_lower_bound": self.plan.lower_bound,
            "weight_bytes": weight_bytes(self.program),
            "macs": self.macs,
            "steps": len(self.program.steps),
            "float_steps": self.float_steps,
            "calibration_samples": self.calibration_samples,
            "imported_values": self.imported_values,
            "seconds": round(self.seconds, 3),
            "notices": len(self.findings),
            "warnings": list(self.warnings),
        }
