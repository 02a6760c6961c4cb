"""The prior boxes of SSD, which are constants, and what decodes boxes with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from magik_frontend_caffe.layers import ANY, layer
from magik_frontend_caffe.reader import Array, Layer
from magik_frontend_caffe.schema import Message

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_frontend_caffe.builder import Builder

MAX_PRIORS = 1 << 18
DETECTION = "detection"  # an option of `load`
DECODE = "decode"


@layer("PriorBox", bottoms=(1, 2))
def prior_box(layer: Layer, to: Builder, x: ir.Value, *image: ir.Value) -> ir.Value:
    """A constant: corners and variances of the boxes, for the sizes in the prototxt."""
    param, shape = layer.param("prior_box_param"), to.shape(x)
    img_h, img_w = _pair(param, "img", "img_size", to.shape(image[0])[2:] if image else (0, 0))
    if len(shape) != 4 or (image and len(to.shape(image[0])) != 4) or min(img_h, img_w) < 1:
        raise to.problem("the layer needs height and width", list(shape), "4 axes, and an image of 4 axes")
    step_h, step_w = _pair(param, "step", "step", (0, 0))
    if step_h <= 0 or step_w <= 0:
        step_h, step_w = img_h / shape[2], img_w / shape[3]
    sizes = _sizes(to, param)
    if shape[2] * shape[3] * len(sizes) > MAX_PRIORS:
        raise to.problem("the layer makes too many boxes", shape[2] * shape[3] * len(sizes), f"at most {MAX_PRIORS}")
    y, x_ = ((np.arange(n) + param["offset"]) * step for n, step in zip(shape[2:], (step_h, step_w), strict=True))
    centers = np.stack(np.meshgrid(x_, y), -1)[:, :, None]  # (H, W, 1, x y)
    half = np.array(sizes) / 2
    boxes = np.concatenate([centers - half, centers + half], -1) / [img_w, img_h, img_w, img_h]
    boxes = np.clip(boxes, 0, 1) if param["clip"] else boxes
    variance = list(param["variance"]) or [0.1]
    if len(variance) not in (1, 4):
        raise to.problem("the variances do not fit", variance, "1 or 4 numbers")
    variances = np.broadcast_to(variance, (boxes.size // 4, 4))
    return to.constant(np.stack([boxes.reshape(-1), variances.reshape(-1)])[None], "priors")


def _pair(param: Message, name: str, whole: str, default: Sequence[float]) -> tuple[float, float]:
    """Height and width from …_h and …_w, from one field for both, or the default."""
    if whole in param:
        return param[whole], param[whole]
    pair = [param[f"{name}_h"], param[f"{name}_w"]]
    return (pair[0], pair[1]) if any(pair) else (default[0], default[1])


def _sizes(to: Builder, param: Message) -> list[tuple[float, float]]:
    """Width and height of the boxes around each center, in pixels."""
    smallest, largest = param["min_size"], param["max_size"]
    ratios = [1.0]
    for ratio in param["aspect_ratio"]:
        if ratio > 0 and all(abs(ratio - r) >= 1e-6 for r in ratios):
            ratios += [ratio, 1 / ratio] if param["flip"] else [ratio]
    is_bad = any(a <= 0 for a in smallest) or any(b <= a for a, b in zip(smallest, largest, strict=False))
    if not smallest or is_bad or len(largest) not in (0, len(smallest)) or min(param["aspect_ratio"], default=1) <= 0:
        found = f"min_size {smallest}, max_size {largest}, aspect_ratio {param['aspect_ratio']}"
        raise to.problem("the sizes of the boxes do not fit", found, "positive ones, each max_size above its min_size")
    out = []
    for i, size in enumerate(smallest):
        sides = [size, *([math.sqrt(size * largest[i])] if largest else [])]
        out += [(side, side) for side in sides]
        out += [(size * math.sqrt(r), size / math.sqrt(r)) for r in ratios[1:]]
    return out


@layer("DetectionOutput", bottoms=(3, ANY))
def detection_output(layer: Layer, to: Builder, loc: ir.Value, conf: ir.Value, prior: ir.Value) -> Sequence[ir.Value]:
    """Cut off, the bottoms with offsets and scores become outputs; or, with the option `detection=decode`, boxes.

    Decoded: corners (N, P, 4) in parts of the image, and scores (N, P, classes); what suppresses overlapping
    boxes is left to the program.
    """
    param = layer.param("detection_output_param")
    priors = _constant(prior)
    if priors is None or priors.ndim != 3 or priors.shape[:2] != (1, 2) or priors.shape[2] % 4:
        raise to.problem("the third bottom holds no prior boxes", need="PriorBox layers, concatenated")
    count, classes = priors.shape[2] // 4, param["num_classes"]
    if not param["share_location"] or not param["code_type"].startswith("CENTER"):
        found = f"share_location {param['share_location']}, code_type {param['code_type']}"
        raise to.problem("the boxes cannot be decoded", found, "shared locations of CENTER_SIZE")
    if math.prod(to.shape(loc)[1:]) != count * 4 or math.prod(to.shape(conf)[1:]) != count * classes:
        found = f"{list(to.shape(loc))} and {list(to.shape(conf))} for {count} boxes and {classes} classes"
        raise to.problem("the bottoms do not fit each other", found)
    boxes = _decode(to, to.reshape(loc, [0, count, 4]), priors, param["variance_encoded_in_target"])
    return [boxes, to.reshape(conf, [0, count, classes])]


def _decode(to: Builder, loc: ir.Value, priors: Array, is_encoded: bool) -> ir.Value:
    corners, variances = priors.reshape(2, 1, -1, 4).astype(np.float64)
    size = corners[..., 2:] - corners[..., :2]
    center = (corners[..., 2:] + corners[..., :2]) / 2
    variances = np.ones_like(variances) if is_encoded else variances
    move, grow = to.many("Split", [loc, to.ints([2, 2], "halves")], 2, axis=2)
    middle = to.node("Mul", move, to.constant(variances[..., :2] * size, "step"))
    middle = to.node("Add", middle, to.constant(center, "center"))
    half = to.node("Exp", to.node("Mul", grow, to.constant(variances[..., 2:], "variance")))
    half = to.node("Mul", half, to.constant(size / 2, "half"))
    return to.node("Concat", to.node("Sub", middle, half), to.node("Add", middle, half), axis=2)


def _constant(value: ir.Value) -> Array | None:
    """The array of a PriorBox, or of several, concatenated."""
    if value.const_value is not None:
        return np.asarray(value.const_value.numpy())
    node = value.producer()
    if node is None or node.op_type not in ("Concat", "Identity"):
        return None
    parts = [_constant(v) for v in node.inputs if v is not None]
    found = [p for p in parts if p is not None]
    if len(found) < len(parts):
        return None
    return np.concatenate(found, node.attributes["axis"].as_int()) if node.op_type == "Concat" else found[0]
