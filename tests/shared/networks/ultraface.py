"""Ultra-Light-Fast face detector, RFB variant: SSD heads on four scales over a small MobileNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BACKBONE = ((16, 32, 1), (32, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1))  # in, out, stride
BEHIND = ((64, 128, 2), (128, 128, 1), (128, 128, 1), (128, 256, 2), (256, 256, 1))
ENDS = (8, 11, 13)  # blocks before each head
BOXES = ((64, 3), (128, 2), (256, 2))  # channels, boxes of each head but the last


def separable(inp: int, oup: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False), nn.BatchNorm2d(inp), nn.ReLU(),
        nn.Conv2d(inp, oup, 1, bias=False), nn.BatchNorm2d(oup), nn.ReLU(),
    )  # fmt: skip


def head(inp: int, oup: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inp, inp, 3, stride, 1, groups=inp), nn.ReLU(), nn.Conv2d(inp, oup, 1))


class BasicConv(nn.Module):
    def __init__(self, inp: int, oup: int, kernel: int = 1, dilation: int = 1, relu: bool = False) -> None:
        super().__init__()
        padding = dilation if kernel == 3 else 0
        self.conv = nn.Conv2d(inp, oup, kernel, padding=padding, dilation=dilation, bias=False)
        self.bn = nn.BatchNorm2d(oup)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return F.relu(x) if self.relu else x


class BasicRFB(nn.Module):
    """Three branches with wider and wider windows, beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = nn.Sequential(BasicConv(64, 8), BasicConv(8, 16, 3, relu=True), BasicConv(16, 16, 3, 2))
        self.branch1 = nn.Sequential(BasicConv(64, 8), BasicConv(8, 16, 3, relu=True), BasicConv(16, 16, 3, 3))
        self.branch2 = nn.Sequential(
            BasicConv(64, 8), BasicConv(8, 12, 3, relu=True), BasicConv(12, 16, 3, relu=True), BasicConv(16, 16, 3, 5)
        )
        self.ConvLinear = BasicConv(48, 64)
        self.shortcut = BasicConv(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.cat((self.branch0(x), self.branch1(x), self.branch2(x)), 1)
        return F.relu(self.ConvLinear(out) + self.shortcut(x))


class UltraFace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        blocks = [separable(*b) for b in BACKBONE]
        self.base_net = nn.Sequential(first, *blocks, BasicRFB(), *[separable(*b) for b in BEHIND])
        inner = head(64, 256, 2)
        self.extras = nn.ModuleList([nn.Sequential(nn.Conv2d(256, 64, 1), nn.ReLU(), inner, nn.ReLU())])
        last = ((2, 6), (4, 12))
        for name, (values, oup) in zip(("classification_headers", "regression_headers"), last, strict=True):
            heads = [head(c, n * values) for c, n in BOXES]
            self.add_module(name, nn.ModuleList([*heads, nn.Conv2d(256, oup, 3, padding=1)]))

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        x, start, maps = input, 0, []
        for end in ENDS:
            x = self.base_net[start:end](x)
            start = end
            maps.append(x)
        maps.append(self.extras[0](x))
        scores = [self._rows(h(x), 2) for h, x in zip(self.classification_headers, maps, strict=True)]
        boxes = [self._rows(h(x), 4) for h, x in zip(self.regression_headers, maps, strict=True)]
        return {"scores": F.softmax(torch.cat(scores, 1), dim=2), "boxes": torch.cat(boxes, 1)}

    @staticmethod
    def _rows(x: Tensor, values: int) -> Tensor:
        return x.permute(0, 2, 3, 1).contiguous().view(x.shape[0], -1, values)


def build() -> nn.Module:
    return UltraFace()
