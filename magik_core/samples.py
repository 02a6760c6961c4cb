"""Calibration and input data: images, .npy, .npz, typed .bin, and folders of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magik_core import model_file
from magik_core.data_files import KINDS, InputSpec, finite, image_shape, own_stems, read_rows, shape_text, split_tag
from magik_core.dump_info import safe
from magik_core.errors import DataError, Problem, capped
from magik_core.images import SUFFIXES as IMAGES
from magik_core.images import open_image

_IGNORED = ("thumbs.db", "desktop.ini")


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
                arrays: dict[str, np.ndarray] = {}
                for row in range(rows):
                    arrays |= {s.name: read_rows(group.files[s.name], s) for s in self._inputs if s.name not in arrays}
                    sample = {s.name: finite(arrays[s.name][row], group.files[s.name], row) for s in self._inputs}
                    # a file that is mapped counts with all that was read of it: it is opened anew for each row
                    arrays = {name: x for name, x in arrays.items() if not isinstance(x, np.memmap)}
                    yield sample
            except DataError as error:
                problems += error.problems
        _report(problems)


def open_samples(
    path: str | Path, inputs: Sequence[InputSpec], size: int | None = None, what: str = "calibration data"
) -> Samples:
    """Find the samples at `path`, sorted by name, at most `size` of them.

    A folder of files holds one sample per image or .bin and one or more (along axis 0) per .npy or .npz; the
    keys of a .npz are input names. A folder of folders holds one sample per folder, with a file
    `<input>_input.*` or `<input>.*` for each input, where "/" in the name is written "_". One file or one such
    folder works too.

    Args:   what: they are, for messages.
    Raises: DataError: everything that is missing, of another kind or of the wrong size, together.
    """
    check_found(path, what)
    root = Path(path)
    entries = _entries(root) if root.is_dir() else [root]
    if not entries:
        raise DataError(f"the folder has no {what}", where=str(root), need="images, .npy, .npz or .bin files")
    if len(inputs) > 1 and any(_is_of_sample(e, inputs) for e in entries):
        entries = [root]
    is_nested = all(e.is_dir() for e in entries)
    groups: list[_Group] = []
    problems: list[Problem] = []
    for entry in entries:
        if size is not None and sum(g.rows for g in groups) >= size:
            break
        try:
            files = _nested(entry, inputs) if is_nested else _flat(entry, inputs, what)
            groups.append(_Group(files, _common_rows(entry, files, inputs)))
        except DataError as error:
            problems += error.problems
    _report(problems)
    return Samples(groups, inputs, size)


def check_found(path: str | Path, what: str = "calibration data") -> None:
    """Raises: DataError: there is nothing at `path`."""
    if not Path(path).exists():
        need = "a folder or file of images, .npy, .npz or .bin"
        raise DataError(f"{what} not found", where=str(path), found=model_file.missing(Path(path)), need=need)


def load_file(path: str | Path, spec: InputSpec) -> np.ndarray:
    """One input from one file, f32 of the model's shape.

    Raises: DataError: missing, of another kind, of the wrong size, not exactly one sample, NaN or infinity.
    """
    file = Path(path)
    if not file.is_file():
        found, need = "a folder" if file.is_dir() else model_file.missing(file), f"one of {', '.join(KINDS)}"
        raise DataError("input file not found", where=str(file), found=found, need=need)
    _kind(file, "input data")
    rows = read_rows(file, spec)
    if len(rows) != 1:
        raise DataError(
            "input file holds more than one sample",
            where=str(file),
            found=f"{len(rows)} samples",
            need=f"shape {shape_text(spec.shape)}",
        )
    return finite(rows[0], file, 0)


def _entries(folder: Path) -> list[Path]:
    names = (e for e in folder.iterdir() if not e.name.startswith(".") and e.name.lower() not in _IGNORED)
    return sorted(names, key=lambda e: e.name)


def _kind(path: Path, what: str) -> str:
    suffix = path.suffix.lower()
    if path.is_dir() or suffix not in KINDS:
        found = "a folder beside files" if path.is_dir() else f"suffix '{path.suffix}'"
        hint = f"the files in it are read when it is given itself: {path}" if _has_data(path) else ""
        raise DataError(f"not {what}", where=str(path), found=found, need=f"one of {', '.join(KINDS)}", hint=hint)
    return suffix


def _has_data(path: Path) -> bool:
    return path.is_dir() and any(file.suffix.lower() in KINDS for file in _entries(path))


def _flat(file: Path, inputs: Sequence[InputSpec], what: str) -> dict[str, Path]:
    if _kind(file, what) != ".npz" and len(inputs) != 1:
        names = ", ".join(s.name for s in inputs)
        raise DataError(
            "one file cannot feed several inputs",
            where=str(file),
            found=f"inputs {names}",
            need="a folder per sample with a file per input, or .npz files",
        )
    return {s.name: file for s in inputs}


def _nested(folder: Path, inputs: Sequence[InputSpec]) -> dict[str, Path]:
    names = {safe(s.name) for s in inputs}
    wanted = {stem for s in inputs for stem in own_stems(s)}
    by_stem: dict[str, list[Path]] = {}
    for file in _entries(folder):
        if file.is_file() and file.suffix.lower() in KINDS:
            by_stem.setdefault(file.stem if file.stem in wanted else split_tag(file)[0], []).append(file)
    out: dict[str, Path] = {}
    problems = []
    for spec in inputs:
        plain, long = own_stems(spec)
        stems = [plain] if long in names else [plain, long]  # that file may be another input's
        files = [file for stem in stems for file in by_stem.get(stem, [])]
        if len(files) == 1:
            out[spec.name] = files[0]
        else:
            what = f"sample has {'several files' if files else 'no file'} for input '{spec.name}'"
            found = ", ".join(f.name for f in files or _entries(folder)) or "an empty folder"
            problems.append(Problem(what, str(folder), found, f"one of {', '.join(f'{s}.*' for s in stems)}"))
    _report(problems)
    return out


def _is_of_sample(path: Path, inputs: Sequence[InputSpec]) -> bool:
    """Whether a file is for one of several inputs, as in the folder of a sample."""
    is_for_one = path.suffix.lower() in KINDS and path.suffix.lower() != ".npz"
    stems = {path.stem, split_tag(path)[0]}
    return is_for_one and path.is_file() and any(not stems.isdisjoint(own_stems(s)) for s in inputs)


def _common_rows(entry: Path, files: Mapping[str, Path], inputs: Sequence[InputSpec]) -> int:
    """Samples in the files, after checks that need no decoding."""
    rows: dict[str, int] = {}
    problems: list[Problem] = []
    for spec in inputs:
        file = files[spec.name]
        try:
            if file.suffix.lower() in IMAGES:
                image_shape(file, spec)
                open_image(file).close()
                rows[spec.name] = 1
            else:
                rows[spec.name] = len(read_rows(file, spec))
        except DataError as error:
            problems += error.problems
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{name}: {count}" for name, count in rows.items())
        problems.append(Problem("inputs have different numbers of samples", str(entry), found))
    _report(problems)
    return next(iter(rows.values()))


def _report(problems: Sequence[Problem]) -> None:
    """Raise all problems together, the first MAX_PROBLEMS of them in full."""
    if problems:
        raise DataError(problems=capped(problems))
