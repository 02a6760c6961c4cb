"""Read one file of data for one input: an image, .npy, .npz or typed .bin."""

from __future__ import annotations

import math
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magik_core.dump_info import safe, stored_order
from magik_core.errors import DataError
from magik_core.images import SUFFIXES as IMAGES
from magik_core.images import read_image
from magik_core.layout import logical
from magik_core.program import Shape

# Element of a .bin by the tag that ends its stem (`x_s16.bin`); u10 to u14 are stored in 16 bits.
TAGS = {
    "u8": "<u1",
    "s8": "<i1",
    "u10": "<u2",
    "u12": "<u2",
    "u14": "<u2",
    "u16": "<u2",
    "s16": "<i2",
    "s32": "<i4",
    "f32": "<f4",
}
NO_TAG = re.compile(r".+[._](f16|f64|[us](?:[4-9]|[1-6]\d))")  # a stem that ends like one with a tag
UNTAGGED = ("u8", "u16", "f32")  # without a tag the length decides
KINDS = (*IMAGES, ".bin", ".npy", ".npz")
MAX_NPZ_BYTES = 1 << 31


@dataclass(frozen=True)
class InputSpec:
    """What one input of the model takes.

    `shape` is the model's own, `color` a word of COLOR (RGB, BGR, GRAY); `is_nhwc`: channels come last.
    """

    name: str
    shape: Shape
    color: str = "RGB"
    is_nhwc: bool = False

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height, width; None where the input is no image."""
        if len(self.shape) not in (3, 4):
            return None
        a, b, c = self.shape[-3:]
        channels, height, width = (c, a, b) if self.is_nhwc else (a, b, c)
        is_batch = len(self.shape) == 3 and channels == 1  # rows of features: it has no axis for channels
        return (channels, height, width) if channels in (1, 3) and not is_batch else None


def read_rows(path: Path, spec: InputSpec) -> np.ndarray:
    """Every sample in one file: (samples, *spec.shape), as stored; a .npy is mapped, not read."""
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        channels, height, width = image_shape(path, spec)
        pixels = read_image(path, width, height, "GRAY" if channels == 1 else spec.color)
        pixels = np.broadcast_to(pixels, (height, width, channels))  # gray for a model with three channels
        pixels = pixels if spec.is_nhwc else pixels.transpose(2, 0, 1)
        return np.broadcast_to(pixels, spec.shape)[None]
    if suffix == ".bin":
        return _read_bin(path, spec)[None]
    array = _read_npy(path) if suffix == ".npy" else _read_npz(path, spec.name)
    if array.dtype.kind not in "biuf":
        raise DataError("array does not hold real numbers", where=_at(path, suffix, spec), found=f"dtype {array.dtype}")
    fits = (
        spec.shape in (array.shape, array.shape[1:])
        or array.shape == spec.shape[1:]
        or (array.ndim == len(spec.shape) and array.shape[1:] == spec.shape[1:] and array.shape[0] % spec.shape[0] == 0)
    )
    if not fits or not array.size:
        raise DataError(
            "array has the wrong shape",
            where=_at(path, suffix, spec),
            found=shape_text(array.shape),
            need=f"{shape_text(spec.shape)} of input '{spec.name}', or several of them along axis 0",
        )
    return array.reshape(-1, *spec.shape)


def _at(path: Path, suffix: str, spec: InputSpec) -> str:
    return f"{path}, array '{spec.name}'" if suffix == ".npz" else str(path)


def finite(row: np.ndarray, path: Path, index: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.array(row, np.float32)
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise DataError(
            "data are not finite",
            where=f"{path}, sample {index}",
            found=f"{bad} of {values.size} values are NaN, infinite or beyond f32",
        )
    return values


def image_shape(path: Path, spec: InputSpec) -> tuple[int, int, int]:
    shape = spec.image_shape
    if shape is None:
        raise DataError(
            f"an image cannot feed input '{spec.name}'",
            where=str(path),
            found=f"input shape {shape_text(spec.shape)}",
            need="1 or 3 channels, height and width",
            hint="give .npy or .bin files for this input",
        )
    return shape


def _read_bin(path: Path, spec: InputSpec) -> np.ndarray:
    count, size = math.prod(spec.shape), path.stat().st_size
    tag = split_tag(path)[1]
    kinds = [tag] if tag else []
    if not tag or path.stem in own_stems(spec):
        _check_no_tag(path, spec)
        kinds += [name for name in UNTAGGED if name != tag]
    for name in kinds:
        dtype = np.dtype(TAGS[name])
        if size == count * dtype.itemsize:
            return _in_order(_within(np.fromfile(path, dtype), name, path), path, spec)
    sizes = [f"{count * np.dtype(TAGS[name]).itemsize} ({name})" for name in kinds]
    raise DataError(
        "file has the wrong size",
        where=str(path),
        found=f"{size} bytes",
        need=f"{' or '.join(sizes)} bytes for {shape_text(spec.shape)} of input '{spec.name}'",
    )


def _check_no_tag(path: Path, spec: InputSpec) -> None:
    """Raises: DataError: a file without a tag has what looks like one."""
    match = NO_TAG.fullmatch(path.stem)
    if match and match[1] not in TAGS and path.stem not in own_stems(spec):
        need = f"one of {', '.join(TAGS)}, or a name that does not end like these"
        raise DataError("unknown type of elements", where=str(path), found=match[1], need=need)


def _in_order(flat: np.ndarray, path: Path, spec: InputSpec) -> np.ndarray:
    """The elements of a .bin in the model's axis order, which is the file's unless magik dumped it."""
    said = stored_order(path)
    if said is None:
        return flat.reshape(spec.shape)
    shape, axes = said
    if (own := logical(shape, axes)) != spec.shape:
        need = f"{shape_text(spec.shape)} of input '{spec.name}'"
        raise DataError("the dump is of another input", where=str(path), found=shape_text(own), need=need)
    return flat.reshape(shape).transpose(np.argsort(axes))


def _within(codes: np.ndarray, tag: str, path: Path) -> np.ndarray:
    """The elements of a .bin, held against the width in its name: 10, 12 and 14 bits are stored in 16."""
    top = (1 << int(tag[1:])) - 1
    if tag[0] == "u" and codes.size and int(codes.max()) > top:
        found = f"{np.count_nonzero(codes > top)} of {codes.size} values above {top}, up to {codes.max()}"
        what = "values do not fit the type in the file's name"
        raise DataError(what, where=str(path), found=found, need=f"{tag}: 0 to {top}")
    return codes


def _read_npy(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a broken header may raise anything
        raise DataError(
            "array cannot be read", where=str(path), found=_reason(error), need="a .npy file of numbers"
        ) from error
    return array


def _read_npz(path: Path, name: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {i.filename.removesuffix(".npy"): i.file_size for i in archive.infolist()}
        if sizes.get(name, 0) <= MAX_NPZ_BYTES:
            with np.load(path, allow_pickle=False) as arrays:
                keys = list(arrays.files)
                if name in keys:
                    array: np.ndarray = arrays[name]
                    return array
    except Exception as error:
        raise DataError(
            "array cannot be read",
            where=f"{path}, array '{name}'",
            found=_reason(error),
            need="a .npz file of numbers",
        ) from error
    if name in sizes:
        raise DataError(
            "array is too large",
            where=f"{path}, array '{name}'",
            found=f"{sizes[name]} bytes",
            need=f"at most {MAX_NPZ_BYTES} bytes",
        )
    raise DataError(
        f".npz has no array for input '{name}'",
        where=str(path),
        found=", ".join(keys) or "no arrays",
        need="an array per input, named as the input",
    )


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def shape_text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def own_stems(spec: InputSpec) -> tuple[str, str]:
    """What the files of an input are called, without a tag."""
    return safe(spec.name), f"{safe(spec.name)}_input"


def split_tag(path: Path) -> tuple[str, str]:
    """Stem and element tag: `x_u8.bin` -> ("x", "u8"); only a .bin has a tag."""
    match = re.fullmatch(r"(.+)[._]([usf]\d+)", path.stem) if path.suffix.lower() == ".bin" else None
    return (match[1], match[2]) if match and match[2] in TAGS else (path.stem, "")
