"""Leave a layer in f32 and see what the outputs gain: bisecting by QUANT_NODE_SKIP, done for the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from magik_core.debugging.measure import Layer, measure
from magik_core.debugging.report import Trial, rank, worst
from magik_core.ops import by_onnx
from magik_core.quantized import Quantized

Arrays = Mapping[str, np.ndarray]


def trials(
    subject: Quantized,
    layers: Sequence[Layer],
    samples: Iterable[Arrays],
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Trial]:
    """The worst layers, each left in f32 by itself; the largest gain first.

    Args: layers: as `measure` found them on the same samples.
    """
    output, before = _worst_output(subject, layers)
    reached = _before(subject.graph, output)
    suspects = worst([x for x in layers if x.value in reached and not _is_move(x)])
    out = []
    for number, layer in enumerate(suspects):
        floats = subject.quantization.float_nodes | set(layer.nodes)
        skipped = replace(subject, quantization=replace(subject.quantization, float_nodes=floats))
        found = measure(skipped, samples, parts=("accumulated",), threads=threads)
        out.append(Trial(layer.name, layer.nodes, output, before, _sqnr(found.layers, output)))
        if progress:
            progress(number + 1, len(suspects))
    return sorted(out, key=lambda trial: -rank(trial.after))


def _worst_output(subject: Quantized, layers: Sequence[Layer]) -> tuple[str, float]:
    """The output that suffers most and its SQNR in dB; the last layer where no layer holds an output."""
    outputs = {v.name for v in subject.graph.graph.outputs}
    found = {x.value: _sqnr([x], x.value) for x in layers if x.value in outputs}
    found = found or {x.value: _sqnr([x], x.value) for x in layers[-1:]}
    return min(found.items(), key=lambda item: rank(item[1]), default=("", math.inf))


def _sqnr(layers: Iterable[Layer], value: str) -> float:
    found = (x.accumulated for x in layers if x.value == value)
    return next((d.sqnr_db for d in found if d is not None), math.inf)


def _before(model: ir.Model, output: str) -> set[str]:
    """All values that an output depends on, itself included."""
    reached = {output}
    for node in reversed(model.graph):
        if reached.intersection(v.name or "" for v in node.outputs):
            reached.update(v.name or "" for v in node.inputs if v is not None)
    return reached


def _is_move(layer: Layer) -> bool:
    """Whether a layer only moves codes: it has nothing to lose."""
    op = by_onnx().get(layer.op)
    return op is not None and op.keeps_codes
