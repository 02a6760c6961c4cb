"""Leave a layer in f32 and see what the outputs gain: bisecting by QUANT_NODE_SKIP, done for the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from magik_core.debugging.measure import Layer, measure
from magik_core.debugging.report import Trial, worst
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
    outputs = {v.name for v in subject.graph.graph.outputs}
    suspects = worst(layers)
    before = _worst_output(layers, outputs)
    out = []
    for number, layer in enumerate(suspects):
        floats = subject.quantization.float_nodes | set(layer.nodes)
        skipped = replace(subject, quantization=replace(subject.quantization, float_nodes=floats))
        found = measure(skipped, samples, parts=("accumulated",), threads=threads)
        out.append(Trial(layer.name, layer.nodes, before, _worst_output(found.layers, outputs)))
        if progress:
            progress(number + 1, len(suspects))
    return sorted(out, key=lambda trial: -trial.after)


def _worst_output(layers: Sequence[Layer], outputs: set[str | None]) -> float:
    """SQNR of the output that suffers most, in dB; of the last layer where no layer holds an output."""
    found = [x.accumulated.sqnr_db for x in layers if x.value in outputs and x.accumulated is not None]
    found = found or [x.accumulated.sqnr_db for x in layers[-1:] if x.accumulated is not None]
    return min(found, default=math.inf)
