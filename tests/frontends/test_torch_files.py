"""The files of torch: each is recognized, read, and never runs code; what is damaged is an error."""

from __future__ import annotations

import json
import pickle
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from magik_frontend_torch import archive, factory, load, pickles, safetensors, sniff
from torch import nn

import magik_core as magik
from magik_core.errors import MagikError, ModelError, UsageError
from tests.conftest import ROOT, repository
from tests.data.torch import make
from tests.frontends.torch_reference import FACTORY, SIZES, problem_of, problems_of, request, rewritten, run, types

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch")
    make.write(folder)
    return folder


# ---- every form ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [
    ("net.pt2", archive.PROGRAM), ("scripted.jit", archive.SCRIPT), ("traced.jit", archive.SCRIPT),
    ("weights.pth", archive.PICKLE), ("legacy.pth", archive.PICKLE),
])  # fmt: skip
def test_every_form_gives_the_same(files: Path, name: str, kind: str) -> None:
    """Recognized without its suffix, and computed as torch did."""
    bare = files / f"{Path(name).stem}_{kind[:2]}"
    shutil.copyfile(files / name, bare)
    assert archive.kind_of(bare) == kind and repository().sniff(bare).name == "torch"
    options = {"model": FACTORY} if kind == archive.PICKLE else {}
    model = load(bare, request(shapes=SIZES, **options))
    recorded = np.load(files / "net.npz")
    np.testing.assert_allclose(run(model, recorded["image"])[0], recorded["fc"], atol=1e-6)
    assert [v.name for v in model.graph.inputs] == ["image"]
    assert {"conv", "bn", "gru", "fc"} <= {n.name for n in model.graph}
    assert types(model).count("GRU") == 1
    assert "conv.weight" in model.graph.initializers
    assert model.graph.name == bare.stem


def test_a_program_knows_its_sizes(files: Path) -> None:
    assert load(files / "net.pt2", request()).graph.inputs[0].shape == (1, 2, 8, 6)


