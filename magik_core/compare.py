"""Compare two folders of dumped layers: which layer differs first, and what it looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from magik_core import dump_info, dumps
from magik_core.compare_layer import Layer, Limits, layer
from magik_core.dumps import Dump
from magik_core.errors import DataError, together
from magik_core.named import Names

Found = Mapping[str, Dump]  # by the name of the layer


@dataclass(frozen=True)
class Comparison:
    """Layers that both folders have, in the network's order, and names that only one has.

    Args: a, b: the folders that were read; order: where the order of the layers comes from;
        missing: of only_a, the layers: B was to have them, as it need not have weights;
        warnings: which dumps are not the model's, where others are.
    """

    a: str
    b: str
    layers: tuple[Layer, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    order: str
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether B has all layers of A, and none differs."""
        return self.first is None and not self.missing

    @property
    def first(self) -> Layer | None:
        """The first layer that differs."""
        return next((layer for layer in self.layers if not layer.is_equal), None)

    def to_json(self) -> dict[str, Any]:
        first = self.first
        return {
            "equal": self.is_equal,
            "a": self.a,
            "b": self.b,
            "order": self.order,
            "first_difference": None if first is None else first.name,
            "layers": [asdict(layer) for layer in self.layers],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "missing": list(self.missing),
            "warnings": list(self.warnings),
        }


def compare(
    a: str | Path, b: str | Path, *, model: str | Path | None = None, limits: Limits | None = None
) -> Comparison:
    """Compare the dumps in two folders, layer by layer; one layer is in memory at a time.

    Args:   a, b: folders of dumps, folders that have such folders, or two files.
            model: the `.mgk`: names of the board's layers, their order, shapes and what their codes mean.
    Raises: DataError: a folder has no dumps, they have no layer in common, or none is the model's.
            LoadError: of the model.
    """
    names = Names.read(model) if model is not None else Names()
    roots = Path(a), Path(b)
    left, right = together(lambda: dumps.resolve(*roots), lambda: dumps.resolve(*roots[::-1]))
    pairs, only, order = _pairs(left, right, names)
    warnings = _misfits(pairs, names)
    layers = tuple(_layer(x, y, names, limits or Limits()) for x, y in pairs)
    return Comparison(str(left), str(right), layers, tuple(only[0]), tuple(only[1]), order, _layers(only[0]), warnings)


def _pairs(a: Path, b: Path, names: Names) -> tuple[list[tuple[Dump, Dump]], tuple[Found, Found], str]:
    """Dumps of the same layer, those that only one has, and where the order comes from."""
    if a.is_file() and b.is_file():
        return [(dumps.find(a)[0], dumps.find(b)[0])], ({}, {}), "one file each"
    both = together(lambda: dumps.find(a), lambda: dumps.find(b))
    mine, theirs = (_by_layer(one, names) for one in both)
    order, said = _order(mine, theirs, names)
    first = _input_pairs(a, b)
    pairs = [(mine[key], theirs[key]) for key in order]
    if not pairs:
        hint = "" if names else "--model NAME.mgk tells which step of the board is which node"
        found = f"A: {dumps.listed(mine)}; B: {dumps.listed(theirs)}"
        raise DataError("the folders have no layer in common", where=f"{a}, {b}", found=found, hint=hint)
    only = ({k: d for k, d in mine.items() if k not in theirs}, {k: d for k, d in theirs.items() if k not in mine})
    return first + pairs, only, said


def _by_layer(found: Sequence[Dump], names: Names) -> Found:
    """The dumps of a folder by the name of their layer; those that the model has one name for keep theirs."""
    keys = [names.key(d) for d in found]
    many = Counter(keys)
    return {key if many[key] == 1 else d.key: d for key, d in zip(keys, found, strict=True)}


def _misfits(pairs: Sequence[tuple[Dump, Dump]], names: Names) -> tuple[str, ...]:
    """Dumps that are not the model's, a line for each folder.

    Raises: DataError: no layer has a dump that is.
    """
    layers = [pair for pair in pairs if names and not pair[0].is_constant and not pair[0].is_input]
    misfits = [(names.misfit(x), names.misfit(y)) for x, y in layers]
    if misfits and all(a and b for a, b in misfits):
        folders = dict.fromkeys(str(d.path.parent) for d in layers[0])
        found = dumps.listed(dict.fromkeys(text for pair in misfits for text in pair))
        hint = "without --model dumps are compared by their names alone"
        what, need = "the dumps are of another model", f"layers of {names.model}"
        raise DataError(what, where=", ".join(folders), found=found, need=need, hint=hint)
    sides = {"A": [a for a, _ in misfits if a], "B": [b for _, b in misfits if b]}
    return tuple(
        f"{names.model} is not of all of {side}: {dumps.listed(texts)}" for side, texts in sides.items() if texts
    )


def _layers(found: Found) -> tuple[str, ...]:
    """Names of the layers: only a board has the weights beside them."""
    return tuple(name for name, dump in found.items() if not dump.is_constant)


def _input_pairs(a: Path, b: Path) -> list[tuple[Dump, Dump]]:
    theirs = {d.name: d for d in dumps.inputs(b)}
    pairs = [(d, theirs[d.name]) for d in dumps.inputs(a) if d.name in theirs]
    return [(x, y) for x, y in pairs if x.path != y.path]  # of one conversion both are the same file


def _order(mine: Mapping[str, Dump], theirs: Mapping[str, Dump], names: Names) -> tuple[list[str], str]:
    both = [key for key in mine if key in theirs]
    known = [key for key in both if names.step(key) is not None]
    if known:
        last = len(names)
        place = {key: names.step(key) for key in both}
        both.sort(key=lambda key: last if (at := place[key]) is None else at)
        return both, "the model"
    for side in (mine, theirs):
        if any(d.tensor is not None for d in side.values()):
            return [key for key in side if key in both], dump_info.TENSORS
    if any(mine[key].step >= 0 for key in both):
        return both, "the numbers of the steps"
    is_listed = bool(both) and bool(dump_info.nodes(mine[both[0]].path.parent))
    return both, dump_info.NODES if is_listed else "the names of the files"


def _layer(x: Dump, y: Dump, names: Names, limits: Limits) -> Layer:
    name = names.label(x) if x.name == y.name or names.label(x) != x.key else names.label(y)
    return layer(name, x, y, names.tensor(x) or names.tensor(y) or x.tensor or y.tensor, limits)
