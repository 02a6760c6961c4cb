"""Each command: what it asks of the library, and what it prints of the answer."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from magik_core import library, net, pipeline, plugins
from magik_core.cli._feeds import feeds
from magik_core.config import Config
from magik_core.errors import LoadError
from magik_core.legalize import Finding
from magik_core.net import Port
from tests.cli.models import DIGITS, samples
from tests.core.test_config import FULL, TEXTS

RESULT = {
    "model": "m.onnx",
    "soc": "T41",
    "outputs": ["m.bin", "m.mgk"],
    "arena_bytes": 3 << 20,
    "arena_lower_bound": 1000,
    "weight_bytes": 2_000_000,
    "macs": 123_456_789,
    "steps": 40,
    "float_steps": 2,
    "calibration_samples": 20,
    "imported_values": 7,
    "seconds": 1.25,
    "notices": 3,
    "warnings": ["2 steps stay in f32"],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `convert` asked of the pipeline, which is replaced by one that answers RESULT."""
    out: dict[str, Any] = {}

    def convert(model: Path, output: Path | None, **options: Any) -> Any:
        out.update(model=model, output=output, **options)
        options["progress"]("calibrate", 20, 20)
        options["notes"]("node: declined")
        return SimpleNamespace(to_json=lambda: RESULT, debug=None)

    monkeypatch.setattr(pipeline, "convert", convert)
    return out


OPTIONS = {
    "SOC": "--soc",
    "INPUT": "--inputs",
    "INPUT_SHAPE": "--input-shape",
    "MEAN": "--mean",
    "NORMAL": "--normal",
    "COLOR": "--color",
    "OUTPUT": "--outputs",
    "QUANT_DATASET_PATH": "--calib",
    "QUANT_DATASET_SIZE": "--calib-size",
    "QUANT_FEATURE_METHOD": "--feature-method",
    "QUANT_WEIGHT_METHOD": "--weight-method",
    "FRONTEND": "--frontend",
}


def test_convert_passes_everything_on(magik, asked) -> None:
    magik("convert", "m.onnx", "-o", "m.bin", "--frontend", "onnx", "--float", "--threads", "2")
    assert (asked["model"], asked["output"]) == (Path("m.onnx"), Path("m.bin"))
    assert (asked["recipe"].is_float, asked["threads"]) == (True, 2)
    assert asked["config"] == Config(frontend="onnx")


def test_options_of_a_frontend(magik, asked) -> None:
    flags = ("--frontend-option", "width=0.5", "--frontend-option", "name=net", "--model", "a.b:c", "--allow-pickle")
    assert magik("convert", "m.pt", *flags).code == 0
    want = {"width": 0.5, "name": "net", "model": "a.b:c", "allow_pickle": True}
    assert asked["config"].frontend_options == want
    assert magik("convert", "m.pt", "--set", f"FRONTEND_OPTIONS={json.dumps(want)}").code == 0
    assert asked["config"].frontend_options == want
    done = magik("convert", "m.pt", "--frontend-option", "width", "--frontend-option", "=3")
    assert done.code == 2
    assert done.err.count("--frontend-option wants a name and a value") == 2


@pytest.mark.parametrize("key", OPTIONS)
def test_every_key_by_its_option_and_by_set(magik, asked, key: str) -> None:
    want = Config.parse({key: FULL[key]})
    assert magik("convert", "m.onnx", OPTIONS[key], TEXTS[key]).code == 0
    assert asked["config"] == want
    assert magik("convert", "m.onnx", "--set", f"{key}={TEXTS[key]}").code == 0
    assert asked["config"] == want


def test_the_command_line_wins_over_the_file(magik, asked, tmp_path: Path) -> None:
    path = tmp_path / "magik.cfg"
    path.write_text(json.dumps(FULL))
    magik("convert", "m.onnx", "--config", path, "--set", "SOC=T40", "--mean", "5")
    assert asked["config"] == Config.parse({**FULL, "SOC": "T40", "MEAN": [5]})


