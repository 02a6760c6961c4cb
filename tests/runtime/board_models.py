"""Networks that board programs run: a detector of colored squares with a YOLOv5's heads, and a classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import magik_core as magik
from magik_core.graph import OPSET

STRIDES = (8, 16, 32)
ANCHORS = ((16, 16, 18, 14, 33, 23), (32, 32, 36, 28, 59, 119), (64, 64, 72, 56, 373, 326))  # of 3 boxes each
CLASSES, BOXES = 3, 3
COLORS = np.array([(235, 25, 20), (25, 230, 30), (20, 30, 240)])  # of the classes
GRAY = 114
Square = tuple[int, int, int, int]  # x and y of its top left, its size, its class


def model(
    nodes: list[onnx.NodeProto],
    shape: tuple[int, ...],
    outputs: dict[str, tuple[int, ...]],
    constants: dict[str, np.ndarray],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "board",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, y) for name, y in outputs.items()],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def detector_weights() -> dict[str, np.ndarray]:
    """A map per color, and heads that fire where a square of twice the stride lies about a cell."""
    rng = np.random.default_rng(8)
    eye = 1.5 * np.eye(3) - 0.5  # how much more of one color than of the others
    color = np.concatenate([1.8 * eye, rng.normal(0, 0.3, (3, 3))])
    out = {"color_w": color[:, :, None, None], "color_b": np.concatenate([np.full(3, -0.5), np.zeros(3)])}
    inside = np.zeros((5, 5))
    inside[1:4, 1:4] = 1
    for k in range(len(STRIDES)):
        w = np.zeros((BOXES, 5 + CLASSES, 6, 5, 5))
        b = np.zeros((BOXES, 5 + CLASSES))
        w[:, :4] = rng.normal(0, 0.06, (BOXES, 4, 6, 5, 5))  # boxes differ a little from their anchors
        for anchor, bias in enumerate(
            (-17.0, -18.0, -25.0)
        ):  # the second is beaten by the first, the third never there
            w[anchor, 4, :3] = np.where(inside, 5.5, -6.0)
            b[anchor, 4] = bias
        for c in range(CLASSES):
            w[:, 5 + c, c] = np.where(inside, 2.0, 0)
            b[:, 5 + c] = -3
        out[f"head{k}_w"], out[f"head{k}_b"] = w.reshape(-1, 6, 5, 5), b.reshape(-1)
    return out


def detector(size: int) -> onnx.ModelProto:
    """Three maps of raw logits, (1, 24, size / stride, size / stride)."""
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "color_w", "color_b"], ["mixed"]),
        node("Relu", ["mixed"], ["colors"]),
        node("AveragePool", ["colors"], ["at0"], kernel_shape=[8, 8], strides=[8, 8]),
        node("AveragePool", ["at0"], ["at1"], kernel_shape=[2, 2], strides=[2, 2]),
        node("AveragePool", ["at1"], ["at2"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    constants = {**detector_weights(), "low": np.array(-10), "high": np.array(10)}
    for k in range(len(STRIDES)):
        nodes += [
            node("Conv", [f"at{k}", f"head{k}_w", f"head{k}_b"], [f"wide{k}"], pads=[2, 2, 2, 2]),
            node("Clip", [f"wide{k}", "low", "high"], [f"map{k}"]),
        ]
    maps = {f"map{k}": (1, BOXES * (5 + CLASSES), size // s, size // s) for k, s in enumerate(STRIDES)}
    return model(nodes, (1, 3, size, size), maps, constants)


def paint(height: int, width: int, squares: list[Square], seed: int = 0) -> np.ndarray:
    """Squares on gray, u8 (height, width, 3), with a little noise."""
    noise = np.random.default_rng(seed).integers(-6, 7, (height, width, 3))
    out = np.full((height, width, 3), GRAY)
    for x, y, size, c in squares:
        out[y : y + size, x : x + size] = COLORS[c]
    return (out + noise).clip(0, 255).astype(np.uint8)


def convert_detector(folder: Path, size: int = 160) -> Path:
    """`detector.bin` in a folder, calibrated with squares of all sizes and colors."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for i in range(6):
        c = i % CLASSES
        squares = [(36, 12, 16, c), (116, 20, 16, (c + 1) % 3), (8, 72, 32, (c + 2) % 3), (80, 80, 64, c)]
        Image.fromarray(paint(size, size, squares, i)).save(pictures / f"{i}.png")
    onnx.save(detector(size), folder / "detector.onnx")
    keys = {"calibration": str(pictures), "color": "RGB", "normal": 255}
    magik.convert(folder / "detector.onnx", folder / "detector", **keys)
    return folder / "detector.bin"


def convert_classifier(folder: Path) -> Path:
    """`digits.bin` of 28 x 28 gray pixels to ten scores, of seeded weights."""
    rng = np.random.default_rng(4)
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "w0", "b0"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w1"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["c"], ["d"]),
        node("Flatten", ["d"], ["e"]),
        node("Gemm", ["e", "w2", "b2"], ["scores"]),
    ]
    constants = {
        "w0": rng.normal(0, 0.4, (8, 1, 3, 3)),
        "b0": rng.normal(0, 0.1, 8),
        "w1": rng.normal(0, 0.2, (12, 8, 3, 3)),
        "w2": rng.normal(0, 0.1, (12 * 49, 10)),
        "b2": rng.normal(0, 1, 10),
    }
    onnx.save(model(nodes, (1, 1, 28, 28), {"scores": (1, 10)}, constants), folder / "digits.onnx")
    pictures = folder / "strokes"
    pictures.mkdir()
    for i in range(4):
        Image.fromarray(digit(i)).save(pictures / f"{i}.png")
    keys = {"calibration": str(pictures), "color": "GRAY", "normal": 255}
    magik.convert(folder / "digits.onnx", folder / "digits", **keys)
    return folder / "digits.bin"


def digit(seed: int) -> np.ndarray:
    """Strokes, u8 (28, 28)."""
    rng = np.random.default_rng(seed)
    out = np.zeros((28, 28), np.uint8)
    for _ in range(3):
        y, x = rng.integers(2, 20, 2)
        out[y : y + int(rng.integers(2, 8)), x : x + int(rng.integers(2, 8))] = rng.integers(120, 256)
    return out
