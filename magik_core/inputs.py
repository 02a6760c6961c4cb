"""What a graph's inputs take, and the data for them."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from magik_core import carry
from magik_core.config import Config, is_nhwc
from magik_core.data_files import InputSpec
from magik_core.samples import Samples, open_samples
from magik_core.streamed import Streamed


def specs(graph: ir.Model, settings: Config) -> list[InputSpec]:
    """How samples of each input are loaded; states come of themselves."""
    shapes = {v.name or "": tuple(int(d) for d in v.shape or ()) for v in graph.graph.inputs}  # type: ignore[arg-type]
    found = []
    for (name, shape), said in zip(shapes.items(), settings.for_inputs(shapes), strict=True):
        found.append(InputSpec(name, shape, said.color, is_nhwc(shape)))
    states = carry.pairs(graph)
    return [spec for spec in found if spec.name not in states]


def read(graph: ir.Model, settings: Config, path: str | Path, what: str, size: int | None = None) -> Samples | Streamed:
    """The data at a path, at most `size` samples; those of a net with memory are its frames in order.

    Args: what: they are, for messages.
    """
    found = open_samples(path, specs(graph, settings), size, what)
    return Streamed(graph, found) if carry.pairs(graph) else found


def calibration(graph: ir.Model, settings: Config) -> Samples | Streamed | None:
    """The first QUANT_DATASET_SIZE samples; None where the source's own quantization is all there is."""
    path, size = settings.quant_dataset_path, settings.quant_dataset_size
    return read(graph, settings, path, "calibration data", size) if path else None


def more(graph: ir.Model, settings: Config, key: str) -> Samples | Streamed | None:
    """All data of a key such as DEBUG_PATH; None where it is empty."""
    path: str = getattr(settings, key.lower())
    return read(graph, settings, path, f"data of {key}") if path else None


def colors(graph: ir.Model, settings: Config) -> dict[str, str]:
    """The order of the channels of every input that is an image."""
    found = specs(graph, settings)
    channels = {s.name: s.shape[3 if s.is_nhwc else 1] for s in found if len(s.shape) == 4}
    return {s.name: "GRAY" if channels[s.name] == 1 else s.color for s in found if channels.get(s.name) in (1, 3)}
