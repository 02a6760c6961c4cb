"""The main job, end to end: convert through the command line, run, compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from PIL import Image

import magik_core
from magik_core import pipeline, plugins
from magik_core.config import Config
from tests.cli.conftest import Done
from tests.cli.models import DIGITS, FLOAT, one, samples, weights, write

Magik = Callable[..., Done]
KEYS = {"model", "soc", "outputs", "arena_bytes", "arena_lower_bound", "weight_bytes", "macs", "steps"}
KEYS |= {"calibration_samples", "seconds"}


@pytest.fixture
def calib(tmp_path: Path) -> Path:
    return samples(tmp_path / "calib.npy", count=3)


@pytest.mark.parametrize("soc", ["T40", "X2500", "T41", "A1", "host"])
def test_digits_for_every_chip(
    magik: Magik, tmp_path: Path, calib: Path, everything: plugins.Plugins, soc: str
) -> None:
    done = magik("convert", DIGITS, "-o", tmp_path / "d", "--soc", soc, "--calib", calib, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found.keys() >= KEYS
    assert (found["soc"], found["model"], found["calibration_samples"]) == (soc, str(DIGITS), 3)
    assert found["outputs"] == [str(tmp_path / f"d{suffix}") for suffix in (".bin", ".mgk", ".mk.h")]
    assert 0 < found["arena_lower_bound"] <= found["arena_bytes"] and found["macs"] > 10**5
    x = samples(tmp_path / "x.npy", count=1)
    for name in ("d.bin", "d.mgk"):
        assert magik("run", tmp_path / name, x, "-o", tmp_path / f"{name}.npy").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "d.bin.npy"), np.load(tmp_path / "d.mgk.npy"))


def test_the_same_bytes_every_time(magik: Magik, tmp_path: Path, calib: Path) -> None:
    """From another folder, process and hash seed, with other threads, on another day."""
    command = ["convert", str(DIGITS), "--calib", str(calib), "--mean", "127", "--normal", "128"]
    assert magik(*command, "-o", tmp_path / "d").code == 0
    assert magik(*command, "-o", tmp_path / "other/d", "--threads", "2").code == 0
    later = "import time; now = time.time; time.time = lambda: now() + 1e8\n"
    code = f"{later}import sys; from magik_core.cli import main; sys.exit(main())"
    args = [*command, "-o", str(tmp_path / "third/d"), "--threads", "3"]
    env = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True, env=env)
    for suffix in (".bin", ".mgk", ".mk.h"):
        want = (tmp_path / f"d{suffix}").read_bytes()
        assert (tmp_path / f"other/d{suffix}").read_bytes() == want
        assert (tmp_path / f"third/d{suffix}").read_bytes() == want
        for path in (tmp_path, DIGITS.parent, Path.home(), Path(sys.prefix)):
            assert str(path).encode() not in want


def test_float_is_close_to_onnxruntime(magik: Magik, tmp_path: Path) -> None:
    x = samples(tmp_path / "x.npy", count=1)
    assert magik("convert", DIGITS, "-o", tmp_path / "d", "--float").code == 0
    assert magik("run", tmp_path / "d.bin", x, "-o", tmp_path / "y.npy").code == 0
    session = ort.InferenceSession(DIGITS, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), session.run(None, {"image": np.load(x)})[0], atol=1e-4)


def test_a_graph_that_is_already_loaded(tmp_path: Path) -> None:
    model = ir.from_proto(onnx.load(DIGITS))
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    result = magik_core.convert(model, tmp_path / "d.bin", is_float=True)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before
    magik_core.convert(DIGITS, tmp_path / "file.bin", is_float=True)
    x = np.ones((1, 3, 32, 32), np.float32)
    (a,), (b,) = (magik_core.load(tmp_path / name).run(x).values() for name in ("d.bin", "file.bin"))
    np.testing.assert_array_equal(a, b)
    assert result.outputs[0] == tmp_path / "d.bin"


def _two_inputs(path: Path) -> Path:
    nodes = [
        helper.make_node("Conv", ["left/in", "w"], ["a"], "conv"),
        helper.make_node("Add", ["a", "right"], ["sum"], "add"),
        helper.make_node("Sigmoid", ["sum"], ["y"], "sigmoid"),
        helper.make_node("Relu", ["sum"], ["z"], "relu"),
    ]
    inputs = [("left/in", FLOAT, [1, 3, 8, 8]), ("right", FLOAT, [1, 4, 6, 6])]
    outputs = [("y", FLOAT, [1, 4, 6, 6]), ("z", FLOAT, [1, 4, 6, 6])]
    return write(path, nodes, inputs, outputs, {"w": weights(4, 3, 3, 3)})


def _folder_of_two(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(3):
        (folder / str(i)).mkdir(parents=True)
        np.save(folder / f"{i}/left_in_input.npy", rng.uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32))
        rng.uniform(-1, 1, (1, 4, 6, 6)).astype("<f4").tofile(folder / f"{i}/right.bin")
    return folder


def test_two_inputs_and_their_samples(magik: Magik, tmp_path: Path) -> None:
    model, folder = _two_inputs(tmp_path / "m.onnx"), _folder_of_two(tmp_path / "calib")
    done = magik("convert", model, "-o", tmp_path / "m", "--calib", folder, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["calibration_samples"] == 3
    left, right = folder / "0/left_in_input.npy", folder / "0/right.bin"
    done = magik("run", tmp_path / "m.mgk", f"left/in={left}", f"right={right}", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    feeds = {"left/in": np.load(left), "right": np.fromfile(right, "<f4").reshape(1, 4, 6, 6)}
    want = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)
    for name, y in zip("yz", want, strict=True):
        np.testing.assert_allclose(np.load(tmp_path / f"out/{name}.npy"), y, atol=0.08)
    (folder / "1/right.bin").unlink()
    done = magik("convert", model, "-o", tmp_path / "n", "--calib", folder)
    assert done.code == 1 and "sample has no file for input 'right'" in done.err


def test_outputs_come_in_the_order_that_was_asked(magik: Magik, tmp_path: Path) -> None:
    model = _two_inputs(tmp_path / "m.onnx")
    for names in ("z,y", "y,z", "sum,z"):
        assert magik("convert", model, "-o", tmp_path / "m", "--float", "--outputs", names).code == 0
        assert [p.name for p in magik_core.load(tmp_path / "m.mgk").outputs] == names.split(",")


def test_a_cut_is_what_lies_between(magik: Magik, tmp_path: Path) -> None:
    options = ("--float", "--inputs", "hardswish", "--outputs", "hardswish_1,add")
    assert magik("convert", DIGITS, "-o", tmp_path / "d", *options).code == 0
    net = magik_core.load(tmp_path / "d.mgk")
    assert [p.name for p in net.inputs] == ["hardswish"]
    x = np.random.default_rng(0).uniform(-1, 1, net.inputs[0].shape).astype(np.float32)
    cut = tmp_path / "cut.onnx"
    onnx.utils.extract_model(str(DIGITS), str(cut), ["hardswish"], ["hardswish_1", "add"])
    want = ort.InferenceSession(cut, providers=["CPUExecutionProvider"]).run(None, {"hardswish": x})
    for y, w in zip(net.run(x).values(), want, strict=True):
        np.testing.assert_allclose(y, w, atol=1e-4)


def test_raw_bytes_go_in(magik: Magik, tmp_path: Path) -> None:
    """A UINT8 input is read as numbers, whatever computes on it in codes or in f32."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], "t", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["t"], ["f"], "cast", to=FLOAT),
        helper.make_node("Div", ["f", "k"], ["d"], "div"),
        helper.make_node("Conv", ["d", "w"], ["y"], "conv"),
    ]
    constants = {"k": np.float32(255), "w": weights(4, 3, 3, 3)}
    x, y = ("x", TensorProto.UINT8, [1, 8, 8, 3]), ("y", FLOAT, [1, 4, 6, 6])
    model = write(tmp_path / "m.onnx", nodes, [x], [y], constants)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    (want,) = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": pixels})
    for flags, bound in ((("--float",), 1e-5), (("--calib", tmp_path / "x.npy"), 0.08)):
        done = magik("convert", model, "-o", tmp_path / "m", *flags)
        assert done.code == 0, done.err
        (got,) = magik_core.load(tmp_path / "m.bin").run(pixels).values()
        np.testing.assert_allclose(got, want, atol=bound)


