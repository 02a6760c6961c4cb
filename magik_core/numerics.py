"""All integer arithmetic of magik, in numpy; `runtime/src/fixed.h` says the same in C.

docs/quantization.md is the normative text. Everything here works on arrays of any shape.
"""

from __future__ import annotations

import math

import numpy as np

from magik_core.errors import QuantizeError
from magik_core.program import QuantParams

Array = np.ndarray
INT32_MAX = 2**31 - 1
MAX_SHIFT = 62
AVERAGE_BITS = 16  # fraction bits of a mean before it is rescaled
FIXED_BITS = 20  # fraction bits of the numbers inside of a recurrent layer
FIXED_MOST = 2**30  # their largest size
LEAST_SCALE = 1e-30  # a smaller one is that of a tensor that is always zero
LEAST_RANGE = 1e-25  # of 16 bits it has a larger scale
F32_MOST = float(np.finfo(np.float32).max)


def multiplier(ratio: float) -> tuple[int, int]:
    """Express a real factor as m / 2**s.

    Args:    ratio: finite, any sign.
    Returns: (m, s) with |m| in [2^30, 2^31) and s in [1, 62]; (0, 1) for a factor below 2^-32.
    Raises:  QuantizeError: the factor is not finite, or 2^29 and above.
    Source:  docs/quantization.md, "Rescale".
    """
    (m,), s = multipliers(ratio)
    return m, s


def multipliers(*ratios: float, most_shift: int = MAX_SHIFT) -> tuple[tuple[int, ...], int]:
    """Express several factors over one shift, so that the largest has full precision, up to `most_shift`.

    Returns: (m per factor, s), s in [1, 62].
    """
    largest = max(abs(r) for r in ratios)
    if not all(map(math.isfinite, ratios)) or largest >= 2.0**29:
        raise QuantizeError("a rescale factor is out of range", found=f"{largest:g}", need="|factor| < 2^29")
    if largest < 2.0**-32:
        return (0,) * len(ratios), 1
    s = 31 - math.frexp(largest)[1]
    if _half_up(math.ldexp(largest, s)) > INT32_MAX:
        s -= 1
    s = min(s, most_shift)
    return tuple(_half_up(math.ldexp(r, s)) for r in ratios), s


def each_multiplier(ratios: Array) -> tuple[Array, Array]:
    """`multiplier` of many real factors at once: m and s, int32.

    Raises:  QuantizeError: one is not finite, or 2^29 and above.
    """
    ratios = np.asarray(ratios, np.float64)
    sizes = np.abs(ratios)
    if not (sizes < 2.0**29).all():
        found = f"{ratios[~(sizes < 2.0**29)][0]:g}"
        raise QuantizeError("a rescale factor is out of range", found=found, need="|factor| < 2^29")
    is_small = sizes < 2.0**-32
    s = np.where(is_small, 1, 31 - np.frexp(sizes)[1])
    s = s - (round_half_up(np.ldexp(sizes, s)) > INT32_MAX)
    m = np.where(is_small, 0, round_half_up(np.ldexp(ratios, s)))
    return m.astype(np.int32), s.astype(np.int32)


def _half_up(x: float) -> int:
    return math.floor(x + 0.5)


def round_half_up(x: Array) -> Array:
    """Nearest integer of float64 values, ties towards plus infinity, as int64."""
    return np.floor(np.asarray(x, np.float64) + 0.5).astype(np.int64)


def rescale(acc: Array, m: Array | int, s: Array | int) -> Array:
    """Multiply by m / 2**s, rounding half up.

    Args:    acc: |acc| <= 2^62, any integer dtype; m: int32; s: [1, 62].
    Returns: int64; beyond 2^31 only its sign and that it is beyond mean something.
    Source:  docs/quantization.md, "Rescale".
    """
    acc, m, s = (np.asarray(v, np.int64) for v in (acc, m, s))
    if float(np.abs(acc).max(initial=0)) * float(np.abs(m).max(initial=0)) <= 2.0**62:
        return shift(acc * m, s)
    return _rescale_wide(acc, m, s)


def _rescale_wide(acc: Array, m: Array, s: Array) -> Array:
    """The same for products beyond 64 bits: in two parts, whole * 2^31 + rest."""
    low = (acc & INT32_MAX) * m
    whole, rest = (acc >> 31) * m + (low >> 31), low & INT32_MAX
    near = np.clip(whole, -(2**32), 2**32) << np.maximum(31 - s, 0)
    return np.where(s <= 31, near + shift(rest, s), shift(whole, np.maximum(s - 31, 1)))


def shift(v: Array, s: Array | int) -> Array:
    """Divide by 2**s, rounding half up.

    Args:    v: int64, |v| <= 2^62 + 2^30, beyond which it wraps; s: [1, 62].
    Returns: int64.
    """
    return np.asarray((v + (np.int64(1) << (s - 1))) >> s)


