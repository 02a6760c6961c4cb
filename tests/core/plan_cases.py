"""Operators and nets for the planner's tests: only sizes, storage rules and order matter."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from magik_core.ops import Op, Tensors, View
from magik_core.program import Program, Step, Tensor


@dataclass(frozen=True)
class Conv(Op):
    """Reads all of its inputs to write any of its outputs."""

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return f"conv_{y[0].dtype}"

    def macs(self, x: Tensors, y: Tensors) -> int:
        return 9 * y[0].count


@dataclass(frozen=True)
class Relu(Op):
    in_place: ClassVar[tuple[int, ...]] = (0,)


@dataclass(frozen=True)
class Add(Op):
    in_place: ClassVar[tuple[int, ...]] = (0, 1)


@dataclass(frozen=True)
class Scale(Op):
    """Overwrites input 0 while it still reads input 1."""

    in_place: ClassVar[tuple[int, ...]] = (0,)


@dataclass(frozen=True)
class Concat(Op):
    def views(self, x: Tensors, y: Tensors) -> tuple[View, ...]:
        out, offset = [], 0
        for tensor in x:
            out.append(View(tensor.name, y[0].name, offset))
            offset += tensor.nbytes
        return tuple(out)


@dataclass(frozen=True)
class Split(Op):
    """Outputs one after the other from element `start` on; one output is a Slice or a Reshape."""

    start: int = 0

    def views(self, x: Tensors, y: Tensors) -> tuple[View, ...]:
        out, offset = [], self.start
        for tensor in y:
            out.append(View(tensor.name, x[0].name, offset))
            offset += tensor.nbytes
        return tuple(out)


class Net:
    """A program under construction; each method adds a step and returns the name it defines."""

    def __init__(self, name: str = "net") -> None:
        self.name = name
        self.tensors: dict[str, Tensor] = {}
        self.steps: list[Step] = []
        self.inputs: list[str] = []

    def tensor(self, size: int, dtype: str = "u8") -> str:
        """A tensor of `size` elements."""
        name = f"t{len(self.tensors)}"
        self.tensors[name] = Tensor(name, dtype, (size,))
        return name

    def input(self, size: int) -> str:
        self.inputs.append(self.tensor(size))
        return self.inputs[-1]

    def size(self, name: str) -> int:
        return self.tensors[name].count

    def add(self, op: Op, x: Sequence[str], *sizes: int, dtype: str = "u8") -> str:
        y = tuple(self.tensor(size, dtype) for size in sizes)
        self.steps.append(Step(f"{type(op).__name__}_{len(self.steps)}", op, tuple(x), y))
        return y[0]

    def conv(self, x: str, size: int) -> str:
        return self.add(Conv(), [x], size)

    def relu(self, x: str) -> str:
        return self.add(Relu(), [x], self.size(x))

    def sum(self, a: str, b: str) -> str:
        return self.add(Add(), [a, b], self.size(a))

    def concat(self, *x: str) -> str:
        return self.add(Concat(), x, sum(map(self.size, x)))

    def join(self, *x: str) -> str:
        """A channel concat: NHWC, so nothing lies in one stretch."""
        return self.add(Conv(), x, sum(map(self.size, x)))

    def program(self, *outputs: str) -> Program:
        return Program(self.name, dict(self.tensors), tuple(self.steps), tuple(self.inputs), outputs)


def mobilenet() -> Program:
    """MobileNet v2 at 224: inverted residuals."""
    net = Net("mobilenet")
    x = net.conv(net.input(224 * 224 * 3), 112 * 112 * 32)
    side, channels = 112, 32
    for expand, out, count, stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for i in range(count):
            step = stride if i == 0 else 1
            wide = net.relu(net.conv(x, side * side * channels * expand))
            side //= step
            y = net.conv(net.relu(net.conv(wide, side * side * channels * expand)), side * side * out)
            x = net.sum(x, y) if net.size(x) == net.size(y) and i else y
            channels = out
    return net.program(net.conv(net.conv(net.conv(x, 49 * 1280), 1280), 1000))


def shufflenet() -> Program:
    """ShuffleNet v2 at 352, with FastestDet's three scales joined."""
    net = Net("shufflenet")
    x = net.conv(net.conv(net.input(352 * 352 * 3), 176 * 176 * 24), 88 * 88 * 24)
    side, taps = 88, []
    for channels, count in ((48, 4), (96, 8), (192, 4)):
        side //= 2
        area, half = side * side, channels // 2
        left = net.conv(net.conv(x, area * 24), area * half)
        right = net.conv(net.conv(net.conv(x, 4 * area * half), area * half), area * half)
        x = net.join(left, right)
        for _ in range(count - 1):
            a = net.add(Conv(), [x], area * half, area * half)
            b = net.steps[-1].outputs[1]
            b = net.conv(net.conv(net.relu(net.conv(b, area * half)), area * half), area * half)
            x = net.join(a, net.relu(b))
        taps.append(x)
    middle = 22 * 22
    pooled = net.conv(taps[0], middle * 48)
    up = net.conv(taps[2], middle * 192)
    x = net.conv(net.join(pooled, taps[1], up), middle * 96)
    heads = [net.conv(net.conv(x, middle * 96), middle * c) for c in (1, 4, 80)]
    return net.program(net.join(*heads))


