"""Programs with one half of the quantization taken away: real weights, or real activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from magik_core.debugging.sites import sites
from magik_core.imported import drop
from magik_core.lower import lower
from magik_core.program import Program
from magik_core.quantize import real_weights
from magik_core.quantized import Quantized
from magik_core.source import Quantization


def with_real_weights(subject: Quantized, program: Program) -> Program:
    """Activations as in `program`, weights and biases as in the float model."""
    weighted = {name for site in sites(subject.corrected, program) if site.has_weights for name in site.nodes}
    floats = subject.quantization.float_nodes | weighted
    return lower(subject.graph, replace(subject.quantization, float_nodes=floats), ops=subject.ops)


def with_real_features(subject: Quantized) -> Program:
    """Every step in f32; weights are the reals of their codes, biases those that are lowered."""
    copy: ir.Model = ir.from_proto(ir.to_proto(subject.corrected))
    if subject.quantization.weights is not None:
        _put(copy, real_weights(copy, subject.quantization.weights, subject.imported))
    if subject.imported:
        drop(copy)
    return lower(copy, Quantization(), ops=subject.ops)


def _put(model: ir.Model, constants: Mapping[str, np.ndarray]) -> None:
    for name, array in constants.items():
        model.graph.initializers[name].const_value = ir.tensor(array, name=name)
