"""Bits that the vendor documents no more of, and what the T40's accelerator, NNA1, would not take.

The second are notices, since magik runs on the CPU.

The rules are those of the vendor's board manual of early 2022 (Venus Programming Manual 1.0.2, tables
2-1 to 2-18) with what its change log added up to library 1.0.2. All are uncertain in one way: nobody
outside the vendor has held them against the chip.
"""

from __future__ import annotations

from functools import partial

from magik_core import checks
from magik_core.builtin import ingenic
from magik_core.soc import Check, check

notice = partial(check, notice=True)


def manual(row: str) -> str:
    return f"Venus Programming Manual 1.0.2, {row}; not tried on hardware"


def storage(op: str, row: str) -> Check:
    """Features in 2, 4 or 8 bits are u8 here; wider ones and f32 stay on the CPU."""
    sentence, name = "features are stored as one of: {dtypes}", f"nna_{row}_storage"
    return notice(op, sentence, name=name, source=manual(row), dtypes=("u8",))(checks.storage)


def weight_bits(op: str, row: str, bits: tuple[int, ...]) -> Check:
    sentence, name = "weights have one of {bits} bits", f"nna_{row}_weight_bits"
    return notice(op, sentence, name=name, source=manual(row), bits=bits)(checks.weight_bits)


def pair(op: str, row: str, features: tuple[int, ...], bits: tuple[int, ...]) -> Check:
    sentence, name = "with features of {features} bits weights have one of {bits} bits", f"nna_{row}_pair"
    return notice(op, sentence, name=name, source=manual(row), features=features, bits=bits)(checks.paired_weight_bits)


def batch(op: str) -> Check:
    sentence, name = "the batch is at most {n}", f"nna_{op.lower()}_batch"
    return notice(op, sentence, name=name, source=manual("eltwise"), n=1)(checks.batch)


CHECKS: tuple[Check, ...] = (
    *ingenic.WIDTHS,
    notice(
        "*",
        "the operator is one of {ops}",
        name="nna_operator",
        source=manual("all tables, and the change log to 1.0.2") + "; uncertain: the list may be incomplete",
        ops=ingenic.OPERATORS,
    )(checks.known_op),
    notice(
        "Conv",
        "strides are at most {n}; a first layer of {kernel}x{kernel} may have stride {stride}",
        name="nna_convolution_stride",
        source=manual("convolution") + "; the first layer by the change log",
        n=2,
        kernel=5,
        stride=4,
    )(checks.stride_after_first),
    notice(
        "DepthwiseConv",
        "strides are at most {n}",
        name="nna_depthwise_stride",
        source=manual("depthwise") + "; this is for 8-bit features, narrower ones take any stride",
        n=2,
    )(checks.stride),
    storage("Conv", "convolution"),
    storage("DepthwiseConv", "depthwise"),
    storage("Gemm", "fullconnected"),
    weight_bits("Conv", "convolution", (2, 4, 6, 8)),
    weight_bits("DepthwiseConv", "depthwise", (2, 4, 6, 8)),
    weight_bits("Gemm", "fullconnected", (2, 4, 8)),
    pair("Conv", "convolution", (2,), (2, 4)),
    pair("DepthwiseConv", "depthwise", (2, 4), (2, 4)),
    storage("LSTM", "lstm"),
    weight_bits("LSTM", "lstm", (2, 4, 6, 8)),
    notice(
        "Resize",
        "{field} is one of: {values}",
        name="nna_resize_mode",
        source=manual("upsample") + "; uncertain: bilinear is printed for 2 bits only, FP16 and FP32 came later",
        field="mode",
        values=("nearest",),
    )(checks.attribute),
    notice(
        "Mul",
        "operands are of one shape, or one is a scalar, a value per channel or a value per pixel",
        name="nna_mul_broadcast",
        source=manual("mul"),
    )(checks.broadcast),
    batch("Extremum"),
    notice(
        "*",
        "what a step reads and writes fits {mib} MiB, the accelerator's memory (nmem) as boards often set it",
        name="nna_memory",
        source="kernel command lines of public boards (nmem=16M); uncertain: a board may set more or less",
        mib=16,
    )(checks.step_bytes),
)
