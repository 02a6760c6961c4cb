"""Which files a model is: recognition, and the prototxt that goes with a caffemodel or the other way round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magik_core import model_file
from magik_core.errors import ModelError

NET, WEIGHTS = ".prototxt", ".caffemodel"
SUFFIXES = (WEIGHTS, NET)
OPTION = "weights"  # of `load`: the file of the weights, or of the net where MODEL is the weights
NEED = "a prototxt or a caffemodel"
HEAD_BYTES = 4096
LAYER = re.compile(rb"^\s*layers?\s*:?\s*\{", re.MULTILINE)
MOST_BYTES = {NET: 4 << 20, WEIGHTS: (1 << 31) - 1}  # the second is protobuf's own limit


@dataclass(frozen=True)
class Files:
    """A model's files: a net and its weights, or a file that holds both."""

    net: Path
    weights: Path | None


def sniff(path: Path) -> bool:
    """Whether a file is a net or its weights: by suffix, or by how it begins; never raises."""
    try:
        if not path.is_file():
            return False
        if path.suffix.lower() in SUFFIXES:
            return True
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    from magik_frontend_caffe.wire import starts_as_net  # needs numpy: not when the plugin is registered

    return (is_text(head) and bool(LAYER.search(head))) or starts_as_net(head)


def is_text(head: bytes) -> bool:
    return not re.search(rb"[\x00-\x08\x0e-\x1f]", head)


def find(path: Path, options: Mapping[str, Any]) -> Files:
    """The files of a model.

    Args:   path: a prototxt or a caffemodel; options: `weights` names the other.
    Raises: ModelError: it is no file, or the other one is missing or not the only one.
    """
    is_net = is_text(read(path, WEIGHTS, head=HEAD_BYTES))
    named = options.get(OPTION)
    if named:
        other: Path | None = Path(named)
        model_file.check_file(Path(named), NEED)
    else:
        other = _beside(path, WEIGHTS if is_net else NET)
    if is_net:
        return Files(path, other)
    return Files(path, path) if other is None else Files(other, path)


def read(path: Path, kind: str, head: int | None = None) -> bytes:
    """A file's bytes, or the first `head` of them; kind: the suffix that says how large it may be.

    Raises: ModelError: it cannot be read, or is too large.
    """
    return model_file.read_bytes(path, MOST_BYTES[kind], NEED, head=head)


def _beside(path: Path, suffix: str) -> Path | None:
    """The other file: of the same stem, or the only one of its kind in the folder; a net may do without.

    Raises: ModelError: several could be it.
    """
    other = path.with_suffix(suffix)
    if other.is_file():
        return other
    found = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == suffix and p != path)
    if suffix == NET and len(found) > 1:  # beside it lie the nets for training
        found = [p for p in found if "deploy" in p.stem.lower()] or found
    if len(found) > 1:
        raise ModelError(
            f"it is not clear which {suffix} belongs to the model",
            where=str(path),
            found=", ".join(p.name for p in found[:8]),
            need=f"{other.name}, or one {suffix} in the folder",
            hint=f"rename the right one to {other.name}",
        )
    return found[0] if found else None
