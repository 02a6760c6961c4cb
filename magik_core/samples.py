"""Calibration and input data: images, .npy, .npz, typed .bin, and folders of them."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magik_core.errors import DataError, Problem
from magik_core.images import SUFFIXES as IMAGES
from magik_core.images import open_image, read_image
from magik_core.program import Shape

# Element of a .bin by the tag that ends its stem (`x_s16.bin`); u10 to u14 are stored in 16 bits.
TAGS = {"u8": "<u1", "s8": "<i1", "u10": "<u2", "u12": "<u2", "u14": "<u2", "u16": "<u2", "s16": "<i2",
        "s32": "<i4", "f32": "<f4"}  # fmt: skip
UNTAGGED = ("u8", "u16", "f32")  # without a tag the length decides
KINDS = (*IMAGES, ".bin", ".npy", ".npz")
MAX_NPZ_BYTES = 1 << 31
MAX_PROBLEMS = 20
_IGNORED = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class InputSpec:
    """What one input of the model takes.

    `shape` is the model's own, `color` a word of COLOR (RGB, BGR, GRAY); `is_nhwc` says that channels come last.
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
        return (channels, height, width) if channels in (1, 3) else None


@dataclass(frozen=True)
class _Group:
    """Samples that lie in the same files: one file per input, `rows` samples in each."""

    files: Mapping[str, Path]
    rows: int


class Samples:
    """Model inputs, one sample at a time: input name -> f32 array of the model's shape.

    Only one sample is held. A file that turns out to be broken is left out; when the iteration ends, all
    of those are raised together.
    """

    def __init__(self, groups: Sequence[_Group], inputs: Sequence[InputSpec], size: int | None) -> None:
        self._groups = groups
        self._inputs = inputs
        total = sum(g.rows for g in groups)
        self._size = total if size is None else min(size, total)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        problems: list[Problem] = []
        left = self._size
        for group in self._groups:
            rows = min(left, group.rows)
            left -= rows
            try:
                arrays = {s.name: _rows(group.files[s.name], s) for s in self._inputs} if rows else {}
                for row in range(rows):
                    yield {
                        s.name: _values(arrays[s.name][row], group.files[s.name], row) for s in self._inputs
                    }
            except DataError as error:
                problems += error.problems
        _report(problems)


def open_samples(path: str | Path, inputs: Sequence[InputSpec], size: int | None = None) -> Samples:
    """Find the samples at `path`, sorted by name, at most `size` of them.

    A folder of files holds one sample per image or .bin and one or more (along axis 0) per .npy or .npz; the
    keys of a .npz are input names. A folder of folders holds one sample per folder, with a file
    `<input>_input.*` or `<input>.*` for each input, where "/" in the name is written "_". One file works too.

    Raises: DataError: everything that is missing, of another kind or of the wrong size, together.
    """
    root = Path(path)
    if not root.exists():
        raise DataError("calibration data not found", where=str(root))
    entries = _entries(root) if root.is_dir() else [root]
    if not entries:
        raise DataError(
            "calibration folder is empty", where=str(root), need="images, .npy, .npz or .bin files"
        )
    is_nested = all(e.is_dir() for e in entries)
    groups: list[_Group] = []
    problems: list[Problem] = []
    for entry in entries:
        if size is not None and sum(g.rows for g in groups) >= size:
            break
        try:
            files = _nested(entry, inputs) if is_nested else _flat(entry, inputs)
            groups.append(_Group(files, _common_rows(entry, files, inputs)))
        except DataError as error:
            problems += error.problems
    _report(problems)
    return Samples(groups, inputs, size)


