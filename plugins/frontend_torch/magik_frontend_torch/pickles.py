"""Read a pickle of torch.save: weights only, unless the user vouches for the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from magik_core.errors import ModelError, short
from magik_frontend_torch import archive
from magik_frontend_torch.capture import said
from magik_frontend_torch.quiet import quiet

# where training scripts put the weights in a checkpoint, the likeliest first
PLACES = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module")
REFUSED = re.compile(  # by weights_only
    r"(?:[Uu]nsupported (?:global: )?GLOBAL |Unsupported (?:class |storage )|_globals`,? but got <class ')([\w.]+)"
)
NEEDS = re.compile(r"``([\w.]+)``[^.]* must be imported")  # tensors of a kind that is no plain tensor
TOLD = re.compile(r"WeightsUnpickler error:\s*([^\n]*)")  # the cause, in the middle of torch's advice
SCRIPT = "save the weights alone, torch.save(network.state_dict(), path), and pass --model package.module:function"
WHY = "a pickle may run any code when it is read"


def read(path: Path, allow_pickle: bool = False) -> Any:
    """What was saved: tensors in dicts and lists; with `allow_pickle`, any object.

    Raises: ModelError: the file is damaged, or holds objects and is not vouched for.
    """
    if archive.kind_of(path) != archive.PICKLE:
        raise archive.damaged(path, "no data of torch.save")
    if _is_zip(path):
        archive.open_archive(path)  # every checksum
    try:
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=not allow_pickle)
    except Exception as error:  # unpickling raises what it likes
        names = sorted({*REFUSED.findall(str(error)), *NEEDS.findall(str(error))})
        if not allow_pickle and names:
            raise _objects(path, names) from None
        raise _unreadable(path, error, allow_pickle) from None


def weights_in(saved: Any, path: Path) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint: itself, or the part of it that training scripts put them in.

    Raises: ModelError: there are none; says what there is.
    """
    if isinstance(saved, Mapping):
        for part in (saved, *(saved.get(place) for place in PLACES)):
            found = _tensors(part)
            if found:
                return found
    there = ", ".join(repr(key) for key in list(saved)[:8]) if isinstance(saved, Mapping) else type(saved).__name__
    raise ModelError(
        "the checkpoint holds no weights",
        where=str(path),
        found=there or "nothing",
        need=f"a state_dict, or one under {', '.join(PLACES[:3])}",
    )


def _tensors(part: Any) -> dict[str, torch.Tensor]:
    """The tensors of a mapping whose values are tensors, but for a few odd ones; else nothing."""
    if not isinstance(part, Mapping):
        return {}
    found = {str(name): value for name, value in part.items() if isinstance(value, torch.Tensor)}
    return found if 2 * len(found) > len(part) else {}


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(archive.ZIP)) == archive.ZIP


def _objects(path: Path, names: list[str]) -> ModelError:
    return ModelError(
        f"the file holds Python objects, not only weights: {WHY}",
        where=str(path),
        found=", ".join(names),
        need="weights alone: torch.save(network.state_dict(), path)",
        hint="if you trust the file, pass --allow-pickle",
    )


def _unreadable(path: Path, error: Exception, allow_pickle: bool) -> ModelError:
    if isinstance(error, (ModuleNotFoundError, AttributeError)) and allow_pickle:
        return ModelError(
            "the code that the file was saved with is missing",
            where=str(path),
            found=said(error),
            need="its modules where Python finds them, such as the working directory",
            hint=SCRIPT if "__main__" in str(error) else "",
        )
    told = TOLD.search(str(error))
    return archive.damaged(path, f"{type(error).__name__}: {short(told[1]) if told else said(error)}")
