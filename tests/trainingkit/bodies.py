"""More bodies for nets.Net: operators that are made of others, or that move and weigh features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from magik_trainingkit import ops
from torch import Tensor, nn

from tests.trainingkit.nets import WIDE, Chain


def widths(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The arguments that all operators have, and some more."""
    return {name: given[name] for name in ("quantize", "target_device", *names)}


BOTH = ("input_bitwidth", "output_bitwidth")


def larger(trained: nn.Module | None = None, *, given: Mapping[str, Any], **_: Any) -> nn.Module:
    own = given if trained is None else {**given, "activation_fn": trained}
    return Chain(ops.ConvTranspose2D(WIDE, 8, **own))


def squeezed(*, given: Mapping[str, Any], **_: Any) -> nn.Module:
    own = widths(given, *BOTH, "weight_bitwidth", "enable_batch_norm")
    return Chain(ops.Se_Block(WIDE, 1, **own), ops.Conv2D(WIDE, 8, padding=1, **given))


def squeezed_last(*, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Chain(ops.Se_Block(WIDE, 1, last_layer=True, **widths(given, *BOTH, "weight_bitwidth")))


def hswish(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    return Chain(ops.Hswish(WIDE, device), ops.Conv2D(WIDE, 8, padding=1, **given))


class Shuffled(nn.Module):
    """Two halves of the channels, exchanged, one convolved, and all in turns."""

    def __init__(self, given: Mapping[str, Any], split: Any, groups: int) -> None:
        super().__init__()
        device = given["target_device"]
        self.wide = ops.Conv2D(WIDE, 2 * WIDE, padding=1, **given)
        self.split, self.shuffle = ops.Channel_Split(split, device), ops.Channel_Shuffle(groups, device)
        self.one, self.route = ops.Conv2D(WIDE, WIDE, padding=1, **given), ops.Route(device)
        self.last = ops.Conv2D(2 * WIDE, 8, padding=1, **given)

    def forward(self, x: Any) -> Tensor:
        left, right = self.split(self.wide(x))
        return self.last(self.shuffle(self.route([self.one(right), left])))[0]


def shuffled(split: Any, groups: int, *, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Shuffled(given, split, groups)


def pixels(*, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    wide = ops.Conv2D(WIDE, 4 * WIDE, padding=1, **given)
    return Chain(wide, ops.Pixel_Shuffle(2, device), ops.Conv2D(WIDE, 8, padding=1, **given))


class Largest(nn.Module):
    """The largest of two or three branches."""

    def __init__(self, given: Mapping[str, Any], count: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(ops.Conv2D(WIDE, WIDE, padding=1, **given) for _ in range(count - 1))
        self.max, self.last = ops.Max(given["target_device"]), ops.Conv2D(WIDE, 8, padding=1, **given)

    def forward(self, x: Any) -> Tensor:
        return self.last(self.max([x, *(branch(x) for branch in self.branches)]))[0]


def largest(count: int, *, given: Mapping[str, Any], **_: Any) -> nn.Module:
    return Largest(given, count)


def attention(kind: str, *, given: Mapping[str, Any], device: str, **_: Any) -> nn.Module:
    """Channels as the steps of a sequence."""
    sizes = (20, 6) if kind == "SoftAttention" else (20,)
    layer = getattr(ops, kind)(*sizes, clip_max_value=0.5, **widths(given, "output_bitwidth"))
    return Chain(ops.Flatten([-1, WIDE, 20], device), layer, ops.FullConnected(20, 16, **given))


MORE: Mapping[str, Callable[..., nn.Module]] = {
    "transposed": larger,
    "transposed with slopes": partial(larger, ops.PReLU(8)),
    "squeezed": squeezed,
    "squeezed last": squeezed_last,
    "hswish": hswish,
    "shuffled": partial(shuffled, [WIDE, WIDE], 2),
    "shuffled in eight": partial(shuffled, WIDE, 8),
    "pixels": pixels,
    "largest of two": partial(largest, 2),
    "largest of three": partial(largest, 3),
    "soft attention": partial(attention, "SoftAttention"),
    "bag attention": partial(attention, "MILPoolAttention"),
}