@pytest.mark.parametrize(("dtype", "result"), [(TensorProto.INT32, np.int32), (TensorProto.FLOAT, np.float32)])
def test_bytes_are_cast_to_numbers(tmp_path: Path, dtype: int, result: type) -> None:
    model = one(tmp_path / "m.onnx", "Cast", dtype=TensorProto.UINT8, shape=(2, 4), result=dtype, to=dtype)
    magik_core.convert(model, tmp_path / "m", is_float=True)
    (y,) = magik_core.load(tmp_path / "m.bin").run(np.array([[0, 1, 128, 255]] * 2, np.uint8)).values()
    assert (y.dtype, y[0].tolist()) == (result, [0, 1, 128, 255])


# ---- constants in the place of inputs ------------------------------------------------------------


def _switch(path: Path) -> Path:
    """Relu where the scalar input `sr` is 16000, else its negative; `bias` is added."""

    def branch(op: str, name: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, FLOAT, [1, 3])
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [out])

    nodes = [
        helper.make_node("Equal", ["sr", "rate"], ["is_wide"]),
        helper.make_node(
            "If", ["is_wide"], ["r"], "if", then_branch=branch("Relu", "t"), else_branch=branch("Neg", "e")
        ),
        helper.make_node("Add", ["r", "bias"], ["y"], "add"),
    ]
    inputs = [("x", FLOAT, [1, 3]), ("sr", TensorProto.INT64, []), ("bias", FLOAT, [3])]
    return write(path, nodes, inputs, [("y", FLOAT, [1, 3])], {"rate": np.array(16000)})


