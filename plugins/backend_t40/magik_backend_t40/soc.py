"""The figures of T40 and X2500, each with its source."""

from __future__ import annotations

from dataclasses import replace

from magik_backend_t40.checks import CHECKS
from magik_core.soc import SoC

T40 = SoC(
    name="T40",
    title="Ingenic T40 (N, XP), 2x XBurst2, NNA1",
    # The largest on-chip memory of the family (XP); the N has 128 MiB. Linux and video buffers take their
    # share of it, how much is set on the kernel's command line, so a model that fits may still be too big.
    memory_bytes=256 << 20,
    alignment=64,
    cpu="mips32r2 o32 fp64 nan2008",
    simd=("mxu3",),  # 512 bits; the vendor's kernel enables it on CPU 0 only, so a thread has to be pinned there
    clock_hz=1_000_000_000,  # 1.0 to 1.2 GHz by part
    checks=CHECKS,
    sources=(
        "memory_bytes: themactep/wiki: N 128 MB, XP 256 MB, A external; uncertain, A's size not stated",
        "alignment: the vendor's Tensor and nmem API wants pointers at multiples of 64 bytes",
        "cpu: .MIPS.abiflags of the vendor's T40 libraries: ISA 32 rev 2, FP ABI 6, no ASE",
        "simd: gtxaspec/ingenic-mxu, tests on T40 hardware; no MSA: Tencent/ncnn PR 3343, one unit",
        "clock_hz: themactep/wiki: 1.0 to 1.2 GHz by part, the slowest taken",
    ),
)

# The vendor builds X2500 programs with the T40's libraries and flags.
X2500 = replace(
    T40,
    name="X2500",
    title="Ingenic X2500, XBurst2, NNA1",
    memory_bytes=None,  # not public: nothing to hold a model against
    clock_hz=None,
    sources=(
        "alignment: as T40, whose libraries the vendor's Makefiles link for X2500",
        "cpu: as T40, by the same Makefiles",
        "simd: themactep/wiki: XBurst2 with MXU3; uncertain: not measured on this chip",
    ),
)