def test_convert_prints(magik, asked) -> None:
    done = magik("convert", "m.onnx", "-o", "m.bin")
    assert done.code == 0
    lines = dict(line.split(None, 1) for line in done.out.splitlines() if line.strip())
    assert lines["steps"].strip() == "40, 2 of them float"
    assert lines["MACs"].strip() == "123,456,789"
    assert lines["arena"].strip() == "3.00 MiB (3,145,728 bytes), lower bound 1,000 bytes"
    assert lines["kept"].strip() == "the quantization of 7 values"
    assert lines["wrote"].strip() == "m.mgk"
    assert done.err == "calibrate: 20/20\nwarning: 2 steps stay in f32\n"
    assert "note: node: declined\n" in magik("convert", "m.onnx", "-v").err


def test_convert_json_is_pure(magik, asked) -> None:
    done = magik("convert", "m.onnx", "--json")
    assert json.loads(done.out) == RESULT


BLOCKER = Finding("Conv_1", "Conv", "t41.memory_bytes", "at most 9 bytes", "10 bytes", "a smaller input")
NOTICE = Finding("Erf_2", "Erf", "t41.nna_operator", "an operator of the manual", "operator Erf", "", True)


@pytest.mark.parametrize(
    ("findings", "code", "words"),
    [
        ((), 0, "0 blockers, 0 notices"),
        ((NOTICE,), 0, "0 blockers, 1 notice"),
        ((NOTICE, BLOCKER), 1, "1 blocker, 1 notice"),
    ],
)
def test_check(magik, monkeypatch, findings: tuple[Finding, ...], code: int, words: str) -> None:
    monkeypatch.setattr(pipeline, "check", lambda model, **_: findings)
    done = magik("check", "m.onnx", "--soc", "T41")
    assert done.code == code
    assert done.err == f"m.onnx on T41: {words}\n"
    for finding in findings:
        assert finding.check in done.out and finding.found in done.out and finding.need in done.out
    if len(findings) == 2:
        assert done.out.index("blocker ") < done.out.index("notice ")
    done = magik("check", "m.onnx", "--soc", "T41", "--json")
    assert done.code == code
    assert [f["node"] for f in json.loads(done.out)["findings"]] == [f.node for f in findings]


