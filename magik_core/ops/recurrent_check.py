"""What is wrong with the attributes and shapes of an ONNX LSTM, GRU or RNN, all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_core.errors import Problem
from magik_core.ops import Array
from magik_core.ops.recurrent import Recurrent

if TYPE_CHECKING:
    import onnx_ir as ir

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
X, W, R, B, LENGTHS, H, C, PEEPHOLES = range(8)  # inputs of the ONNX nodes
NAMES = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
Dims = Sequence[int | None]  # None: a size that is not known yet


def problems(
    cls: type[Recurrent],
    where: str,
    attributes: Mapping[str, Any],
    shapes: Mapping[int, Dims],
    lengths: Array | None = None,
) -> list[Problem]:
    """What keeps a node from running.

    Args: shapes: of those inputs whose shapes are known; lengths: sequence_lens where they are constant.
    """
    found = _attributes(attributes) or [*_shapes(cls, attributes, shapes), *_lengths(attributes, shapes, lengths)]
    return [Problem(f"{cls.onnx[0]}: {what}", where, value, need) for what, value, need in found]


def problems_of(cls: type[Recurrent], node: ir.Node) -> list[Problem]:
    """The same of a node of a graph."""
    attributes = {name: a.value for name, a in node.attributes.items()}
    given = {i: v for i, v in enumerate(node.inputs[: len(NAMES)]) if v is not None}
    shapes = {i: [d if isinstance(d, int) else None for d in v.shape] for i, v in given.items() if v.shape is not None}
    lengths = given[LENGTHS].const_value if LENGTHS in given else None
    where = f"node '{node.name}'"
    return problems(cls, where, attributes, shapes, None if lengths is None else lengths.numpy())


def _attributes(attributes: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    hidden, clip = attributes.get("hidden_size"), attributes.get("clip", np.inf)
    direction, layout = attributes.get("direction", "forward"), attributes.get("layout", 0)
    out = []
    if hidden is None or hidden < 1:
        out.append(("hidden_size is no size", "none" if hidden is None else str(hidden), "1 or more"))
    if direction not in DIRECTIONS:
        out.append(("unknown direction", direction, ", ".join(DIRECTIONS)))
    if layout not in (0, 1):
        out.append(("unknown layout", str(layout), "0 or 1"))
    if not clip > 0:
        out.append(("clip is no limit", f"{clip:g}", "above 0"))
    return out


def _shapes(
    cls: type[Recurrent], attributes: Mapping[str, Any], shapes: Mapping[int, Dims]
) -> Iterator[tuple[str, str, str]]:
    dirs, hidden = DIRECTIONS[attributes.get("direction", "forward")], attributes["hidden_size"]
    batch_first, rows = attributes.get("layout", 0) == 1, cls.gates * hidden
    x = shapes.get(X, (None, None, None))
    if len(x) != 3:
        yield "X has the wrong shape", _text(x), "3 dimensions"
        x = (None, None, None)
    batch, width = x[0 if batch_first else 1], x[2]
    state = (batch, dirs, hidden) if batch_first else (dirs, batch, hidden)
    needs: dict[int, Dims] = {
        W: (dirs, rows, width),
        R: (dirs, rows, hidden),
        B: (dirs, 2 * rows),
        LENGTHS: (batch,),
        H: state,
        C: state,
        PEEPHOLES: (dirs, 3 * hidden),
    }
    for i, need in needs.items():
        shape = shapes.get(i, need)
        if len(shape) != len(need) or any(None not in (a, b) and a != b for a, b in zip(shape, need, strict=True)):
            yield f"{NAMES[i]} has the wrong shape", _text(shape), _text(need)


def _lengths(
    attributes: Mapping[str, Any], shapes: Mapping[int, Dims], lengths: Array | None
) -> Iterator[tuple[str, str, str]]:
    x = shapes.get(X, ())
    steps = x[attributes.get("layout", 0)] if len(x) == 3 else None
    if lengths is None or steps is None:
        return
    wrong = [int(n) for n in lengths.reshape(-1) if not 0 <= n <= steps]
    if wrong:
        more = ", ..." if len(wrong) > 8 else ""
        yield "sequence_lens are no lengths", ", ".join(map(str, wrong[:8])) + more, f"0 to {steps}"


def _text(shape: Dims) -> str:
    return "x".join("?" if d is None else str(d) for d in shape) or "no dimensions"