def rescale_twice(acc: Array, m: Array | int, s: Array | int) -> Array:
    """Multiply by m / 2**s; above s = 31 to s - 31 fraction bits, half up, then to whole numbers, half away from zero.

    Args and Returns: as `rescale`.
    Source:  docs/quantization.md, "Rounding twice".
    """
    product = np.asarray(acc, np.int64) * np.asarray(m, np.int64)
    half = np.where(product < 0, -(2**30), 2**30)
    return rescale(product + np.where(np.asarray(s) > 31, half, 0), 1, s)


def average(total: Array, count: Array | int) -> Array:
    """Mean with AVERAGE_BITS fraction bits, rounding half up: rescale it with a shift that many larger.

    Args:    total: |total| < 2^46, any integer dtype; count: [1, 2^22].
    """
    n = np.asarray(count, np.int64)
    return ((np.asarray(total, np.int64) << AVERAGE_BITS) + (n >> 1)) // n


def reciprocal(total: Array) -> tuple[Array, Array]:
    """2**(61 + k) / total, cut off, for dividing many numbers by one.

    Args:    total: int64, [2^30, 2^60).
    Returns: (m, k): int64 m in [2^30, 2^31), k in [0, 29] such that total / 2**k is in [2^30, 2^31).
             m / 2**(61 + k) is off by less than 2^-29 of itself.
    Source:  docs/quantization.md, "Softmax".
    """
    total = np.asarray(total, np.int64)
    k = np.zeros_like(total)
    for step in (16, 8, 4, 2, 1):
        k = np.where((total >> (k + step)) >= 2**30, k + step, k)
    return np.minimum((np.int64(1) << 61) // (total >> k), np.int64(INT32_MAX)), k


def inverse_root(square: Array) -> tuple[Array, Array]:
    """1 / sqrt(square) as m * 2**(k - 61), cut off.

    Args:    square: int64, [1, 2^60).
    Returns: (m, k): k in [1, 30] such that square * 4**k is in [2^60, 2^62), m = 2^61 // its whole root,
             int64 in (2^30, 2^31]. m is off by less than 2^-29 of itself.
    Source:  docs/quantization.md, "Normalization".
    """
    square = np.asarray(square, np.int64)
    k = np.ones_like(square)
    for step in (16, 8, 4, 2, 1):
        k = np.where((square >> (62 - 2 * (k + step))) == 0, k + step, k)
    wide = square << (2 * k)
    root = np.floor(np.sqrt(wide.astype(np.float64))).astype(np.int64)
    root = np.where(root * root > wide, root - 1, root)
    root = np.where((root + 1) * (root + 1) <= wide, root + 1, root)
    return (np.int64(1) << 61) // root, k


def fixed(v: Array, limit: int = FIXED_MOST) -> Array:
    """Limit numbers with FIXED_BITS fraction bits to [-limit, limit], as int64.

    Source:  docs/quantization.md, "Recurrent layers".
    """
    return np.clip(np.asarray(v, np.int64), -limit, limit)


def fix(product: Array) -> Array:
    """A product of two fixed numbers, or a sum of two, as a fixed number.

    Args:    product: |product| < 2^62.
    """
    return fixed(shift(np.asarray(product, np.int64), np.asarray(FIXED_BITS, np.int64)))


def saturate(v: Array, low: int, high: int) -> Array:
    """Limit codes to [low, high], in the narrowest storage that holds `high`."""
    return np.clip(v, low, high).astype(np.uint8 if high <= 255 else np.uint16)


def quantize(x: Array, q: QuantParams) -> Array:
    """Codes of f32 values: x / scale + zero_point in f32, rounded half up, saturated; NaN gives 0."""
    with np.errstate(all="ignore"):
        t = np.asarray(x, np.float32) / np.float32(q.scale) + np.float32(q.zero_point)
        t = np.where(t > 0, np.minimum(t, np.float32(q.top)), np.float32(0))
    whole = np.floor(t)
    return (whole + (t - whole >= np.float32(0.5))).astype(np.uint8 if q.bits <= 8 else np.uint16)


def dequantize(codes: Array, q: QuantParams) -> Array:
    """f32 values of codes: scale * (q - zero_point), the difference exact."""
    return np.float32(q.scale) * (codes.astype(np.float32) - np.float32(q.zero_point))


def params_of_range(low: float, high: float, bits: int = 8) -> QuantParams:
    """Scale and zero point that cover [low, high] and real zero.

    Raises: QuantizeError: the range is not finite in f32.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if not (low >= -F32_MOST and high <= F32_MOST):
        raise QuantizeError("a range is not finite", found=f"[{low:g}, {high:g}]", need="finite bounds")
    top = (1 << bits) - 1
    scale = float(np.float32((high - low) / top))
    if scale < LEAST_SCALE:
        return QuantParams(1.0, 0.0, bits)
    return QuantParams(scale, float(min(max(_half_up(-low / scale), 0), top)), bits)
