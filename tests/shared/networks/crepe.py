"""CREPE: six tall convolutions over a frame of sound, then 360 pitches."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

TINY = (128, 16, 16, 16, 32, 64)
EPSILON = 1e-3


class Crepe(nn.Module):
    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.depth = len(channels)
        for n, (inp, oup) in enumerate(zip((1, *channels), channels, strict=False), 1):
            kernel, stride = ((512, 1), (4, 1)) if n == 1 else ((64, 1), (1, 1))
            self.add_module(f"conv{n}", nn.Conv2d(inp, oup, kernel, stride))
            self.add_module(f"conv{n}_BN", nn.BatchNorm2d(oup, eps=EPSILON))
        self.classifier = nn.Linear(4 * channels[-1], 360)

    def forward(self, frames: Tensor) -> Tensor:
        x = frames
        for n in range(1, self.depth + 1):
            x = F.pad(x, (0, 0, 254, 254) if n == 1 else (0, 0, 31, 32))
            x = self.get_submodule(f"conv{n}_BN")(F.relu(self.get_submodule(f"conv{n}")(x)))
            x = F.max_pool2d(x, (2, 1), (2, 1))
        x = x.permute(0, 2, 1, 3).reshape(x.shape[0], -1)
        return self.classifier(x).sigmoid()


def build() -> nn.Module:
    return Crepe(TINY)
