"""Programs with one half of the quantization taken away: real weights, or real activations."""

from __future__ import annotations

from dataclasses import replace

from magik_core.debugging.sites import sites
from magik_core.imported import drop
from magik_core.lower import lower
from magik_core.program import Program
from magik_core.quantized import Quantized
from magik_core.source import Quantization
from magik_core.weights import real_weights, with_weights


def with_real_weights(subject: Quantized, program: Program) -> Program:
    """Activations as in `program`, weights and biases as in the float model."""
    floats = subject.quantization.float_nodes | _weighted(subject, program)
    return lower(subject.graph, replace(subject.quantization, float_nodes=floats), ops=subject.ops)


def with_real_features(subject: Quantized, program: Program) -> Program:
    """Every step in f32; weights that are codes in `program` are their reals, biases those that are lowered."""
    weighted = _weighted(subject, program)
    reals = real_weights(subject.corrected, subject.quantization)
    copy = with_weights(subject.corrected, {place: reals[place] for place in reals if place[0] in weighted})
    if subject.imported:
        drop(copy)
    return lower(copy, Quantization(), ops=subject.ops)


def _weighted(subject: Quantized, program: Program) -> set[str]:
    """The nodes of layers with quantized weights."""
    return {name for site in sites(subject.corrected, program) if site.has_weights for name in site.nodes}
