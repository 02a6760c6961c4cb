"""The folder that a debug run leaves: every layer of one sample, of the float model and of the program."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import onnx_ir as ir

from magik_core import carry
from magik_core.debugging.sites import reals
from magik_core.dump_info import NODES, TENSORS, safe
from magik_core.errors import UsageError
from magik_core.naming import take_name
from magik_core.program import QuantParams, Tensor

FLOAT, CODES, REALS = "float_model", "ptq_model", "ptq_model_dequantize"
INPUT, INPUT_CODES = "input", "input_uint8"
FOLDER = "magik_dump_path"  # by default


class Dump:
    """A folder in the making: written beside its place, and put there when all is in it.

    Use it with `with`; an error leaves the old folder, or none.
    """

    def __init__(self, folder: Path, model: ir.Model) -> None:
        """Raises: UsageError: the folder holds something else than such files."""
        check_folder(folder)
        self.folder = folder
        self._is_alone = len(model.graph.inputs) == 1
        self._states = set(carry.pairs(model))
        self._info = node_info(model)
        self._input_names: set[str] = set()
        self._layer_names: set[str] = set()
        self._tensors: list[dict[str, object]] = []

    def __enter__(self) -> Dump:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._place = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
        for name in (FLOAT, CODES, REALS):
            (self._place / name).mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._put()
        finally:
            shutil.rmtree(self._place, ignore_errors=True)

    def _put(self) -> None:
        self._json(NODES, self._info)
        self._json(TENSORS, self._tensors)
        self._place.chmod(0o777 & ~_umask())
        if self.folder.exists():
            shutil.rmtree(self.folder)
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
        """An input of the sample: one is `input.bin`, several are named as a calibration sample names them.

        Args: as of `add_layer`.
        """
        own = "" if self._is_alone else f"{take_name(safe(name), self._input_names)}_"
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


def check_folder(folder: Path, hint: str = "name another folder, or pass --no-dump") -> None:
    """Hold a folder that is to be replaced against what would be lost.

    Args:   hint: what works where the folder holds something else.
    Raises: UsageError: it is a link, a file, or holds something that is no dump.
    """
    if folder.is_symlink():
        found, need = f"to {os.readlink(folder)}", "a folder that can be replaced, or none"
        raise UsageError("the dump's place is a link", where=str(folder), found=found, need=need, hint=hint)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError("the dump's place is a file", where=str(folder), need="a folder")
    known = {FLOAT, CODES, REALS, NODES, TENSORS}
    other = sorted(p.name for p in folder.iterdir() if p.name not in known and not re.search(r"input\w*\.bin$", p.name))
    if other:
        found = ", ".join(other[:3]) + (", …" if len(other) > 3 else "")
        raise UsageError(
            "the dump's folder holds other files",
            where=str(folder),
            found=found,
            need="a folder of its own",
            hint=hint,
        )


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
