"""Straight-through estimators in double precision, by the formulas of reference.py: what layers are held against."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tests.trainingkit import reference


def feature(x: Tensor, bits: int, clip_min: float, m: float, device: str) -> Tensor:
    """Codes' reals; the gradient passes inside of the limits."""
    codes = [reference.feature(float(v), bits, clip_min, m, device) for v in x.detach().reshape(-1)]
    inside = (x > (-m if clip_min < 0 else 0.0)) & (x < m)
    through = x * inside.detach()
    return through + (torch.tensor(np.array(codes)).reshape(x.shape) - through).detach()


def weights(w: Tensor, bits: int, device: str, *, is_depthwise: bool = False) -> Tensor:
    """Weights' reals in double precision; the gradient passes."""
    exact = torch.from_numpy(reference.weights(w.detach().numpy(), bits, 3.0, device, is_depthwise))
    through = w.double()
    return through + (exact - through).detach()


def values(bits: int, device: str, shape: tuple[int, ...], *, is_signed: bool, seed: int = 0) -> Tensor:
    """Features of all codes."""
    torch.manual_seed(seed)
    top, half = 2**bits - 1, 2 ** (bits - 1)
    codes = torch.randint(0, top + 1, shape).double()
    codes.view(-1)[: top + 1] = torch.arange(top + 1)
    if not is_signed:
        return codes / top
    return codes * 2 / top - 1 if device in reference.ODD else codes / half - 1