def ssd() -> Program:
    """An SSD head as in UltraFace: flattened boxes and scores of four maps, concatenated."""
    net = Net("ssd")
    x = net.conv(net.input(320 * 240 * 3), 160 * 120 * 16)
    boxes, scores = [], []
    for area, channels, depth in ((40 * 30, 64, 7), (20 * 15, 128, 4), (10 * 8, 256, 3), (5 * 4, 256, 2)):
        for _ in range(depth):
            x = net.relu(net.conv(x, area * channels))
        for found, width in ((scores, 6), (boxes, 12)):
            head = net.conv(net.conv(x, area * channels), area * width)
            found.append(net.add(Split(), [head], net.size(head)))
    score, box = net.concat(*scores), net.concat(*boxes)
    return net.program(net.relu(score), net.conv(box, net.size(box)))


def unet() -> Program:
    """A U-Net at 128, skips joined by channel."""
    net = Net("unet")
    x, skips = net.input(128 * 128 * 3), []
    for level in range(4):
        area, channels = (128 >> level) ** 2, 16 << level
        x = net.relu(net.conv(net.relu(net.conv(x, area * channels)), area * channels))
        skips.append(x)
        x = net.conv(x, area * channels // 4)
    for level in reversed(range(4)):
        area, channels = (128 >> level) ** 2, 16 << level
        x = net.join(net.conv(x, area * channels), skips[level])
        x = net.relu(net.conv(net.relu(net.conv(x, area * channels)), area * channels))
    return net.program(net.conv(x, 128 * 128))


def unet_rows() -> Program:
    """A U-Net whose skips are contiguous in the joined tensor: aliases with long lives."""
    net = Net("unet_rows")
    x, skips = net.input(128 * 128 * 3), []
    for level in range(4):
        size = (128 >> level) ** 2 * (16 << level)
        x = net.conv(net.conv(x, size), size)
        skips.append(x)
        x = net.conv(x, size // 4)
    for level in reversed(range(4)):
        size = (128 >> level) ** 2 * (16 << level)
        x = net.concat(net.conv(x, size), skips[level])
        x = net.conv(net.conv(x, size), size)
    return net.program(net.conv(x, 128 * 128))


def inception(blocks: int = 12) -> Program:
    """Four branches of unlike sizes per block."""
    net, rng = Net("inception"), random.Random(5)
    x = net.input(75_000)
    for _ in range(blocks):
        branches = []
        for depth in (1, 2, 3, 2):
            b = x
            for _ in range(depth):
                b = net.conv(b, rng.randrange(2_000, 40_000))
            branches.append(b)
        x = net.conv(net.concat(*branches), 60_000)
    return net.program(x)


def densenet() -> Program:
    """Every layer reads all before it."""
    net = Net("densenet")
    x = net.conv(net.input(32 * 32 * 3), 32 * 32 * 24)
    for area in (1024, 256, 64):
        features = [net.conv(x, area * 24)]
        for _ in range(12):
            joined = net.join(*features) if len(features) > 1 else features[0]
            features.append(net.conv(net.conv(joined, area * 48), area * 12))
        x = net.join(*features)
    return net.program(net.conv(x, 10))


NETS = (mobilenet, shufflenet, ssd, unet, unet_rows, inception, densenet)
