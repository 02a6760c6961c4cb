"""What the corpus, which runs under the sanitizers and from which the damaged files come, consists of."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest

from magik_core.library import kernel_names
from tests.runtime.corpus import programs

MOVES = {"concat_x8", "where_x8"}  # the same code as concat_x16 and where_x32, by another size


@cache
def kinds() -> dict[str, set[str]]:
    """Per kernel, the dtypes that its steps read and write."""
    found: dict[str, set[str]] = defaultdict(set)
    for _, program, _ in programs():
        for step in program.steps:
            x, y = program.reads(step), program.writes(step)
            found[step.op.kernel(x, y)].update(t.dtype for t in (*x, *y))
    return found


def test_every_kernel_is_there() -> None:
    assert set(kernel_names()) - set(kinds()) <= MOVES


@pytest.mark.parametrize("op", ["conv", "depthwise_conv", "conv_transpose", "gemm"])
def test_wide_weights_and_sums(op: str) -> None:
    assert {"s8", "s16", "s32", "s64"} <= kinds()[f"{op}_u16"]
    assert "s16" in kinds()[f"{op}_u8_s16"] and "s16" in kinds()[f"{op}_u8_twice"]


@pytest.mark.parametrize("op", ["lstm", "gru", "rnn"])
def test_layers_with_memory(op: str) -> None:
    assert {"s8", "s16", "s64", "u16"} <= kinds()[f"{op}_u16"]
    assert {"s8", "s64", "u8", "u16"} <= kinds()[f"{op}_u8"]


def test_several_layers_of_mixed_widths() -> None:
    found = {name: program for name, program, _ in programs([])}
    widths = {name: {t.quant.bits for t in p.activations() if t.quant} for name, p in found.items()}
    assert widths["net widths"] == {8, 10, 12, 14, 16}
    assert {len(p.steps) > 8 for name, p in found.items() if name.startswith("memory")} == {True}
