"""Pixel_Shuffle: a larger image, of the channels of a smaller one."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_core.errors import Problem
from magik_trainingkit import rules
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.layer import Layer, marked
from magik_trainingkit.values import moved


class Pixel_Shuffle(Layer):
    """An image r times as high and wide, with a channel for every r * r; codes stay what they are.

    Pixel (r * i + k, r * j + l) of channel c is pixel (i, j) of channel r * r * c + r * k + l. It is one of the T40
    family's operators; with codes the channels of its result are a multiple of 32.
    """

    devices = ("T40", "T41", "A1", "X2500")

    def __init__(self, upscale_factor: int, target_device: str = "T40") -> None:
        super().__init__()
        self.upscale_factor, self.target_device = upscale_factor, target_device

    def forward(self, x: Any) -> Any:
        bits = x[1] if isinstance(x, tuple) and len(x) > 1 else REAL
        return moved(x, self.where, lambda tensor: self._shuffled(tensor, is_coded=bits != REAL))

    def _shuffled(self, x: Tensor, *, is_coded: bool) -> Tensor:
        r, c, device = self.upscale_factor, int(x.shape[1]), self.target_device
        found: list[Problem] = []
        if r < 1 or c % (r * r):
            found = [Problem("channels do not make an image", found=f"{c} channels", need=f"a multiple of {r * r}")]
        elif is_coded:
            found = [*rules.channels(c // (r * r), device, "output channels")]
        if found:
            raise TrainingError(problems=[Problem(p.what, self.where, p.found, p.need, p.hint) for p in found])
        kind = {"op_type": "PixelShuffle", "attr": {"groups": r}}
        y = functional.pixel_shuffle(marked(x, "pixel_shuffle_start", kind, device), r)
        return marked(y, "pixel_shuffle_end", kind, device)
