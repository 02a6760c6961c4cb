"""Layers from whole-module pickles of older kits: settings they lack, and what they carry along."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from magik_trainingkit.errors import TrainingError

PACKAGE = __name__.partition(".")[0]
MISSING = inspect.Parameter.empty
RENAMED = {"factor": "weight_factor"}  # what a quantizer calls otherwise than the layer


class Quantizer(nn.Module):
    """Base of what older kits kept inside of a layer, and of what users put between layers.

    `settings` names its attributes that are the layer's as well.
    """

    settings: tuple[str, ...] = ()


def settle(layer: nn.Module) -> None:
    """Bring a layer that was unpickled into the form of this kit, in place; one that has it stays as it is.

    What it lacks is read from its weights and from the quantizers that older kits kept inside of it, else it is the
    default. The quantizers go: a layer quantizes by itself. Attributes that hide methods go too.

    Raises: TrainingError: a setting that nothing tells.
    """
    for name in [name for name, value in vars(layer).items() if _hides(type(layer), name, value)]:
        del layer.__dict__[name]
    known = {**dict(_of_quantizers(layer)), **dict(_of_weights(layer))}
    lost = []
    for name, default in _arguments(type(layer)).items():
        if name in vars(layer) or name in layer._modules or name in layer._parameters:
            continue
        value = known.get(name, 0 if default is MISSING and name.endswith("_channels") else default)
        if value is MISSING:
            lost.append(name)
        else:
            setattr(layer, name, value)
    if lost:
        what, hint = "a pickled layer lacks settings", "make the network anew and load its state_dict"
        raise TrainingError(what, where=type(layer).__name__, found=f"no {', '.join(lost)}", hint=hint)
    if _is_ours(type(layer)):
        _drop_quantizers(layer)


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == PACKAGE


def _arguments(kind: type) -> Mapping[str, Any]:
    """Arguments of a class and of those it is made of, with their defaults."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base) or not _is_ours(base):
            continue
        for name, argument in inspect.signature(vars(base)["__init__"]).parameters.items():
            if name != "self":
                found.setdefault(name, argument.default)
    return found


def _hides(kind: type, name: str, value: object) -> bool:
    """Whether an attribute stands before a method, or something of another type, of the layers of this kit.

    What a user's own class defines stays as it is.
    """
    owner = next((base for base in kind.__mro__ if name in vars(base)), nn.Module)
    if not _is_ours(owner) or hasattr(nn.Module, name) or name in _arguments(kind):
        return False
    own = getattr(kind, name)
    return not callable(value) if callable(own) else not isinstance(own, property) and type(own) is not type(value)


def _of_quantizers(layer: nn.Module) -> Iterator[tuple[str, Any]]:
    """What the quantizers inside of a layer say of it; later ones, of its result, last."""
    for module in layer.modules():
        if module is not layer and isinstance(module, Quantizer):
            said = [name for name in module.settings if name in vars(module)]
            yield from ((RENAMED.get(name, name), vars(module)[name]) for name in said)
            if "output_bitwidth" in module.settings:
                yield "quantize", True


def _of_weights(layer: nn.Module) -> Iterator[tuple[str, Any]]:
    """What the modules with weights inside of a layer say of it."""
    for module in layer.children():
        if isinstance(module, nn.Linear):
            yield from {"in_channels": module.in_features, "out_channels": module.out_features}.items()
            yield "enable_bias", module.bias is not None
        elif isinstance(module, nn.Conv2d):
            yield from {"in_channels": module.in_channels, "out_channels": module.out_channels}.items()
            yield from zip(("kernel_h", "kernel_w"), module.kernel_size, strict=True)
            yield from {"stride": module.stride[0], "dilation": module.dilation[0], "groups": module.groups}.items()
            yield "enable_bias", module.bias is not None
            if not isinstance(module.padding, str) and any(module.padding):
                yield "padding", module.padding[0]
        elif isinstance(getattr(module, "batch_norm", None), nn.BatchNorm2d):
            yield "enable_batch_norm", True


def _drop_quantizers(layer: nn.Module) -> None:
    for module in list(layer.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Quantizer):
                del module._modules[name]
