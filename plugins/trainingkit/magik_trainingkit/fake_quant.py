"""The straight-through estimators: what training computes in the place of codes.

docs/training.md, "Codes", "Weights" and "Rounding", has the formulas; `magik_core.builtin.trainingkit.arithmetic`
is what evaluation and conversion compute.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import LEAST_GAMMA, REAL, TIE, is_odd

PART = 1 << 16  # numbers that are rounded at a time on a CPU


def round_near_even(v: Tensor) -> Tensor:
    """Whole numbers; a half, and up to TIE more than one, goes to the even neighbor."""
    return _rounded(v.clone())


def _rounded(v: Tensor) -> Tensor:
    """`round_near_even`, in place; in parts that stay in a cache of the CPU."""
    for part in v.view(-1).split(PART) if v.device.type == "cpu" else (v,):
        even = torch.mul(part, 0.5).round_()  # half of the nearest even number
        rest = part.sub_(even, alpha=2)  # [-1, 1], exact
        up = torch.ge(rest, 0.5 + TIE).to(v.dtype)
        torch.sub(up, rest.lt_(-0.5), out=part).add_(even, alpha=2)
    return v


def quantized_feature(x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
    """Reals of codes in [0, 1], in [-1, 1] where clip_min is negative; without a gradient."""
    x = x.detach().float()
    top, half = 2**bits - 1, 2 ** (bits - 1)
    if clip_min >= 0:
        return _rounded(x.clamp(0, clip_max).contiguous().div_(clip_max).mul_(top)).div_(top)
    if is_odd(device):
        share = x.clamp(-clip_max, clip_max).contiguous().div_(clip_max).add_(1)
        return _rounded(share.div_(2).mul_(top)).mul_(2).div_(top).sub_(1)
    code = _rounded(x.abs().contiguous().div_(clip_max).mul_(half))
    return code.copysign_(x).clamp_(-half, half - 1).div_(half)


def quantized_weight(w: Tensor, bits: int, factor: float, device: str, *, is_depthwise: bool = False) -> Tensor:
    """Reals of the codes of weights, by channel along axis 0; without a gradient."""
    w = w.detach().float()
    flat = w.reshape(len(w), -1)
    reach, mean = factor * flat.std(correction=0), flat.mean()
    cut = flat.clamp(mean - reach, mean + reach)
    most, spread = (v.abs().amax(1, keepdim=True) for v in (flat, cut))
    top, half = 2**bits - 1, 2 ** (bits - 1)
    code = _rounded(cut.div_(spread.masked_fill_(spread == 0, 1)).add_(1).div_(2).mul_(top))
    is_shifted = is_odd(device) and not is_depthwise
    real = code.mul_(2).div_(top).sub_(1).mul_(most) if is_shifted else code.sub_(half).mul_(most).div_(half)
    return real.reshape(w.shape)


class _Feature(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
        inside = x > (-clip_max if clip_min < 0 else 0.0)
        ctx.save_for_backward(inside.logical_and_(x < clip_max))
        ctx.dtype = x.dtype
        return quantized_feature(x, bits, clip_min, clip_max, device)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (inside,) = ctx.saved_tensors
        return (grads[0] * inside).to(ctx.dtype), None, None, None, None


class _Weight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor, bits: int, factor: float, device: str, is_depthwise: bool) -> Tensor:
        ctx.dtype = w.dtype
        return quantized_weight(w, bits, factor, device, is_depthwise=is_depthwise)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0].to(ctx.dtype), None, None, None, None


def feature(x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
    """`quantized_feature`; the gradient passes where x lies inside of the limits. 32 bits: x as it is."""
    return x if bits == REAL else _Feature.apply(x, bits, clip_min, clip_max, device)  # type: ignore[no-any-return]


def weight(w: Tensor, bits: int, factor: float, device: str, *, is_depthwise: bool = False) -> Tensor:
    """`quantized_weight`; the gradient passes. 32 bits: w as it is."""
    return w if bits == REAL else _Weight.apply(w, bits, factor, device, is_depthwise)  # type: ignore[no-any-return]


def gamma(weight: Tensor) -> Tensor:
    """A normalization's gain, at least LEAST_GAMMA; no gradient below."""
    return weight.clamp(min=LEAST_GAMMA)