def test_a_program_with_open_sizes(tmp_path: Path) -> None:
    """Expressions of sizes are read; INPUT_SHAPE binds them in the core."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    sizes = ({0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=4)},)
    program = torch.export.export(module, (torch.randn(2, 3, 8, 8),), dynamic_shapes=sizes)
    torch.export.save(program, tmp_path / "open.pt2")
    model = load(tmp_path / "open.pt2", request())
    x = torch.randn(3, 3, 12, 8)
    np.testing.assert_allclose(run(model, x)[0], module(x).detach(), atol=1e-6)
    assert load(program, request()).graph.name == "program"


def test_safetensors(tmp_path: Path) -> None:
    """Written by hand: a header and the bytes."""
    weights = {name: value.numpy() for name, value in make.build().state_dict().items()}
    path = tmp_path / "net.safetensors"
    path.write_bytes(as_safetensors(weights))
    assert repository().sniff(path).name == "torch"
    found = safetensors.read(path)
    assert all(np.array_equal(found[name], value) for name, value in weights.items())
    assert len(load(path, request(shapes=SIZES, model=FACTORY)).graph) > 10


def as_safetensors(arrays: dict[str, np.ndarray], **change: Any) -> bytes:
    kinds = {"float32": "F32", "int64": "I64"}
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, x in arrays.items():
        bounds = [len(body), len(body) + x.nbytes]
        header[name] = {"dtype": kinds[x.dtype.name], "shape": list(x.shape), "data_offsets": bounds, **change}
        body += x.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_nothing_else_is_recognized(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.pt", x=np.zeros(3))
    (tmp_path / "text.pth").write_text("no model")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "cut.pt2").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "short.safetensors").write_bytes(b"\x00")
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as other:
        other.writestr("config.json", "{}")
    assert not any(sniff(p) for p in (*tmp_path.iterdir(), tmp_path, tmp_path / "missing"))


def test_sniffing_imports_no_torch(files: Path) -> None:
    script = f"import sys\nfrom pathlib import Path\nimport magik_frontend_torch as f\n\
assert f.sniff(Path({str(files / 'net.pt2')!r})) and not f.takes(3)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_torch(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    for name in [n for n in sys.modules if n.startswith("magik_frontend_torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delattr("magik_frontend_torch.source", raising=False)
    problem = problem_of(lambda: load(files / "net.pt2", request()))
    assert (problem.what, problem.hint) == ("PyTorch is not installed", "pip install torch")


# ---- checkpoints -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["traced.jit", "weights.pth"])
def test_inputs_that_are_too_large(files: Path, name: str) -> None:
    shapes = [(1, 3, 99_999_999, 99_999_999)]
    (problem,) = problems_of(lambda: load(files / name, request(shapes=shapes, **fitting(name))), UsageError)
    assert (problem.what, problem.found) == ("an input is too large", "[1, 3, 99999999, 99999999]")
    assert problem.need == "at most 2147483648 elements"


def test_inputs_that_find_no_memory(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "zeros", fails)
    (problem,) = problems_of(lambda: load(files / "traced.jit", request(shapes=SIZES)))
    assert (problem.what, problem.need) == ("an input is too large", "DefaultCPUAllocator: can't allocate memory")


def fitting(name: str) -> dict[str, str]:
    """The options that a file of make.py needs."""
    return {"model": FACTORY} if name.startswith("weights") else {}


@pytest.mark.parametrize(("name", "options", "need"), [
    ("net.pt2", {"submodule": "zz", "model": FACTORY}, "of an exported program: allow_pickle"),
    ("traced.jit", {"model": FACTORY}, "of a TorchScript archive: submodule, input_dtypes, allow_pickle"),
    ("whole.pth", {"allow_pickle": True, "arguments": {"a": 1}},
     "of a file that holds the network itself: submodule, input_dtypes, allow_pickle"),
])  # fmt: skip
def test_options_that_a_kind_of_file_does_not_use(files: Path, name: str, options: Any, need: str) -> None:
    problems = problems_of(lambda: load(files / name, request(shapes=SIZES, **options)), UsageError)
    assert {(p.what, p.need) for p in problems} == {("an option does not fit the model", need)}
    assert {p.found for p in problems} == set(options) - {"allow_pickle"}


def test_options_that_an_object_does_not_use() -> None:
    module, x = torch.nn.Linear(2, 3), torch.zeros(1, 2)
    for asked in (request(shapes=[(1, 2)], model="a:b"), request(x, input_dtypes="int64")):
        (problem,) = problems_of(lambda asked=asked: load(module, asked), UsageError)
        assert problem.what == "an option does not fit the model" and problem.where == "Linear"


def test_an_object_without_sizes_asks_for_examples() -> None:
    (problem,) = problems_of(lambda: load(torch.nn.Linear(2, 3), request()), UsageError)
    assert problem.hint == "pass example_inputs=(x,), a tensor for each input"


def test_a_bare_tensor_is_one_input() -> None:
    result = magik.convert(torch.nn.Linear(2, 3), example_inputs=torch.zeros(4, 2), is_float=True)
    assert [result.program.tensors[name].shape for name in result.program.inputs] == [(4, 2)]


def test_weights_without_a_network(files: Path) -> None:
    problem = problem_of(lambda: load(files / "weights.pth", request(shapes=SIZES)), UsageError)
    assert problem.what == "the file holds the weights of a network, not the network"
    assert problem.found.startswith("13 tensors: conv.weight, conv.bias, bn.weight, bn.bias")
    assert "--model package.module:function" in problem.need


CHECKPOINTS = [*((p, "module.") for p in ("state_dict", "model_state_dict", "model", "net", "weights")),
               *(("state_dict", p) for p in ("", "_orig_mod.", "module._orig_mod.", "model."))]  # fmt: skip


@pytest.mark.parametrize(("place", "prefix"), CHECKPOINTS)
def test_places_of_weights(tmp_path: Path, place: str, prefix: str) -> None:
    """Where training scripts put them, and what wrappers put before their names."""
    network, other = make.build(), make.build()
    torch.save({"epoch": 1, place: {f"{prefix}{k}": v for k, v in network.state_dict().items()}}, tmp_path / "c.ckpt")
    weights = pickles.weights_in(pickles.read(tmp_path / "c.ckpt"), tmp_path / "c.ckpt")
    factory.fill(other, weights, "c.ckpt", FACTORY)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_arguments(tmp_path: Path) -> None:
    torch.save(make.build(channels=6, classes=2).state_dict(), tmp_path / "w.pth")
    model = load(tmp_path / "w.pth", request(shapes=SIZES, model=FACTORY, arguments={"channels": 6, "classes": 2}))
    assert model.graph.outputs[0].shape == (1, 2)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    """All of them at once: what is missing, what is too much, what has another shape."""
    weights = make.build().state_dict()
    del weights["fc.bias"], weights["conv.bias"], weights["bn.num_batches_tracked"]
    torch.save({**weights, "extra": torch.zeros(1), "fc.weight": torch.zeros(2, 5)}, tmp_path / "w.pth")
    found = problems_of(lambda: load(tmp_path / "w.pth", request(shapes=SIZES, model=FACTORY)))
    assert [(p.what, p.found) for p in found] == [
        ("the file has no weights for these", "conv.bias, fc.bias"),
        ("the network has no place for these weights", "extra"),
        ("the shapes of weights do not fit the network", "fc.weight: [2, 5] for [3, 5]"),
    ]


def test_no_weights(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    problem = problem_of(lambda: load(tmp_path / "w.pth", request(model=FACTORY)))
    assert (problem.what, problem.found) == ("the checkpoint holds no weights", "'epoch'")


FACTORIES = (
    ("build", None, UsageError, "the model's function has no module"),
    ("tests.data.torch.nothing:build", None, UsageError, "the model's module cannot be imported"),
    ("tests.data.torch.network:nothing", None, UsageError, "the model's module has no such function"),
    ("collections:OrderedDict", None, ModelError, "the model's function returns no module"),
    (FACTORY, {"width": 3}, ModelError, "the model's function fails"),
    (FACTORY, [3], UsageError, "the arguments of the model are no dict"),
)


@pytest.mark.parametrize(("name", "arguments", "error", "what"), FACTORIES)
def test_wrong_factories(files: Path, name: str, arguments: Any, error: type[MagikError], what: str) -> None:
    asked = request(shapes=SIZES, model=name, arguments=arguments)
    problem = problem_of(lambda: load(files / "weights.pth", asked), error)
    assert problem.what == what
    assert problem.where.startswith("option ") or problem.where == name
    if arguments == [3]:
        assert problem.need == """JSON with the keys in double quotes, '{"classes": 4}'"""


def test_the_working_directory_is_importable(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_network.py").write_text("from tests.data.torch.network import Network as make\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert len(load(files / "weights.pth", request(shapes=SIZES, model="my_network:make")).graph) > 10
    assert sys.path == before
    sys.modules.pop("my_network")


# ---- damage ----------------------------------------------------------------------------------------------

NAMES = ("net.pt2", "scripted.jit", "traced.jit", "weights.pth", "legacy.pth")


@pytest.mark.parametrize("name", NAMES)
def test_truncated_files(files: Path, tmp_path: Path, name: str) -> None:
    data = (files / name).read_bytes()
    path = tmp_path / name
    for keep in (len(data) - 1, len(data) // 2, len(data) // 10, 8):
        path.write_bytes(data[:keep])
        problem = problem_of(lambda: load(path, request(shapes=SIZES, model=FACTORY)))
        assert problem.what == "the model is damaged or truncated"


def damaged_byte(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(len(out))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(out)


def damage_entry(source: Path, target: Path, rng: random.Random) -> None:
    with zipfile.ZipFile(source) as whole:
        victim = rng.choice(whole.namelist())
    rewritten(source, target, lambda name, data: damaged_byte(data, rng) if name == victim and data else data)


@pytest.mark.parametrize("name", NAMES)
def test_mutants_give_a_model_or_an_error(files: Path, tmp_path: Path, name: str) -> None:
    """Bytes that change under a checksum, and, for what Python reads, with the checksum made right."""
    rng, path, errors = random.Random(name), tmp_path / name, 0
    data = (files / name).read_bytes()
    for turn in range(24):
        if turn % 2 or not name.endswith((".pt2", "weights.pth")):
            path.write_bytes(damaged_byte(data, rng))
        else:
            damage_entry(files / name, path, rng)
        try:
            load(path, request(shapes=SIZES, model=FACTORY))
        except MagikError:
            errors += 1
    assert errors > 5


def test_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", bytes(50_000_000))
    assert sniff(path)
    problem = problem_of(lambda: load(path, request(model=FACTORY)))
    assert problem.found.startswith("50000000 bytes in a file of")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "twice.pt2"
    shutil.copyfile(files / "net.pt2", path)
    with zipfile.ZipFile(path, "a") as twice:
        twice.writestr(twice.namelist()[0], b"other")
    assert "names" in problem_of(lambda: load(path, request())).found


HEADERS = (
    (b"\xff" * 8 + b'{"', "a header of"),
    ((4).to_bytes(8, "little") + b'{"a"', "Expecting"),
    ((2).to_bytes(8, "little") + b"[]", "a header that is no object"),
    (as_safetensors({"w": np.zeros(2, np.float32)}, dtype="F8"), "w: {'dtype': 'F8'"),
    (as_safetensors({"w": np.zeros(2, np.float32)}, shape=[-1]), "w: {'dtype'"),
    (as_safetensors({"w": np.zeros(2, np.float32)}, shape=[1 << 40]), "w: bytes 0 to 8"),
    (as_safetensors({"w": np.zeros(2, np.float32)}, data_offsets=[4, 12]), "w: bytes 4 to 12"),
    (as_safetensors({"w": np.zeros(2, np.float32)})[:-1], "w: bytes 0 to 8 of 7"),
)


@pytest.mark.parametrize(("data", "found"), HEADERS)
def test_damaged_safetensors(tmp_path: Path, data: bytes, found: str) -> None:
    (tmp_path / "w.safetensors").write_bytes(data)
    assert problem_of(lambda: safetensors.read(tmp_path / "w.safetensors")).found.startswith(found)


def test_command_line(files: Path) -> None:
    """`--model`, from the working directory, as a user says it."""
    command = [sys.executable, "-m", "magik_core", "inspect", str(files / "legacy.pth"), "--input-shape", "1,2,8,6"]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (refused.returncode, "--model package.module:function" in refused.stderr) == (2, True)
    done = subprocess.run([*command, "--model", FACTORY], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "GRU" in done.stdout and done.stderr == ""
