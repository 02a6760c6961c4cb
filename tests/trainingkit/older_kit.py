"""Whole-module pickles as other versions of the kit wrote them: its class paths, with attributes of their own.

Stand-ins of the classes take the place of the kit's modules while a pickle is written.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import nn

PATH = "ingenic_magik_trainingkit.QuantizationTrainingPlugin.python"
CLASSES = {
    "ops": ("Conv2D", "DepthwiseConv2D", "Shortcut", "Unpool2D", "BatchNorm", "Flatten"),
    "quantize_ops": ("Conv2d_Q", "QuantizeWeight", "QuantizeFeature", "batchNorm2d", "AWeight", "NOp"),
}


@contextmanager
def kit() -> Iterator[Mapping[str, Any]]:
    """The stand-ins by name."""
    made: dict[str, Any] = {}
    before = dict(sys.modules)
    for module, names in CLASSES.items():
        path = f"{PATH}.{module}"
        stand_in = ModuleType(path)
        for name in names:
            base = nn.Conv2d if name == "Conv2d_Q" else nn.Module
            made[name] = type(name, (base,), {"__module__": path})
            setattr(stand_in, name, made[name])
        sys.modules[path] = stand_in
    try:
        yield made
    finally:
        for module in CLASSES:
            sys.modules.pop(f"{PATH}.{module}")
            if f"{PATH}.{module}" in before:
                sys.modules[f"{PATH}.{module}"] = before[f"{PATH}.{module}"]


def module(kind: Any, *args: Any, **given: Any) -> Any:
    """A module with attributes, children among them."""
    out = kind(*args)
    for name, value in given.items():
        setattr(out, name, value)
    return out


def stored(layer: nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save({"model": layer, "epoch": 3}, file)
    return file.getvalue()


def conv(of: Mapping[str, Any], like: Any, **said: Any) -> Any:
    """A convolution with the weights of a layer of today, its settings kept by the quantizers inside of it."""
    inner = like.Conv2d
    own = inner.in_channels, inner.out_channels, inner.kernel_size, inner.stride, 0, inner.dilation, inner.groups
    weights = module(of["Conv2d_Q"], *own, inner.bias is not None)
    device = {"target_device": like.target_device}
    weights.load_state_dict(inner.state_dict())
    coded = {"weight_bitwidth": like.weight_bitwidth, "factor": like.weight_factor, "momentum": 0.05, **device}
    weights.quantize_weight = module(of["QuantizeWeight"], pre_max=torch.zeros(4), **coded)
    weights.quantize_weight.register_buffer("seen", torch.ones(1))
    feature = module(
        of["QuantizeFeature"], output_bitwidth=like.output_bitwidth, clip_max_value=like.clip_max_value, **device
    )
    marks = {"in_nop": module(of["NOp"], op_target="input", index=4), "quantize_feature": feature}
    norm = module(
        of["batchNorm2d"], batch_norm=nn.BatchNorm2d(inner.out_channels), aweight=module(of["AWeight"], least=0.01)
    )
    norm.batch_norm.load_state_dict(like.BatchNorm2d.batch_norm.state_dict())
    kind = of[type(like).__name__]
    return module(kind, Conv2d=weights, BatchNorm2d=norm, **marks, **said)
