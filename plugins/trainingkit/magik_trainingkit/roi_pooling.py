"""RoIPooling: the largest of each part of regions of interest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from magik_core.ops.max_roi_pool import MaxRoiPool
from magik_trainingkit import graph
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer, source
from magik_trainingkit.rounding import coded
from magik_trainingkit.values import need_value


class RoIPooling(Layer):
    """Regions, rows of which image, left, top, right and bottom, as images of `output_size`; a part outside is zero.

    Corners are pixels of the network's input, `spatial_scale` what of them one pixel of x is; they have no gradient.
    """

    def __init__(
        self, output_size: Any, spatial_scale: float = 1.0, quantize: Any = False, input_bitwidth: int = 32,
        output_bitwidth: int = 32, target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.output_size, self.spatial_scale, self.quantize = output_size, spatial_scale, quantize
        self.input_bitwidth, self.output_bitwidth, self.target_device = input_bitwidth, output_bitwidth, target_device

    def forward(self, x: Any, rois: Tensor) -> Any:
        given = need_value(x, self.where)
        if rois.ndim != 2 or rois.shape[1] != 5:
            found = f"a shape of {tuple(rois.shape)}"
            raise TrainingError("regions are no rows of five numbers", where=self.where, found=found, need="(N, 5)")
        size = self.output_size
        height, width = (int(n) for n in (size if isinstance(size, (tuple, list)) else (size, size)))
        op = MaxRoiPool((height, width), float(self.spatial_scale))
        node = Node("MaxRoiPool", (), {"pooled_shape": [height, width], "spatial_scale": op.spatial_scale})
        if graph.is_exporting():
            real = graph.emit(node, given.tensor, (rois.shape[0], given.tensor.shape[1], height, width), [rois])
        else:
            real = _pooled(given.tensor, rois, op)
        codes = (given.bits, given.clip_min, 1.0, self.target_device)
        sources = [source(given, self.target_device), Node("Identity")]
        return given._replace(tensor=coded(self, real, codes, [node], sources, [given.tensor, rois]))


def _pooled(x: Tensor, rois: Tensor, op: MaxRoiPool) -> Tensor:
    images, rows, columns = op.parts(rois.detach().float().cpu().numpy(), (x.shape[0], x.shape[2], x.shape[3]))
    regions = zip(images.tolist(), rows.tolist(), columns.tolist(), strict=True)
    if not len(images):
        return x.new_zeros(0, x.shape[1], *op.pooled_shape)
    return torch.stack([_largest(_largest(x[i], down, 1), across, 2) for i, down, across in regions])


def _largest(x: Tensor, parts: Iterable[tuple[int, int]], dim: int) -> Tensor:
    """The largest of each part of an axis, 0 of a part without anything."""
    zeros = torch.zeros_like(x.select(dim, 0))
    return torch.stack(
        [x.narrow(dim, start, end - start).max(dim).values if end > start else zeros for start, end in parts], dim
    )
