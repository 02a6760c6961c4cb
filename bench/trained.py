"""One net like MobileNetV2 twice: of the training kit's operators, and of PyTorch's own for its fake quantization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magik_trainingkit import ops
from torch import Tensor, nn

STEM, HEAD, CLASSES = 32, 1280, 10
DEVICE = "T40"
BLOCKS = ((1, 32, 1, 1), (6, 32, 2, 2), (6, 64, 2, 3), (6, 96, 1, 2), (6, 160, 2, 2), (6, 320, 1, 1))
# each: expansion, output channels, stride of the first, how many


def blocks() -> Iterator[tuple[int, int, int, int]]:
    """(input channels, expanded channels, output channels, stride) of every block in order."""
    before = STEM
    for expansion, channels, stride, count in BLOCKS:
        for i in range(count):
            yield before, before * expansion, channels, stride if i == 0 else 1
            before = channels


def settings(bits: int) -> dict[str, Any]:
    """What quantized layers have in common; 32 bits: a float net."""
    widths = {"weight_bitwidth": bits, "input_bitwidth": bits, "output_bitwidth": bits}
    return {**widths, "quantize": bits < 32, "target_device": DEVICE, "auto_bitwidth": False}


class Block(nn.Module):
    """Expand, convolve each channel, project; a shortcut where the shapes allow one."""

    def __init__(self, before: int, wide: int, after: int, stride: int, given: Mapping[str, Any]) -> None:
        super().__init__()
        normal = {"enable_batch_norm": True, "enable_bias": False}
        one = {"kernel_h": 1, "kernel_w": 1, **normal, **given}
        self.expand = ops.Conv2D(before, wide, **one) if wide != before else None
        self.depthwise = ops.DepthwiseConv2D(wide, stride, padding=1, **normal, **given)
        self.project = ops.Conv2D(wide, after, activation_fn=ops.Linear(), **one)
        same = before == after and stride == 1
        shared = {"quantize": given["quantize"], "target_device": DEVICE}
        self.shortcut = ops.Shortcut(after, **shared) if same else None

    def forward(self, x: Any) -> Any:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return y if self.shortcut is None else self.shortcut(x, y)


def of_kit(bits: int) -> nn.Module:
    """The net of the kit's operators; 32 bits: float."""
    given = settings(bits)
    normal = {"enable_batch_norm": True, "enable_bias": False}
    last = max(after for _, _, after, _ in blocks())
    return nn.Sequential(
        ops.Preprocess(0, 255, DEVICE),
        ops.Conv2D(3, STEM, 2, first_layer=True, padding=1, **normal, **given),
        *(Block(*shape, given) for shape in blocks()),
        ops.Conv2D(last, HEAD, kernel_h=1, kernel_w=1, **normal, **given),
        ops.AdaptiveAvgpool2D(HEAD, quantize=given["quantize"], target_device=DEVICE),
        ops.Flatten([-1, HEAD], DEVICE),
        ops.FullConnected(HEAD, CLASSES, activation_fn=None, last_layer=True, **given),
    )


class PlainBlock(nn.Module):
    """`Block` of PyTorch's own layers."""

    def __init__(self, before: int, wide: int, after: int, stride: int) -> None:
        super().__init__()
        expand = conv(before, wide) if wide != before else ()
        depthwise = conv(wide, wide, 3, stride, groups=wide)
        self.body = nn.Sequential(*expand, *depthwise, *conv(wide, after, is_linear=True))
        self.is_residual = before == after and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.is_residual else y


def conv(
    before: int, after: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, is_linear: bool = False
) -> tuple[nn.Module, ...]:
    own = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return (own, nn.BatchNorm2d(after)) if is_linear else (own, nn.BatchNorm2d(after), nn.ReLU6())


def of_torch() -> nn.Module:
    """The net of PyTorch's own layers, in float."""
    last = max(after for _, _, after, _ in blocks())
    return nn.Sequential(
        *conv(3, STEM, 3, 2), *(PlainBlock(*shape) for shape in blocks()), *conv(last, HEAD),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(HEAD, CLASSES),
    )  # fmt: skip
