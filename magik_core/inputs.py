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


def read(graph: ir.Model, settings: Config, path: str | Path, size: int | None = None) -> Samples | Streamed:
    """The data at a path, at most `size` samples; those of a net with memory are its frames in order."""
    found = open_samples(path, specs(graph, settings), size)
    return Streamed(graph, found) if carry.pairs(graph) else found


def samples(graph: ir.Model, settings: Config, path: str) -> Samples | Streamed | None:
    """As `read`; None where there is no path, as where the source's own quantization is all there is."""
    return read(graph, settings, path, settings.quant_dataset_size) if path else None


def colors(graph: ir.Model, settings: Config) -> dict[str, str]:
    """The order of the channels of every input that is an image."""
    found = specs(graph, settings)
    channels = {s.name: layout.channels(s.shape) for s in found if len(s.shape) == 4}
    return {s.name: "GRAY" if channels[s.name] == 1 else s.color for s in found if channels.get(s.name) in (1, 3)}
