"""Layers without weights: where features get codes, sums of them, and marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magik_core.builtin.onnx_quantized.expansion import attributes
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
    """Resize to whole multiples, each element repeated."""
    mode = Fields.of(node, to).text("mode", "nearest")
    if mode != "nearest":
        to.problem("a layer grows its input in a way that no kernel has", f"mode {mode!r}", "nearest")
        return
    to.node("Resize", [node.input[0], "", node.input[1]], [node.output[0]], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor", **attributes(node, "name"))  # fmt: skip
