"""Bits that the vendor documents no more of, and what the T41's accelerator, NNA2, would not take.

The second are notices, since magik runs on the CPU.

Two sources: the reconstruction of the accelerator by opensensor/thingino-accel, which ran on hardware,
and the vendor's manual, whose tables describe NNA1. A rule that only the manual has is marked uncertain.
"""

from __future__ import annotations

from functools import partial

from magik_core import checks
from magik_core.builtin import ingenic
from magik_core.soc import Check, check

RECONSTRUCTION = "opensensor/thingino-accel, T41 NNA Programmer's Reference Manual, from hardware"
MANUAL = "Venus Programming Manual 1.0.2; uncertain: its tables are of NNA1"
LAYERS = {"Conv": "convolution", "DepthwiseConv": "depthwise", "Gemm": "fullconnected"}
notice = partial(check, notice=True)


def storage(op: str) -> Check:
    """Features in 2, 4 or 8 bits are u8 here; wider ones and f32 stay on the CPU."""
    sentence, name = "features are stored as one of: {dtypes}", f"nna_{LAYERS[op]}_storage"
    return notice(op, sentence, name=name, source=RECONSTRUCTION, dtypes=("u8",))(checks.storage)


def weight_bits(op: str) -> Check:
    sentence, name = "weights have one of {bits} bits", f"nna_{LAYERS[op]}_weight_bits"
    return notice(op, sentence, name=name, source=RECONSTRUCTION, bits=(2, 4, 6, 8))(checks.weight_bits)


CHECKS: tuple[Check, ...] = (
    *ingenic.WIDTHS,
    notice("*", "the operator is one of {ops}", name="nna_operator", source=MANUAL, ops=ingenic.OPERATORS)(
        checks.known_op
    ),
    notice(
        "Conv",
        "strides are at most {n}; a first layer of {kernel}x{kernel} may have stride {stride}",
        name="nna_convolution_stride",
        source=RECONSTRUCTION + "; the first layer: change logs of the vendor's converter, 2.0.2 to 2.0.4",
        n=2,
        kernel=5,
        stride=4,
    )(checks.stride_after_first),
    notice("DepthwiseConv", "strides are at most {n}", name="nna_depthwise_stride", source=RECONSTRUCTION, n=2)(
        checks.stride
    ),
    *(storage(op) for op in LAYERS),
    *(weight_bits(op) for op in LAYERS),
    notice(
        "*",
        "what a step reads and writes fits {mib} MiB, the accelerator's memory (nmem) as boards often set it",
        name="nna_memory",
        source="kernel command lines of public boards (nmem=16M); uncertain: a board may set more or less",
        mib=16,
    )(checks.step_bytes),
)