@pytest.mark.parametrize(("rate", "want"), [("16000", [1, 2, 5]), ("8000", [2, 0, 1])])
def test_constants_on_the_command_line(magik: Magik, tmp_path: Path, rate: str, want: list[int]) -> None:
    model, bound = _switch(tmp_path / "m.onnx"), ("--constant", f"sr={rate}", "--constant", "bias=[1, 1, 3.0]")
    assert magik("convert", model, "-o", tmp_path / "m", "--float", *bound).code == 0
    net = magik_core.load(tmp_path / "m.bin")
    assert len(net.inputs) == 1
    (y,) = net.run(np.array([[-1, 1, 2]], np.float32)).values()
    assert y[0].tolist() == want
    assert magik("check", model, *bound).code == 0
    assert magik("check", model).code == 1


def test_constants_in_python(tmp_path: Path) -> None:
    model = _switch(tmp_path / "m.onnx")
    result = magik_core.convert(model, is_float=True, constants={"sr": 16000, "bias": np.zeros(3)})
    assert result.program.inputs == ("x",)
    assert magik_core.check(model, constants={"sr": 8000}) == ()
    for bad in (1.5, 2**70, "16000", [16000], float("nan")):
        with pytest.raises(magik_core.MagikError, match="a constant does not fit its input"):
            magik_core.convert(model, is_float=True, constants={"sr": bad})


def test_the_config_may_be_the_path_of_its_file(tmp_path: Path, calib: Path) -> None:
    path = tmp_path / "model.cfg"
    path.write_text(json.dumps({"SOC": "host", "QUANT_DATASET_PATH": str(calib), "MEAN": [127], "NORMAL": [128]}))
    by_path = pipeline.convert(DIGITS, config=path)
    by_value = pipeline.convert(DIGITS, config=Config.load(path))
    assert by_path.plan == by_value.plan and by_path.macs == by_value.macs
    assert len(repr(by_path)) < 500


def test_without_an_output_it_says_that_nothing_is_written(magik: Magik, calib: Path) -> None:
    done = magik("convert", DIGITS, "--calib", calib)
    assert done.code == 0 and "nothing: pass -o OUT" in done.out + done.err
    assert done.err.startswith("note: no model file is written without -o OUT\nbalance: 1/3")


def test_gray_for_an_image_of_three_channels(magik: Magik, calib: Path, tmp_path: Path) -> None:
    found = "error: COLOR does not fit the input's channels\nwhere: input image\nfound: GRAY\n need: RGB or BGR: 3 chan"
    done = magik("convert", DIGITS, "--calib", calib, "--color", "GRAY")
    assert done.code == 2 and done.err.startswith(found)
    assert magik("convert", DIGITS, "--calib", calib, "-o", tmp_path / "d").code == 0
    Image.new("RGB", (32, 32), (200, 30, 90)).save(tmp_path / "a.png")
    for command in (("run", tmp_path / "d.bin"), ("verify", tmp_path / "d.bin", "--target", "host", "-i")):
        done = magik(*command, tmp_path / "a.png", "--color", "GRAY")
        assert done.code == 2 and done.err.startswith(found)
        assert magik(*command, tmp_path / "a.png", "--color", "BGR").code == 0
    assert "there is no such channel order" in magik(*command, tmp_path / "a.png", "--color", "YUV").err


def test_equalization_and_bias_correction_are_options(magik: Magik, calib: Path, tmp_path: Path) -> None:
    files = []
    for i, options in enumerate(([], ["--no-correct-bias"], ["--equalize"], ["--no-balance"])):
        assert magik("convert", DIGITS, "-o", tmp_path / f"{i}", "--calib", calib, *options).code == 0
        files.append((tmp_path / f"{i}.bin").read_bytes())
    assert files[1] != files[0]
    assert all(magik_core.load(tmp_path / f"{i}.bin").inputs for i in range(4))
