"""The rules of docs/board-images.md in numpy, written from the page and not from the C++."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
F32 = np.float32
ORDER = {"BGRA": "bgr0", "RGBA": "rgb0", "ARGB": "0rgb", "RGB": "rgb", "GRAY": "g", "NV12": ""}
BT601 = ((1220542, 2116026, 0), (1220542, -409993, -852492), (1220542, 0, 1673527))  # rows B, G, R of 2^-20


@dataclass(frozen=True)
class Picture:
    """Planes (height, width, channels); NV12 has Y and, of half the size, UV."""

    layout: str
    planes: tuple[Array, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.planes[0].shape[0], self.planes[0].shape[1]

    def crop(self, x0: int, y0: int, x1: int, y1: int) -> Picture:
        first = self.planes[0][y0:y1, x0:x1]
        rest = tuple(p[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] for p in self.planes[1:])
        return Picture(self.layout, (first, *rest))

    def bytes(self) -> bytes:
        return b"".join(np.ascontiguousarray(p).tobytes() for p in self.planes)


def random_picture(layout: str, width: int, height: int, seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    channels = max(1, len(ORDER[layout]))
    first = rng.integers(0, 256, (height, width, channels), np.uint8)
    uv = rng.integers(0, 256, (height // 2, width // 2, 2), np.uint8)
    return Picture(layout, (first, uv) if layout == "NV12" else (first,))


def nv12_of(rgb: Array) -> Picture:
    """A photograph as a camera would give it: BT.601 of limited range, the mean of 2x2 for color."""
    r, g, b = (rgb[:, :, i].astype(np.float64) for i in range(3))
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u, v = 128 - 0.148 * r - 0.291 * g + 0.439 * b, 128 + 0.439 * r - 0.368 * g - 0.071 * b
    h, w = y.shape
    uv = np.stack([u, v], -1).reshape(h // 2, 2, w // 2, 2, 2).mean((1, 3))
    return Picture("NV12", tuple(np.clip(np.round(p), 0, 255).astype(np.uint8) for p in (y[:, :, None], uv)))


# ---- positions and taps -----------------------------------------------------------------------------------


def scaled(source: int, destination: int) -> Array:
    """Positions in the source of every pixel of the destination, in 2^-11, nearest, halves up."""
    exact = [((2 * i + 1) * source * 2048, 2 * destination) for i in range(destination)]
    return np.array([(2 * n + d) // (2 * d) - 1024 for n, d in exact], np.int64)


def blend(p: tuple[Array, Array, Array, Array], u: Array, v: Array) -> Array:
    """Four taps (…, channels) by the fractions of positions, to the nearest level, halves up."""
    fx, fy = (u & 2047)[..., None], (v & 2047)[..., None]
    top = p[0].astype(np.int64) * (2048 - fx) + p[1].astype(np.int64) * fx
    low = p[2].astype(np.int64) * (2048 - fx) + p[3].astype(np.int64) * fx
    return ((top * (2048 - fy) + low * fy + (1 << 21)) >> 22).astype(np.uint8)


def taps(plane: Array, u: Array, v: Array, outside: tuple[int, ...] | None) -> tuple[Array, Array, Array, Array]:
    h, w, _ = plane.shape

    def tap(dx: int, dy: int) -> Array:
        x, y = (u >> 11) + dx, (v >> 11) + dy
        inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
        found = plane[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)]
        return found if outside is None else np.where(inside[..., None], found, np.array(outside, np.uint8))

    return tap(0, 0), tap(1, 0), tap(0, 1), tap(1, 1)


def stretch(plane: Array, height: int, width: int) -> Array:
    u, v = np.meshgrid(scaled(plane.shape[1], width), scaled(plane.shape[0], height))
    return blend(taps(plane, u, v, None), u, v)


def full(p: Picture) -> tuple[Array, ...]:
    """Planes with color repeated for every pixel."""
    return (p.planes[0], *(x.repeat(2, 0).repeat(2, 1) for x in p.planes[1:]))


# ---- color ------------------------------------------------------------------------------------------------


def color(planes: tuple[Array, ...], layout: str, rows: object = BT601, offsets: tuple[int, int] = (16, 128)) -> Array:
    """Planes of Y and UV, or of RGB, in the order of a layout."""
    if len(planes) == 1:
        of = dict(zip("rgb", np.moveaxis(planes[0], 2, 0), strict=True))
    else:
        y = planes[0][:, :, 0].astype(np.int64) - offsets[0]
        u, v = (planes[1][:, :, i].astype(np.int64) - offsets[1] for i in range(2))
        if layout == "GRAY":
            u, v = u * 0, v * 0
        sums = [(np.array(c) * np.stack([y, u, v], -1)).sum(-1) for c in np.array(rows)]
        of = {n: np.clip((s + (1 << 19)) >> 20, 0, 255).astype(np.uint8) for n, s in zip("bgr", sums, strict=True)}
    of["0"] = np.zeros_like(of["g"])
    return np.stack([of[n] for n in ORDER[layout]], -1)


# ---- what the functions do ----------------------------------------------------------------------------------


def resize(p: Picture, layout: str, height: int, width: int) -> Picture:
    if layout == p.layout:
        half = tuple(stretch(x, height // 2, width // 2) for x in p.planes[1:])
        return Picture(layout, (stretch(p.planes[0], height, width), *half))
    return Picture(layout, (color(tuple(stretch(x, height, width) for x in full(p)), layout),))


def place(source: tuple[int, int], to: tuple[int, int], pad: int) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the content in a picture of `to` = (height, width)."""
    if pad == -1:
        return 0, 0, to[1], to[0]
    scale = min(F32(to[0]) / F32(source[0]), F32(to[1]) / F32(source[1]))
    size, start = [], []
    for n, most in zip(source, to, strict=True):
        content = int(scale * F32(n))
        content = min(max(content + content % 2, 2), most)
        before = round((most - content) / 2 - 0.1) if pad == 1 else 0
        before += before % 2
        size.append(content)
        start.append(before)
    return start[1], start[0], size[1], size[0]


