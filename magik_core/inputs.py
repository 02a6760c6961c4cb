"""What a graph's inputs take, and the data for them."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from magik_core import carry, layout
from magik_core.config import Config
from magik_core.data_files import InputSpec
from magik_core.samples import Samples, open_samples
from magik_core.streamed import Streamed


def specs(graph: ir.Model, settings: Config) -> list[InputSpec]:
    """How samples of each input are loaded; states come of themselves."""
    shapes = {v.name or "": tuple(int(d) for d in v.shape or ()) for v in graph.graph.inputs}  # type: ignore[arg-type]
    words, states = settings.colors(shapes), carry.pairs(graph)
    said = ((name, shape) for name, shape in shapes.items() if name not in states)
    return [InputSpec(name, shape, words[name], layout.is_nhwc(shape)) for name, shape in said]


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
    channels = {s.name: layout.channels(s.shape) for s in found if len(s.shape) == 4}
    return {s.name: "GRAY" if channels[s.name] == 1 else s.color for s in found if channels.get(s.name) in (1, 3)}
