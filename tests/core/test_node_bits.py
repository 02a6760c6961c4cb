"""Bits and ranges per node: recipes, the vendor's JSON file, diagnosis by leaving nodes in f32."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import magik_core as magik
from magik_core.config import NODE_BITS
from magik_core.config_text import show
from magik_core.errors import MagikError
from magik_core.program import QuantParams, Tensor
from magik_core.result import Result
from tests.core.chain import DEPTH, SPOILED, bisect, chain

Rows = dict[str, dict[str, Any]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def net(here: Path) -> Path:
    """Convolutions conv0 … conv5, each with a Relu, and an Add; all with weights that quantize well."""
    return chain(here / "net.onnx", spoiled=False)


def data(path: Path, count: int = 8) -> Path:
    np.save(path, np.random.default_rng(5).normal(0, 1, (count, 8, 4, 4)).astype(np.float32))
    return path


def convert(model: Path, **keys: Any) -> Result:
    return magik.convert(model, "out", calibration=data(Path("calib.npy")), **keys)


def saved() -> Rows:
    found: Rows = json.loads(Path(NODE_BITS).read_text())
    return found


def tensors_of(result: Result) -> dict[str, Tensor]:
    return {t.name: t for t in result.program.activations()}


def params(result: Result) -> dict[str, Any]:
    return {name: t.quant for name, t in tensors_of(result).items()}


def kernels(result: Result) -> dict[str, str]:
    p = result.program
    return {t: s.op.kernel(p.reads(s), p.writes(s)) for s in p.steps for t in s.outputs}


def steps(result: Result) -> dict[str, dict[str, str]]:
    """By node: everything that its steps are, by what they write; steps that only convert a tensor have its name."""
    p, out = result.program, dict[str, dict[str, str]]()
    for s in p.steps:
        reads, writes = p.reads(s), p.writes(s)
        constants = [(t.quant, t.data.tobytes()) for t in reads if t.data is not None]
        tables = [a.tobytes() for a in s.op.tables(reads, writes)]
        whole = (s.op, s.op.kernel(reads, writes), s.op.params(reads, writes), constants, tables, reads, writes)
        kept = [[(t.name.split("/")[0], t.dtype, t.quant) for t in some] for some in whole[-2:]]
        out.setdefault(s.name, {})[" ".join(s.outputs)] = repr((*whole[:-2], kept))
    return out


def changed(before: Result, after: Result) -> set[str]:
    """Nodes of which some step is new, gone or other than it was."""
    a, b = steps(before), steps(after)
    return {name for name in {*a, *b} if a.get(name) != b.get(name)}


# ---- save, edit, load -------------------------------------------------------------------------------------


def test_what_is_saved_and_loaded_changes_nothing(net: Path) -> None:
    convert(net, save_op_quant_bit=True)
    before = Path("out.bin").read_bytes()
    assert list(saved()) == [*(f"conv{i}" for i in range(DEPTH)), "add"]
    assert all(
        row.keys() == {"QUANT_FEATURE_BIT", "QUANT_WEIGHT_BIT", "MAX", "MIN"} for row in list(saved().values())[:-1]
    )
    assert saved()["add"].keys() == {"QUANT_FEATURE_BIT", "MAX", "MIN"}
    convert(net, load_op_quant_bit=True, load_op_quant_min_max=True)
    assert Path("out.bin").read_bytes() == before


@pytest.mark.parametrize(
    "keys",
    [
        {"quant_feature_bit": 12, "quant_weight_bit": 4},
        {"quant_weight_bit": 32},
        {"quant_feature_bit": 32},
        {"quant_feature_bit": 32, "quant_weight_bit": 32},
        {"feature_fake_quant": True},
        {"weight_fake_quant": True, "quant_weight_bit": 4, "quant_node_skip": ["conv2"]},
    ],
    ids=str,
)
def test_what_is_saved_and_loaded_with_other_bits_changes_nothing(net: Path, keys: dict[str, Any]) -> None:
    convert(net, save_op_quant_bit=True, **keys)
    before = Path("out.bin").read_bytes()
    rows = saved()
    again = convert(net, save_op_quant_bit=True, load_op_quant_bit=True, load_op_quant_min_max=True, **keys)
    assert Path("out.bin").read_bytes() == before and saved() == rows and again.warnings == ()


def test_what_is_saved_tells_bits_without_the_config(net: Path) -> None:
    """Mixed: a node in f32, weights in f32, other bits; the defaults then are what the file says nothing of."""
    rows = {"conv1": {"QUANT_WEIGHT_BIT": 32}, "conv2": {"QUANT_FEATURE_BIT": 12, "QUANT_WEIGHT_BIT": 4}}
    Path(NODE_BITS).write_text(json.dumps(rows))
    convert(net, save_op_quant_bit=True, load_op_quant_bit=True, quant_node_skip=["conv3"])
    before = Path("out.bin").read_bytes()
    assert saved()["conv1"].keys() == {"QUANT_FEATURE_BIT", "QUANT_WEIGHT_BIT", "MAX", "MIN"}
    assert (saved()["conv1"]["QUANT_FEATURE_BIT"], saved()["conv1"]["QUANT_WEIGHT_BIT"]) == (8, 32)
    convert(net, load_op_quant_bit=True, load_op_quant_min_max=True)
    assert Path("out.bin").read_bytes() == before


def test_an_edited_range_and_bits_are_what_the_program_has(net: Path) -> None:
    before = convert(net, save_op_quant_bit=True)
    rows = saved()
    rows["conv2"] |= {"MIN": -0.5, "MAX": 2.0, "QUANT_FEATURE_BIT": 12, "QUANT_WEIGHT_BIT": 4}
    Path(NODE_BITS).write_text(json.dumps(rows))
    after = convert(net, load_op_quant_bit=True, load_op_quant_min_max=True)
    assert params(after)["relu2"] == QuantParams(float(np.float32(2.5 / 4095)), 819.0, 12)
    codes = after.program.tensors["conv2/w"].data
    assert codes is not None and np.abs(codes).max() == 7
    changed = {name for name, q in params(after).items() if name in params(before) and q != params(before)[name]}
    assert changed == {"relu2"}


def test_bits_may_be_loaded_without_ranges_and_ranges_without_bits(net: Path) -> None:
    before = convert(net, save_op_quant_bit=True)
    rows = {"conv1": {"QUANT_FEATURE_BIT": 10, "MIN": -1, "MAX": 1}}
    Path(NODE_BITS).write_text(json.dumps(rows))
    high = params(before)["relu1"].scale * 255
    by_bits = params(convert(net, load_op_quant_bit=True))["relu1"]
    assert by_bits.bits == 10 and abs(by_bits.scale * 1023 / high - 1) < 0.05
    assert params(convert(net, load_op_quant_min_max=True))["relu1"] == QuantParams(
        float(np.float32(2 / 255)), 127.0, 8
    )


def test_nodes_in_f32_are_saved_with_32_bits(net: Path) -> None:
    first = convert(net, save_op_quant_bit=True, quant_node_skip=["conv2"])
    assert saved()["conv2"] == {"QUANT_FEATURE_BIT": 32}
    again = convert(net, load_op_quant_bit=True, load_op_quant_min_max=True)
    assert kernels(again) == kernels(first) and params(again) == params(first)


def refusal(action: Callable[[], object]) -> list[str]:
    with pytest.raises(MagikError) as error:
        action()
    return [str(p) for p in error.value.problems]


def test_a_file_with_mistakes_is_refused_with_all_of_them(net: Path) -> None:
    rows = {
        "conv0": {"QUANT_FEATURE_BIT": 9},
        "conv1": {"QUANT_WEIGHT_BIT": 8.0},
        "conv2": {"QUANT_FEATURE_BITS": 8},
        "conv3": {"MIN": 1, "MAX": 1},
        "conv4": {"MIN": 0},
        "conv5": 8,
        "act0": {"MIN": "0", "MAX": 1},
        "add": {"MIN": 0, "MAX": 10**309},
    }
    Path(NODE_BITS).write_text(json.dumps(rows))
    bits, weights = "8, 10, 12, 14, 16, 32", "2, 4, 8, 16, 32"
    limits = "numbers MIN and MAX, MIN below MAX"
    assert refusal(lambda: convert(net, load_op_quant_bit=True)) == [
        f"error: wrong QUANT_FEATURE_BIT of a node\nwhere: {NODE_BITS}: conv0\nfound: 9\n need: one of: {bits}",
        f"error: wrong QUANT_WEIGHT_BIT of a node\nwhere: {NODE_BITS}: conv1\nfound: 8.0\n need: one of: {weights}",
        f"error: unknown key of a node\nwhere: {NODE_BITS}: conv2\nfound: QUANT_FEATURE_BITS\n"
        " need: one of: QUANT_FEATURE_BIT, QUANT_WEIGHT_BIT, MIN, MAX\n\n hint: did you mean QUANT_FEATURE_BIT?",
        f"error: wrong range of a node\nwhere: {NODE_BITS}: conv3\nfound: [1, 1]\n need: {limits}",
        f"error: wrong range of a node\nwhere: {NODE_BITS}: conv4\nfound: [0]\n need: {limits}",
        f"error: a node's entry is no object\nwhere: {NODE_BITS}: conv5\nfound: 8\n"
        ' need: as {"QUANT_FEATURE_BIT": 8}',
        f'error: wrong range of a node\nwhere: {NODE_BITS}: act0\nfound: ["0", 1]\n need: {limits}',
        f"error: wrong range of a node\nwhere: {NODE_BITS}: add\nfound: {show([0, 10**309])}\n need: {limits}",
    ]  # fmt: skip


def test_a_file_that_is_not_there(net: Path) -> None:
    (text,) = refusal(lambda: convert(net, load_op_quant_min_max=True))
    assert text.startswith(
        f"error: there is no file of bits to load\nwhere: {NODE_BITS}\n need: in the working directory"
    )


def test_a_pipe_is_no_file_of_bits(net: Path) -> None:
    os.mkfifo(NODE_BITS)
    (text,) = refusal(lambda: convert(net, load_op_quant_bit=True))
    assert f"where: {NODE_BITS}\nfound: a named pipe" in text


def test_a_working_directory_that_cannot_be_written(net: Path) -> None:
    os.mkdir(NODE_BITS)
    (text,) = refusal(lambda: convert(net, save_op_quant_bit=True))
    assert text.startswith(f"error: an output cannot be written\nwhere: {NODE_BITS}")


def test_names_that_the_graph_does_not_have(net: Path) -> None:
    Path(NODE_BITS).write_text('{"conv9": {"QUANT_FEATURE_BIT": 8}}')
    found = refusal(
        lambda: convert(net, load_op_quant_bit=True, quant_node_skip=["y2"], quant_op_skip=["Convs", "Relu"])
    )
    need = "a node as it is after rewriting"
    assert found == [
        f"error: the graph has no node of this name\nwhere: {NODE_BITS}: conv9\n need: {need}\n\n"
        " hint: did you mean conv5?",
        f"error: the graph has no node of this name\nwhere: y2\n need: {need}\n\n hint: did you mean conv2?",
        "error: unknown operator type\nwhere: Convs\n need: an operator type of ONNX or of the vendor\n\n"
        " hint: did you mean Conv?",
    ]


def test_many_names_that_the_graph_does_not_have(net: Path) -> None:
    Path(NODE_BITS).write_text(json.dumps({f"no{i}": {"QUANT_FEATURE_BIT": 8} for i in range(2000)}))
    found = refusal(lambda: convert(net, load_op_quant_bit=True))
    assert len(found) == 21 and found[-1] == "error: and 1980 more problems of the same stage"


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0, 1e-45, "[0, 1e-45]"), (0, 1e300, "[0, 1e+300]"), (-1e39, 0, "[-1e+39, 0]")]
)
def test_ranges_that_codes_cannot_have(net: Path, low: float, high: float, found: str) -> None:
    Path(NODE_BITS).write_text(json.dumps({"conv1": {"MIN": low, "MAX": high}}))
    need = "bounds from -3.4e+38 to 3.4e+38 that are 1e-25 apart, 0 included"
    assert refusal(lambda: convert(net, load_op_quant_min_max=True)) == [
        f"error: codes cannot have this range\nwhere: {NODE_BITS}: conv1\nfound: {found}\n need: {need}"
    ]


# ---- what a choice changes --------------------------------------------------------------------------------


NODES = pytest.mark.parametrize("node", ["conv0", "conv3", "conv5", "add"])


def of(node: str) -> tuple[str, set[str]]:
    """What a node of the chain writes, and who reads that."""
    if node == "add":
        return "y", set()
    return f"relu{node[-1]}", {"conv0": {"conv1", "add"}, "conv3": {"conv4"}, "conv5": {"add"}}[node]


def conversions(result: Result, *nodes: str) -> set[str]:
    """Names of the steps that convert what some nodes read and write."""
    met = {name for s in result.program.steps if s.name in nodes for name in (*s.inputs, *s.outputs)}
    return {f"{name}/{kind}" for name in met for kind in ("f32", "u8", "u16")}


@NODES
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_raising_a_node_changes_its_steps_and_what_its_readers_read(net: Path, node: str, bits: int) -> None:
    """A reader computes the same codes from finer ones: its weights, its storage and what it writes mean the same."""
    before = convert(net)
    Path(NODE_BITS).write_text(json.dumps({node: {"QUANT_FEATURE_BIT": bits}}))
    after = convert(net, load_op_quant_bit=True)
    own, readers = of(node)
    found = changed(before, after)
    assert node in found and found <= {node, *readers, *conversions(before, node, *readers)}
    old, new = params(before), params(after)
    assert {name for name in old if new[name] != old[name]} == {own} and new[own].bits == bits
    for name, t in before.program.tensors.items():
        if t.data is not None and name.endswith("/w"):
            again = after.program.tensors[name]
            assert again.data is not None and again.quant == t.quant and again.data.tobytes() == t.data.tobytes()


@NODES
def test_skipping_a_node_changes_its_steps_alone(net: Path, node: str) -> None:
    before, after = convert(net), convert(net, quant_node_skip=[node])
    own, _ = of(node)
    found = changed(before, after)
    assert node in found and found <= {node, *conversions(before, node)}
    assert kernels(after)[own].endswith("_f32")
    assert all(q == params(after)[name] for name, q in params(before).items() if name != own)


@NODES
def test_weights_of_other_bits_change_the_steps_of_their_node_alone(net: Path, node: str) -> None:
    before = convert(net)
    for bits in (2, 4, 16):
        Path(NODE_BITS).write_text(json.dumps({node: {"QUANT_WEIGHT_BIT": bits}}))
        after = convert(net, load_op_quant_bit=True)
        assert changed(before, after) == (set() if node == "add" else {node})
        if node != "add":
            assert after.program.tensors[f"{node}/w"].quant.bits == bits  # type: ignore[union-attr]


def test_a_type_is_skipped_by_the_name_of_either_side(net: Path) -> None:
    one, other = convert(net, quant_op_skip=["Conv"]), convert(net, quant_op_skip=["Conv2D"])
    assert kernels(one) == kernels(other)
    assert [k for t, k in kernels(one).items() if t.startswith("relu") and "/" not in t] == ["conv_f32"] * DEPTH


def test_weights_alone_and_activations_alone(net: Path) -> None:
    """Weights in 32 bits leave rounded activations, activations in 32 bits leave the reals of the weights' codes."""
    plain = convert(net)
    features = convert(net, feature_fake_quant=True)
    assert all(params(features)[f"relu{i}/u8"] == params(plain)[f"relu{i}"] for i in range(DEPTH))
    assert {k for t, k in kernels(features).items() if t in {f"relu{i}" for i in range(DEPTH)}} == {"conv_f32"}
    weights = convert(net, weight_fake_quant=True)
    assert all(k.endswith("_f32") for k in kernels(weights).values()) and not any(params(weights).values())
    held, codes = (r.program.tensors["conv2/w"] for r in (weights, plain))
    assert held.data is not None and codes.data is not None
    scales = np.array(codes.quant.scales)[:, None, None, None]  # type: ignore[union-attr]
    assert np.array_equal(held.data, (codes.data * scales).astype(np.float32))
    assert kernels(convert(net, weight_fake_quant=True, feature_fake_quant=True)) == kernels(plain)


