"""What a graph's inputs take, and the data for them."""

from __future__ import annotations

import onnx_ir as ir

from magik_core.config import Config, is_nhwc
from magik_core.data_files import InputSpec
from magik_core.samples import Samples, open_samples


def specs(graph: ir.Model, settings: Config) -> list[InputSpec]:
    """How samples of each input are loaded."""
    shapes = {v.name or "": tuple(int(d) for d in v.shape or ()) for v in graph.graph.inputs}  # type: ignore[arg-type]
    found = []
    for (name, shape), said in zip(shapes.items(), settings.for_inputs(shapes), strict=True):
        found.append(InputSpec(name, shape, said.color, is_nhwc(shape)))
    return found


def samples(graph: ir.Model, settings: Config, path: str) -> Samples | None:
    """The data at a path; None where there is none, as where the source's own quantization is all there is."""
    return open_samples(path, specs(graph, settings), settings.quant_dataset_size) if path else None


def colors(graph: ir.Model, settings: Config) -> dict[str, str]:
    """The order of the channels of every input that is an image."""
    found = specs(graph, settings)
    channels = {s.name: s.shape[3 if s.is_nhwc else 1] for s in found if len(s.shape) == 4}
    return {s.name: "GRAY" if channels[s.name] == 1 else s.color for s in found if channels.get(s.name) in (1, 3)}
