"""The sample program of a board folder: which decoder fits a model's outputs, and its C++ source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magik_core.errors import BuildError, Problem, UsageError
from magik_core.makefile import filled
from magik_core.net import Net, Port

TASKS = ("classification", "detection", "yolo", "raw")
DETECTORS = {"yolov3": "YOLOV3", "yolov5": "YOLOV5"}
LAYOUTS = {"RGB": "RGBA", "BGR": "BGRA", "GRAY": "GRAY"}
MOST_ROWS = 10_000_000
MOST_PIXELS = 65_535  # of an anchor


@dataclass(frozen=True)
class Sample:
    """What the program shall do.

    Args:
        task: one of TASKS, empty: by the outputs' shapes.
        labels: names of the classes, from the first; anchors: of YOLO heads, width and height in pixels of the
            network's input, `boxes` pairs for each head; detector: of DETECTORS.
        is_center, is_relative, background: how a table of boxes is meant: center and size or corners; parts of
            the input's size or pixels; the class that is no object, -1 for none,
            None: the first of two.
    """

    task: str = ""
    labels: tuple[str, ...] = ()
    anchors: tuple[float, ...] = ()
    detector: str = "yolov5"
    threshold: float = 0.5
    is_center: bool = False
    is_relative: bool = True
    background: int | None = None


def check(sample: Sample) -> None:
    """Hold what is known before the model is.

    Raises: UsageError: every value that there is not.
    """
    problems = [
        Problem(f"there is no such {what}", where, value, ", ".join(known))
        for what, where, value, known in (
            ("sample", "--sample", sample.task or TASKS[0], TASKS),
            ("detector", "--detector", sample.detector, tuple(DETECTORS)),
        )
        if value not in known
    ]
    for value in sample.anchors:
        if not 0 < value <= MOST_PIXELS:
            need = f"pixels in (0, {MOST_PIXELS}]"
            problems.append(Problem("an anchor is no width or height", "--anchors", f"{value:g}", need))
    if not 0 <= sample.threshold <= 1:
        problems.append(Problem("a threshold is no score", "--threshold", f"{sample.threshold:g}", "in [0, 1]"))
    if problems:
        raise UsageError(problems=problems)


def choose(net: Net, sample: Sample = Sample()) -> str:
    """The task that a model's outputs look like, or the sample's when they allow it.

    Raises: BuildError: they do not. UsageError: the class that is no object is none of the outputs' classes.
    """
    able = {
        "classification": _is_classification(net),
        "detection": _tables(net) is not None,
        "yolo": bool(sample.anchors) and _boxes_of_heads(net, sample.anchors) > 0,
        "raw": True,
    }
    task = sample.task or next(name for name in ("yolo", "detection", "classification", "raw") if able[name])
    if not able[task]:
        needs = {
            "classification": "one output with one axis longer than 1",
            "detection": "two outputs (1, N, 4) and (1, N, classes), and an image as input",
            "yolo": "--anchors, an image as input, outputs (1, boxes * (5 + classes), H, W), as many boxes each",
        }
        shapes = ", ".join(f"{port.name} {port.shape}" for port in net.outputs)
        raise BuildError("the outputs do not fit the sample", where=task, found=shapes, need=needs[task])
    if task == "detection":
        _check_background(net, sample.background)
    return task


def _check_background(net: Net, background: int | None) -> None:
    found = _tables(net)
    assert found is not None
    columns = net.outputs[found[1]].shape[2]
    if background is not None and not -1 <= background < columns:
        need = f"-1, or a class of output '{net.outputs[found[1]].name}': 0 to {columns - 1}"
        raise UsageError("there is no such class", where="--background", found=str(background), need=need)


def source(net: Net, sample: Sample, name: str, program: str) -> str:
    """C++ of the program. Args: name: of the model; program: of the executable."""
    is_image = _is_image(net)
    files = " ".join(f"input{i}.bin" for i in range(len(net.inputs)))
    arguments = "picture.ppm|picture.bmp | dump.bin | frame.nv12 WIDTH HEIGHT" if is_image else files
    kinds = {
        "classification": "Prints the classes with the highest scores.",
        "detection": "Prints the boxes that a detector finds, in pixels of the picture.",
        "yolo": "Prints the boxes that a YOLO network finds, in pixels of the picture.",
        "raw": "Prints shape and range of every output and writes them to output0.bin, output1.bin, ….",
    }
    parts = ["head", "image" if is_image else "tensors"]
    parts += ["boxes"] if sample.task in ("detection", "yolo") else []
    parts += [sample.task, "main"]
    constants = "\n".join((*_input_constants(net), *_task_constants(net, sample)))
    return filled(
        [f"{part}.cc" for part in parts],
        title=f"Sample program for {_comment(name)}",
        usage=f"{program} model.bin {arguments}",
        about=kinds[sample.task],
        constants=constants,
    )


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("\n", " ")


def _is_image(net: Net) -> bool:
    return len(net.inputs) == 1 and bool(net.inputs[0].color) and len(net.inputs[0].board_shape) == 4


def _is_classification(net: Net) -> bool:
    shape = net.outputs[0].shape
    return len(net.outputs) == 1 and math.prod(shape) > 1 and sum(n > 1 for n in shape) == 1


def _tables(net: Net) -> tuple[int, int] | None:
    """Indices of the outputs with boxes and with scores."""
    if len(net.outputs) != 2 or not _is_image(net) or any(len(p.shape) != 3 or p.shape[0] != 1 for p in net.outputs):
        return None
    if net.outputs[0].shape[1] != net.outputs[1].shape[1]:
        return None
    fours = [i for i, port in enumerate(net.outputs) if port.shape[2] == 4]
    named = [i for i in fours if "box" in net.outputs[i].name.lower()]
    if not fours or net.outputs[0].shape[1] > MOST_ROWS:
        return None
    boxes = (named or fours)[0]
    return boxes, 1 - boxes


def _boxes_of_heads(net: Net, anchors: Sequence[float]) -> int:
    """Boxes of each cell of YOLO heads, 0 when the outputs are none."""
    heads = len(net.outputs)
    boxes, rest = divmod(len(anchors), 2 * heads)
    channels = {port.board_shape[3] for port in net.outputs if len(port.board_shape) == 4}
    fits = not rest and boxes and _is_image(net) and all(len(p.board_shape) == 4 for p in net.outputs)
    return boxes if fits and len(channels) == 1 and channels.pop() % boxes == 0 else 0


def _input_constants(net: Net) -> list[str]:
    runs = ["#ifdef VENUS_PROFILE", "enum { RUNS = 10 };", "#else", "enum { RUNS = 1 };", "#endif"]
    if not _is_image(net):
        kinds = ", ".join("true" if port.dtype in ("s32", "bool") else "false" for port in net.inputs)
        return [
            f"enum {{ INPUTS = {len(net.inputs)} }};",
            f"static const bool IS_INTEGER[INPUTS] = {{{kinds}}};",
            *runs,
        ]
    port = net.inputs[0]
    _, height, width, _ = port.board_shape
    return [
        f"enum {{ WIDTH = {width}, HEIGHT = {height} }};",
        f"static const ChannelLayout LAYOUT = ChannelLayout::{LAYOUTS[port.color]}; /* of the input's channels */",
        *runs,
    ]


def _task_constants(net: Net, sample: Sample) -> list[str]:
    makers = {"classification": _classes, "detection": _detection, "yolo": _yolo}
    out = makers[sample.task](net, sample) if sample.task in makers else []
    if _is_image(net):
        keep = "true" if sample.task == "yolo" else "false"
        out.append(f"static const bool KEEP_ASPECT = {keep}; /* else the picture is stretched */")
        out.append("static const uint8_t PAD = 114; /* around the picture, with KEEP_ASPECT */")
    return out


def _classes(net: Net, sample: Sample) -> list[str]:
    count = math.prod(net.outputs[0].shape)
    return [f"enum {{ CLASSES = {count} }};", "static const int BEST = 5;", *_labels(sample, count)]


def _labels(sample: Sample, count: int) -> list[str]:
    """Names of the classes, those that have none by an empty text."""
    names = ", ".join(_quoted(text) for text in sample.labels[:count])
    size = min(len(sample.labels), count)
    table = f"static const char *const LABELS[] = {{{names or 'NULL'}}};"
    look = f'static const char *label(int i)\n{{\n    return i >= 0 && i < {size} ? LABELS[i] : "";\n}}'
    return [table, look]


def _quoted(text: str) -> str:
    """A string of C++: no character of it ends the string, and ?? begins no trigraph."""
    plain = {'"': '\\"', "\\": "\\\\", "?": "\\?"}
    letters = (plain.get(c) or (c if c.isprintable() else _octal(c)) for c in text)
    return f'"{"".join(letters)}"'


def _octal(letter: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in letter.encode())


def _float(value: float) -> str:
    text = f"{value:g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _detection(net: Net, sample: Sample) -> list[str]:
    found = _tables(net)
    assert found is not None
    boxes, scores = (net.outputs[i] for i in found)
    columns = scores.shape[2]
    background = sample.background if sample.background is not None else 0 if columns == 2 else -1
    classes = columns - (background == 0)
    return [
        f"enum {{ BOX_OUTPUT = {found[0]}, SCORE_OUTPUT = {found[1]}, ROWS = {boxes.shape[1]}, COLUMNS = {columns} }};",
        f"enum {{ {_strides('BOX', boxes)}, {_strides('SCORE', scores)} }};",
        f"enum {{ CLASSES = {classes}, BACKGROUND = {background} }}; /* the class that is no object, -1: none */",
        f"static const bool IS_CENTER = {str(sample.is_center).lower()}; /* center and size, else corners */",
        f"static const bool IS_RELATIVE = {str(sample.is_relative).lower()}; /* parts of the input, else its pixels */",
        *_thresholds(sample),
        *_labels(sample, classes),
    ]


def _strides(name: str, port: Port) -> str:
    """Elements from one row of a (1, N, C) output, and from one column, to the next, as it is stored."""
    step = dict.fromkeys(range(3), 0)
    for axis, at in zip(port.axes, range(3), strict=True):
        step[axis] = math.prod(port.board_shape[at + 1 :])
    return f"{name}_ROW = {step[1]}, {name}_COLUMN = {step[2]}"


def _thresholds(sample: Sample) -> list[str]:
    return [
        f"static const float THRESHOLD = {_float(sample.threshold)};",
        "static const float NMS_THRESHOLD = 0.3f;",
    ]


def _yolo(net: Net, sample: Sample) -> list[str]:
    boxes = _boxes_of_heads(net, sample.anchors)
    width = net.inputs[0].board_shape[2]
    strides = ", ".join(f"{width // port.board_shape[2]}" for port in net.outputs)
    anchors = ", ".join(f"{value:g}" for value in sample.anchors)
    classes = net.outputs[0].board_shape[3] // boxes - 5
    return [
        f"enum {{ HEADS = {len(net.outputs)}, BOXES = {boxes}, CLASSES = {classes} }};",
        f"static const float STRIDES[HEADS] = {{{strides}}};",
        f"static const float ANCHORS[HEADS * BOXES * 2] = {{{anchors}}};",
        f"static const DetectorType DETECTOR = DetectorType::{DETECTORS[sample.detector]};",
        *_thresholds(sample),
        *_labels(sample, classes),
    ]


def read_labels(path: Path) -> tuple[str, ...]:
    """Names of classes, one a line.

    Raises: BuildError: the file cannot be read.
    """
    need = "a text file in UTF-8, a name in each line"
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "").lower()
        raise BuildError("a file of labels cannot be read", where=str(path), found=found, need=need) from None
    except UnicodeDecodeError as error:
        found = f"byte {error.object[error.start]:#04x} at {error.start}"
        raise BuildError("a file of labels is not text", where=str(path), found=found, need=need) from None
