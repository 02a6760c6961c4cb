"""The PC: what `magik run` computes on, without limits."""

from __future__ import annotations

from magik_core.soc import SoC

HOST = SoC(
    name="host",
    title="this computer, no limits",
    memory_bytes=None,
    alignment=64,
    sources=("alignment: as the boards have, so that an arena is laid out alike; a cache line of x86 and Arm",),
)
