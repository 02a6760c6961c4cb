"""The straight-through estimators: what training computes in the place of codes.

docs/training.md, "Codes", "Weights" and "Rounding", has the formulas; `magik_core.builtin.trainingkit.arithmetic`
is what evaluation and conversion compute.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import LEAST_GAMMA, REAL, TIE, is_odd


def round_near_even(v: Tensor) -> Tensor:
    """Whole numbers; a half, and up to TIE more than one, goes to the even neighbor."""
    low = torch.floor(v)
    rest = v - low
    is_half = (rest >= 0.5) & (rest < 0.5 + TIE)
    return low + torch.where(is_half, torch.remainder(low, 2), (rest >= 0.5).to(v.dtype))


def quantized_feature(x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
    """Reals of codes in [0, 1], in [-1, 1] where clip_min is negative; without a gradient."""
    x = x.float()
    if clip_min >= 0:
        top = 2**bits - 1
        return round_near_even(x.clamp(0, clip_max) / clip_max * top) / top
    if is_odd(device):
        top = 2**bits - 1
        return 2 * round_near_even((x.clamp(-clip_max, clip_max) / clip_max + 1) / 2 * top) / top - 1
    half = 2 ** (bits - 1)
    code = torch.sign(x) * round_near_even(x.abs() / clip_max * half)
    return code.clamp(-half, half - 1) / half


def quantized_weight(w: Tensor, bits: int, factor: float, device: str, *, is_depthwise: bool = False) -> Tensor:
    """Reals of the codes of weights, by channel along axis 0; without a gradient."""
    w = w.float()
    flat = w.reshape(len(w), -1)
    reach = factor * flat.std(correction=0)
    cut = flat.clamp(flat.mean() - reach, flat.mean() + reach)
    most, spread = flat.abs().amax(1, keepdim=True), cut.abs().amax(1, keepdim=True)
    share = cut / torch.where(spread > 0, spread, torch.ones_like(spread))
    top, half = 2**bits - 1, 2 ** (bits - 1)
    code = round_near_even((share + 1) / 2 * top)
    is_shifted = is_odd(device) and not is_depthwise
    return ((2 * code / top - 1) * most if is_shifted else (code - half) * most / half).reshape(w.shape)


class _Feature(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int, clip_min: float, clip_max: float, device: str) -> Tensor:
        ctx.save_for_backward((x > (-clip_max if clip_min < 0 else 0.0)) & (x < clip_max))
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
