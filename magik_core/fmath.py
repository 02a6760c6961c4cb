"""Functions of f32 values without a math library; `runtime/src/fmath.h` repeats every operation.

Each operation is rounded to f32 by itself, so numpy, x86 and MIPS give the same bits. Errors are in
units in the last place (ulp) of the exact result, measured by tests/core/test_fmath.py. A NaN stays NaN.
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
SQRT_HALF = F(0.707106781)
QUARTER_PI = F(0.785398163)
HALF_PI_UNIT = F(np.pi / 2 * 2.0**-62)

# The highest power of the argument first. exp, log, tanh, sin, cos: minimax coefficients of the Cephes
# library (expf, logf, tanhf, sinf); erf: least-maximum fits made for this file.
EXP_POLYNOMIAL = (1.9875691e-4, 1.3981999e-3, 8.3334519e-3, 4.1665796e-2, 1.6666666e-1, 0.5)
LOG_POLYNOMIAL = (
    *(7.0376836e-2, -1.1514610e-1, 1.1676999e-1, -1.2420141e-1, 1.4249323e-1),
    *(-1.6668058e-1, 2.0000715e-1, -2.4999994e-1, 3.3333331e-1),
)
TANH_POLYNOMIAL = (-5.7049887e-3, 2.0639088e-2, -5.3739715e-2, 1.3331442e-1, -3.3333282e-1)
SIN_POLYNOMIAL = (-1.9515296e-4, 8.3321609e-3, -1.6666655e-1)
COS_POLYNOMIAL = (2.4433157e-5, -1.3887316e-3, 4.1666646e-2)
ERF_POLYNOMIAL = (  # erf(x) / x in x^2, on [0, 1]
    *(7.8891193e-5, -8.0208411e-4, 5.1895352e-3, -2.6854444e-2),
    *(1.1283600e-1, -3.7612626e-1, 1.1283791),
)
LOG_ERFC_POLYNOMIAL = (  # log(1 - erf(x)) in x, on [1, 4]
    *(1.8557490e-4, -2.9396156e-3, 2.1805352e-2, -1.0303743e-1),
    *(-6.3822562e-1, -1.1270400, -3.5370892e-4),
)
# 2 / pi as a fraction, 32 bits to a word, after a word of zeros
TWO_OVER_PI = (0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    p: Array = np.full(np.shape(x), F(coefficients[0]))
    for c in coefficients[1:]:
        p = p * x + F(c)
    return p


def _from_bits(bits: Array) -> Array:
    return np.asarray(bits).astype(np.uint32).view(F)


def _is_at(x: Array, special: np.float32, y: Array) -> Array:
    """y, but `special` where x is that, and NaN where x is NaN."""
    return np.where(np.isnan(x), x, np.where(x == special, special, y)).astype(F)


def exp(x: Array) -> Array:
    """e^x, at most 2 ulp off; 0 below -87, infinity above 88.

    Source: argument reduction by ln 2 in two parts, then a polynomial of degree 7 (Cody and Waite).
    """
    v = np.minimum(np.maximum(x, EXP_MIN), EXP_MAX).astype(F)
    n = np.floor(v * LOG2_E + F(0.5))
    r = (v - n * LN2_HIGH) - n * LN2_LOW
    y = (_polynomial(EXP_POLYNOMIAL, r) * (r * r) + r) + F(1)
    whole = np.where(np.isnan(n), F(0), n).astype(np.int32)
    y = y * ((whole + 127) << 23).astype(np.int32).view(F)
    y = np.where(x > EXP_MAX, F(np.inf), np.where(x < EXP_MIN, F(0), y))
    return np.where(np.isnan(x), x, y).astype(F)


def log(x: Array) -> Array:
    """ln x, at most 1 ulp off, subnormals included; -infinity at 0, NaN below.

    Source: x = m 2^e with m in [sqrt(1/2), sqrt(2)), a polynomial of m - 1, ln 2 in two parts.
    """
    x = np.asarray(x, F)
    is_small = x < F(2.0**-126)
    v = np.where(is_small, x * F(2.0**23), x).astype(F)
    bits = v.view(np.uint32).astype(np.int64)
    e = (bits >> 23) - np.where(is_small, 149, 126)
    m = _from_bits((bits & 0x7FFFFF) | 0x3F000000)
    is_low = m < SQRT_HALF
    n = (e - is_low).astype(F)
    m = np.where(is_low, m + m, m) - F(1)
    z = m * m
    y = (_polynomial(LOG_POLYNOMIAL, m) * m) * z
    y = (y + n * LN2_LOW) - F(0.5) * z
    y = (m + y) + n * LN2_HIGH
    y = np.where(x > 0, y, np.where(x == 0, F(-np.inf), F(np.nan)))
    return _is_at(x, F(np.inf), y)


def sqrt(x: Array) -> Array:
    """The square root, correctly rounded (IEEE 754); NaN below 0, -0 at -0."""
    x = np.asarray(x, F)
    return np.where(x < 0, F(np.nan), np.sqrt(x)).astype(F)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return F(1) / (F(1) + exp(-x))


def tanh(x: Array) -> Array:
    """tanh x, at most 2 ulp off; odd.

    Source: below 0.625 a polynomial, above 1 - 2 / (e^2x + 1).
    """
    a = np.abs(np.asarray(x, F))
    z = a * a
    low = (_polynomial(TANH_POLYNOMIAL, z) * z) * a + a
    high = F(1) - F(2) / (exp(a + a) + F(1))
    y = np.copysign(np.where(a < F(0.625), low, high), x)
    return np.where(np.isnan(x), x, y).astype(F)


def erf(x: Array) -> Array:
    """erf x, at most 3 ulp off; odd.

    Source: below 1 x times a polynomial of x^2, up to 4 1 - e^polynomial(x), above 1.
    """
    a = np.abs(np.asarray(x, F))
    low = a * _polynomial(ERF_POLYNOMIAL, a * a)
    high = F(1) - exp(_polynomial(LOG_ERFC_POLYNOMIAL, np.minimum(a, F(4))))
    y = np.copysign(np.where(a < F(1), low, np.where(a < F(4), high, F(1))), x)
    return np.where(np.isnan(x), x, y).astype(F)


def log1p(u: Array) -> Array:
    """ln(1 + u) for u in [0, 1], at most 3 ulp off.

    Source: log(w) * (u / (w - 1)) with w = 1 + u rounded, in which the rounding cancels (Kahan).
    """
    w = F(1) + u
    return np.where(w == F(1), u, log(w) * (u / (w - F(1)))).astype(F)


def softplus(x: Array) -> Array:
    """ln(1 + e^x), at most 4 ulp off; 0 below -87.

    Source: max(x, 0) + ln(1 + e^-|x|), which neither overflows nor cancels.
    """
    x = np.asarray(x, F)
    y = np.where(x > 0, x, F(0)) + log1p(exp(-np.abs(x)))
    return np.where(np.isnan(x), x, y).astype(F)


def power(x: Array, c: float) -> Array:
    """x^c for one finite c: signs, zeros and infinities as C's powf.

    Integer |c| up to 8 by repeated products, at most 6 ulp off; 1/2 and -1/2 by the square root, 2 ulp;
    else e^(c ln |x|), off by at most (3 + 2 |c ln x|) ulp and with the limits of exp. A power below 2^-126
    may become 0.
    """
    x = np.asarray(x, F)
    if c == 0:
        return np.ones_like(x)
    a, size = np.abs(x), np.abs(F(c))
    if size <= 8 and size == np.floor(size):
        y = _whole_power(a, int(size))
    elif size == F(0.5):
        y = sqrt(a)
    else:
        y = exp(size * log(a))
    if c < 0:
        y = F(1) / y
    if size < F(2**24) and size == np.floor(size):
        y = np.copysign(y, x) if int(size) % 2 == 1 else y
    elif size < F(2**24):
        y = np.where((x < 0) & np.isfinite(x), F(np.nan), y)
    return np.where(np.isnan(x), x, y).astype(F)


def _whole_power(a: Array, n: int) -> Array:
    """a^n, n in [1, 8]: the product of the squares that n's bits name, the smallest first."""
    y, square = np.ones_like(a), a
    while n > 0:
        y = y * square if n & 1 else y
        square, n = square * square, n >> 1
    return y


