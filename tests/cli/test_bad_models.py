"""Models that cannot be converted: each costs a clear error and the exit code, and leaves no file behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core.ops import convolution
from tests.cli.conftest import Done, Refused
from tests.cli.models import DIGITS, FLOAT, one, weights, write


def _missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _cyclic(path: Path) -> None:
    nodes = [helper.make_node("Relu", ["b"], ["a"], "n1"), helper.make_node("Relu", ["a"], ["b"], "n2")]
    write(path, nodes, [("x", FLOAT, [1, 3])], [("b", FLOAT, [1, 3])])


def _nan(path: Path) -> None:
    model = onnx.load(DIGITS)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 4)
    array = numpy_helper.to_array(weight).copy()
    array.flat[3] = np.nan
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    onnx.save(model, path)


def _dynamic(path: Path) -> None:
    one(path, "Conv", [weights(4, 3, 3, 3)], shape=["n", 3, "h", "w"])


def _condition(path: Path) -> None:
    def branch(op: str, name: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, FLOAT, [1, 3])
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [out])

    node = helper.make_node("If", ["c"], ["y"], "n", then_branch=branch("Relu", "t"), else_branch=branch("Neg", "e"))
    write(path, [node], [("x", FLOAT, [1, 3]), ("c", TensorProto.BOOL, [])], [("y", FLOAT, [1, 3])])


MODELS: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "missing": (_missing, ("there is no such model",)),
    "directory": (Path.mkdir, ("the model is not a file", "found: a directory")),
    "truncated": (
        lambda p: p.write_bytes(DIGITS.read_bytes()[:5000]),
        ("the model is no ONNX file, or a truncated one", "found: 5000 bytes"),
    ),
    "text": (lambda p: p.write_text("hello"), ("the model is no ONNX file, or a truncated one",)),
    "empty": (lambda p: p.write_bytes(b""), ("the model is no ONNX file, or a truncated one", "found: an empty file")),
    "cyclic": (_cyclic, ("the graph has a cycle", "found: 'n1', 'n2'")),
    "nan": (_nan, ("a weight is not a number", "where: initializer '0.weight' in m.onnx", "found: 1 NaN")),
    "dynamic": (_dynamic, ("the size of an input is not known", "hint: INPUT_SHAPE: [[1, 3, ?, ?]]")),
    "condition": (_condition, ("control flow depends on a value", "where: If 'n'", "--constant NAME=VALUE")),
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_that_are_none(refused: Refused, tmp_path: Path, calib: Path, kind: str) -> None:
    make, texts = MODELS[kind]
    make(tmp_path / "m.onnx")
    for command in (("convert", "-o", tmp_path / "out", "--calib", calib), ("check",)):
        err = refused(command[0], tmp_path / "m.onnx", *command[1:], code=2 if kind == "dynamic" else 1)
        assert all(text in err for text in texts), err


def test_a_file_of_no_known_kind(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("hello")
    for command, *flags in (("convert", "--float"), ("check",), ("inspect",)):
        assert "no frontend knows this format" in refused(command, tmp_path / "m.txt", *flags)


WINDOWS = [
    ("Conv", {"strides": [1025, 1]}, "Conv: strides are too large"),
    ("Conv", {"dilations": [1025, 1]}, "Conv: dilations are too large"),
    ("Conv", {"pads": [1025, 0, 0, 0]}, "Conv: pads are too large"),
    ("ConvTranspose", {"strides": [1, 1025]}, "ConvTranspose: strides are too large"),
    ("ConvTranspose", {"output_shape": [4000, 8]}, "ConvTranspose: pads are too large"),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [1025, 1]}, "MaxPool: strides are too large"),
    ("MaxPool", {"kernel_shape": [2, 2], "dilations": [1025, 1]}, "MaxPool: dilations are too large"),
    ("AveragePool", {"kernel_shape": [1200, 2], "pads": [1100, 0, 0, 0]}, "AveragePool: pads are too large"),
]


@pytest.mark.parametrize(("op", "attributes", "text"), WINDOWS)
def test_windows_above_the_loaders_limits(
    refused: Refused, tmp_path: Path, op: str, attributes: dict[str, Any], text: str
) -> None:
    path = one(
        tmp_path / "m.onnx", op, [weights(3, 3, 2, 2)] * op.startswith("Conv"), shape=(1, 3, 1500, 8), **attributes
    )
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert text in err and "where: node 'n'" in err and "need: at most 1024" in err


def test_a_window_at_the_limit_is_taken(magik: Callable[..., Done], tmp_path: Path) -> None:
    path = one(
        tmp_path / "m.onnx",
        "Conv",
        [weights(3, 3, 2, 2)],
        shape=(1, 3, 1500, 8),
        strides=[1024, 1],
        dilations=[1024, 1],
        pads=[1024, 0, 0, 0],
    )
    np.save(tmp_path / "x.npy", np.ones((1, 3, 1500, 8), np.float32))
    assert magik("convert", path, "--float", "-o", tmp_path / "out").code == 0
    assert magik("run", tmp_path / "out.bin", tmp_path / "x.npy").code == 0


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16])
def test_other_floats_are_refused_by_name(refused: Refused, tmp_path: Path, dtype: int) -> None:
    name = TensorProto.DataType.Name(dtype)
    err = refused("convert", one(tmp_path / "m.onnx", "Relu", dtype=dtype), "--float", "-o", tmp_path / "out")
    assert "an input has a type that no kernel reads\nwhere: input 'x'" in err and f"found: {name}" in err
    nodes = [helper.make_node("Cast", ["x"], ["h"], "n", to=dtype), helper.make_node("Cast", ["h"], ["y"], "m", to=1)]
    path = write(tmp_path / "m.onnx", nodes, [("x", FLOAT, [1, 3])], [("y", FLOAT, [1, 3])])
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert f"Cast: to {name}" in err and f"Cast: from {name}" in err and "hint: export the model in float32" in err


def test_sizes_that_no_tensor_has(refused: Refused, tmp_path: Path) -> None:
    def convert(path: Path) -> str:
        return refused("convert", path, "--float", "-o", tmp_path / "out")

    assert "found: 9 axes\n need: at most 8" in convert(one(tmp_path / "m.onnx", "Relu", shape=[1] * 9))
    wide = one(tmp_path / "m.onnx", "Expand", [np.array([1 << 20, 1 << 12])], shape=(1, 1))
    assert "Expand: its output is too large\nwhere: node 'n'\nfound: 4294967296 elements" in convert(wide)
    none = one(tmp_path / "m.onnx", "Slice", [np.array([4]), np.array([4])], shape=(4, 4))
    assert "a tensor has no elements\nwhere: Slice 'n'" in convert(none)


def test_what_has_to_be_constant(refused: Refused, tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "n")
    inputs = [("x", FLOAT, [1, 3, 8, 8]), ("b", FLOAT, [4])]
    path = write(tmp_path / "m.onnx", [node], inputs, [("y", FLOAT, [1, 4, 6, 6])], {"w": weights(4, 3, 3, 3)})
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert "Conv needs a constant bias\nwhere: node 'n'" in err
    inputs = [("x", FLOAT, [1, 3, 8, 8]), ("w", FLOAT, [4, 3, 3, 3])]
    path = write(
        tmp_path / "m.onnx", [helper.make_node("Conv", ["x", "w"], ["y"], "n")], inputs, [("y", FLOAT, [1, 4, 6, 6])]
    )
    assert "Conv needs a constant weight\nwhere: node 'n'" in refused("check", path)


@pytest.mark.parametrize("op", ["Add", "Concat", "Greater"])
def test_arithmetic_on_bytes(refused: Refused, tmp_path: Path, op: str) -> None:
    other = np.ones((1, 3, 8, 8), np.uint8)
    result = TensorProto.BOOL if op == "Greater" else TensorProto.UINT8
    path = one(
        tmp_path / "m.onnx",
        op,
        [other],
        dtype=TensorProto.UINT8,
        result=result,
        **{"axis": 1} if op == "Concat" else {},
    )
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert f"{op}: arithmetic on UINT8\nwhere: node 'n'" in err


def test_everything_missing_is_told_before_calibration(refused: Refused, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Det", ["q"], ["d"], "n_det"),
        helper.make_node("GridSample", ["x", "g"], ["s"], "n_grid"),
        helper.make_node("Conv", ["x", "w"], ["c"], "n_conv", strides=[2000, 1]),
        helper.make_node("Relu", ["c"], ["r"], "n_relu"),
    ]
    inputs = [
        ("x", FLOAT, [1, 3, 8, 8]),
        ("q", FLOAT, [1, 3, 3]),
        ("g", FLOAT, [1, 2, 2, 2]),
        ("h", TensorProto.STRING, [1]),
    ]
    nodes.append(helper.make_node("Identity", ["h"], ["i"], "n_identity"))
    outputs = [
        ("d", FLOAT, [1]),
        ("s", FLOAT, [1, 3, 2, 2]),
        ("r", FLOAT, [1, 4, 1, 6]),
        ("i", TensorProto.STRING, [1]),
    ]
    path = write(tmp_path / "m.onnx", nodes, inputs, outputs, {"w": weights(4, 3, 3, 3)})
    (tmp_path / "empty").mkdir()
    err = refused("convert", path, "-o", tmp_path / "out", "--calib", tmp_path / "empty")
    for text in ("node 'n_det'", "node 'n_grid'", "node 'n_conv'", "input 'h'", "the folder has no calibration data"):
        assert text in err, text
    assert "calibrate:" not in err


@pytest.mark.parametrize(
    ("attributes", "shape", "bias", "text"),
    [
        ({"kernel_shape": [5, 3]}, (4, 3, 3, 3), 4, "found: kernel_shape [5, 3]\n need: [3, 3] for weights"),
        ({"group": 3}, (4, 1, 3, 3), 4, "found: group 3\n need: a divisor of 4"),
        ({}, (4, 3, 3, 3), 5, "found: a bias of [5]\n need: [4]"),
    ],
)
def test_weights_that_do_not_fit(
    refused: Refused, tmp_path: Path, attributes: dict[str, Any], shape: tuple[int, ...], bias: int, text: str
) -> None:
    path = one(tmp_path / "m.onnx", "Conv", [weights(*shape), weights(bias)], **attributes)
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert "the weights of a convolution do not fit\nwhere: Conv 'n'" in err and text in err


def test_bounds_that_are_no_numbers(refused: Refused, tmp_path: Path) -> None:
    path = one(tmp_path / "m.onnx", "Clip", [weights(3)])
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert "Clip: min is no number\nwhere: node 'n'\nfound: 3 values" in err


def test_text_that_is_no_text(refused: Refused, tmp_path: Path) -> None:
    data = DIGITS.read_bytes()
    assert data.count(b"pytorch") == 1
    (tmp_path / "m.onnx").write_bytes(data.replace(b"pytorch", b"pytorc\xc8"))
    err = refused("convert", tmp_path / "m.onnx", "--float", "-o", tmp_path / "out")
    assert "the model holds a field that cannot be read" in err


def test_a_model_that_onnxruntime_does_not_run(
    refused: Refused, tmp_path: Path, calib: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    def fails(*_: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : no")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fails)
    err = refused("convert", DIGITS, "--calib", calib, "-o", tmp_path / "out")
    assert "the float model cannot be run to calibrate\nfound: [ONNXRuntimeError] : 1 : FAIL : no" in err


def test_what_the_loader_refuses_is_not_written(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "MAX_STRIDE", 2000)
    path = one(tmp_path / "m.onnx", "Conv", [weights(3, 3, 2, 2)], shape=(1, 3, 1500, 8), strides=[1025, 1])
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert "the runtime would refuse the model\nwhere: node 'n'\nfound: a parameter of a step is out of" in err
