"""Functions of f32 values without a math library; `runtime/src/fmath.h` repeats every operation.

Each operation is rounded to f32 by itself, so numpy, x86 and MIPS give the same bits.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
F = np.float32

EXP_MAX = F(88.0)  # e^88 is the last whole power below the largest f32
EXP_MIN = F(-87.0)  # below, the result would be subnormal: it is 0
LOG2_E = F(1.44269504)
LN2_HIGH = F(0.693359375)  # 9 bits: n * LN2_HIGH is exact
LN2_LOW = F(-2.12194440e-4)
EXP_POLYNOMIAL = (F(1.9875691e-4), F(1.3981999e-3), F(8.3334519e-3), F(4.1665796e-2), F(1.6666666e-1), F(0.5))


def exp(x: Array) -> Array:
    """e^x, at most 2 units in the last place off; 0 below -87, infinity above 88; NaN stays NaN.

    Source: argument reduction by ln 2 in two parts, then a polynomial of degree 7 (Cody and Waite;
    coefficients of the Cephes library's expf).
    """
    v = np.minimum(np.maximum(x, EXP_MIN), EXP_MAX).astype(F)
    n = np.floor(v * LOG2_E + F(0.5))
    r = (v - n * LN2_HIGH) - n * LN2_LOW
    p = EXP_POLYNOMIAL[0]
    for c in EXP_POLYNOMIAL[1:]:
        p = p * r + c
    y = (p * (r * r) + r) + F(1)
    whole = np.where(np.isnan(n), F(0), n).astype(np.int32)
    y = y * ((whole + 127) << 23).astype(np.int32).view(F)
    y = np.where(x > EXP_MAX, F(np.inf), np.where(x < EXP_MIN, F(0), y))
    return np.where(np.isnan(x), x, y).astype(F)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return F(1) / (F(1) + exp(-x))


def tanh(x: Array) -> Array:
    """(1 - e) / (1 + e) with e = e^(-2 |x|), and the sign of x; at most 2e-7 off."""
    e = exp(F(-2) * np.abs(x))
    t = (F(1) - e) / (F(1) + e)
    return np.where(x < 0, -t, t).astype(F)