def letterbox(p: Picture, layout: str, height: int, width: int, pad: int, value: int) -> Picture:
    x, y, w, h = place(p.size, (height, width), pad)
    out = [np.full((height, width, max(1, len(ORDER[layout]))), value, np.uint8)]
    if layout == "NV12":
        out.append(np.full((height // 2, width // 2, 2), 128, np.uint8))
    inner = resize(p, layout, h, w).planes
    for plane, content, half in zip(out, inner, (1, 2), strict=False):
        plane[y // half : (y + h) // half, x // half : (x + w) // half] = content
    return Picture(layout, tuple(out))


def positions(inverse: Array, height: int, width: int, half: bool) -> tuple[Array, Array]:
    """Where pixels come from, rounded; of the color plane at its own size, whose pixel i lies at 2i + 1/2."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    if half:
        x, y = 2 * x + 0.5, 2 * y + 0.5
    with np.errstate(all="ignore"):
        w = inverse[2, 0] * x + (inverse[2, 1] * y + inverse[2, 2])
        u = (inverse[0, 0] * x + (inverse[0, 1] * y + inverse[0, 2])) / w
        v = (inverse[1, 0] * x + (inverse[1, 1] * y + inverse[1, 2])) / w
    if half:
        u, v = (u - 0.5) / 2, (v - 0.5) / 2
    far = 524288.0
    out = [np.where((c > -far) & (c < far), np.floor(c * 2048 + 0.5), -(2.0**30)).astype(np.int64) for c in (u, v)]
    return out[0], out[1]


def warp(p: Picture, layout: str, height: int, width: int, matrix: list[float]) -> Picture:
    m = np.array([*matrix, 0, 0, 1][:9], np.float32).astype(np.float64).reshape(3, 3)
    inverse = np.linalg.inv(m)
    inverse = inverse / inverse[2, 2] if len(matrix) == 6 else inverse
    black = {1: (16,), 2: (128, 128)} if p.layout == "NV12" else {n: (0,) * n for n in (1, 3, 4)}

    def of(plane: Array, half: bool) -> Array:
        u, v = positions(inverse, height // 2 if half else height, width // 2 if half else width, half)
        return blend(taps(plane, u, v, black[plane.shape[2]]), u, v)

    if layout == p.layout:
        return Picture(layout, tuple(of(x, i == 1) for i, x in enumerate(p.planes)))
    return Picture(layout, (color(tuple(of(x, False) for x in full(p)), layout),))


# ---- boxes --------------------------------------------------------------------------------------------------

BOX = np.dtype([("x0", F32), ("y0", F32), ("x1", F32), ("y1", F32), ("score", F32), ("class_id", np.int32)])


def overlap(a: np.void, b: np.void) -> np.float32:
    w, h = min(a["x1"], b["x1"]) - max(a["x0"], b["x0"]), min(a["y1"], b["y1"]) - max(a["y0"], b["y0"])
    if not (w > 0 and h > 0):
        return F32(0)
    area = [(c["x1"] - c["x0"]) * (c["y1"] - c["y0"]) for c in (a, b)]
    return F32(w * h / (area[0] + area[1] - w * h))


def nms(boxes: Array, threshold: float, is_soft: bool) -> Array:
    left = [b.copy() for b in boxes if not math.isnan(b["score"])]
    out = []
    while left:
        best = max(range(len(left)), key=lambda i: (left[i]["score"], -i))
        out.append(left.pop(best))
        kept = []
        for b in left:
            over = overlap(out[-1], b)
            if over > F32(threshold):
                b["score"] = b["score"] * (F32(1) - over) if is_soft else F32(0)
            if not over > F32(threshold) or (is_soft and b["score"] >= F32(0.001)):
                kept.append(b)
        left = kept
    return np.array(out, BOX)


def yolo(
    heads: list[Array], strides: list[int], anchors: Array, classes: int, threshold: float, is_v5: bool, multiply: int
) -> list[tuple[float, ...]]:
    """(x0, y0, x1, y1, score, class) of the boxes kept, in doubles."""
    out = []
    anchors = anchors.reshape(len(heads), -1, 2)

    def sigmoid(t: Array) -> Array:
        return 1 / (1 + np.exp(-t.astype(np.float64)))

    for head, stride, pairs in zip(heads, strides, anchors, strict=True):
        h, w, _ = head.shape
        t = head.reshape(h, w, len(pairs), 5 + classes)
        for y, x, b in np.ndindex(t.shape[:3]):
            v, best = t[y, x, b], int(t[y, x, b, 5:].argmax())
            score = sigmoid(v[4])
            if multiply == 1 or (multiply == -1 and classes > 1):
                score = score * sigmoid(v[5 + best])
            if score < threshold:
                continue
            xy, cell = sigmoid(v[:2]), np.array([x, y])
            center = (xy * 2 - 0.5 + cell if is_v5 else xy + cell) * stride
            size = ((2 * sigmoid(v[2:4])) ** 2 if is_v5 else np.exp(v[2:4].astype(np.float64))) * pairs[b]
            out.append((*(center - size / 2), *(center + size / 2), float(score), best))
    return out
