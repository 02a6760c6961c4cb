"""What is installed from wheels works by itself: no checkout, nothing but what the metadata asks for."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.data.torch import make
from tests.frontends import mxnet_files

pytestmark = pytest.mark.slow
DIGITS = ROOT / "examples/digits/digits.onnx"
DISTRIBUTIONS = {
    "core": ROOT,
    "t40": ROOT / "plugins/backend_t40",
    "t41": ROOT / "plugins/backend_t41",
    "caffe": ROOT / "plugins/frontend_caffe",
    "mxnet": ROOT / "plugins/frontend_mxnet",
    "tf": ROOT / "plugins/frontend_tf",
    "torch": ROOT / "plugins/frontend_torch",
    "trainingkit": ROOT / "plugins/trainingkit",
}
BROKEN = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "magik-broken"
version = "0.1.0"

[project.entry-points.magik]
broken = "magik_broken"

[tool.hatch.build.targets.wheel]
packages = ["magik_broken"]
""",
    "magik_broken/__init__.py": 'raise RuntimeError("made to fail")\n',
}


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Environment:
    """A virtual environment outside the checkout; commands run beside it, without the caller's paths."""

    folder: Path

    def run(self, program: str, *args: object) -> Done:
        variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        command = [str(self.folder / "env/bin" / program), *map(str, args)]
        done = subprocess.run(
            command, cwd=self.folder, env={**variables, "NO_COLOR": "1"}, capture_output=True, text=True
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def pip(self, *args: object) -> None:
        done = self.run("python", "-m", "pip", "--disable-pip-version-check", "--quiet", *args)
        assert done.code == 0, done.err

    def convert(self, soc: str) -> Done:
        return self.run("magik", "convert", DIGITS, "-o", f"{soc}.bin", "--soc", soc, "--calib", "samples.npy",
                        "--mean", "127", "--normal", "128")  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Per distribution its sdist and the wheel that is built from that sdist."""
    out = {}
    for name, source in DISTRIBUTIONS.items():
        folder = tmp_path_factory.mktemp(name)
        done = subprocess.run(
            [sys.executable, "-m", "build", "--outdir", folder, source], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        out[name] = [next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))]
    return out


@pytest.fixture(scope="module")
def env(built: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Only magik-core and what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    rng = np.random.default_rng(0)
    np.save(folder / "samples.npy", rng.integers(0, 256, (4, 3, 32, 32)).astype(np.float32))
    np.save(folder / "one.npy", rng.integers(0, 256, (1, 3, 32, 32)).astype(np.float32))
    environment = Environment(folder)
    environment.pip("install", built["core"][1])
    return environment


def test_contents(built: dict[str, list[Path]]) -> None:
    """The wheel has the library, the data files, and the C sources that a board's program is built from."""
    inside = set(zipfile.ZipFile(built["core"][1]).namelist())
    with tarfile.open(built["core"][0]) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("magik_core", "magik_transformer")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".so")
    }
    assert len([name for name in sources if name.endswith(".c")]) > 50
    assert sources - inside == set()
    assert sources - packed == set()
    assert {"magik_core/html.css", "magik_core/html.js", "magik_core/py.typed"} <= inside
    added = {name for name in inside - sources if ".dist-info/" not in name}
    assert added in ({"magik_core/libmagik.so"}, {"magik_core/libmagik.dylib"})
    for name, (_, wheel) in built.items():
        names = zipfile.ZipFile(wheel).namelist()
        assert any(entry.endswith("licenses/LICENSE") for entry in names), name
        assert any(entry.endswith("/py.typed") for entry in names), name
        assert not [entry for entry in names if "test" in entry.split("/")[0]], name


def test_core_alone(env: Environment) -> None:
    assert env.run("magik", "--version") == Done(0, "magik 0.1.0\n", "")
    vendors = env.run("magik-transform-tools", "--version")
    assert (vendors.code, vendors.out[:40]) == (0, "INFO(magik): magik-transform-tools versi")
    code = "from magik_transformer.magik_transform import magik_transform; print(magik_transform.__name__)"
    assert env.run("python", "-c", code) == Done(0, "magik_transform\n", "")
    listed = env.run("magik", "plugins")
    assert (listed.code, listed.err) == (0, "")
    assert "host" in listed.out and "T41" not in listed.out
    where = env.run("python", "-c", "import magik_core; print(magik_core.__file__)").out
    assert where.startswith(str(env.folder))
    refused = env.convert("T41")
    assert refused.code == 2
    assert "SoC T41 is not installed" in refused.err
    assert "pip install magik-backend-t41" in refused.err
    assert not (env.folder / "T41.bin").exists()
    done = env.convert("host")
    assert done.code == 0, done.err
    ran = env.run("magik", "run", "host.bin", "one.npy", "-o", "y.npy")
    assert ran.code == 0, ran.err
    y = np.load(env.folder / "y.npy")
    assert y.shape == (1, 10)
    assert abs(y.sum() - 1) < 0.05
    assert env.run("python", "-m", "pip", "check").code == 0