@pytest.mark.parametrize(
    "keys",
    [
        {"quant_feature_bit": 32, "quant_weight_bit": 32},
        {"quant_feature_bit": 32, "feature_fake_quant": True},
        {"quant_weight_bit": 32, "weight_fake_quant": True},
        {"quant_feature_bit": 32, "load_op_quant_bit": True},
        {"weight_fake_quant": True, "load_op_quant_bit": True},
    ],
    ids=str,
)
def test_weights_of_32_bits_are_what_they_were(net: Path, keys: dict[str, Any]) -> None:
    Path(NODE_BITS).write_text('{"conv2": {"QUANT_WEIGHT_BIT": 32}}')
    held, real = (r.program.tensors["conv2/w"].data for r in (convert(net, **keys), convert(net, is_float=True)))
    assert held is not None and real is not None and held.tobytes() == real.tobytes()


# ---- finding a bad layer ----------------------------------------------------------------------------------


def error_of(model: Path, reference: Callable[[np.ndarray], np.ndarray], **keys: Any) -> float:
    convert(model, **keys)
    x = np.load("calib.npy")
    program = magik.load("out.mgk")
    return float(np.mean([np.square(program.run(v[None])["y"] - reference(v[None])).mean() for v in x]))


def test_bisecting_finds_a_layer_that_was_spoiled(here: Path) -> None:
    import onnxruntime as ort

    model = chain(here / "bad.onnx", spoiled=True)
    session = ort.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])

    def reference(x: np.ndarray) -> np.ndarray:
        return session.run(None, {"x": x})[0]

    bad = error_of(model, reference)
    assert error_of(model, reference, quant_op_skip=["Add"]) > bad / 4
    assert error_of(model, reference, quant_op_skip=["Conv"]) < bad / 20
    names = [f"conv{i}" for i in range(DEPTH)]
    found = bisect(names, lambda some: error_of(model, reference, quant_node_skip=list(some)) < bad / 4)
    assert found == SPOILED
