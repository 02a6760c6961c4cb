"""The folder that a debug run leaves: every layer of one sample, of the float model and of the program."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import onnx_ir as ir

from magik_core import carry
from magik_core.debugging.sites import reals
from magik_core.dump_info import NODES, TENSORS, safe, tensors
from magik_core.errors import DataError, UsageError
from magik_core.files import check_outputs
from magik_core.naming import take_name
from magik_core.program import QuantParams, Tensor

FLOAT, CODES, REALS = KINDS = "float_model", "ptq_model", "ptq_model_dequantize"
INPUT, INPUT_CODES = "input", "input_uint8"
FOLDER = "magik_dump_path"  # by default


class Dump:
    """A folder in the making: written beside its place, and put there when all is in it.

    Use it with `with`; an error leaves the old folder, or none.
    """

    def __init__(self, folder: Path, model: ir.Model) -> None:
        """Raises: MagikError: as `check_folder`."""
        check_folder(folder)
        self.folder = folder
        self._states = set(carry.pairs(model))
        fed = [v.name for v in model.graph.inputs if v.name not in self._states]
        self._alone = fed[0] if len(fed) == 1 else None
        self._info = node_info(model)
        self._input_names: set[str] = set()
        self._layer_names: set[str] = set()
        self._tensors: list[dict[str, object]] = []

    def __enter__(self) -> Dump:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._home = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
        self._place = self._home / "new"
        for name in KINDS:
            (self._place / name).mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._put()
        finally:
            shutil.rmtree(self._home, ignore_errors=True)

    def _put(self) -> None:
        self._json(NODES, self._info)
        self._json(TENSORS, self._tensors)
        check_folder(self.folder)  # somebody may have put a file there since
        if self.folder.exists():
            os.rename(self.folder, self._home / "old")
        os.rename(self._place, self.folder)

    def add_layer(self, name: str, t: Tensor, array: np.ndarray, want: np.ndarray) -> None:
        """A layer, in the order of the steps.

        Args: array: what the program has; want: the float model's values, stored order.
        """
        file = f"{take_name(safe(name), self._layer_names)}.bin"
        values = reals(array, t)
        self._write(f"{FLOAT}/{file}", want.astype("<f4"))
        self._write(f"{CODES}/{file}", array)
        self._write(f"{REALS}/{file}", values.astype("<f4"))
        self._tensors.append({"file": file, "layer": name, **_meaning(t)})

    def add_input(self, name: str, t: Tensor, array: np.ndarray, want: np.ndarray) -> None:
        """An input of the sample: one is `input.bin`, states and several are named as a calibration sample names them.

        Args: as of `add_layer`.
        """
        own = "" if name == self._alone else f"{take_name(safe(name), self._input_names)}_"
        real, codes = f"{own}{INPUT}", f"{own}{INPUT_CODES}"
        self._write(f"{real}.bin", want.astype("<f4"))
        is_picture = len(t.shape) == 4 and name not in self._states
        if (pixels := _bytes(t, array, want, is_picture)) is not None:
            self._write(f"{codes}.bin", pixels)
        self._tensors.append({"file": f"{real}.bin", "layer": name, **_meaning(t)})

    def _write(self, path: str, array: np.ndarray) -> None:
        (self._place / path).write_bytes(np.ascontiguousarray(array).tobytes())

    def _json(self, name: str, value: object) -> None:
        (self._place / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check_folder(
    folder: Path, data: Iterable[str | Path] = (), hint: str = "name another folder, or pass --no-dump"
) -> None:
    """Hold a folder that is to be replaced against what would be lost.

    Args:   data: what is read while the dump is made; hint: what works where the folder cannot be replaced.
    Raises: UsageError: it is a link, a file, holds data, the working directory or what is not of an older dump;
            PackError: it lies where no folder can be made.
    """
    if folder.is_symlink():
        found, need = f"to {os.readlink(folder)}", "a folder that can be replaced, or none"
        raise UsageError("the dump's place is a link", where=str(folder), found=found, need=need, hint=hint)
    check_outputs([folder], are_folders=True)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError("the dump's place is a file", where=str(folder), need="a folder")
    if used := next((path for path in (".", *data) if _holds(folder, Path(path))), None):
        what, need = "the dump's folder holds what is in use", "a folder apart from the data and the working directory"
        raise UsageError(what, where=str(folder), found=str(used), need=need, hint=hint)
    if other := _other(folder):
        what, need = "the dump's folder holds other files", "nothing but what the tensors.json of an older dump lists"
        raise UsageError(what, where=str(folder), found=str(other.relative_to(folder)), need=need, hint=hint)


def _holds(folder: Path, path: Path) -> bool:
    """Whether a path, links followed, is a folder or lies in it."""
    if not path.exists():
        return False
    real = path.resolve()
    return any(p.samefile(folder) for p in (real, *real.parents))


def _other(folder: Path) -> Path | None:
    """The first thing in a folder that is not of the dump that its tensors.json describes."""
    listed = _listed(folder)
    inputs = [file.removesuffix(f"{INPUT}.bin") for file in listed if file.endswith(f"{INPUT}.bin")]
    own = {f"{name}{kind}.bin" for name in inputs for kind in (INPUT, INPUT_CODES)} | {NODES, TENSORS}
    known = {folder / name for name in own if listed} | {folder / kind / name for kind in KINDS for name in listed}
    inside = [p for p in (folder / kind for kind in KINDS) if p.is_dir() and not p.is_symlink()]
    found = (path for place in (folder, *inside) for path in sorted(place.iterdir()) if path not in inside)
    return next((path for path in found if path not in known or path.is_symlink() or not path.is_file()), None)


def _listed(folder: Path) -> set[str]:
    """Files that a folder's own tensors.json names; none where it cannot be read."""
    try:
        return set(tensors(folder)) if (folder / TENSORS).is_file() else set()
    except DataError:
        return set()


def node_info(model: ir.Model) -> Mapping[str, list[str]]:
    """All operator types, and the names of the nodes of each: what QUANT_OP_SKIP and QUANT_NODE_SKIP know."""
    nodes: dict[str, list[str]] = {}
    for node in model.graph:
        nodes.setdefault(node.op_type, []).append(node.name or "")
    return {"all_type": sorted(nodes), **dict(sorted(nodes.items()))}


def _meaning(t: Tensor) -> dict[str, object]:
    """What the bytes of a tensor are."""
    out: dict[str, object] = {"shape": list(t.shape), "axes": list(t.axes), "dtype": t.dtype}
    if isinstance(t.quant, QuantParams):
        out |= {"scale": t.quant.scale, "zero_point": t.quant.zero_point, "bits": t.quant.bits}
    return out


def _bytes(t: Tensor, array: np.ndarray, want: np.ndarray, is_picture: bool) -> np.ndarray | None:
    """An input as bytes: its codes, or the pixels of a picture that is stored wider."""
    if t.dtype == "u8":
        return array
    is_pixels = is_picture and bool(np.all((want >= 0) & (want <= 255) & (want == np.floor(want))))
    return want.astype(np.uint8) if is_pixels else None
