"""Make the network that weights belong to, by the user's own function, and put the weights in."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from magik_core.errors import ModelError, Problem, UsageError, short
from magik_frontend_torch.capture import said

PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile and Lightning
COUNTERS = "num_batches_tracked"  # only training reads it
MOST_NAMES = 40
NEED = "package.module:function, importable from the working directory"


def make(name: str, arguments: Any) -> nn.Module:
    """Call the user's function.

    Args:    name: `package.module:function`, a function or class that returns a module; arguments: its keywords.
    Raises:  UsageError: there is no such function. ModelError: it fails, or returns something else.
    """
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        found, need = short(arguments, 80), """JSON with the keys in double quotes, '{"classes": 4}'"""
        raise UsageError("the arguments of the model are no dict", where="option arguments", found=found, need=need)
    function = _find(name)
    try:
        with working_directory():
            network = function(**arguments)
    except Exception as error:  # the user's code
        found = f"{type(error).__name__}: {said(error)}"
        raise ModelError(
            "the model's function fails", where=name, found=found, need="a function that returns"
        ) from None
    if not isinstance(network, nn.Module):
        found = type(network).__name__
        raise ModelError("the model's function returns no module", where=name, found=found, need="a torch.nn.Module")
    return network


def fill(network: nn.Module, weights: Mapping[str, torch.Tensor], where: str, name: str) -> None:
    """Put weights into a network.

    Raises: ModelError: names or shapes that do not fit, all of them.
    """
    wanted = network.state_dict()
    given = _unprefixed(weights, wanted)
    missing = [key for key in wanted if key not in given and not key.endswith(COUNTERS)]
    unexpected = [key for key in given if key not in wanted and not key.endswith(COUNTERS)]
    shapes = [
        f"{key}: {list(given[key].shape)} for {list(value.shape)}"
        for key, value in wanted.items()
        if key in given and isinstance(value, torch.Tensor) and given[key].shape != value.shape
    ]
    found = (
        ("the file has no weights for these", missing, f"a weight for everything in {name}"),
        ("the network has no place for these weights", unexpected, f"weights of {name} alone"),
        ("the shapes of weights do not fit the network", shapes, f"the shapes of {name}"),
    )
    problems = [Problem(what, where, _listed(names), need) for what, names, need in found if names]
    if problems:
        raise ModelError(problems=problems)
    network.load_state_dict({key: given[key] for key in given if key in wanted}, strict=False)


@contextlib.contextmanager
def working_directory() -> Iterator[None]:
    """Modules of the working directory can be imported."""
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _find(name: str) -> Any:
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise UsageError("the model's function has no module", where="option model", found=name, need=NEED)
    try:
        with working_directory():
            found: Any = importlib.import_module(module)
    except Exception as error:  # the user's code, or no such module
        told = f"{type(error).__name__}: {said(error)}"
        raise UsageError(
            "the model's module cannot be imported", where=f"option model: {name}", found=told, need=NEED
        ) from None
    for part in function.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        names = ", ".join(n for n in vars(importlib.import_module(module)) if not n.startswith("_"))[:200]
        raise UsageError(
            "the model's module has no such function", where=f"option model: {name}", found=names, need=NEED
        )
    return found


def _unprefixed(weights: Mapping[str, torch.Tensor], wanted: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The weights without what wrappers put before every name."""
    given = dict(weights)
    for prefix in PREFIXES:
        if given and all(key.startswith(prefix) for key in given) and not any(k.startswith(prefix) for k in wanted):
            given = {key[len(prefix) :]: value for key, value in given.items()}
    return given


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
