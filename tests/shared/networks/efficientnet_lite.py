"""EfficientNet-Lite0: inverted residuals with ReLU6, without squeeze and excitation, "same" padding of TensorFlow."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

STAGES = (  # kernel, stride, expansion, in, out, repeats
    (3, 1, 1, 32, 16, 1), (3, 2, 6, 16, 24, 2), (5, 2, 6, 24, 40, 2), (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3), (5, 2, 6, 112, 192, 4), (3, 1, 6, 192, 320, 1),
)  # fmt: skip
EPSILON = 1e-3


class SameConv2d(nn.Conv2d):
    """Pads as TensorFlow does: what does not divide by two goes to the end."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads = [total // 2, total - total // 2, *pads]
        x = F.pad(x, pads) if any(pads) else x
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


class MBConv(nn.Module):
    def __init__(self, kernel: int, stride: int, expansion: int, inp: int, oup: int) -> None:
        super().__init__()
        hidden = inp * expansion
        self._expands = expansion != 1
        if self._expands:
            self._expand_conv, self._bn0 = SameConv2d(inp, hidden, 1, bias=False), norm(hidden)
        self._depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = norm(hidden)
        self._project_conv, self._bn2 = SameConv2d(hidden, oup, 1, bias=False), norm(oup)
        self._has_skip = stride == 1 and inp == oup

    def forward(self, inputs: Tensor) -> Tensor:
        x = inputs
        if self._expands:
            x = F.relu6(self._bn0(self._expand_conv(x)))
        x = F.relu6(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return x + inputs if self._has_skip else x


class EfficientNetLite(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv2d(3, 32, 3, 2, bias=False), norm(32)
        blocks = []
        for kernel, stride, expansion, inp, oup, repeats in STAGES:
            blocks.append(MBConv(kernel, stride, expansion, inp, oup))
            blocks += [MBConv(kernel, 1, expansion, oup, oup) for _ in range(repeats - 1)]
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv2d(320, 1280, 1, bias=False), norm(1280)
        self._dropout = nn.Dropout(0.2)
        self._fc = nn.Linear(1280, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(image)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(self._dropout(F.adaptive_avg_pool2d(x, 1).flatten(1)))


def build(classes: int = 1000) -> nn.Module:
    return EfficientNetLite(classes)
