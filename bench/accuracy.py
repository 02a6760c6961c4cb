"""How close quantized models come to float: magik beside onnxruntime.quantization, same samples for both.

    python -m bench.accuracy [--shared FOLDER] [--only NAME]… [--json]

For each model: 20 calibration samples, evaluation on others that were not calibrated on, and on the
recorded inputs of ref.npz. Columns are mean cosine to the float outputs, over outputs and inputs;
for the face detectors also how many of the 109 faces are found.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageDraw, ImageFont

import magik_core as magik
from bench import faces

CALIBRATE, EVALUATE = 20, 80
Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """A shared model: where it is, how a picture becomes its input, and its recorded inputs."""

    name: str
    path: str
    size: tuple[int, int]  # height, width
    color: str
    mean: tuple[float, ...]
    normal: tuple[float, ...]
    pictures: Callable[[Path, Model], np.ndarray]
    ref: str
    recorded: tuple[str, str]  # key of the pictures in ref.npz; prefix of the float outputs' keys
    is_face_detector: bool = False
    extra: dict[str, object] = field(default_factory=dict)


def photographs(folder: str) -> Callable[[Path, Model], np.ndarray]:
    """Pictures of a data folder, (n, H, W, 3) u8 in the model's channel order."""

    def load(shared: Path, model: Model) -> np.ndarray:
        paths = sorted((shared / "data" / folder / "images").iterdir())
        return np.stack([read(path, model) for path in paths])

    return load