@dataclass
class FakeNet:
    """Doubles its inputs."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    states: tuple[Port, ...] = ()

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        first = next(iter(feeds.values()))
        return {port.name: first.astype(np.float32) * (2 + i) for i, port in enumerate(self.outputs)}

    def run_quantized(self, feeds: dict[str, Any]) -> dict[str, Any]:
        return {name: array.astype(np.uint8) for name, array in self.run(feeds).items()}


def _port(name: str, shape: tuple[int, ...] = (1, 3)) -> Port:
    return Port(name, shape, shape, "u8", 1.0, 0.0, 8, tuple(range(len(shape))))


@pytest.fixture
def load(monkeypatch):
    """Let `net.load` return a FakeNet with these inputs and outputs; returns what it was asked."""

    def set_(inputs: str, outputs: str, shape: tuple[int, ...] = (1, 3)) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def fake(path: Path, *, threads: int) -> FakeNet:
            asked.update(path=path, threads=threads)
            return FakeNet(tuple(_port(n, shape) for n in inputs.split()), tuple(_port(n) for n in outputs.split()))

        monkeypatch.setattr(net, "load", fake)
        return asked

    return set_


@pytest.fixture
def x(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.array([[1.0, 2.0, 3.0]], np.float32))
    return tmp_path / "x.npy"


def test_run_writes_npy(magik, load, x: Path, tmp_path: Path) -> None:
    asked = load("a", "y z/1 z_1")
    done = magik("run", "m.bin", x, "-o", tmp_path / "out", "--threads", "3", "--json")
    assert done.code == 0
    assert asked == {"path": Path("m.bin"), "threads": 3}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["y.npy", "z_1.npy", "z_1_2.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "out/z_1_2.npy"), [[4, 8, 12]])
    first = json.loads(done.out)["outputs"][0]
    assert first == {
        "name": "y",
        "shape": [1, 3],
        "dtype": "float32",
        "min": 2.0,
        "max": 6.0,
        "path": str(tmp_path / "out/y.npy"),
    }


def test_run_writes_one_file(magik, load, x: Path, tmp_path: Path) -> None:
    load("a", "y")
    assert magik("run", "m.bin", f"a={x}", "-o", tmp_path / "new/y.npy", "--quantized").code == 0
    y = np.load(tmp_path / "new/y.npy")
    assert (y.dtype, y.tolist()) == (np.uint8, [[2, 4, 6]])
    load("a", "y z")
    done = magik("run", "m.bin", x, "-o", tmp_path / "y.npy")
    assert done.code == 2
    assert "error: one file cannot hold several outputs" in done.err


def test_run_prints(magik, load, x: Path) -> None:
    load("a", "y")
    done = magik("run", "m.bin", x)
    assert done.out.split() == [
        "name",
        "shape",
        "dtype",
        "min",
        "max",
        "path",
        "y",
        "1x3",
        "float32",
        "2",
        "6",
    ]


def test_run_reads_npz_image_and_bin(magik, load, tmp_path: Path) -> None:
    from PIL import Image

    load("a b", "y")
    np.savez(tmp_path / "all.npz", a=np.ones((1, 3)), b=np.ones((1, 3)))
    assert magik("run", "m.bin", tmp_path / "all.npz").code == 0
    load("a", "y", (1, 3, 2, 2))
    Image.new("RGB", (2, 2), (10, 20, 30)).save(tmp_path / "i.png")
    (tmp_path / "i.bin").write_bytes(bytes([7] * 12))
    done = magik("run", "m.bin", tmp_path / "i.png", "--color", "BGR", "-o", tmp_path / "y.npy")
    assert done.code == 0, done.err
    assert np.load(tmp_path / "y.npy")[0, :, 0, 0].tolist() == [60, 40, 20]
    done = magik("run", "m.bin", tmp_path / "i.bin", "-o", tmp_path / "y.npy")
    assert done.code == 0, done.err
    assert np.load(tmp_path / "y.npy").max() == 14


@pytest.mark.parametrize(("options", "is_warned"), [((), True), (("--mean", "0", "--normal", "255"), False)])
def test_pictures_for_an_input_of_small_reals_are_warned_of(
    magik, tmp_path: Path, options: tuple[str, ...], is_warned: bool
) -> None:
    data = samples(tmp_path / "calib.npy", value=None if options else 0.5)
    Image.new("RGB", (32, 32), (200, 100, 0)).save(tmp_path / "a.png")
    assert magik("convert", DIGITS, "-o", tmp_path / "net", "--calib", data, *options).code == 0
    done = magik("run", tmp_path / "net.bin", tmp_path / "a.png")
    text = "pixels are 0 to 255: convert with --mean and --normal"
    assert (done.code, text in " ".join(done.err.split())) == (0, is_warned)


@pytest.mark.parametrize(
    ("args", "texts"),
    [
        (("a=x.npy",), ["error: an input is missing\nwhere: b\n\n hint: add b=PATH"]),
        (
            ("x.npy",),
            ["error: which input is this file for?\nwhere: x.npy\n need: NAME=PATH for each input: a, b"],
        ),
        (
            ("c=x.npy",),
            ["the model has no such input\nwhere: c\n need: one of: a, b", "where: a\n", "where: b\n"],
        ),
    ],
)
def test_run_with_wrong_inputs(magik, load, x: Path, monkeypatch, args: tuple[str, ...], texts: list[str]) -> None:
    monkeypatch.chdir(x.parent)
    load("a b", "y")
    done = magik("run", "m.bin", *args)
    assert (done.code, done.out) == (1, "")
    assert all(text in done.err for text in texts), done.err


@pytest.mark.parametrize(("color", "channel"), [(None, 2), ("BGR", 2), ("RGB", 0)])
def test_run_reads_images_in_the_models_order(tmp_path: Path, color: str | None, channel: int) -> None:
    Image.new("RGB", (2, 1), (255, 0, 0)).save(tmp_path / "red.png")
    port = Port("x", (1, 3, 1, 2), (1, 1, 2, 3), "u8", 1.0, 0.0, 8, (0, 2, 3, 1), "BGR")
    net = SimpleNamespace(inputs=(port,))
    found = feeds(net, [str(tmp_path / "red.png")], color)["x"]
    assert [found[0, c].max() for c in range(3)] == [255 * (c == channel) for c in range(3)]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("none.npy", None, "found: no file none.npy in /"),
        ("text.npy", b"hello", "error: not a numpy file"),
        ("empty.npy", b"", "error: not a numpy file"),
        ("bad.npz", b"PK\x03\x04", "error: not a numpy file"),
    ],
)
def test_run_with_wrong_files(magik, load, tmp_path: Path, name: str, content: bytes | None, text: str) -> None:
    load("a", "y")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = magik("run", "m.bin", tmp_path / name)
    assert done.code == 1
    assert text in done.err


def test_run_never_unpickles(magik, load, tmp_path: Path) -> None:
    load("a", "y")
    np.save(tmp_path / "p.npy", np.array([{}], object), allow_pickle=True)
    done = magik("run", "m.bin", tmp_path / "p.npy")
    assert done.code == 1
    assert "without pickled objects" in done.err


def test_plugins(magik, everything: plugins.Plugins) -> None:
    done = magik("plugins")
    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert ["soc", "T41", "magik-backend-t41"] in [row[:3] for row in rows]
    found = json.loads(magik("plugins", "--json").out)
    assert {"T40", "X2500", "T41", "A1", "host", "onnx", "KL"} <= {item["name"] for item in found["plugins"]}
    assert found["failures"] == []


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An ONNX model with one input; its batch is free in "free.onnx"."""
    for name, batch in (("fixed", 1), ("free", "n")):
        x = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, 8, 8])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3, 8, 8])
        graph = helper.make_graph([helper.make_node("Relu", ["images"], ["y"])], "g", [x], [y])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / f"{name}.onnx")
    return tmp_path / "fixed.onnx"


