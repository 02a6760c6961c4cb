"""What Caffe computes, element by element as its CPU layers define it; x is (N, C, H, W) unless a line says more."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def conv(x: Array, w: Array, b: Array | None, stride=(1, 1), pad=(0, 0), dilation=(1, 1), group=1) -> Array:
    """Sums over the taps; w is (out, in / group, kh, kw)."""
    n, c, h, width = x.shape
    kh, kw = w.shape[2:]
    oh = (h + 2 * pad[0] - (dilation[0] * (kh - 1) + 1)) // stride[0] + 1
    ow = (width + 2 * pad[1] - (dilation[1] * (kw - 1) + 1)) // stride[1] + 1
    wide = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    y = np.zeros((n, len(w), oh, ow))
    per_in, per_out = c // group, len(w) // group
    for o, i, j in np.ndindex(len(w), oh, ow):
        first = o // per_out * per_in
        top, left = i * stride[0], j * stride[1]
        part = wide[:, first : first + per_in, top : top + dilation[0] * kh : dilation[0],
                    left : left + dilation[1] * kw : dilation[1]]  # fmt: skip
        y[:, o, i, j] = (part[:, :, :kh, :kw] * w[o]).sum((1, 2, 3))
    return y if b is None else y + b[:, None, None]


def deconv(x: Array, w: Array, b: Array | None, stride=(1, 1), pad=(0, 0), group=1) -> Array:
    """Each element spread over its window; w is (in, out / group, kh, kw)."""
    n, c, h, width = x.shape
    per_out, kh, kw = w.shape[1:]
    y = np.zeros((n, per_out * group, (h - 1) * stride[0] + kh, (width - 1) * stride[1] + kw))
    for k, i, j in np.ndindex(c, h, width):
        first = k // (c // group) * per_out
        part = y[:, first : first + per_out, i * stride[0] : i * stride[0] + kh, j * stride[1] : j * stride[1] + kw]
        part += x[:, k, i, j][:, None, None, None] * w[k]
    y = y[:, :, pad[0] : y.shape[2] - pad[0], pad[1] : y.shape[3] - pad[1]]
    return y if b is None else y + b[:, None, None]


def pooled(size: int, kernel: int, stride: int, pad: int, is_ceil: bool) -> int:
    count = (math.ceil if is_ceil else math.floor)((size + 2 * pad - kernel) / stride) + 1
    return count - 1 if pad and (count - 1) * stride >= size + pad else count


def pool(x: Array, how: str, kernel=(2, 2), stride=(1, 1), pad=(0, 0), is_ceil=True) -> Array:
    """PoolingLayer::Forward_cpu: the mean's divisor counts padding, but nothing behind it."""
    n, c, h, w = x.shape
    oh, ow = (pooled(s, k, t, p, is_ceil) for s, k, t, p in zip((h, w), kernel, stride, pad, strict=True))
    y = np.zeros((n, c, oh, ow))
    for i, j in np.ndindex(oh, ow):
        top, left = i * stride[0] - pad[0], j * stride[1] - pad[1]
        bottom, right = min(top + kernel[0], h + pad[0]), min(left + kernel[1], w + pad[1])
        count = (bottom - top) * (right - left)
        part = x[:, :, max(top, 0) : min(bottom, h), max(left, 0) : min(right, w)]
        y[:, :, i, j] = part.max((2, 3)) if how == "MAX" else part.sum((2, 3)) / count
    return y


def lrn_across(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        near = x[:, max(c - size // 2, 0) : c + size // 2 + 1].astype(np.float64)
        y[:, c] = x[:, c] * (k + alpha / size * (near**2).sum(1)) ** -beta
    return y


def lrn_within(x: Array, size: int, alpha: float, beta: float) -> Array:
    mean = pool(x.astype(np.float64) ** 2, "AVE", (size, size), (1, 1), (size // 2, size // 2))
    return x * (1 + alpha * mean) ** -beta


def interp(x: Array, height: int, width: int) -> Array:
    """caffe_cpu_interp2: bilinear, corners on corners."""
    n, c, h, w = x.shape
    y = np.zeros((n, c, height, width))
    for i, j in np.ndindex(height, width):
        fy = i * ((h - 1) / (height - 1) if height > 1 else 0)
        fx = j * ((w - 1) / (width - 1) if width > 1 else 0)
        a, b = int(fy), int(fx)
        a2, b2, v, u = min(a + 1, h - 1), min(b + 1, w - 1), fy - a, fx - b
        top = x[:, :, a, b] * (1 - u) + x[:, :, a, b2] * u
        y[:, :, i, j] = top * (1 - v) + (x[:, :, a2, b] * (1 - u) + x[:, :, a2, b2] * u) * v
    return y


def shuffle(x: Array, group: int) -> Array:
    """Channel i of group g becomes channel i * groups + g."""
    y, each = np.empty_like(x), x.shape[1] // group
    for g, i in np.ndindex(group, each):
        y[:, i * group + g] = x[:, g * each + i]
    return y


def prior_boxes(
    layer: tuple[int, int], image: tuple[int, int], smallest: Sequence[float], largest: Sequence[float],
    ratios: Sequence[float], flip: bool, clip: bool, variance: Sequence[float], step: float, offset: float,
) -> Array:  # fmt: skip
    """PriorBoxLayer::Forward_cpu of the SSD fork; layer and image are (height, width)."""
    all_ratios = [1.0]
    for r in ratios:
        if not any(abs(r - known) < 1e-6 for known in all_ratios):
            all_ratios.append(r)
            if flip:
                all_ratios.append(1 / r)
    step_h, step_w = (step, step) if step else (image[0] / layer[0], image[1] / layer[1])
    out: list[float] = []
    for h in range(layer[0]):
        for w in range(layer[1]):
            cx, cy = (w + offset) * step_w, (h + offset) * step_h
            sizes = []
            for i, s in enumerate(smallest):
                sizes.append((s, s))
                if largest:
                    sizes.append((math.sqrt(s * largest[i]),) * 2)
                sizes += [(s * math.sqrt(r), s / math.sqrt(r)) for r in all_ratios if abs(r - 1) >= 1e-6]
            for bw, bh in sizes:
                out += [(cx - bw / 2) / image[1], (cy - bh / 2) / image[0],
                        (cx + bw / 2) / image[1], (cy + bh / 2) / image[0]]  # fmt: skip
    boxes = np.clip(out, 0, 1) if clip else np.array(out)
    return np.stack([boxes, np.tile(variance, len(out) // len(variance))])[None]


def decoded(loc: Array, priors: Array) -> Array:
    """DecodeBBox of the SSD fork, CENTER_SIZE, box by box; loc is (N, P, 4), priors (1, 2, P * 4)."""
    y = np.zeros(loc.shape)
    for n, p in np.ndindex(loc.shape[:2]):
        x0, y0, x1, y1 = priors[0, 0, 4 * p : 4 * p + 4]
        v = priors[0, 1, 4 * p : 4 * p + 4]
        w, h = x1 - x0, y1 - y0
        cx = v[0] * loc[n, p, 0] * w + (x0 + x1) / 2
        cy = v[1] * loc[n, p, 1] * h + (y0 + y1) / 2
        bw, bh = math.exp(v[2] * loc[n, p, 2]) * w, math.exp(v[3] * loc[n, p, 3]) * h
        y[n, p] = cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2
    return y
