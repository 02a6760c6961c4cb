"""A file of torch never runs code, unless the user vouches for it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from magik_frontend_torch import load, programs
from torch import Tensor, nn

from tests.data.torch import make
from tests.frontends.torch_reference import FACTORY, SIZES, problem_of, problems_of, request, rewritten, run

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch")
    make.write(folder)
    return folder


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_whole_module(files: Path) -> None:
    problem = problem_of(lambda: load(files / "whole.pth", request(shapes=SIZES)))
    assert problem.what == "the file holds Python objects, not only weights: a pickle may run any code when it is read"
    assert (problem.found, problem.hint) == (
        "tests.data.torch.network.Network", "if you trust the file, pass --allow-pickle",
    )  # fmt: skip
    model = load(files / "whole.pth", request(shapes=SIZES, allow_pickle=True))
    recorded = np.load(files / "net.npz")
    np.testing.assert_allclose(run(model, recorded["image"])[0], recorded["fc"], atol=1e-6)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickles_run_nothing(tmp_path: Path, legacy: bool) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "evil.pth"
    torch.save({"w": torch.zeros(1), "x": Evil(mark)}, path, _use_new_zipfile_serialization=not legacy)
    assert "Python objects" in problem_of(lambda: load(path, request(shapes=SIZES, model=FACTORY))).what
    assert not mark.exists()
    problems_of(lambda: load(path, request(shapes=SIZES, model=FACTORY, allow_pickle=True)))
    assert mark.exists(), "the pickle is what it claims to be"


class System:
    """Unpickling it would run a command; its module is one that torch blocks by name."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


def test_a_blocked_module_gets_no_advice_to_unblock_it(tmp_path: Path) -> None:
    torch.save({"state_dict": System()}, tmp_path / "evil.pt")
    problem = problem_of(lambda: load(tmp_path / "evil.pt", request(shapes=SIZES, model=FACTORY)))
    assert problem.what.startswith("the file holds Python objects, not only weights")
    assert problem.found == f"{os.system.__module__}.system"
    assert problem.hint == "if you trust the file, pass --allow-pickle"


def test_a_damaged_pickle_gets_no_advice_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "net.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "net.pt").read_bytes()
    (tmp_path / "net.pt").write_bytes(data.replace(b"X\x01\x00\x00\x00w", b"\xf0\x01\x00\x00\x00w"))
    problem = problem_of(lambda: load(tmp_path / "net.pt", request(shapes=SIZES, model=FACTORY)))
    assert problem.what == "the model is damaged or truncated"
    assert "weights_only" not in problem.found and "Unsupported operand" in problem.found


def test_a_class_of_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    kind = type("OwnNet", (nn.Module,), {"__module__": "__main__", "__qualname__": "OwnNet"})
    monkeypatch.setattr(main, "OwnNet", kind, raising=False)
    torch.save(kind(), tmp_path / "net.pt")
    monkeypatch.delattr(main, "OwnNet")
    problem = problem_of(lambda: load(tmp_path / "net.pt", request(shapes=SIZES, allow_pickle=True)))
    assert problem.what == "the code that the file was saved with is missing"
    assert problem.hint == (
        "save the weights alone, torch.save(network.state_dict(), path), and pass --model package.module:function"
    )


def test_code_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import types as module_types

    gone = module_types.ModuleType("gone_module")
    exec("import torch\nclass Net(torch.nn.Module): pass", gone.__dict__)
    gone.Net.__module__ = "gone_module"
    monkeypatch.setitem(sys.modules, "gone_module", gone)
    torch.save(gone.Net(), tmp_path / "net.pth")
    monkeypatch.delitem(sys.modules, "gone_module")
    problem = problem_of(lambda: load(tmp_path / "net.pth", request(allow_pickle=True)))
    assert (problem.what, "gone_module" in problem.found) == ("the code that the file was saved with is missing", True)


def edited(change: Callable[[Any], None], which: str) -> Callable[[str, bytes], bytes]:
    """Change the JSON of an entry."""

    def apply(name: str, data: bytes) -> bytes:
        if not name.endswith(which):
            return data
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return apply


