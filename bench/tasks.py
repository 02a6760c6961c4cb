"""The networks that accuracy is measured on: where each is, what it reads, and what a good answer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import version_converter
from PIL import Image

from bench import detectors, metrics
from bench.datasets import Data, Frame, Load, faces, keywords, labeled, persons, text_lines
from bench.imported import source as import_source
from bench.metrics import Outputs
from bench.networks import BY_NAME

Judge = Callable[[Outputs, Outputs, Data], dict[str, float]]  # float's outputs, those to judge, what is right
PEER_OPSET = 17  # quantize_static has scales per channel, and every operator is old enough


@dataclass(frozen=True)
class Task:
    """A network on data.

    Args:
        source: of a file below models/, or the name of a format of bench.networks.
        shape: of the input; with axes NCHW, or NHWC where `is_nhwc`.
        mean, normal: per channel, `(x - mean) / normal`; empty: x is what the network reads.
        judge: figures that are better the larger they are.
        calibrate, most: how many samples; most: of those to evaluate with.
        ref: recorded inputs and outputs; recorded: the inputs' key, and the prefix of the outputs' keys.
    """

    name: str
    source: str
    load: Load
    frame: Frame
    judge: Judge
    mean: tuple[float, ...] = ()
    normal: tuple[float, ...] = ()
    is_nhwc: bool = False
    calibrate: int = 40
    ref: str = ""
    recorded: tuple[str, str] = ("", "")

    def data(self, shared: Path) -> Data:
        return self.load(shared, self.frame)

    def raw(self, x: np.ndarray) -> np.ndarray:
        """Samples as f32 in the axis order of the network, without mean and normal."""
        return np.ascontiguousarray(self._ordered(x).astype(np.float32))

    def normalized(self, x: np.ndarray) -> np.ndarray:
        """Samples as the source model reads them."""
        if not self.mean:
            return self.raw(x)
        scaled = (x.astype(np.float32) - np.float32(self.mean)) / np.float32(self.normal)
        return np.ascontiguousarray(self._ordered(scaled))

    def _ordered(self, x: np.ndarray) -> np.ndarray:
        return x if self.is_nhwc else x.transpose(0, 3, 1, 2)

    def input_shape(self, x: np.ndarray) -> list[int]:
        return [1, *self._ordered(x[:1]).shape[1:]]


# ---- what a good answer is -----------------------------------------------------------------------------------


def classified(real: Outputs, found: Outputs, data: Data) -> dict[str, float]:
    """Percent of the samples: whose class is right, and whose class is float's."""
    classes = metrics.best_classes(found)
    agreement = float(np.mean(classes == metrics.best_classes(real)))
    return {"top-1 %": 100 * metrics.right(classes, data.labels) / len(data), "as float %": 100 * agreement}


def faces_found(real: Outputs, found: Outputs, data: Data) -> dict[str, float]:
    """Pictures whose face is found; how well the boxes are float's."""
    assert data.boxes is not None
    ours, theirs = detectors.faces(found), detectors.faces(real)
    count = sum(detectors.finds(d, head) for d, head in zip(ours, data.boxes, strict=True))
    return {"faces found": float(count), "boxes as float %": 100 * metrics.found_again(theirs, ours)}


def objects_found(real: Outputs, found: Outputs, data: Data) -> dict[str, float]:
    """Pictures whose main object is found; how well the boxes are float's."""
    ours, theirs = detectors.objects(found), detectors.objects(real)
    count = sum(bool(accepted & set(d.classes.tolist())) for d, accepted in zip(ours, data.labels, strict=True))
    return {"objects found": float(count), "boxes as float %": 100 * metrics.found_again(theirs, ours)}


# ---- the networks --------------------------------------------------------------------------------------------

SQUEEZENET_MEAN = (104.0, 117.0, 123.0)
RAW_FACES = "onnx_version-RFB-320_without_postprocessing_"


def _ultraface(name: str, file: str, prefix: str) -> Task:
    return Task(
        name,
        f"ultraface-rfb320/onnx/version-RFB-320{file}.onnx",
        faces,
        Frame((240, 320)),
        faces_found,
        (127.0,) * 3,
        (128.0,) * 3,
        calibrate=20,
        ref="models/ultraface-rfb320/ref.npz",
        recorded=("image_rgb_u8", prefix),
    )


TASKS = (
    Task(
        "efficientnet-lite0",
        "efficientnet-lite0",
        labeled("caltech101"),
        Frame((224, 224), crop=256, resample=Image.Resampling.BICUBIC),
        classified,
        (127.0,) * 3,
        (128.0,) * 3,
    ),
    Task(
        "squeezenet-v1.0",
        "squeezenet",
        labeled("caltech101"),
        Frame((227, 227), "BGR", crop=256),
        classified,
        SQUEEZENET_MEAN,
        (1.0,) * 3,
    ),
    Task("mlperf-tiny-vww", "vww tflite", persons, Frame((96, 96)), classified, (0.0,) * 3, (255.0,) * 3, True),
    Task("mlperf-tiny-kws", "kws saved model", keywords, Frame((49, 10)), classified, is_nhwc=True, calibrate=100),
    _ultraface("ultraface", "", "onnx_version-RFB-320_"),
    _ultraface("ultraface-simplified", "_simplified", RAW_FACES),
    _ultraface("ultraface-raw", "_without_postprocessing", RAW_FACES),
    Task(
        "fastestdet",
        "fastestdet/FastestDet.onnx",
        labeled("detect"),
        Frame((352, 352), "BGR"),
        objects_found,
        (0.0,) * 3,
        (255.0,) * 3,
        ref="models/fastestdet/ref.npz",
        recorded=("image_bgr_u8", "out"),
    ),
    Task(
        "ppocr-cls",
        "ppocr-cls/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        text_lines,
        Frame((48, 192), "BGR"),
        classified,
        (127.5,) * 3,
        (127.5,) * 3,
        ref="models/ppocr-cls/ref.npz",
        recorded=("image_u8", "prob"),
    ),
)
BY_TASK: Mapping[str, Task] = {task.name: task for task in TASKS}


def as_onnx(task: Task, shared: Path, folder: Path, x: np.ndarray) -> Path:
    """The network as an ONNX file with static shapes: its own, or what magik's frontend makes of another format."""
    models = shared / "models"
    if task.source in BY_NAME:
        proto = ir.to_proto(import_source(BY_NAME[task.source], models))
    else:
        proto = onnx.load(models / task.source)
    weights = {w.name for w in proto.graph.initializer}
    (port,) = [i for i in proto.graph.input if i.name not in weights]
    for dim, value in zip(port.type.tensor_type.shape.dim, task.input_shape(x), strict=True):
        dim.dim_value = value
    del proto.graph.input[:]
    proto.graph.input.append(port)
    if proto.opset_import[0].version < PEER_OPSET:
        proto = version_converter.convert_version(proto, PEER_OPSET)
    onnx.save(proto, folder / "float.onnx")
    return folder / "float.onnx"