def test_backends_by_install(env: Environment, built: dict[str, list[Path]]) -> None:
    """`pip install magik-backend-t41` and nothing else makes the chip known."""
    env.pip("install", "--no-index", built["t41"][1])
    done = env.convert("T41")
    assert done.code == 0, done.err
    assert env.run("magik", "run", "T41.bin", "one.npy").code == 0
    assert "pip install magik-backend-t40" in env.convert("T40").err
    env.pip("install", "--no-index", built["t40"][1])
    done = env.convert("T40")
    assert done.code == 0, done.err
    assert env.run("python", "-m", "pip", "check").code == 0


def test_caffe_by_install(env: Environment, built: dict[str, list[Path]]) -> None:
    """`pip install magik-frontend-caffe` and nothing else makes the format known."""
    model = ROOT / "tests/data/caffe/classifier.prototxt"
    refused = env.run("magik", "inspect", model)
    assert "pip install magik-frontend-caffe" in refused.err
    env.pip("install", "--no-index", built["caffe"][1])
    done = env.run("magik", "convert", model, "-o", "net.bin", "--float")
    assert done.code == 0, done.err
    assert env.run("python", "-m", "pip", "check").code == 0


def test_mxnet_by_install(env: Environment, built: dict[str, list[Path]]) -> None:
    """As Caffe's: no MXNet is needed, and the size of the input is asked for."""
    case = mxnet_files.recorded()["conv"]
    mxnet_files.write(env.folder, case["symbol"].tobytes(), case["params"].tobytes())
    refused = env.run("magik", "inspect", "net-0000.params")
    assert "pip install magik-frontend-mxnet" in refused.err
    env.pip("install", "--no-index", built["mxnet"][1])
    refused = env.run("magik", "convert", "net-0000.params", "-o", "net.bin", "--float")
    assert (refused.code, "INPUT_SHAPE" in refused.err) == (2, True)
    done = env.run("magik", "convert", "net-symbol.json", "-o", "net.bin", "--float", "--input-shape", "1,4,5,7")
    assert done.code == 0, done.err
    assert env.run("python", "-m", "pip", "check").code == 0


def test_torch_by_install(env: Environment, built: dict[str, list[Path]]) -> None:
    """It brings torch; a program says its own sizes."""
    make.write(env.folder)
    refused = env.run("magik", "inspect", "net.pt2")
    assert "pip install magik-frontend-torch" in refused.err
    env.pip("install", "--constraint", ROOT / "constraints.txt", built["torch"][1])
    done = env.run("magik", "inspect", "net.pt2")
    assert done.code == 0, done.err
    assert "conv" in done.out
    assert env.run("python", "-m", "pip", "check").code == 0


def test_new_soc(env: Environment) -> None:
    """What `magik new soc` writes installs with pip and passes its own test."""
    done = env.run("magik", "new", "soc", "demo")
    assert done.code == 0, done.err
    env.pip("install", "./plugins/backend_demo", "pytest")
    tested = env.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "plugins/backend_demo")
    assert tested.code == 0, tested.out
    assert "2 passed" in tested.out
    done = env.convert("demo")
    assert done.code == 0, done.err


def test_broken_plugin(env: Environment) -> None:
    """A plugin that raises on import costs one warning, which says how to be rid of it."""
    for name, text in BROKEN.items():
        path = env.folder / "broken" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    env.pip("install", "./broken")
    done = env.convert("host")
    assert done.code == 0, done.err
    assert done.err.count("warning:") == 1
    assert "magik-broken" in done.err
    assert "RuntimeError: made to fail" in done.err
    assert "pip uninstall magik-broken" in done.err
    listed = env.run("magik", "plugins")
    assert listed.code == 0
    assert "host" in listed.out and "magik-broken" in listed.out
    env.pip("uninstall", "--yes", "magik-broken")
    done = env.convert("host")
    assert (done.code, done.err.count("warning:")) == (0, 0)


def test_tensorflow_is_asked_for(env: Environment, built: dict[str, list[Path]]) -> None:
    """Without TensorFlow, which is large, the frontend loads, knows its files, and says what is missing."""
    model = ROOT / "tests/data/tf/cnn.pb"
    assert "pip install magik-frontend-tf" in env.run("magik", "inspect", model).err
    env.pip("install", "--no-index", "--no-deps", built["tf"][1])
    refused = env.run("magik", "inspect", model)
    assert (refused.code, refused.out) == (1, "")
    assert "TensorFlow is needed to read this model" in refused.err
    assert "pip install tensorflow-cpu tf2onnx" in refused.err
    env.pip("uninstall", "--yes", "magik-frontend-tf")