def test_init_writes_the_template(magik, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = magik("init")
    assert (done.code, done.out, done.err) == (0, "", "wrote magik.cfg\n")
    assert (tmp_path / "magik.cfg").read_text() == (
        '{\n  "SOC": "",\n  "INPUT": [],\n  "INPUT_SHAPE": [],\n  "MEAN": [],\n  "NORMAL": [],\n'
        '  "COLOR": [],\n'
        '  "OUTPUT": [],\n  "QUANT_DATASET_PATH": "./path/to/"\n}\n'
    )
    again = magik("init")
    assert again.code == 2
    assert "hint: pass --force to replace it" in again.err
    assert magik("init", "--force").code == 0


def test_init_from_a_model(magik, model: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    assert magik("init", model, "-o", tmp_path / "a.cfg").code == 0
    config = Config.load(tmp_path / "a.cfg")
    assert (config.input, config.input_shape, config.output) == (("images",), ((1, 3, 8, 8),), ("y",))
    done = magik("init", tmp_path / "free.onnx", "-o", tmp_path / "b.cfg")
    assert "INPUT_SHAPE is left empty: the model's shapes are not fixed" in done.err
    assert Config.load(tmp_path / "b.cfg").input_shape == ()


def test_init_asks_on_a_terminal(magik, model: Path, tmp_path: Path, monkeypatch) -> None:
    import typer

    answers = {"SoC": "T41", "Channel": "BGR", "Mean": "104,117,123", "Divisor": "", "Calibration": "pics"}
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(typer, "prompt", lambda text, **_: answers[text.split()[0].strip(",")])
    done = magik("init", model, "-o", tmp_path / "a.cfg")
    assert done.code == 0, done.err
    assert Config.load(tmp_path / "a.cfg") == Config.parse(
        {
            "SOC": "T41",
            "INPUT": ["images"],
            "INPUT_SHAPE": [1, 3, 8, 8],
            "OUTPUT": ["y"],
            "COLOR": ["BGR"],
            "MEAN": [104, 117, 123],
            "QUANT_DATASET_PATH": "pics",
        }
    )


def test_init_of_no_model(magik, tmp_path: Path) -> None:
    done = magik("init", tmp_path / "none.onnx", "-o", tmp_path / "a.cfg")
    assert done.code == 1
    assert not list(tmp_path.iterdir())


def test_doctor(magik, monkeypatch) -> None:
    monkeypatch.setattr(library, "library", lambda: None)
    monkeypatch.setattr(library, "path", lambda: Path("/there/libmagik.so"))
    done = magik("doctor", "--json")
    found = {item["name"]: item for item in json.loads(done.out)}
    assert done.code == 0, done.out
    assert found["C library"]["found"] == "/there/libmagik.so"
    assert found["onnxruntime"]["state"] == "ok"
    assert "host" in found["socs"]["found"]
    assert {"cmake", "make", "ssh", "compiler for this machine", "compiler for MIPS"} <= found.keys()


def test_doctor_finds_what_is_broken(magik, monkeypatch) -> None:
    def none() -> None:
        raise LoadError("the C runtime was not found", found="no libmagik.so", hint="build it")

    monkeypatch.setattr(library, "library", none)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CROSS_COMPILE", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # no zig, which needs no PATH
    done = magik("doctor")
    assert done.code == 1
    lines = [line.split(None, 1) for line in done.out.splitlines()]
    states = {rest.split("  ")[0].strip(): state for state, rest in lines[1:]}
    assert (states["C library"], states["onnxruntime"], states["numpy"]) == ("broken", "broken", "ok")
    assert (states["make"], states["compiler for this machine"]) == ("missing", "missing")


def test_new_soc_passes_its_own_test_and_the_contract(magik, tmp_path: Path) -> None:
    done = magik("new", "soc", "Z80", "--directory", tmp_path)
    assert done.code == 0, done.err
    folder = tmp_path / "backend_z80"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "README.md",
        "magik_backend_z80/__init__.py",
        "magik_backend_z80/checks.py",
        "magik_backend_z80/py.typed",
        "magik_backend_z80/soc.py",
        "pyproject.toml",
        "test_z80.py",
    ]
    assert "@" not in (folder / "pyproject.toml").read_text()
    # as pip leaves it: the package and its metadata on the path
    info = folder / "magik_backend_z80-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: magik-backend-z80\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[magik]\nz80 = magik_backend_z80\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    root = Path(__file__).resolve().parents[2]
    env = {"PYTHONPATH": f"{root}:{folder}", "PATH": "/usr/bin:/bin"}
    test = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env)
    assert test.returncode == 0, test.stdout + test.stderr
    assert "2 passed" in test.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "magik_core", "plugins"], capture_output=True, text=True, env=env, check=True
    )
    assert ["soc", "Z80", "magik-backend-z80", "0.1.0"] in [line.split() for line in listed.stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("4T", "error: not a name for a chip"),
        ("a/b", "error: not a name for a chip"),
        ("HOST", "there is such a chip"),
    ],
)
def test_new_soc_refuses(magik, tmp_path: Path, name: str, text: str) -> None:
    done = magik("new", "soc", name, "--directory", tmp_path)
    assert done.code == 2
    assert text in done.err
    assert not list(tmp_path.iterdir())


def test_new_soc_replaces_nothing(magik, tmp_path: Path) -> None:
    (tmp_path / "backend_z80").mkdir()
    done = magik("new", "soc", "z80", "--directory", tmp_path)
    assert done.code == 2
    assert "error: the folder exists" in done.err
    assert not list((tmp_path / "backend_z80").iterdir())