def read(path: Path, model: Model) -> np.ndarray:
    image = Image.open(path).convert("RGB").resize(model.size[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[..., ::-1] if model.color == "BGR" else pixels


def text_lines(shared: Path, model: Model) -> np.ndarray:
    """Rendered lines of text, upright and upside down by turns."""
    rng = np.random.default_rng(0)
    out = []
    for i in range(CALIBRATE + EVALUATE):
        ink, paper = rng.integers(0, 110, 3), rng.integers(150, 256, 3)
        image = Image.new("RGB", model.size[::-1], tuple(int(v) for v in paper))
        text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM 0123456789"), 12))
        font = ImageFont.load_default(size=float(rng.uniform(18, 34)))
        ImageDraw.Draw(image).text(
            (8, model.size[0] // 2), text, fill=tuple(int(v) for v in ink), font=font, anchor="lm"
        )
        pixels = np.asarray(image.rotate(180 * (i % 2)), np.float64) + rng.normal(
            0, rng.uniform(0, 12), (*model.size, 3)
        )
        out.append(np.clip(pixels, 0, 255).astype(np.uint8))
    return np.stack(out)


ULTRAFACE = "models/ultraface-rfb320"
FACE = {"size": (240, 320), "color": "RGB", "mean": (127.0,) * 3, "normal": (128.0,) * 3, "pictures": photographs("faces"),
        "ref": f"{ULTRAFACE}/ref.npz", "is_face_detector": True}  # fmt: skip
RAW_REF = ("image_rgb_u8", "onnx_version-RFB-320_without_postprocessing_")
MODELS = (
    Model("ultraface", f"{ULTRAFACE}/onnx/version-RFB-320.onnx", recorded=("image_rgb_u8", "onnx_version-RFB-320_"), **FACE),
    Model("ultraface-simplified", f"{ULTRAFACE}/onnx/version-RFB-320_simplified.onnx", recorded=RAW_REF, **FACE),
    Model("ultraface-raw", f"{ULTRAFACE}/onnx/version-RFB-320_without_postprocessing.onnx", recorded=RAW_REF, **FACE),
    Model("ppocr-cls", "models/ppocr-cls/ch_ppocr_mobile_v2.0_cls_infer.onnx", (48, 192), "BGR", (127.5,) * 3, (127.5,) * 3,
          text_lines, "models/ppocr-cls/ref.npz", ("image_u8", "prob")),
    Model("fastestdet", "models/fastestdet/FastestDet.onnx", (352, 352), "BGR", (0.0,) * 3, (255.0,) * 3,
          photographs("detect"), "models/fastestdet/ref.npz", ("image_bgr_u8", "out")),
)  # fmt: skip


def normalized(pictures: np.ndarray, model: Model) -> np.ndarray:
    x = (pictures.astype(np.float32) - np.float32(model.mean)) / np.float32(model.normal)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def session(path: Path | bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def by_onnxruntime(path: Path, x: np.ndarray) -> Outputs:
    run = session(path)
    name, names = run.get_inputs()[0].name, [o.name for o in run.get_outputs()]
    rows = [run.run(None, {name: one[None]}) for one in x]
    return {n: np.concatenate([row[i] for row in rows]) for i, n in enumerate(names)}


def with_fixed_shape(path: Path, model: Model, folder: Path) -> Path:
    """The source model as quantize_static wants it: input size filled in, an opset with scales per channel."""
    proto = onnx.load(path)
    weights = {w.name for w in proto.graph.initializer}
    (port,) = [i for i in proto.graph.input if i.name not in weights]
    for dim, value in zip(port.type.tensor_type.shape.dim, (1, 3, *model.size), strict=True):
        dim.dim_value = value
    del proto.graph.input[:]
    proto.graph.input.append(port)
    fixed = folder / "fixed.onnx"
    onnx.save(version_converter.convert_version(proto, 17), fixed)
    return fixed


class Reader(CalibrationDataReader):
    """Hands quantize_static the samples."""

    def __init__(self, name: str, x: np.ndarray) -> None:
        self._rows = iter([{name: one[None]} for one in x])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)


def peer(path: Path, model: Model, calibration: np.ndarray, folder: Path) -> Path:
    """onnxruntime.quantization with u8 activations and s8 weights per channel, its default calibration."""
    fixed, ready, out = with_fixed_shape(path, model, folder), folder / "ready.onnx", folder / "peer.onnx"
    quant_pre_process(fixed, ready, skip_symbolic_shape=True)
    name = session(ready).get_inputs()[0].name
    quantize_static(ready, out, Reader(name, normalized(calibration, model)), quant_format=QuantFormat.QDQ,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True)  # fmt: skip
    return out


def ours(path: Path, model: Model, calibration: np.ndarray, folder: Path, soc: str) -> tuple[magik.Net, object]:
    """magik's default recipe: the samples as raw pixels, the mean folded in."""
    np.save(folder / "samples.npy", calibration.astype(np.float32).transpose(0, 3, 1, 2))
    result = magik.convert(path, folder / "ours.bin", soc=soc, calibration=folder / "samples.npy", mean=list(model.mean),
                           normal=list(model.normal), input_shape=[1, 3, *model.size], **model.extra)  # fmt: skip
    return magik.load(folder / "ours.bin", threads=2), result


def by_magik(net: magik.Net, pictures: np.ndarray) -> Outputs:
    x = pictures.astype(np.float32).transpose(0, 3, 1, 2)
    rows = [net.run(one[None]) for one in x]
    return {p.name: np.concatenate([row[p.name] for row in rows]) for p in net.outputs}


def cosine(a: Outputs, b: Outputs) -> float:
    """Mean over outputs and inputs."""
    found = []
    for name, x in a.items():
        for u, v in zip(x.astype(np.float64), b[name].astype(np.float64), strict=True):
            found.append(float((u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum() + 1e-30)))
    return float(np.mean(found))


def measure(model: Model, shared: Path, soc: str) -> dict[str, object]:
    """One row of the table."""
    path = shared / model.path
    pictures = model.pictures(shared, model)
    calibration, held_out = pictures[:CALIBRATE], pictures[CALIBRATE : CALIBRATE + EVALUATE]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        net, result = ours(path, model, calibration, folder, soc)
        theirs = peer(path, model, calibration, folder)
        row: dict[str, object] = {"model": model.name, "soc": soc}
        real = by_onnxruntime(path, normalized(held_out, model))
        row["magik"] = cosine(real, by_magik(net, held_out))
        row["onnxruntime"] = cosine(real, by_onnxruntime(theirs, normalized(held_out, model)))
        ref = np.load(shared / model.ref)
        recorded, prefix = ref[model.recorded[0]], model.recorded[1]
        wanted = {n: ref[prefix + n] if prefix + n in ref else ref[prefix] for n in real}
        row["magik ref"] = cosine(wanted, by_magik(net, recorded))
        row["onnxruntime ref"] = cosine(wanted, by_onnxruntime(theirs, normalized(recorded, model)))
        if model.is_face_detector:
            boxes = faces.boxes(shared / "data/faces/boxes.csv")
            row["faces float"] = faces.found(by_onnxruntime(path, normalized(pictures, model)), boxes)
            row["faces magik"] = faces.found(by_magik(net, pictures), boxes)
            row["faces onnxruntime"] = faces.found(by_onnxruntime(theirs, normalized(pictures, model)), boxes)
        row["arena/bound"] = round(result.plan.arena_bytes / result.plan.lower_bound, 4)  # type: ignore[attr-defined]
        row["float steps"] = result.float_steps  # type: ignore[attr-defined]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--only", action="append", help="name of a model")
    parser.add_argument("--soc", default="T41")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    rows = []
    for model in MODELS:
        if not options.only or model.name in options.only:
            rows.append(measure(model, options.shared, options.soc))
            print(f"done: {model.name}", file=sys.stderr)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    keys = list(dict.fromkeys(k for row in rows for k in row))
    print("| " + " | ".join(keys) + " |\n|" + " --- |" * len(keys))
    for row in rows:
        cells = [f"{v:.6f}" if isinstance(v, float) else str(v) for v in (row.get(k, "") for k in keys)]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