def sin(x: Array) -> Array:
    """sin x, at most 3 ulp off for every finite x; NaN at infinity."""
    x = np.asarray(x, F)
    r, quarter = _quarters(np.abs(x))
    y = _sin_of_quarter(r, quarter)
    return np.where(np.isnan(x), x, np.where(np.isinf(x), F(np.nan), np.where(np.signbit(x), -y, y))).astype(F)


def cos(x: Array) -> Array:
    """cos x, at most 3 ulp off for every finite x; NaN at infinity."""
    x = np.asarray(x, F)
    r, quarter = _quarters(np.abs(x))
    y = _sin_of_quarter(r, quarter + 1)
    return np.where(np.isnan(x), x, np.where(np.isinf(x), F(np.nan), y)).astype(F)


def _quarters(a: Array) -> tuple[Array, Array]:
    """(r, n) with a = r + n pi/2 up to whole turns, r in [-pi/4, pi/4], for a >= 0.

    Source: the mantissa times the 96 bits of 2 / pi that matter, modulo 4, in integers (Payne and Hanek).
    """
    bits = np.where(np.isfinite(a), a, F(0)).astype(F).view(np.uint32).astype(np.uint64)
    m = (bits & np.uint64(0x7FFFFF)) | np.uint64(0x800000)
    at = np.maximum((bits >> np.uint64(23)).astype(np.int64) - 120, 0)
    words, shift = np.array(TWO_OVER_PI, np.uint64), (at & 31).astype(np.uint64)

    def window(i: int) -> Array:
        pair = (words[(at >> 5) + i] << np.uint64(32)) | words[(at >> 5) + i + 1]
        return (pair << shift) >> np.uint64(32)

    high = (window(0) << np.uint64(32)) | window(1)
    turn = m * high + ((m * window(2)) >> np.uint64(32))
    n = (turn + np.uint64(1 << 61)) >> np.uint64(62)
    rest = (turn - (n << np.uint64(62))).view(np.int64)
    is_small = a < QUARTER_PI
    r = np.where(is_small, a, rest.astype(F) * HALF_PI_UNIT).astype(F)
    return r, np.where(is_small, 0, n.astype(np.int64))


def _sin_of_quarter(r: Array, n: Array) -> Array:
    """sin(r + n pi/2)."""
    z = r * r
    sine = (_polynomial(SIN_POLYNOMIAL, z) * z) * r + r
    cosine = ((_polynomial(COS_POLYNOMIAL, z) * z) * z - F(0.5) * z) + F(1)
    y = np.where(n & 1, cosine, sine)
    return np.where(n & 2, -y, y).astype(F)


def total(lines: Array) -> Array:
    """Sum over axis 0, from 0 upwards in order, each sum rounded to f32."""
    out = np.zeros(lines.shape[1:], F)
    for line in lines:
        out = out + line
    return np.asarray(out, F)


def largest(lines: Array) -> Array:
    """Maximum over axis 0; NaNs after the first element are passed over."""
    out = lines[0]
    for line in lines[1:]:
        out = np.where(line > out, line, out)
    return np.asarray(out, F)