def first_node(document: Any) -> Any:
    return document["graph_module"]["graph"]["nodes"][0]


def set_size(text: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        values = document["graph_module"]["graph"]["tensor_values"]
        next(iter(values.values()))["sizes"][0] = {"as_expr": {"expr_str": text, "hint": None}}

    return change


def set_spec(spec: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        call = next(c for c in document["graph_module"]["module_call_graph"] if c["signature"])
        call["signature"]["in_spec"] = json.dumps([1, spec])

    return change


def use_pickle(document: Any) -> None:
    next(iter(document["config"].values()))["use_pickle"] = True


ENUM = {"type": "builtins.dict", "context": json.dumps([{"__enum__": True, "fqn": "os:x", "name": "y"}]),
        "children_spec": []}  # fmt: skip
DANGERS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "call": ("model.json", lambda d: first_node(d).update(target="torch.hub.load"), "something that is no operator"),
    "system": ("model.json", lambda d: first_node(d).update(target="torch.os.system"), "something that is no operator"),
    "size": ("model.json", set_size("__import__('os').system('true')"), "an expression that may run any code"),
    "size, deep": ("model.json", set_size("Add(Symbol('s1'), Integer(open('x')))"), "an expression that may run"),
    "size, attribute": ("model.json", set_size("Symbol('s1').x"), "an expression that may run any code"),
    "power": ("model.json", set_size("9**9**9**9"), "an expression that may run any code"),
    "arguments": ("model.json", set_spec(ENUM), "of a kind that may run any code"),
    "class": ("model.json", set_spec({"type": "a.B", "context": "null", "children_spec": []}), "of a kind that may"),
    "weight": ("model_weights_config.json", use_pickle, "pickled objects"),
}


@pytest.mark.parametrize("name", DANGERS)
def test_programs_that_would_run_code(files: Path, tmp_path: Path, name: str) -> None:
    which, change, what = DANGERS[name]
    path = rewritten(files / "net.pt2", tmp_path / "net.pt2", edited(change, which))
    problem = problems_of(lambda: load(path, request()))[0]
    assert what in problem.what
    assert problem.hint == "if you trust the file, pass --allow-pickle"


@pytest.mark.parametrize(("entry", "what"), [
    ("data/aotinductor/model/model.so", "the program holds compiled code"),
    ("data/constants/custom_obj_0", "the program holds pickled objects, and a pickle may run any code"),
])  # fmt: skip
def test_programs_with_more_than_operators(files: Path, tmp_path: Path, entry: str, what: str) -> None:
    path = rewritten(files / "net.pt2", tmp_path / "net.pt2", lambda name, data: data, **{entry: b"x"})
    problem = problem_of(lambda: load(path, request()))
    assert (problem.what, problem.found) == (what, entry)


def test_example_inputs_are_not_unpickled(files: Path, tmp_path: Path) -> None:
    """torch falls back to a full pickle where weights alone are not all."""
    mark = tmp_path / "mark"
    torch.save((((torch.zeros(1, 2, 8, 6), Evil(mark)), {})), tmp_path / "inputs.pt")
    evil = (tmp_path / "inputs.pt").read_bytes()
    swap = lambda name, data: evil if "sample_inputs" in name else data  # noqa: E731
    path = rewritten(files / "net.pt2", tmp_path / "net.pt2", swap)
    problems_of(lambda: programs.read(path))
    assert not mark.exists()
    programs.read(path, allow_pickle=True)
    assert mark.exists(), "the entry is what it claims to be"


class Restored(nn.Module):
    """Runs code when it is loaded."""

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return 1, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.training = state[1]

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def test_scripts_that_run_code_when_loaded(tmp_path: Path) -> None:
    path = tmp_path / "restored.pt"
    torch.jit.save(torch.jit.script(Restored()), path)
    problem = problem_of(lambda: load(path, request(shapes=[(1, 2)])))
    assert problem.what == "the archive runs code of its own while it is loaded"
    assert "__setstate__" in problem.found
    assert len(load(path, request(shapes=[(1, 2)], allow_pickle=True)).graph) == 1
