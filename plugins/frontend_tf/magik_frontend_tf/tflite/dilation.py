"""Dilated convolutions as TensorFlow 1 wrote them: SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from magik_frontend_tf.tflite import constants
from magik_frontend_tf.tflite.builder import Refusal
from magik_frontend_tf.tflite.schema import Model, Operator

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
EXPLICIT = "EXPLICIT"  # padding that says its sizes in `pads`: top, left, bottom, right


def merge(model: Model) -> Model:
    """Return the model with one convolution in place of the three operators, wherever nothing else reads between."""
    readers: dict[int, list[Operator]] = {}
    for op in model.operators:
        for index in op.inputs:
            readers.setdefault(index, []).append(op)

    def only_reader(op: Operator) -> Operator | None:
        found = readers.get(op.outputs[0], []) if op.outputs else []
        return found[0] if len(found) == 1 and op.outputs[0] not in model.outputs else None

    gone: set[int] = set()
    merged: dict[int, Operator] = {}
    for first in model.operators:
        conv = only_reader(first) if first.name == "SPACE_TO_BATCH_ND" else None
        last = only_reader(conv) if conv is not None and conv.name in CONVOLUTIONS else None
        if conv is None or last is None or last.name != "BATCH_TO_SPACE_ND" or conv.inputs[0] != first.outputs[0]:
            continue
        made = _merged(model, first, conv, last)
        if made is not None:
            gone |= {first.index, conv.index}
            merged[last.index] = made
    operators = tuple(merged.get(op.index, op) for op in model.operators if op.index not in gone)
    return replace(model, operators=operators)


def _merged(model: Model, first: Operator, conv: Operator, last: Operator) -> Operator | None:
    """The dilated convolution; none where the three are something else."""
    strides = (conv.options["stride_h"], conv.options["stride_w"])
    dilations = (conv.options["dilation_h"], conv.options["dilation_w"])
    how = [model.tensors[op.outputs[0]].quantization for op in (conv, last)]
    if strides != (1, 1) or dilations != (1, 1) or not _is_equal(*how):
        return None
    lists = [_integers(model, op, i) for op in (first, last) for i in (1, 2)]
    if any(one is None for one in lists):
        return None
    block, padding, block_after, crops = (one for one in lists if one is not None)
    if block.shape != (2,) or padding.shape != (2, 2) or crops.shape != (2, 2) or (block != block_after).any():
        return None
    size = np.array(model.tensors[conv.inputs[1]].shape[1:3])
    inner = np.zeros((2, 2), np.int64)
    if conv.options["padding"] == "SAME" and size.shape == (2,):
        inner = block[:, None] * np.stack([(size - 1) // 2, size // 2], axis=1)
    pads = padding - crops + inner
    if (pads < 0).any() or min(block) < 1:
        return None
    options = {
        **conv.options,
        "padding": EXPLICIT,
        "pads": [int(n) for n in pads.T.reshape(-1)],
        "dilation_h": int(block[0]),
        "dilation_w": int(block[1]),
    }
    return replace(conv, inputs=(first.inputs[0], *conv.inputs[1:]), outputs=last.outputs, options=options)


def _integers(model: Model, op: Operator, position: int) -> np.ndarray | None:
    if position >= len(op.inputs) or op.inputs[position] < 0:
        return None
    tensor = model.tensors[op.inputs[position]]
    try:
        return constants.array(tensor).astype(np.int64) if tensor.data and tensor.type in ("s32", "s64") else None
    except Refusal:
        return None


def _is_equal(a: object, b: object) -> bool:
    scales = [(getattr(q, "scale", np.zeros(0)), getattr(q, "zero_point", np.zeros(0))) for q in (a, b)]
    return all(np.array_equal(x, y) for x, y in zip(*scales, strict=True))
