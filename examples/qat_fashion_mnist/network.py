"""A classifier of the training kit's operators, in float or in codes of a few bits."""

from __future__ import annotations

from dataclasses import dataclass

from data import CLASSES, SIZE
from magik_trainingkit import ops
from torch import Tensor, nn

DEVICE = "T40"
REAL = 32  # bits of what has no codes
WIDE = 64


@dataclass(frozen=True)
class Stage:
    """How a network is trained.

    Args: start: the stage whose network it starts from, if any; weights, features: bits; clip: the real that a
        feature's largest code stands for.
    """

    name: str
    start: str
    weights: int
    features: int
    clip: float
    epochs: int
    rate: float

    @property
    def is_float(self) -> bool:
        return self.weights == REAL

    @property
    def unit(self) -> float:
        """What features are divided by: codes reach 1."""
        return 1.0 if self.is_float else self.clip


class Classifier(nn.Sequential):
    """Four convolutions, the mean of each channel, and a matrix product."""

    def __init__(self, stage: Stage) -> None:
        quantize, bits = not stage.is_float, stage.features
        given = {"quantize": quantize, "weight_bitwidth": stage.weights, "output_bitwidth": bits}
        given |= {"target_device": DEVICE, "clip_max_value": stage.clip, "enable_bias": False}
        layer = {"padding": 1, "enable_batch_norm": True, "input_bitwidth": bits, **given}
        super().__init__(
            ops.Preprocess(0, 255, DEVICE),
            ops.Conv2D(1, 32, 2, first_layer=True, **{**layer, "input_bitwidth": 8}),
            ops.Conv2D(32, WIDE, **layer),
            ops.Maxpool2D(2, 2, 2, target_device=DEVICE),
            ops.Conv2D(WIDE, WIDE, **layer),
            ops.Conv2D(WIDE, 2 * WIDE, **layer),
            ops.AdaptiveAvgpool2D(2 * WIDE, quantize=quantize, target_device=DEVICE),
            ops.Flatten([-1, 2 * WIDE], DEVICE),
            ops.FullConnected(2 * WIDE, CLASSES, None, input_bitwidth=bits, last_layer=True, **given),
        )
        self.stage = stage

    def carry_on(self, before: Classifier) -> None:
        """Start from another network: where features are in another unit, so are the sums of the layer behind."""
        self.load_state_dict(before.state_dict())
        ratio = before.stage.unit / self.stage.unit
        _, *behind = (layer.BatchNorm2d.batch_norm for layer in self if isinstance(layer, ops.Conv2D))
        for norm in behind:
            norm.running_mean.mul_(ratio)
            norm.running_var.mul_(ratio**2)
        self[-1].Linear.weight.data.div_(ratio)


def example() -> Tensor:
    """An image to export with."""
    import torch

    return torch.zeros(1, 1, SIZE, SIZE)
