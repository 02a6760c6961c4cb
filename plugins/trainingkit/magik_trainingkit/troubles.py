"""Why a network does not train as it should: what goes wrong most often, found before hours are spent."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from magik_core.builtin.trainingkit.arithmetic import DEVICES, REAL
from magik_core.errors import Problem
from magik_trainingkit.layer import Layer
from magik_trainingkit.values import tensors

PLAIN = (
    nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.PReLU, nn.LSTM, nn.GRU, nn.Embedding,
)  # fmt: skip
MOST_OF_ONE = 0.99  # share of a layer's features that one code may have


def of_network(model: nn.Module, *, is_mixed: bool) -> Iterator[Problem]:
    """What a network shows without any data."""
    yield from devices(model)
    yield from shared(model)
    yield from chips(model)
    if not is_mixed:
        yield from plain(model)


def devices(model: nn.Module) -> Iterator[Problem]:
    """Parameters and buffers on several devices, as a checkpoint without map_location leaves them."""
    held: dict[str, list[str]] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        held.setdefault(str(tensor.device), []).append(name)
    if len(held) > 1:
        found = "; ".join(f"{device}: {_some(names)}" for device, names in sorted(held.items()))
        yield Problem("a network lies on several devices", found=found, need="one device",
                      hint="load with map_location and call .to(device) on the whole network")  # fmt: skip


def shared(model: nn.Module) -> Iterator[Problem]:
    """Weights of a quantized layer that another module reads too, without their codes."""
    inside = {id(part): layer for layer in _quantized(model) for part in layer.modules()}
    owners: dict[int, list[str]] = {}
    is_coded: set[int] = set()
    for name, module in model.named_modules():
        for own, tensor in module.named_parameters(recurse=False):
            owners.setdefault(id(tensor), []).append(f"{name}.{own}")
            is_coded |= {id(tensor)} if id(module) in inside else set()
    for tensor, names in owners.items():
        if len(names) > 1 and tensor in is_coded:
            hint = "call the layer itself, it gives them codes"
            yield Problem("weights of a quantized layer are read by another module", found=", ".join(names),
                          need="weights that one layer has", hint=hint)  # fmt: skip


def chips(model: nn.Module) -> Iterator[Problem]:
    """Quantized layers of several chips, whose codes differ."""
    layers: dict[str, list[str]] = {}
    for layer in _quantized(model):
        layers.setdefault(str(getattr(layer, "target_device", "")), []).append(layer.where)
    known = {chip: names for chip, names in layers.items() if chip in DEVICES}
    if len(known) > 1:
        found = "; ".join(f"{chip}: {_some(names)}" for chip, names in known.items())
        yield Problem("quantized layers are for several chips", found=found, need="one chip",
                      hint="pass target_device to every layer; it is Txx where nothing is said")  # fmt: skip


def plain(model: nn.Module) -> Iterator[Problem]:
    """Layers of PyTorch where those of the kit are meant: beside quantized ones, or all of a network."""
    kits = [m for m in model.modules() if isinstance(m, Layer)]
    inside = {id(part) for layer in kits for part in layer.modules()}
    if kits and not _quantized(model):
        return
    for name, module in model.named_modules():
        if isinstance(module, PLAIN) and id(module) not in inside:
            kind = type(module).__name__
            yield Problem("a layer has no codes", where=f"{kind} '{name}'", found=f"torch.nn.{kind}",
                          need="a layer of magik_trainingkit.ops",
                          hint="replace it before a state_dict is loaded, or pass is_mixed=True")  # fmt: skip


def _quantized(model: nn.Module) -> list[Layer]:
    return [m for m in model.modules() if isinstance(m, Layer) and getattr(m, "quantize", False)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# ---- with data -------------------------------------------------------------------------------------------------


def of_step(model: nn.Module, inputs: Sequence[Any]) -> Iterator[Problem]:
    """What one step of training shows, on a copy: why a loss would not fall."""
    empty = [x for x in tensors(inputs) if not x.numel()]
    if empty:
        shape = "x".join(map(str, empty[0].shape))
        yield Problem(
            "a step of training is tried on nothing", found=f"a tensor of {shape}", need="inputs that are not empty"
        )
        return
    own = copy.deepcopy(model).train()
    found: list[Problem] = []

    def look(layer: Layer, _: Any, y: Any) -> None:
        if isinstance(y, tuple) and len(y) == 3 and y[1] != REAL:
            found.extend(_crowded(layer, *y[:2]))

    for module in own.modules():
        if isinstance(module, Layer):
            module.register_forward_hook(look)
    with torch.random.fork_rng(), torch.enable_grad():
        losses = [y.float().square().mean() for y in tensors(own(*inputs)) if y.requires_grad]
        if losses:
            torch.autograd.backward(losses)
    yield from found
    yield from _still(own)


def _crowded(layer: Layer, y: Tensor, bits: int) -> Iterator[Problem]:
    """Features that hardly differ."""
    values, counts = torch.unique(y.detach(), return_counts=True)
    share = float(counts.max()) / y.numel()
    if share > MOST_OF_ONE:
        at = float(values[counts.argmax()])
        yield Problem("nearly all features of a layer have one code, so nothing is learned from them",
                      where=layer.where, found=f"{share:.1%} of features of {bits} bits are {at:.3g}",
                      need=f"at most {MOST_OF_ONE:.0%}",
                      hint="enable_batch_norm=True, or a clip_max_value near what the layer computes")  # fmt: skip


def _still(model: nn.Module) -> Iterator[Problem]:
    """Weights without a gradient."""
    for layer in _quantized(model):
        for name, weight in layer.named_parameters():
            is_weight = name.rpartition(".")[2].startswith("weight")
            if is_weight and weight.requires_grad and (weight.grad is None or not weight.grad.any()):
                kind = "none" if weight.grad is None else "all 0"
                hint = "look for a layer behind it whose features have one code"
                yield Problem("weights of a layer get no gradient, so they stay as they are", where=layer.where,
                              found=f"{name}: {kind}", need="a gradient", hint=hint)  # fmt: skip
