"""What flows between layers: a tensor with the width of its codes and the sign of its range."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit.errors import TrainingError


class Value(NamedTuple):
    """A layer's result.

    Args: bits: of its codes, 32 for none; clip_min: 0 or negative, which says whether it is signed.
    """

    tensor: Tensor
    bits: int
    clip_min: float


class Pixels(NamedTuple):
    """What Preprocess hands to a first layer: (pixel - mean) / var, as the user has normalized it."""

    tensor: Tensor
    bits: int
    mean: float
    var: float
    clip_min: float


Kind = TypeVar("Kind", Value, Pixels)


def unpack(x: Any, where: str) -> Value | Pixels:
    """What a layer is given: the result of another, of Preprocess, or a bare tensor, which has no codes."""
    if isinstance(x, Tensor):
        return Value(x, REAL, 0.0)
    if is_one(x):
        return Value(*x) if len(x) == 3 else Pixels(*x)
    found = f"{len(x)} values" if isinstance(x, tuple) else type(x).__name__
    need, hint = "(tensor, bits, clip_min) of another layer", "use ops.Shortcut in the place of + between layers"
    raise TrainingError(
        "a layer is given something that no layer makes", where=where, found=found, need=need, hint=hint
    )


def is_one(x: Any) -> bool:
    """Whether it is the result of one layer, a feature or pixels."""
    return isinstance(x, tuple) and len(x) in (3, 5) and isinstance(x[1], (int, float))


def need_value(x: Any, where: str) -> Value:
    """As `unpack`, for layers that pixels may not reach."""
    need = "a layer with first_layer=True"
    return _need(x, Value, "a layer is given pixels", where=where, found="the result of Preprocess", need=need)


def need_pixels(x: Any, where: str) -> Pixels:
    """As `unpack`, for a first layer."""
    need = "the result of ops.Preprocess"
    return _need(x, Pixels, "a first layer is given no pixels", where=where, found="a tensor", need=need)


def _need(x: Any, kind: type[Kind], what: str, *, where: str, found: str, need: str) -> Kind:
    given = unpack(x, where)
    if isinstance(given, kind):
        return given
    raise TrainingError(what, where=where, found=found, need=need)


def moved(x: Any, where: str, move: Callable[[Tensor], Tensor]) -> Any:
    """What a layer that only moves numbers makes: of a tensor a tensor, of a feature one with the same codes."""
    if isinstance(x, Tensor):
        return move(x)
    given = need_value(x, where)
    return given._replace(tensor=move(given.tensor))


def tensors(x: Any) -> Iterator[Tensor]:
    """The tensors of a result, or of an argument: features, lists of them, or bare ones."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, (list, tuple)):
        for one in x:
            yield from tensors(one)


def in_kind(y: Tensor, x: Tensor) -> Tensor:
    """A result in the dtype of what it is made of; f32 under autocast, which chooses the dtype of each sum itself."""
    return y if torch.is_autocast_enabled(x.device.type) else y.to(x.dtype)


def same(values: list[Value], where: str) -> Value:
    """The first of values that have to be of one width and sign."""
    if not values:
        raise TrainingError("nothing is put together", where=where, found="no values", need="one or more")
    kinds = sorted({(v.bits, v.clip_min < 0) for v in values})
    if len(kinds) > 1:
        found = ", ".join(f"{bits} bits {'signed' if is_signed else 'unsigned'}" for bits, is_signed in kinds)
        raise TrainingError("inputs that are put together differ", where=where, found=found, need="one width and sign")
    return values[0]


def same_device(x: Tensor, weight: Tensor, where: str) -> None:
    """Refuse an input that lies elsewhere than the weights: kernels of a GPU would read memory that is not theirs.

    Raises: TrainingError: it does.
    """
    if x.device != weight.device:
        found = f"input on {x.device}, weights on {weight.device}"
        hint = "call .to(device) on the network after loading"
        raise TrainingError("a layer's input lies on another device than its weights", where=where, found=found,
                            need="one device", hint=hint)  # fmt: skip
