"""The straight-through estimators: what training computes in the place of codes.

docs/training.md, "Codes", "Weights" and "Rounding", has the formulas; `magik_core.builtin.trainingkit.arithmetic`
is what evaluation and conversion compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import LEAST_GAMMA, REAL, TIE, is_odd
from magik_trainingkit.values import in_kind

PART = 1 << 16  # numbers that are computed at a time on a CPU: what stays in a cache


def _parts(v: Tensor) -> Sequence[Tensor]:
    """A tensor in parts that are worked on one after the other."""
    return torch.split(v.view(-1), PART) if v.device.type == "cpu" and v.is_contiguous() else (v,)


def round_near_even(v: Tensor) -> Tensor:
    """Whole numbers; a half, and up to TIE more than one, goes to the even neighbor."""
    return _rounded(v.clone())


def _rounded(v: Tensor) -> Tensor:
    """`round_near_even`, in place."""
    even = torch.mul(v, 0.5).round_()  # half of the nearest even number
    rest = v.sub_(even, alpha=2)  # [-1, 1], exact
    up = torch.ge(rest, 0.5 + TIE, out=torch.empty_like(rest))
    return torch.sub(up, rest.lt_(-0.5), out=v).add_(even, alpha=2)


def quantized_feature(x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
    """Reals of codes in [0, 1], in [-1, 1] where clip_min is negative; without a gradient."""
    y = x.detach().float().clamp(-clip_max if clip_min < 0 else 0.0, clip_max)
    for part in _parts(y):
        _quantize(part.div_(clip_max), bits, clip_min < 0, device)
    return y


def _quantize(share: Tensor, bits: int, is_signed: bool, device: str) -> None:
    """Numbers of [0, 1] or [-1, 1] to those of codes, in place."""
    top, half = 2**bits - 1, 2 ** (bits - 1)
    if not is_signed:
        _rounded(share.mul_(top)).div_(top)
    elif is_odd(device):
        _rounded(share.add_(1).div_(2).mul_(top)).mul_(2).div_(top).sub_(1)
    else:
        sign = share.sign()
        _rounded(share.abs_().mul_(half)).mul_(sign).clamp_(-half, half - 1).div_(half)


def quantized_weight(w: Tensor, bits: int, factor: float, device: str, *, is_depthwise: bool = False) -> Tensor:
    """Reals of the codes of weights, by channel along axis 0; without a gradient."""
    w = w.detach().float()
    flat = w.reshape(len(w), -1)
    reach, mean = factor * flat.std(correction=0), flat.mean()
    cut = flat.clamp(mean - reach, mean + reach)
    most, spread = (v.abs().amax(1, keepdim=True) for v in (flat, cut))
    top, half = 2**bits - 1, 2 ** (bits - 1)
    code = cut.div_(spread.masked_fill_(spread == 0, 1)).add_(1).div_(2).mul_(top)
    for part in _parts(code):
        _rounded(part)
    is_shifted = is_odd(device) and not is_depthwise
    real = code.mul_(2).div_(top).sub_(1).mul_(most) if is_shifted else code.sub_(half).mul_(most).div_(half)
    return real.reshape(w.shape)


class _Feature(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limits = (-clip_max if clip_min < 0 else 0.0, clip_max)
        return quantized_feature(x, bits, clip_min, clip_max, device)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient where x lies inside of the limits, in one pass."""
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grads[0], x, *ctx.limits), None, None, None, None


class _Weight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor, bits: int, factor: float, device: str, is_depthwise: bool) -> Tensor:
        return quantized_weight(w, bits, factor, device, is_depthwise=is_depthwise)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0], None, None, None, None


def feature(x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
    """`quantized_feature`; the gradient passes where x lies inside of the limits. 32 bits: x as it is."""
    if bits == REAL:
        return x
    return in_kind(_Feature.apply(x.float(), bits, clip_min, clip_max, device), x)


def weight(w: Tensor, bits: int, factor: float, device: str, *, is_depthwise: bool = False) -> Tensor:
    """`quantized_weight`; the gradient passes. 32 bits: w as it is."""
    if bits == REAL:
        return w
    return in_kind(_Weight.apply(w.float(), bits, factor, device, is_depthwise), w)


def gamma(weight: Tensor) -> Tensor:
    """A normalization's gain, at least LEAST_GAMMA; no gradient below."""
    return weight.clamp(min=LEAST_GAMMA)
