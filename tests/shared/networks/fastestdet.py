"""FastestDet: a ShuffleNetV2 backbone, three scales brought together, one anchor-free head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = ((24, 48, 4), (48, 96, 8), (96, 192, 4))  # in, out, blocks
SPP_CHANNELS, CLASSES = 96, 80


def pointwise(inp: int, oup: int) -> list[nn.Module]:
    return [nn.Conv2d(inp, oup, 1, bias=False), nn.BatchNorm2d(oup)]


def depthwise(channels: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


class ShuffleBlock(nn.Module):
    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        half = oup // 2
        main = [*pointwise(inp, half), nn.ReLU(), *depthwise(half, 3, stride), *pointwise(half, half), nn.ReLU()]
        self.branch_main = nn.Sequential(*main)
        if stride == 2:
            self.branch_proj = nn.Sequential(*depthwise(inp, 3, 2), *pointwise(inp, half), nn.ReLU())
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            return torch.cat((self.branch_proj(x), self.branch_main(x)), 1)
        n, c, h, w = x.shape
        pairs = x.reshape(n * c // 2, 2, h * w).permute(1, 0, 2).reshape(2, n, c // 2, h, w)
        return torch.cat((pairs[0], self.branch_main(pairs[1])), 1)


class ShuffleNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first_conv = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for number, (inp, oup, blocks) in enumerate(STAGES, 2):
            rest = [ShuffleBlock(oup // 2, oup, 1) for _ in range(blocks - 1)]
            self.add_module(f"stage{number}", nn.Sequential(ShuffleBlock(inp, oup, 2), *rest))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.maxpool(self.first_conv(x))
        first = self.stage2(x)
        second = self.stage3(first)
        return first, second, self.stage4(second)


class Conv1x1(nn.Module):
    def __init__(self, inp: int, oup: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Sequential(*pointwise(inp, oup), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1x1(x)


class Head(nn.Module):
    def __init__(self, inp: int, oup: int) -> None:
        super().__init__()
        self.conv5x5 = nn.Sequential(*depthwise(inp, 5), nn.ReLU(), *pointwise(inp, oup))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv5x5(x)


class SPP(nn.Module):
    """One, two and three windows of 5x5 in a row, beside each other."""

    def __init__(self, inp: int, oup: int) -> None:
        super().__init__()
        self.Conv1x1 = Conv1x1(inp, oup)
        for depth in (1, 2, 3):
            layers = [layer for _ in range(depth) for layer in (*depthwise(oup, 5), nn.ReLU())]
            self.add_module(f"S{depth}", nn.Sequential(*layers))
        self.output = nn.Sequential(*pointwise(oup * 3, oup))

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv1x1(x)
        return F.relu(x + self.output(torch.cat((self.S1(x), self.S2(x), self.S3(x)), 1)))


class DetectHead(nn.Module):
    def __init__(self, inp: int, classes: int) -> None:
        super().__init__()
        self.conv1x1 = Conv1x1(inp, inp)
        self.obj_layers, self.reg_layers, self.cls_layers = Head(inp, 1), Head(inp, 4), Head(inp, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1x1(x)
        return torch.cat((self.obj_layers(x).sigmoid(), self.reg_layers(x), self.cls_layers(x).softmax(1)), 1)


class FastestDet(nn.Module):
    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.backbone = ShuffleNetV2()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.avg_pool = nn.AvgPool2d(3, 2, 1)
        self.SPP = SPP(sum(oup for _, oup, _ in STAGES), SPP_CHANNELS)
        self.detect_head = DetectHead(SPP_CHANNELS, classes)

    def forward(self, image: Tensor) -> Tensor:
        first, second, third = self.backbone(image)
        return self.detect_head(self.SPP(torch.cat((self.avg_pool(first), second, self.upsample(third)), 1)))


def build(classes: int = CLASSES) -> nn.Module:
    return FastestDet(classes)
