"""The layers of MXNet that magik reads: one small function each, in files by family."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from magik_frontend_mxnet.layers.registry import FUNCTIONS, Function
from magik_frontend_mxnet.refusal import Refusal

SPLITS = ("SliceChannel", "split", "_split_v2", "split_v2")  # these number an output that is alone, too
SUFFIXES: Mapping[str, tuple[str, ...]] = {"RNN": ("output", "state_output", "statecell_output")}
DETECTION = (
    "MultiBoxPrior", "MultiBoxDetection", "MultiBoxTarget", "box_nms", "box_non_maximum_suppression", "box_iou",
    "box_decode", "bipartite_matching", "Proposal", "MultiProposal", "ROIAlign", "PSROIPooling",
)  # fmt: skip


@cache
def families() -> Mapping[str, tuple[str, ...]]:
    """The names of layers by family, as MXNet spells them; loads them all."""
    names = sorted(info.name for info in iter_modules(__path__) if info.name != "registry")
    modules = {name: import_module(f"{__name__}.{name}").__name__ for name in names}
    return {
        name: tuple(sorted((op for op, f in FUNCTIONS.items() if f.__module__ == module), key=str.casefold))
        for name, module in modules.items()
    }


def function(op: str) -> Function:
    """The function of a layer.

    Raises: Refusal: there is none; the tail of a detector with the way to leave it out.
    """
    families()
    if op not in FUNCTIONS:
        is_tail = op.removeprefix("_contrib_") in DETECTION
        hint = "save the symbol up to what it reads: sym.get_internals()['NAME_output'].save(...)" if is_tail else ""
        raise Refusal("a layer is not supported", op, "a layer of docs/mxnet.md", hint)
    return FUNCTIONS[op]


def suffixes(op: str, count: int) -> tuple[str, ...]:
    """What MXNet appends to the name of a layer for each of its outputs."""
    if count == 1 and op not in SPLITS:
        return ("output",)
    return SUFFIXES.get(op, tuple(f"output{i}" for i in range(count)))[:count]
