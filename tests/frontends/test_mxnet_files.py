"""MXNet's two files: every form of them, how one finds the other, and what nobody should trust."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from magik_frontend_mxnet import load, params, reader, sniff

from magik_core.errors import MagikError, ModelError, Problem
from magik_core.hookspecs import Request
from tests.conftest import repository
from tests.frontends import mxnet_files as files
from tests.frontends.test_mxnet import small

ARRAYS = {"arg:a": np.arange(6, dtype=np.float32).reshape(2, 3), "aux:b": np.float32([7])}
PATH = Path("net-0000.params")


def problem_of(call: Callable[[], Any]) -> Problem:
    with pytest.raises(ModelError) as caught:
        call()
    (problem,) = caught.value.problems
    return problem


# ---- parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["old", "v1", "v2", "v3"])
def test_every_form_of_an_array(form: str) -> None:
    found = params.read(files.params(ARRAYS, form), PATH)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("dtype", files.FLAGS)
def test_every_dtype(dtype: str) -> None:
    x = np.array([[0, 1], [1, 1], [0, 0]]).astype(dtype)
    found = params.read(files.params({"x": x}), PATH)["x"]
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("data", [
    struct.pack("<I", 0), struct.pack("<Ii", files.MAGIC["v1"], 0), struct.pack("<Iii", files.MAGIC["v2"], 0, 0),
    struct.pack("<Iii", files.MAGIC["v3"], 0, -1),
], ids=["old", "v1", "v2", "v3"])  # fmt: skip
def test_arrays_that_are_none(data: bytes) -> None:
    assert params.read(files.listed([data], ["x"]), PATH) == {}


def test_a_scalar_of_numpys_shapes() -> None:
    found = params.read(files.params({"x": np.array(3, np.float32)}, "v3"), PATH)["x"]
    assert found.shape == () and found == 3


def head(form: str, *shape: int, flag: int = 0) -> bytes:
    """The beginning of an array whose values are missing."""
    return struct.pack(f"<Iii{len(shape)}q", files.MAGIC[form], 0, len(shape), *shape) + struct.pack("<iii", 1, 0, flag)


@pytest.mark.parametrize(("data", "what", "found"), [
    (b"", "the parameters are truncated, or no parameters", "0 bytes left for the magic number"),
    (bytes(24), "the file is no list of parameters", "0x0"),
    (struct.pack("<QQQ", 0x112, 0, 1 << 60), "the parameters are truncated, or no parameters",
     f"{1 << 60} arrays in 0 bytes"),
    (files.listed([head("v2", 1 << 40, 1 << 40)], ["x"]), "the parameters are truncated, or no parameters",
     f"17 bytes left for array 0 of shape [{1 << 40}, {1 << 40}]"),
    (files.listed([head("v2", -1)], ["x"]), "the parameters are damaged", "array 0: shape [-1]"),
    (files.listed([struct.pack("<I", 33)], ["x"]), "the parameters are damaged", "array 0: 33 axes"),
    (files.listed([struct.pack("<Ii", files.MAGIC["v2"], 9)], ["x"]), "the parameters are damaged",
     "array 0: storage 9"),
    (files.listed([struct.pack("<Ii", files.MAGIC["v2"], 1)], ["x"]), "a parameter is sparse", "array 0: row_sparse"),
    (files.listed([head("v2", 1, flag=12)], ["x"]), "a parameter has a dtype that is not read", "array 0: bfloat16"),
    (files.listed([head("v2", 1, flag=99)], ["x"]), "a parameter has a dtype that is not read", "array 0: number 99"),
    (files.listed([files.array(np.float32([1]))], []), "the parameters have no names", "1 arrays and 0 names"),
    (files.params({"x": np.float32([1])}) + b"!", "bytes follow the parameters", "1 bytes"),
    (files.listed([files.array(np.float32([1]))] * 2, ["x", "x"]), "names are given to two parameters", "'x'"),
    (files.params({"xyz": np.float32([1])})[:-3] + b"\xff\xfe\xfd", "the name of a parameter is no text",
     r"b'\xff\xfe\xfd'"),
])  # fmt: skip
def test_damaged_parameters(data: bytes, what: str, found: str) -> None:
    problem = problem_of(lambda: params.read(data, PATH))
    assert (problem.what, problem.where, problem.found) == (what, str(PATH), found)


# ---- symbols ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "what"), [
    (b"{", "the symbol is no JSON, or truncated"),
    (b"\xff", "the symbol is no JSON, or truncated"),
    (b"[" * 100_000, "the symbol is no JSON, or truncated"),
    (b"[]", "the file is no MXNet symbol"),
    (b'{"nodes": {}, "heads": []}', "the file is no MXNet symbol"),
    (b'{"nodes": [], "heads": []}', "the symbol has no outputs"),
    (b'{"nodes": [], "heads": [[0, 0]]}', "an input is defined nowhere before it is used"),
    (b'{"nodes": [{"op": "null"}], "heads": [[0, 0]]}', "a node of the symbol is damaged"),
    (b'{"nodes": [7], "heads": [[0, 0]]}', "a node of the symbol is damaged"),
    (b'{"nodes": [{"op": "relu", "name": "r", "inputs": [[0, 0]]}], "heads": [[0, 0]]}',
     "an input is defined nowhere before it is used"),
    (b'{"nodes": [{"op": "null", "name": "r", "inputs": [], "attrs": {"a": 1}}], "heads": [[0, 0]]}',
     "the attributes of a node are damaged"),
])  # fmt: skip
def test_damaged_symbols(text: bytes, what: str, tmp_path: Path) -> None:
    assert problem_of(lambda: load(files.write(tmp_path, text, {}), Request())).what == what


# ---- finding and recognizing -----------------------------------------------------------------------------


def test_recognized_by_content(tmp_path: Path) -> None:
    path = files.write(tmp_path, *small())
    for model in (path, path.with_name("net-0000.params")):
        assert repository().sniff(model).name == "mxnet"
    other = tmp_path / "other.json"
    other.write_text('{"nodes": []}')
    (tmp_path / "other.params").write_bytes(b"no such thing")
    assert not any(sniff(p) for p in (other, tmp_path / "other.params", tmp_path, tmp_path / "missing"))


def test_a_model_that_is_no_file(tmp_path: Path) -> None:
    problem = problem_of(lambda: load(tmp_path, Request()))
    assert (problem.what, problem.found) == ("the model is not a file", "a directory")


def test_the_other_file_is_missing(tmp_path: Path) -> None:
    path = files.write(tmp_path, *small())
    stored = path.with_name("net-0000.params")
    other = stored.rename(path.with_name("other-0000.params"))
    problem = problem_of(lambda: load(path, Request()))
    assert (problem.what, problem.need) == ("the parameters of the symbol are missing", "net-0000.params beside it")
    problem = problem_of(lambda: load(other, Request()))
    assert (problem.what, problem.need) == ("the symbol of the parameters is missing", "other-symbol.json beside it")


def test_several_epochs(tmp_path: Path) -> None:
    path = files.write(tmp_path, *small())
    (tmp_path / "net-0010.params").write_bytes((tmp_path / "net-0000.params").read_bytes())
    problem = problem_of(lambda: load(path, Request()))
    assert problem.what == "several parameters fit the symbol"
    assert problem.found == "net-0000.params, net-0010.params"
    assert problem.hint == "give the parameters as the model: net-0010.params"
    assert load(tmp_path / "net-0010.params", Request()).graph.name == "net"


def test_plain_names(tmp_path: Path) -> None:
    path = files.write(tmp_path, *small()).rename(tmp_path / "net.json")
    stored = (tmp_path / "net-0000.params").rename(tmp_path / "net.params")
    assert load(path, Request()).graph.name == load(stored, Request()).graph.name == "net"


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_SYMBOL_BYTES", 100)
    assert problem_of(lambda: load(files.write(tmp_path, *small()), Request())).what == "the symbol is too large"


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    path = files.write(tmp_path, *small())
    monkeypatch.setattr(Path, "open", fails)
    problem = problem_of(lambda: load(path, Request()))
    assert (problem.what, problem.found) == ("the symbol cannot be read", "Input/output error")
    assert problem.need == "a file that you may read"


# ---- hostile files ---------------------------------------------------------------------------------------

VALUES = ["", "None", "-1", "0", "99999999999999999999", "(1,)", "(0, -4, -2)", "nan", "1e400", "[[", "()", "True"]


def mutated_json(text: str, rng: random.Random) -> str:
    """Another operator, attribute or reference somewhere in a symbol."""
    data = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        node = rng.choice(data["nodes"])
        kind = rng.randrange(4)
        if kind == 0:
            node["op"] = rng.choice([n["op"] for n in data["nodes"]] + ["Reshape", "RNN", "Pooling", "Concat", "slice"])
        elif kind == 1 and node.get("attrs"):
            node["attrs"][rng.choice(sorted(node["attrs"]))] = rng.choice(VALUES)
        elif kind == 2 and node["inputs"]:
            rng.choice(node["inputs"])[rng.randrange(2)] = rng.randint(0, len(data["nodes"]))
        else:
            node["inputs"] = node["inputs"][: rng.randrange(3)]
    return json.dumps(data)


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(len(out))] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(out[: rng.randrange(len(out))] if rng.random() < 0.3 else out)


@pytest.mark.parametrize("seed", range(8))
def test_mutants_give_a_model_or_an_error(seed: int, tmp_path: Path) -> None:
    """100 of each file per seed, from all recorded layers."""
    rng, outcomes = random.Random(seed), {"model": 0, "error": 0}
    cases = list(files.recorded().values())
    for turn in range(200):
        case = rng.choice(cases)
        symbol, stored = case["symbol"].tobytes(), case["params"].tobytes()
        if turn % 2:
            symbol = mutated_json(symbol.decode(), rng).encode()
            symbol = mutated_bytes(symbol, rng) if rng.random() < 0.2 else symbol
        else:
            stored = mutated_bytes(stored, rng)
        try:
            load(files.write(tmp_path, symbol, stored), Request())
            outcomes["model"] += 1
        except MagikError:
            outcomes["error"] += 1
    assert min(outcomes.values()) > 10, outcomes
