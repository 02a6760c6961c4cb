"""One layer of two folders of dumps: how many numbers differ, by how much, and what that looks like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from magik_core import dumps, explain
from magik_core.dumps import Dump
from magik_core.program import DTYPES, QuantParams, Shape, Tensor

Array = np.ndarray
KIND = {(True, True): "codes", (False, False): "f32", (True, False): "codes, f32", (False, True): "f32, codes"}
WIDE = (4, 8, 16, 32, 64, 128, 256, 512, 1024)  # channels that a padded file may have
ALIGNED = 32  # channels: accelerators store a multiple of them


@dataclass(frozen=True)
class Limits:
    """What counts as equal: a difference of codes, and of reals as a share of the largest magnitude in the layer."""

    codes: int = 0
    share: float = 0.0


@dataclass(frozen=True)
class Layer:
    """One layer of both folders.

    Args:
        kind: "codes", "f32", "codes, f32", "f32, codes" or "sizes" where they cannot be compared.
        count, differing: numbers, and those that differ; largest: difference, in codes where both are codes.
        cosine, sqnr: of the reals, dB; None for codes without their meaning, and where nothing differs for sqnr.
        first: where the first difference is, with both values; looks_like: what the difference looks like.
        meaning: where the reals of codes come from, "" for none.
    """

    name: str
    kind: str
    count: int
    differing: int
    largest: float
    cosine: float | None
    sqnr: float | None
    guess: str = ""
    looks_like: str = ""
    first: str = ""
    meaning: str = ""

    @property
    def is_equal(self) -> bool:
        return self.differing == 0


def layer(name: str, x: Dump, y: Dump, tensor: Tensor | None, limits: Limits) -> Layer:
    """Compare the dumps of one layer.

    Args: tensor: of the layer, if it is known: its shape, and what codes mean.
    """
    found = _types(x, y, None if tensor is None else tensor.count)
    if found is None or not found[0]:
        return _of_other_size(name, x, y, tensor)
    count, dtypes = found
    shape: Shape = tensor.shape if tensor is not None and tensor.count == count else x.sizes or y.sizes
    if tensor is not None and tensor.dtype == "s32" and not (x.is_float or y.is_float) and dtypes == ("f32", "f32"):
        dtypes = ("s32", "s32")
    a, b = (dumps.numbers(d, dtype, count) for d, dtype in zip((x, y), dtypes, strict=True))
    quant = tensor.quant if tensor is not None and isinstance(tensor.quant, QuantParams) else None
    return _measure(name, (a, b), (dtypes[0] != "f32", dtypes[1] != "f32"), quant, shape, limits)


def _types(x: Dump, y: Dump, count: int | None) -> tuple[int, tuple[str, str]] | None:
    """How many numbers both files have, and their dtypes; None where no number fits both."""
    for n in [count or 0, *(int(np.prod(d.sizes, dtype=np.int64)) for d in (x, y) if d.sizes)]:
        mine, theirs = dumps.dtypes(x, n), dumps.dtypes(y, n)
        if mine and theirs:
            return n, (mine[0], theirs[0])
    if x.nbytes > 1 and dumps.is_packed(y, x):
        return x.nbytes, ("u8", dumps.NIBBLES)
    if y.nbytes > 1 and dumps.is_packed(x, y):
        return y.nbytes, (dumps.NIBBLES, "u8")
    left, right = dumps.counts(x), dumps.counts(y)
    common = [n for n in left if n in right]
    if not common:
        return None
    same = next((n for n in common if left[n] == right[n]), common[0])
    return same, (left[same], right[same])


def _of_other_size(name: str, x: Dump, y: Dump, tensor: Tensor | None) -> Layer:
    text = f"sizes: {x.nbytes} and {y.nbytes} bytes" if x.nbytes or y.nbytes else "sizes: both files are empty"
    kind, padded = "sizes", _channel_padding(x, y, tensor)
    if padded:
        kind, text = "padding", padded
    return Layer(name, "sizes", 0, 1, 0.0, None, None, kind, text)


def _channel_padding(x: Dump, y: Dump, tensor: Tensor | None) -> str:
    """Channels of filler in one of two files, as accelerators align them: the same number in all pixels."""
    small, large, which = (x, y, "B") if x.nbytes < y.nbytes else (y, x, "A")
    for width, narrow, wide in _channels(small, large, tensor):
        a, b = (np.fromfile(d.path, f"<u{width}") for d in (small, large))
        pixels = b.reshape(-1, wide)
        filler = pixels[0, narrow]
        is_filled = np.all(pixels[:, narrow:] == filler) and np.any(pixels[1:, :narrow] != filler)
        if is_filled and np.array_equal(pixels[:, :narrow].reshape(-1), a):
            return f"padding: {which} has {wide} channels, the first {narrow} of them are the other's"
    return ""


def _channels(small: Dump, large: Dump, tensor: Tensor | None) -> list[tuple[int, int, int]]:
    """Bytes of a number, channels of the smaller and of the larger file; those aligned no wider than needed first."""
    found = []
    for width, pixels in _known_pixels(small, large, tensor) or _possible_pixels(small, large):
        (narrow, rest), (wide, more) = (divmod(d.nbytes, width * pixels) for d in (small, large))
        if 0 < narrow < wide and not rest and not more:
            found.append((width, narrow, wide))
    return sorted(found, key=lambda one: one[2] != math.ceil(one[1] / ALIGNED) * ALIGNED)


def _known_pixels(small: Dump, large: Dump, tensor: Tensor | None) -> list[tuple[int, int]]:
    """Bytes of a number and how many pixels there are, by the shape that one of the files has."""
    said = () if tensor is None else tensor.shape
    shapes = [(d, shape) for d in (small, large) for shape in (said, d.sizes) if shape]
    return [
        (DTYPES[dtype].itemsize, math.prod(shape[:-1]))
        for d, shape in shapes
        for dtype in dumps.dtypes(d, math.prod(shape))
        if dtype != dumps.NIBBLES
    ]


def _possible_pixels(small: Dump, large: Dump) -> list[tuple[int, int]]:
    """The same by the lengths alone: codes may be u8 or u16."""
    theirs = dumps.counts(large).values()
    dtypes = [dtype for dtype in dumps.counts(small).values() if dtype in theirs]
    widths = [DTYPES[dtype].itemsize for dtype in (dtypes[:1] if "f32" in dtypes else dtypes)]
    sizes = [(n, *divmod(large.nbytes, n * wide)) for n in widths for wide in WIDE]
    return [(n, pixels) for n, pixels, rest in sizes if pixels and not rest]


def _measure(
    name: str, pair: tuple[Array, Array], is_codes: tuple[bool, bool], quant: QuantParams | None, shape: Shape,
    limits: Limits,
) -> Layer:  # fmt: skip
    kind = KIND[is_codes]
    real_a, real_b, step, meaning = _reals(pair, is_codes, quant)
    a, b = (v.astype(np.float64) for v in pair) if kind == "codes" else (real_a, real_b)
    distance = np.abs(a - b)
    magnitude = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    allowed = _allowed(kind, limits, magnitude, step)
    differs = ~(distance <= allowed) & ~(np.isnan(a) & np.isnan(b)) & ~(a == b)
    count = int(np.count_nonzero(differs))
    is_real = meaning != "none"
    cosine, sqnr = _likeness(real_a, real_b) if is_real else (None, None)
    if not count:
        return Layer(name, kind, a.size, 0, _most(distance), cosine, sqnr, meaning=meaning if is_real else "")
    guess = _guess(a, b, differs, shape, 1.0 if kind == "codes" else max(step, magnitude * 1e-6))
    first = _place(int(np.argmax(differs)), a.size, shape)
    values = f"{first}: {a[differs][0]:.9g} and {b[differs][0]:.9g}"
    said = meaning if is_real else ""
    return Layer(name, kind, a.size, count, _most(distance), cosine, sqnr, guess.kind, guess.text, values, said)


def _guess(a: Array, b: Array, differs: Array, shape: Shape, step: float) -> explain.Guess:
    bad = [f"{np.count_nonzero(~np.isfinite(v))} of {which}" for which, v in zip("AB", (a, b), strict=True)
           if not np.isfinite(v).all()]  # fmt: skip
    if bad:
        return explain.Guess("numbers", f"numbers: NaN or infinite are {' and '.join(bad)}")
    return explain.explain(a, b, differs, shape, step)


def _reals(
    pair: tuple[Array, Array], is_codes: tuple[bool, bool], quant: QuantParams | None
) -> tuple[Array, Array, float, str]:
    """Both as reals, the step of the codes among them, and where their meaning comes from."""
    a, b = (v.astype(np.float64) for v in pair)
    if is_codes == (False, False):
        return a, b, 0.0, ""
    if quant is not None:
        scale = float(np.float32(quant.scale))
        a, b = (scale * (v - quant.zero_point) if c else v for v, c in zip((a, b), is_codes, strict=True))
        return a, b, scale, "scale and zero point"
    if is_codes == (True, True):
        return a, b, 1.0, "none"
    code, real = (a, b) if is_codes[0] else (b, a)
    factor, offset = explain.fit(code, real) if np.isfinite(real).all() else (1.0, 0.0)
    fitted = factor * code + offset
    meaning = f"best fit: {factor:.6g} * code {'-+'[offset >= 0]} {abs(offset):.6g}"
    return (fitted, b, abs(factor), meaning) if is_codes[0] else (a, fitted, abs(factor), meaning)


def _allowed(kind: str, limits: Limits, magnitude: float, step: float) -> float:
    """The largest difference that counts as equal; a real beside a code is equal if it rounds to the code."""
    if kind == "codes":
        return float(limits.codes)
    share = limits.share * magnitude
    return share if kind == "f32" else max(share, step * (limits.codes + 0.5) * (1 + 1e-5))


def _most(distance: Array) -> float:
    finite = distance[np.isfinite(distance)]
    return float(finite.max(initial=0.0))


def _likeness(a: Array, b: Array) -> tuple[float | None, float | None]:
    """Cosine and SQNR in dB, A the reference; None where they are not numbers."""
    signal, noise = float(a @ a), float((a - b) @ (a - b))
    if not np.isfinite(noise):
        return None, None
    length = np.sqrt(signal) * np.sqrt(float(b @ b))
    cosine = float(a @ b) / length if length > 0 else float(noise == 0)
    return cosine, 10 * float(np.log10(signal / noise)) if signal > 0 and noise > 0 else None


def _place(index: int, count: int, shape: Sequence[int]) -> str:
    is_known = shape and int(np.prod(shape, dtype=np.int64)) == count
    return f"at {[int(i) for i in np.unravel_index(index, tuple(shape))]}" if is_known else f"number {index}"
