"""Layers without weights: where features get codes, sums of them, and marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magik_core.builtin.onnx_quantized.expansion import at, attributes
from magik_core.builtin.onnx_quantized.moved import MOVED
from magik_core.builtin.onnx_quantized.table import converts
from magik_core.builtin.trainingkit import DOMAIN, emit
from magik_core.builtin.trainingkit.arithmetic import LEAST_GAMMA, input_grid, shortcut_clip
from magik_core.builtin.trainingkit.fields import Fields, array, preprocessing

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion


@converts("NOp", domains=(DOMAIN,), inputs=1)
def no_op(node: NodeProto, to: Expansion) -> None:
    """Identity; where it says Preprocess the pixels get codes, `real = (code - mean) / var`."""
    x, y = node.input[0], node.output[0]
    given = preprocessing(node, to)
    if given is None:
        to.node("Identity", [x], [y])
        return
    mean, var, bits = given.real("mean", 0.0), given.positive("var", 255.0), given.whole("output_bitwidth", 8, 8, 8)
    if mean * 2 % 1 or not 0 <= mean <= 255:
        to.problem("a mean is no code", f"mean {mean:g}", "a whole number or a half in [0, 255]")
    if to.is_sound:
        emit.rounded(to, x, input_grid(mean, var, bits), y)


@converts("QuantizeFeature", domains=(DOMAIN,), inputs=(1, 11))
def quantize_feature(node: NodeProto, to: Expansion) -> None:
    """Mul by 1 / clip value, rounded; inputs beside the first are of older kits and change nothing."""
    given = Fields.of(node, to)
    grid, clip = given.grid(), given.positive("clip_max_value")
    if given.flag("is_fixpoint"):
        to.problem("a layer of an older kit computes in integers of its own", "is_fixpoint 1", "is_fixpoint 0")
    if not to.is_sound:
        return
    factor = emit.constant(to, f"{node.output[0]}/factor", np.asarray(1.0 if grid is None else 1 / clip))
    emit.feature(to, "Mul", [node.input[0], factor], grid, node.output[0])


@converts("QuantizeShortcutInference", domains=(DOMAIN,), inputs=(2, 3))
def shortcut(node: NodeProto, to: Expansion) -> None:
    """Add, and Mul by 1 / clip value, which is 2 on Txx and Xs whatever the node says; rounded once."""
    given = Fields.of(node, to)
    grid, clip = given.grid(), given.positive("clip_max_value")
    slope = array(node, to, 2, "slopes").reshape(-1) if given.flag("with_negtive_alpha") else None
    if not to.is_sound:
        return
    out = node.output[0]
    if grid is None:
        emit.feature(to, "Add", node.input[:2], None, out, slope)
        return
    total = to.between("Add", node.input[:2], f"{out}/sum")
    factor = emit.constant(to, f"{out}/factor", np.asarray(1 / shortcut_clip(clip, given.device())))
    shape = None if slope is None else slope.reshape(-1, 1, 1)
    emit.feature(to, "Mul", [total, factor], grid, out, shape)


@converts("aweight", domains=(DOMAIN,), inputs=1)
def least_gamma(node: NodeProto, to: Expansion) -> None:
    """The constant, at least 0.01."""
    gamma = array(node, to, 0, "the gains")
    if to.is_sound:
        name = node.output[0]
        made = to.constant(to.unique(f"{name}/least"), np.maximum(gamma, np.float32(LEAST_GAMMA)))
        to.source.tensors[name] = next(t for t in to.tensors if t.name == made)
        to.node("Identity", [made], [name])


@converts("Upsample", domains=(DOMAIN,), inputs=2)
def upsample(node: NodeProto, to: Expansion) -> None:
    """Resize to whole multiples, each element repeated; with mode `zero` Pad and Reshape, empty pixels as Conv pads."""
    mode = Fields.of(node, to).text("mode", "nearest")
    if mode == "nearest":
        whole = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", **attributes(node, "name")}
        to.node("Resize", [node.input[0], "", node.input[1]], [node.output[0]], mode="nearest", **whole)
    elif mode == "zero":
        _apart(node, to)
    else:
        to.problem("a layer grows its input in a way that no kernel has", f"mode {mode!r}", "zero or nearest")


def _apart(node: NodeProto, to: Expansion) -> None:
    """The pixels of (N, C, H, W) behind others that are empty."""
    factors = array(node, to, 1, "the factors", 4)
    rows, columns = (int(n) for n in factors.reshape(-1)[2:])
    if [1, 1, rows, columns] != factors.reshape(-1).tolist() or min(rows, columns) < 1:
        to.problem("a layer grows its input by no whole factors", str(factors.tolist()), "[1, 1, height, width]")
    if not to.is_sound:
        return
    x, out = node.input[0], node.output[0]
    empty = emit.constant(to, f"{out}/empty", np.asarray(_empty(x, to)))
    wide = _behind(to, x, 4, columns, empty, f"{out}/wide")
    wide = to.between("Reshape", [wide, _ints(to, out, 0, 0, 0, -1)], f"{out}/columns")
    width = to.between("Slice", [to.between("Shape", [wide], f"{out}/shape"), _ints(to, out, 3), _ints(to, out, 4)],
                       f"{out}/width")  # fmt: skip
    size = to.between("Concat", [_ints(to, out, 0, 0, -1), width], f"{out}/size", axis=0)
    to.node("Reshape", [_behind(to, wide, 3, rows, empty, f"{out}/tall"), size], [out])


def _behind(to: Expansion, x: str, axis: int, count: int, value: str, out: str) -> str:
    """A new axis: the elements of a tensor of four axes, and behind each `count` - 1 of a value."""
    one = to.between("Unsqueeze", [x, _ints(to, out, axis)], f"{out}/one")
    ends = [0] * 10
    ends[5 + axis] = count - 1
    return to.between("Pad", [one, _ints(to, out, *ends), value], out)


def _empty(x: str, to: Expansion) -> float:
    """What an empty pixel of features is: the real of code 0 where codes lie half a code off zero, else 0."""
    maker = to.source.maker.get(x)
    while maker is not None and (maker.op_type in MOVED or maker.op_type == "NOp"):
        maker = to.source.maker.get(at(maker, 0))
    given = Fields(to) if maker is None or maker.domain != DOMAIN else Fields.of(maker, to)
    grid = given.grid() if "clip_min_value" in given.values else None
    return grid.low if grid is not None and grid.zero_point % 1 else 0.0


def _ints(to: Expansion, name: str, *values: int) -> str:
    return to.constant(f"{name}/ints", np.array(values, np.int64))