def load_file(path: str | Path, spec: InputSpec) -> np.ndarray:
    """One input from one file, f32 of the model's shape.

    Raises: DataError: missing, of another kind, of the wrong size, not exactly one sample, NaN or infinity.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError("input file not found", where=str(file))
    _kind(file)
    rows = _rows(file, spec)
    if len(rows) != 1:
        raise DataError("input file holds more than one sample", where=str(file), found=f"{len(rows)} samples",
                        need=f"shape {_text(spec.shape)}")  # fmt: skip
    return _values(rows[0], file, 0)


def _entries(folder: Path) -> list[Path]:
    names = (e for e in folder.iterdir() if not e.name.startswith(".") and e.name.lower() not in _IGNORED)
    return sorted(names, key=lambda e: e.name)


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if path.is_dir() or suffix not in KINDS:
        found = "a folder beside files" if path.is_dir() else f"suffix '{path.suffix}'"
        raise DataError(
            "not calibration data", where=str(path), found=found, need=f"one of {', '.join(KINDS)}"
        )
    return suffix


def _flat(file: Path, inputs: Sequence[InputSpec]) -> dict[str, Path]:
    if _kind(file) != ".npz" and len(inputs) != 1:
        names = ", ".join(s.name for s in inputs)
        raise DataError("one file cannot feed several inputs", where=str(file), found=f"inputs {names}",
                        need="a folder per sample with a file per input, or .npz files with an array per input")  # fmt: skip
    return {s.name: file for s in inputs}


def _nested(folder: Path, inputs: Sequence[InputSpec]) -> dict[str, Path]:
    by_stem: dict[str, list[Path]] = {}
    for file in _entries(folder):
        if file.is_file() and file.suffix.lower() in KINDS:
            by_stem.setdefault(_split_tag(file)[0], []).append(file)
    names = {_safe(s.name) for s in inputs}
    out: dict[str, Path] = {}
    problems = []
    for spec in inputs:
        stems = [_safe(spec.name)]
        if f"{stems[0]}_input" not in names:  # else that file is another input's
            stems.append(f"{stems[0]}_input")
        files = [file for stem in stems for file in by_stem.get(stem, [])]
        if len(files) == 1:
            out[spec.name] = files[0]
        else:
            what = f"sample has {'several files' if files else 'no file'} for input '{spec.name}'"
            found = ", ".join(f.name for f in files or _entries(folder)) or "an empty folder"
            problems.append(Problem(what, str(folder), found, f"one of {', '.join(f'{s}.*' for s in stems)}"))
    _report(problems)
    return out


def _safe(name: str) -> str:
    return re.sub(r"[/\\:]", "_", name)


def _split_tag(path: Path) -> tuple[str, str]:
    """Stem and element tag: `x_u8.bin` -> ("x", "u8"); only a .bin has a tag."""
    match = re.fullmatch(r"(.+)[._]([usf]\d+)", path.stem) if path.suffix.lower() == ".bin" else None
    return (match[1], match[2]) if match and match[2] in TAGS else (path.stem, "")


def _common_rows(entry: Path, files: Mapping[str, Path], inputs: Sequence[InputSpec]) -> int:
    """Samples in the files, after checks that need no decoding."""
    rows: dict[str, int] = {}
    problems: list[Problem] = []
    for spec in inputs:
        file = files[spec.name]
        try:
            if file.suffix.lower() in IMAGES:
                _image_shape(file, spec)
                open_image(file).close()
                rows[spec.name] = 1
            else:
                rows[spec.name] = len(_rows(file, spec))
        except DataError as error:
            problems += error.problems
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{name}: {count}" for name, count in rows.items())
        problems.append(Problem("inputs have different numbers of samples", str(entry), found))
    _report(problems)
    return next(iter(rows.values()))


def _rows(path: Path, spec: InputSpec) -> np.ndarray:
    """Every sample in one file: (samples, *spec.shape), as stored; a .npy is mapped, not read."""
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        channels, height, width = _image_shape(path, spec)
        pixels = read_image(path, width, height, "GRAY" if channels == 1 else spec.color)
        pixels = np.broadcast_to(pixels, (height, width, channels))  # gray for a model with three channels
        pixels = pixels if spec.is_nhwc else pixels.transpose(2, 0, 1)
        return np.broadcast_to(pixels, spec.shape)[None]
    if suffix == ".bin":
        return _read_bin(path, spec)[None]
    array = _read_npy(path) if suffix == ".npy" else _read_npz(path, spec.name)
    if array.dtype.kind not in "biuf":
        raise DataError(
            "array does not hold real numbers", where=_at(path, suffix, spec), found=f"dtype {array.dtype}"
        )
    fits = array.shape in (spec.shape, spec.shape[1:]) or (
        array.ndim == len(spec.shape)
        and array.shape[1:] == spec.shape[1:]
        and array.shape[0] % spec.shape[0] == 0
    )
    if not fits or not array.size:
        raise DataError("array has the wrong shape", where=_at(path, suffix, spec), found=_text(array.shape),
                        need=f"{_text(spec.shape)} of input '{spec.name}', or several of them along axis 0")  # fmt: skip
    return array.reshape(-1, *spec.shape)


def _at(path: Path, suffix: str, spec: InputSpec) -> str:
    return f"{path}, array '{spec.name}'" if suffix == ".npz" else str(path)


def _values(row: np.ndarray, path: Path, index: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.array(row, np.float32)
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise DataError("data are not finite", where=f"{path}, sample {index}",
                        found=f"{bad} of {values.size} values are NaN, infinite or beyond f32")  # fmt: skip
    return values


def _image_shape(path: Path, spec: InputSpec) -> tuple[int, int, int]:
    shape = spec.image_shape
    if shape is None:
        raise DataError(f"an image cannot feed input '{spec.name}'", where=str(path), found=f"input shape {_text(spec.shape)}",
                        need="1 or 3 channels, height and width", hint="give .npy or .bin files for this input")  # fmt: skip
    return shape


def _read_bin(path: Path, spec: InputSpec) -> np.ndarray:
    count, size = math.prod(spec.shape), path.stat().st_size
    tag = _split_tag(path)[1]
    for name in (tag,) if tag else UNTAGGED:
        dtype = np.dtype(TAGS[name])
        if size == count * dtype.itemsize:
            return np.fromfile(path, dtype).reshape(spec.shape)
    sizes = [f"{count * np.dtype(TAGS[name]).itemsize} ({name})" for name in ((tag,) if tag else UNTAGGED)]
    raise DataError("file has the wrong size", where=str(path), found=f"{size} bytes",
                    need=f"{' or '.join(sizes)} bytes for {_text(spec.shape)} of input '{spec.name}'")  # fmt: skip


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
        raise DataError("array cannot be read", where=f"{path}, array '{name}'", found=_reason(error),
                        need="a .npz file of numbers") from error  # fmt: skip
    if name in sizes:
        raise DataError("array is too large", where=f"{path}, array '{name}'", found=f"{sizes[name]} bytes",
                        need=f"at most {MAX_NPZ_BYTES} bytes")  # fmt: skip
    raise DataError(f".npz has no array for input '{name}'", where=str(path), found=", ".join(keys) or "no arrays",
                    need="an array per input, named as the input")  # fmt: skip


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _report(problems: Sequence[Problem]) -> None:
    """Raise all problems together, the first MAX_PROBLEMS of them in full."""
    if len(problems) > MAX_PROBLEMS:
        more = Problem(f"and {len(problems) - MAX_PROBLEMS} more problems of the same stage")
        problems = [*problems[:MAX_PROBLEMS], more]
    if problems:
        raise DataError(problems=problems)
