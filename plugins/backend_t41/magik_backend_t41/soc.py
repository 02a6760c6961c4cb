"""The figures of T41 and A1, each with its source."""

from __future__ import annotations

from dataclasses import replace

from magik_backend_t41.checks import CHECKS
from magik_core.soc import SoC

T41 = SoC(
    name="T41",
    title="Ingenic T41 (LQ to A), XBurst2, NNA2",
    # The largest memory of the family: 64 to 256 MiB on the chip, up to 512 MiB outside. Linux and video
    # buffers take their share of it, so a model that fits may still be too big for a small part.
    memory_bytes=512 << 20,
    alignment=64,
    cpu="mips32r2 o32 fp64 nan2008",
    simd=("mxu3",),  # 512 bits; which of one or two cores a part has differs between sources
    clock_hz=1_400_000_000,
    checks=CHECKS,
    sources=(
        "memory_bytes: themactep/wiki: 64-256 MB, external 512 MB; uncertain: not measured",
        "alignment: opensensor/thingino-accel, T41 NNA manual: DMA addresses in units of 64 bytes",
        "cpu: .MIPS.abiflags of the vendor's T41 libraries: ISA 32 rev 2, FP ABI 6, no ASE",
        "simd: gtxaspec/ingenic-mxu, tests on T41 hardware",
        "clock_hz: themactep/wiki: 1.4 GHz; uncertain: not measured",
    ),
)

# The vendor has libraries of their own for A1, with the headers and version numbers of T41's.
A1 = replace(
    T41,
    name="A1",
    title="Ingenic A1, XBurst2, NNA2",
    memory_bytes=None,  # not public: nothing to hold a model against
    clock_hz=None,
    sources=(
        "alignment: as T41, by the same headers",
        "cpu: as T41, by the same toolchain flags; uncertain: no A1 file was read",
        "simd: themactep/wiki: XBurst2 with MXU3; uncertain: not measured on this chip",
    ),
)
