"""Folders of dumped layers: what lies there, what each file is of, and its numbers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magik_core.dump_info import nodes, tensors
from magik_core.errors import DataError, Problem
from magik_core.kernels import NAME as KERNEL
from magik_core.model_file import missing
from magik_core.program import DTYPES, Shape, Tensor

FLOATS = ("float_model", "ptq_model_dequantize")  # folders inside a folder of dumps: f32 in every file
FOLDERS = (*FLOATS, "ptq_model")
BOARD = "MAGIK_DATA_DUMP"
INPUTS: Mapping[str, bool] = {"input.bin": True, "input_uint8.bin": False}  # whether they are f32
NIBBLES = "u4"  # two codes in a byte, the low one first
CODES = ("u8", "u16", NIBBLES)


@dataclass(frozen=True)
class Dump:
    """One file.

    Args:
        name: of the layer, as other folders may have it; part: "", or "weight", "bt", "out1" and so on.
        step: number of the step that stands in front, or -1; sizes: that the name ends in.
        is_float: the folder has nothing but f32; tensor: what tensors.json says of it.
        is_input: it is no layer, but what the network was fed.
    """

    path: Path
    name: str
    part: str = ""
    step: int = -1
    sizes: Shape = ()
    is_float: bool = False
    tensor: Tensor | None = None
    is_input: bool = False

    @property
    def key(self) -> str:
        """Name and part: what is compared with each other."""
        return f"{self.name} ({self.part})" if self.part else self.name

    @property
    def is_constant(self) -> bool:
        """Whether it is what a layer reads, weights or biases, which only boards dump."""
        return self.part.startswith(("weight", "bt"))

    @property
    def nbytes(self) -> int:
        return self.path.stat().st_size


def resolve(path: Path, other: Path) -> Path:
    """The folder that has the layers: `path`, or the one inside that suits what it is compared with.

    Raises: DataError: there is no such folder or file.
    """
    if not path.exists():
        need = "a folder of dumps, or one of them"
        raise DataError("there is no such folder of dumps", where=str(path), found=missing(path), need=need)
    is_debugs = any((path / name).is_dir() for name in FOLDERS)  # then files beside them are inputs
    if path.is_file() or (not is_debugs and any(_is_layer(file) for file in path.glob("*.bin"))):
        return path
    dequantized, quantized = "ptq_model_dequantize", "ptq_model"
    names = (dequantized, quantized) if other.name in FLOATS else (quantized, dequantized)
    inside = [path / name for name in (*names, "float_model", BOARD) if (path / name).is_dir()]
    return next((folder for folder in inside if folder.resolve() != other.resolve()), inside[0] if inside else path)


def _is_layer(file: Path) -> bool:
    return file.name not in INPUTS or file.parent.name in FOLDERS


def find(folder: Path) -> tuple[Dump, ...]:
    """The dumps of a folder, in the order of tensors.json, step numbers, model_node_info.json or names.

    Raises: DataError: the folder holds none, one is no file, or what lies beside them and describes them is damaged.
    """
    if folder.is_file():
        return (_dump(folder),)
    files = [file for file in folder.glob("*.bin") if _is_layer(file)]
    if not files:
        need = "files NAME.bin, or a folder of " + ", ".join((*FOLDERS, BOARD))
        raise DataError("the folder has no dumps of layers", where=str(folder), need=need)
    if problems := [Problem("a dump is no file", str(f), _kind(f)) for f in sorted(files) if not f.is_file()]:
        raise DataError(problems=problems)
    said = tensors(folder)
    row = {file: i for i, file in enumerate(said)}
    place = {name: i for i, name in enumerate(nodes(folder))}
    dumps = _distinct([_listed(file, said[file.name]) if file.name in said else _dump(file) for file in files])

    def order(d: Dump) -> tuple[Any, ...]:
        return row.get(d.path.name, len(row)), d.step, place.get(d.name, len(place)), natural(d.name), d.part

    return tuple(sorted(dumps, key=order))


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "a link to nothing" if not path.exists() else "a link to a folder or a device"
    return "a folder" if path.is_dir() else "a pipe or a device"


def inputs(folder: Path) -> tuple[Dump, ...]:
    """The dumps of the input beside the layers, or beside their folder."""
    home = folder.parent if folder.name in FOLDERS else folder
    there = ((home / name, is_float) for name, is_float in INPUTS.items() if (home / name).is_file())
    return tuple(Dump(path, path.stem, is_float=is_float, is_input=True) for path, is_float in there)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts conv2 before conv10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def _listed(path: Path, tensor: Tensor) -> Dump:
    """A file of tensors.json: it is named for its layer and nothing else."""
    return Dump(path, path.stem, is_float=path.parent.name in FLOATS, tensor=tensor)


def _dump(path: Path) -> Dump:
    """What a name says: on a PC it is the layer's, a board's has a part behind it and maybe a step in front."""
    stem, sizes = _sizes(path)
    if path.parent.name in FOLDERS:
        return Dump(path, stem, sizes=sizes, is_float=path.parent.name in FLOATS)
    part = re.fullmatch(r"(.+)_(out\d*|weight|bt\d*)", stem)
    name, what = (part[1], part[2]) if part else (stem, "")
    step = re.fullmatch(r"(\d+)_(.+)", name)
    if step is not None and KERNEL.fullmatch(step[2]):
        return Dump(path, name, what if what != "out" else "", int(step[1]), sizes)
    if what.startswith(("weight", "bt")) and not path.with_name(f"{name}_out.bin").exists():
        return Dump(path, stem, sizes=sizes)  # a board has what its weights are of
    return Dump(path, name, what if what != "out" else "", sizes=sizes)


def _distinct(dumps: Sequence[Dump]) -> list[Dump]:
    """The dumps; those that would be of one layer have the names of their files: what seems a part of it is none."""
    many = Counter(d.key for d in dumps)
    whole = [d if many[d.key] == 1 else Dump(d.path, d.path.stem, is_float=d.is_float, tensor=d.tensor) for d in dumps]
    return whole if len(many) == len(dumps) else _distinct(whole)


def _sizes(path: Path) -> tuple[str, Shape]:
    """The stem without the four sizes at its end, where the file is as long as they say."""
    found = re.fullmatch(r"(.+?)_(\d+)_(\d+)_(\d+)_(\d+)", path.stem)
    if found:
        sizes = tuple(int(size) for size in found.groups()[1:])
        if path.stat().st_size in possible_bytes(math.prod(sizes)).values():
            return found[1], sizes
    return path.stem, ()


def possible_bytes(count: int) -> dict[str, int]:
    """Length of a file of `count` numbers, by their dtype."""
    return {"u8": count, "u16": 2 * count, "f32": 4 * count, NIBBLES: (count + 1) // 2}


def dtypes(dump: Dump, count: int) -> list[str]:
    """What a file of `count` numbers may hold."""
    fits = [dtype for dtype, nbytes in possible_bytes(count).items() if nbytes == dump.nbytes and count]
    return [dtype for dtype in fits if dtype == "f32" or not dump.is_float]


def counts(dump: Dump) -> dict[int, str]:
    """How many numbers a file may have, and of what; 4-bit codes are left out, see `is_packed`."""
    sizes = {"u8": 1, "u16": 2}
    if dump.is_float or looks_f32(dump.path):
        sizes = {"f32": 4} if dump.is_float else {"f32": 4, **sizes}
    return {dump.nbytes // n: dtype for dtype, n in sizes.items() if dump.nbytes % n == 0}


def is_packed(dump: Dump, other: Dump) -> bool:
    """Whether a file is half as long as another that has nothing but 4-bit codes, one in a byte."""
    if dump.nbytes != (other.nbytes + 1) // 2 or dump.is_float or other.is_float:
        return False
    return int(np.fromfile(other.path, np.uint8).max(initial=0)) < 16


def looks_f32(path: Path) -> bool:
    """Whether a file is as floats of a network are: finite, and few of them tiny or huge."""
    data = np.fromfile(path, np.uint8)
    if not data.size or data.size % 4:
        return False
    values = np.abs(data.view("<f4"))
    with np.errstate(invalid="ignore"):
        usual = (values == 0) | ((values > 1e-12) & (values < 1e12))
    return bool(usual.mean() > 0.999 and np.any(values != 0))


def numbers(dump: Dump, dtype: str, count: int) -> np.ndarray:
    """The numbers of a file, flat."""
    if dtype == NIBBLES:
        packed = np.fromfile(dump.path, np.uint8)
        return np.stack((packed & 15, packed >> 4), axis=1).reshape(-1)[:count]
    return np.fromfile(dump.path, DTYPES[dtype])


def listed(names: Sequence[str] | Iterable[str], most: int = 4) -> str:
    """Some names for a message."""
    shown = list(names)
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
