"""Find the two files of a model and read them into one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magik_core import model_file
from magik_core.errors import ModelError
from magik_frontend_mxnet import params, symbol

MAX_SYMBOL_BYTES = 16 << 20
MAX_PARAMS_BYTES = 4 << 30  # far above what a small SoC holds
EPOCH = re.compile(r"-\d{4,}$")
SYMBOL = "-symbol.json"


@dataclass(frozen=True)
class Source:
    """A model as its files say it: `params` by the names of variables, `arg:` and `aux:` gone."""

    path: Path
    symbol: symbol.Symbol
    params: Mapping[str, np.ndarray]


def read(path: Path) -> Source:
    """Read a model from its symbol or its parameters; the other file lies beside it.

    Raises: ModelError: a file is missing, not the only candidate, too large, or damaged.
    """
    model_file.check_file(path, "a symbol or its parameters")
    is_symbol = path.suffix.lower() == ".json"
    graph = path if is_symbol else _symbol_of(path)
    arrays = _params_of(path) if is_symbol else path
    parsed = symbol.parse(model_file.read_bytes(graph, MAX_SYMBOL_BYTES, "a symbol", "the symbol"), graph)
    stored = params.read(model_file.read_bytes(arrays, MAX_PARAMS_BYTES, "parameters"), arrays)
    return Source(graph, parsed, {re.sub("^(arg|aux):", "", name): array for name, array in stored.items()})


def _symbol_of(path: Path) -> Path:
    """NAME-symbol.json or NAME.json beside NAME-0000.params."""
    stem = EPOCH.sub("", path.stem)
    for name in (f"{stem}{SYMBOL}", f"{stem}.json"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    need = f"{stem}{SYMBOL} beside it"
    raise ModelError("the symbol of the parameters is missing", where=str(path), need=need)


def _params_of(path: Path) -> Path:
    """The only NAME-0000.params or NAME.params beside NAME-symbol.json."""
    stem = path.name[: -len(SYMBOL)] if path.name.endswith(SYMBOL) else path.stem
    beside = sorted(p for p in path.parent.iterdir() if p.suffix == ".params")
    fits = [p for p in beside if EPOCH.sub("", p.stem) == stem]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise ModelError(
            "several parameters fit the symbol",
            where=str(path),
            found=", ".join(p.name for p in fits[:8]),
            need="the parameters of one epoch",
            hint=f"give the parameters as the model: {fits[-1].name}",
        )
    raise ModelError("the parameters of the symbol are missing", where=str(path), need=f"{stem}-0000.params beside it")
