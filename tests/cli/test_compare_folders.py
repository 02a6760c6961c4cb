"""Two folders of dumps: names are matched, types found, differences counted and the first one named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from magik_core import unpack
from magik_core.compare import compare
from magik_core.compare_layer import Limits
from magik_core.dump_info import safe
from magik_core.errors import DataError, LoadError
from magik_core.net import load
from magik_core.numerics import dequantize
from magik_core.program import QuantParams

RANDOM = np.random.default_rng(11)
CODES = RANDOM.integers(0, 200, (1, 6, 5, 4), dtype=np.uint8)
REALS = RANDOM.standard_normal((1, 6, 5, 4)).astype(np.float32)


def write(folder: Path, **layers: np.ndarray) -> Path:
    """A folder with a file for each layer."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in layers.items():
        array.tofile(folder / f"{name}.bin")
    return folder


def only(a: Path, b: Path, **options):
    (layer,) = compare(a, b, **options).layers
    return layer


@pytest.fixture(scope="module")
def run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What PC and board leave of one input: pc/ and board/, and the model file."""
    home = tmp_path_factory.mktemp("run")
    program, _ = unpack.read(digits.with_suffix(".mgk"))
    net = load(digits)
    trace = net.trace(RANDOM.integers(0, 256, net.inputs[0].shape).astype(np.float32))
    tensors = []
    for name in ("pc/ptq_model", "pc/ptq_model_dequantize", "pc/float_model", "board/MAGIK_DATA_DUMP"):
        (home / name).mkdir(parents=True)
    for i, (step, (kernel, _, y)) in enumerate(zip(program.steps, trace, strict=True)):
        (t,) = program.writes(step)
        assert isinstance(t.quant, QuantParams)
        y.tofile(home / f"pc/ptq_model/{step.name}.bin")
        reals = dequantize(y, t.quant)
        reals.tofile(home / f"pc/ptq_model_dequantize/{step.name}.bin")
        noise = np.random.default_rng(i).uniform(-0.4, 0.4, y.shape) * t.quant.scale
        (reals + noise).astype(np.float32).tofile(home / f"pc/float_model/{step.name}.bin")
        y.tofile(home / f"board/{i}_{kernel}_out.bin")
        (y + 1).tofile(home / f"board/{i}_{kernel}_weight.bin")
        sizes = (*(1,) * (4 - y.ndim), *y.shape)
        y.tofile(home / f"board/MAGIK_DATA_DUMP/{i}_{kernel}_{'_'.join(map(str, sizes))}.bin")
        meaning = {"scale": t.quant.scale, "zero_point": t.quant.zero_point, "bits": 8}
        row = {"file": f"{step.name}.bin", "layer": step.name, "shape": list(t.shape), "dtype": t.dtype, **meaning}
        tensors.append(row)
    (home / "pc/tensors.json").write_text(json.dumps(tensors))
    return home


def test_pc_and_board(run: Path, digits: Path) -> None:
    program, _ = unpack.read(digits.with_suffix(".mgk"))
    for board in (run / "board", run / "board/MAGIK_DATA_DUMP"):
        found = compare(run / "pc", board, model=digits.with_suffix(".mgk"))
        assert found.first is None and found.order == "the model"
        assert [layer.name for layer in found.layers] == [step.name for step in program.steps]
        assert {layer.kind for layer in found.layers} == {"codes"}
        assert found.a == str(run / "pc/ptq_model") and found.only_a == ()


def test_the_weights_of_the_board_are_not_the_pcs(run: Path, digits: Path) -> None:
    found = compare(run / "pc", run / "board", model=digits.with_suffix(".mgk"))
    assert len(found.only_b) == len(found.layers) and all("(weight)" in name for name in found.only_b)
    both = compare(run / "board", run / "board")
    assert len(both.layers) == 2 * len(found.layers) and both.order == "the numbers of the steps"


def test_several_inputs_beside_the_folders_are_no_layers(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "pc", tmp_path / "pc")
    write(tmp_path / "pc", x_input=CODES, h_input=CODES)
    found = compare(tmp_path / "pc/float_model", tmp_path / "pc")
    assert found.b == str(tmp_path / "pc/ptq_model_dequantize") and found.only_b == ()


def test_float_and_quantized(run: Path, digits: Path) -> None:
    for other, model in ((run / "pc", None), (run / "pc/ptq_model", None), (run / "board", digits.with_suffix(".mgk"))):
        found = compare(run / "pc/float_model", other, model=model)
        assert {layer.kind for layer in found.layers} == {"f32" if other.name == "pc" else "f32, codes"}
        assert (found.first is None) == (other.name != "pc")  # reals round to the codes
        if other.name != "pc":
            assert {layer.meaning for layer in found.layers} == {"scale and zero point"}
    layers = compare(run / "pc/float_model", run / "pc", limits=Limits(share=0.2)).layers
    assert all(layer.is_equal and layer.sqnr > 20 and layer.cosine > 0.99 for layer in layers)
    assert compare(run / "pc/float_model", run / "pc").b == str(run / "pc/ptq_model_dequantize")


def test_the_order_is_the_networks(run: Path, digits: Path) -> None:
    program, _ = unpack.read(digits.with_suffix(".mgk"))
    found = compare(run / "pc/float_model", run / "pc/ptq_model")
    assert found.order == "tensors.json"
    assert [layer.name for layer in found.layers] == [step.name for step in program.steps]


def test_the_first_difference(run: Path, digits: Path, tmp_path: Path) -> None:
    program, _ = unpack.read(digits.with_suffix(".mgk"))
    for file in (run / "board").glob("*_out.bin"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (spoiled,) = tmp_path.glob("4_*_out.bin")
    codes = np.fromfile(spoiled, np.uint8)
    codes[100] ^= 4
    codes.tofile(spoiled)
    found = compare(run / "pc", tmp_path, model=digits.with_suffix(".mgk"))
    first, shape = found.first, program.writes(program.steps[4])[0].shape
    assert first is not None and first.name == program.steps[4].name
    assert (first.differing, first.largest, first.guess) == (1, 4, "numbers")
    place = [int(i) for i in np.unravel_index(100, shape)]
    assert first.first == f"at {place}: {codes[100] ^ 4} and {codes[100]}"
    assert compare(run / "pc", tmp_path, model=digits.with_suffix(".mgk"), limits=Limits(codes=4)).first is None
    assert found.to_json()["first_difference"] == first.name


def test_a_dump_of_another_model(run: Path, digits: Path, tmp_path: Path) -> None:
    write(tmp_path, **{"0_gemm_u8_out": CODES})
    with pytest.raises(DataError, match="a dump is of another model") as caught:
        compare(run / "pc", tmp_path, model=digits.with_suffix(".mgk"))
    assert "found: step 0, gemm_u8\n need: conv_u8 in " in str(caught.value)
    write(tmp_path, **{"0_gemm_u8_out": CODES, "99_conv_u8_out": CODES})
    (tmp_path / "0_gemm_u8_out.bin").unlink()
    with pytest.raises(DataError, match=r"need: \d+ steps in "):
        compare(run / "pc", tmp_path, model=digits.with_suffix(".mgk"))


def test_names_of_another_model(digits: Path, tmp_path: Path) -> None:
    """All of them: refused; some of them: said; without --model they are compared by name."""
    mgk = digits.with_suffix(".mgk")
    program, _ = unpack.read(mgk)
    folder = write(tmp_path / "a", other=CODES, another=CODES)
    with pytest.raises(DataError, match="the dumps are of another model") as caught:
        compare(folder, folder, model=mgk)
    assert f"found: another is no layer of it, other is no layer of it\n need: layers of {mgk}\n" in str(caught.value)
    assert compare(folder, folder).is_equal
    write(folder, **{program.steps[0].name: CODES}, input=CODES)
    found = compare(folder, folder, model=mgk)
    assert found.warnings == tuple(
        f"{mgk} is not of all of {side}: another is no layer of it, other is no layer of it" for side in "AB"
    )
    assert found.to_json()["warnings"] == list(found.warnings)


def test_dtypes_of_another_model(run: Path, digits: Path, tmp_path: Path) -> None:
    """The same net with other bits: what tensors.json says is not what the model has."""
    mgk = digits.with_suffix(".mgk")
    assert compare(run / "pc", run / "board", model=mgk).warnings == ()
    shutil.copytree(run / "pc", tmp_path / "pc")
    rows = json.loads((run / "pc/tensors.json").read_text())
    name = rows[0]["layer"]
    text = f"{name} is u16 in tensors.json and u8 in the model"
    (tmp_path / "pc/tensors.json").write_text(json.dumps([{**rows[0], "dtype": "u16"}, *rows[1:]]))
    assert compare(tmp_path / "pc", run / "board", model=mgk).warnings == (f"{mgk} is not of all of A: {text}",)
    (tmp_path / "pc/tensors.json").write_text(json.dumps([{**row, "dtype": "u16"} for row in rows]))
    assert len(compare(run / "pc", tmp_path / "pc", model=mgk).warnings) == 1
    with pytest.raises(DataError, match=f"the dumps are of another model\nwhere: .*\nfound: {text}, "):
        compare(tmp_path / "pc", tmp_path / "pc", model=mgk)


def test_what_cannot_be_compared(run: Path, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder of dumps"):
        compare(run / "pc", tmp_path / "none")
    with pytest.raises(DataError, match="the folder has no dumps of layers"):
        compare(run / "pc", tmp_path)
    with pytest.raises(DataError, match="the folders have no layer in common") as caught:
        compare(run / "pc", run / "board")
    assert "hint: --model NAME.mgk tells which step" in str(caught.value)
    with pytest.raises(LoadError, match="a model file holds no program"):
        compare(run / "pc", run / "board", model=digits)


@pytest.mark.parametrize("name", ["tensors.json", "model_node_info.json"])
@pytest.mark.parametrize("text", ["", "[3]", "{}", '[{"file": "x.bin", "shape": [0], "dtype": "u8", "layer": "x"}]'])
def test_descriptions_that_are_none(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, x=CODES)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f"the description of dumps cannot be read\nwhere: .*{name}"):
        compare(tmp_path, tmp_path)


ROW = {"file": "x.bin", "layer": "x", "shape": [2], "dtype": "u8"}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("tensors.json", 3, "the file is 3, no list"),
        ("tensors.json", [3], "an entry is 3, no object"),
        ("tensors.json", [{**ROW, "shape": 3}], "shape is 3, no list"),
        ("tensors.json", [{**ROW, "shape": [1, 0]}], r"shape is \[1, 0\]"),
        ("tensors.json", [{**ROW, "dtype": [1]}], r"dtype is \[1\]"),
        ("tensors.json", [{**ROW, "file": None}], "file is missing, no text"),
        ("tensors.json", [{**ROW, "scale": "1"}], 'scale is "1", no number'),
        ("tensors.json", [{**ROW, "scale": float("nan")}], "scale is NaN, no number"),
        ("tensors.json", [{**ROW, "scale": 10**400}], "scale is 10+ …, no number"),
        ("tensors.json", [{**ROW, "scale": 1, "zero_point": 0}], "bits is missing"),
        ("model_node_info.json", {"all_type": 3}, "all_type is 3, no list"),
        ("model_node_info.json", {"all_type": [[]]}, r"an operator is \[\], no text"),
        ("model_node_info.json", {"all_type": ["Conv"], "Conv": 3}, "the names of Conv is 3, no list"),
        ("model_node_info.json", {"all_type": ["Conv"], "Conv": [3]}, "a name is 3, no text"),
    ],
)
def test_what_a_description_has_is_said(tmp_path: Path, name: str, value: object, found: str) -> None:
    write(tmp_path, x=CODES)
    (tmp_path / name).write_text(json.dumps(value))
    with pytest.raises(DataError, match=f"\nfound: {found}\n need: "):
        compare(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"[" * 200_000, "JSON that is nested too deep"),
        (b"[1", "no JSON: Expecting"),
        (b"\xff", "no UTF-8: invalid start byte at byte 0"),
    ],
)
def test_a_description_that_is_no_json(tmp_path: Path, data: bytes, found: str) -> None:
    write(tmp_path, x=CODES)
    (tmp_path / "tensors.json").write_bytes(data)
    with pytest.raises(DataError, match=f"\nfound: {found}"):
        compare(tmp_path, tmp_path)


def test_the_vendors_list_of_nodes_gives_an_order(tmp_path: Path) -> None:
    write(tmp_path / "ptq_model", last=CODES, a_b=CODES, c=CODES, conv10=CODES, conv9=CODES)
    assert [layer.name for layer in compare(tmp_path, tmp_path).layers] == ["a_b", "c", "conv9", "conv10", "last"]
    nodes = {"all_type": ["MaxPool", "Conv2D"], "MaxPool": ["c"], "Conv2D": ["conv10", "a/b"]}
    (tmp_path / "model_node_info.json").write_text(json.dumps(nodes))
    found = compare(tmp_path, tmp_path)
    assert [layer.name for layer in found.layers] == ["c", "conv10", "a_b", "conv9", "last"]
    assert found.order == "model_node_info.json"


def test_vendors_names_of_board_and_pc(tmp_path: Path) -> None:
    a = write(tmp_path / "a", conv_QuantizeFeature=CODES, conv_QuantizeFeature_1_6_5_4=CODES)
    b = write(tmp_path / "b", conv_QuantizeFeature_out=CODES)
    assert only(a, b).is_equal


@pytest.mark.parametrize("folder", ["ptq_model", "own"])
def test_layers_that_are_named_as_parts_of_others(tmp_path: Path, folder: str) -> None:
    layers = dict.fromkeys(("a", "a_out", "fc_weight", "proj_bt"), CODES)
    a, b = write(tmp_path / "a" / folder, **layers), write(tmp_path / "b" / folder, **layers)
    assert [layer.name for layer in compare(a, b).layers] == [*layers]
    for name in layers:
        write(b, **{name: CODES + 1})
        first = compare(a, b).first
        assert first is not None and first.name == name
        (b / f"{name}.bin").unlink()
        assert not compare(a, b).is_equal and (name in compare(a, b).missing or folder == "own")
        write(b, **layers)


def test_a_layer_that_is_called_input(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / name / "ptq_model", input=CODES, x=CODES)
        write(tmp_path / name, input=CODES.astype(np.float32))
    assert [layer.name for layer in compare(tmp_path / "a", tmp_path / "b").layers] == ["input", "input", "x"]
    (tmp_path / "b/ptq_model/input.bin").unlink()
    assert compare(tmp_path / "a", tmp_path / "b").missing == ("input",)


def test_names_that_tensors_json_lists_are_whole(tmp_path: Path) -> None:
    """Steps, sizes and parts are of boards."""
    names = ["a", "a_out", "b_out", "3_conv_u8_out", "y_1_1_1_1", "input"]
    write(tmp_path, **dict.fromkeys(names, CODES[:1, :1, :1, :1]))
    rows = [{"file": f"{name}.bin", "layer": name, "shape": [1], "dtype": "u8"} for name in names]
    (tmp_path / "tensors.json").write_text(json.dumps(rows))
    assert [layer.name for layer in compare(tmp_path, tmp_path).layers] == [name for name in names if name != "input"]


def test_two_dumps_of_a_step_are_none_of_it(run: Path, digits: Path, tmp_path: Path) -> None:
    """As of two runs with different sizes in one folder."""
    board = tmp_path / "MAGIK_DATA_DUMP"
    shutil.copytree(run / "board/MAGIK_DATA_DUMP", board)
    program, _ = unpack.read(digits.with_suffix(".mgk"))
    (first,) = board.glob("0_*.bin")
    kernel = "_".join(first.stem.split("_")[:3])
    write(board, **{f"{kernel}_1_1_1_2": CODES.reshape(-1)[:2]})
    found = compare(run / "pc", board, model=digits.with_suffix(".mgk"))
    assert found.missing == (program.steps[0].name,) and set(found.only_b) == {first.stem, f"{kernel}_1_1_1_2"}


def test_two_names_of_a_layer_in_one_folder(digits: Path, tmp_path: Path) -> None:
    """The node's is the layer's name, the tensor's is then none."""
    mgk = digits.with_suffix(".mgk")
    program, _ = unpack.read(mgk)
    node, tensor = program.steps[1].name, program.steps[1].outputs[0]
    both = write(tmp_path / "both", **{node: CODES, safe(tensor): CODES + 1})
    assert only(both, write(tmp_path / "one", **{node: CODES}), model=mgk).is_equal
    assert compare(both, tmp_path / "one", model=mgk).missing == (safe(tensor),)


@pytest.mark.parametrize("a, b, kinds", [("u1", "u1", "codes"), ("<u2", "<u2", "codes"), ("u1", "<u2", "codes")])
def test_widths(tmp_path: Path, a: str, b: str, kinds: str) -> None:
    left = write(tmp_path / "a/ptq_model", x_1_6_5_4=CODES.astype(a))
    right = write(tmp_path / "b/ptq_model", x_1_6_5_4=CODES.astype(b))
    layer = only(left, right)
    assert (layer.kind, layer.count, layer.differing) == (kinds, CODES.size, 0)
    assert layer.cosine is None  # nothing says what they mean


def test_two_codes_in_a_byte(tmp_path: Path) -> None:
    flat = (CODES & 15).reshape(-1)
    packed = flat[::2] | flat[1::2] << 4
    for a, b in (({"x": flat}, {"x": packed}), ({"x": packed}, {"x": flat})):
        layer = only(write(tmp_path / "a", **a), write(tmp_path / "b", **b))
        assert (layer.kind, layer.count, layer.differing) == ("codes", flat.size, 0)


def test_codes_whose_meaning_nobody_says_are_fitted(tmp_path: Path) -> None:
    reals = (CODES.astype(np.float32) - 17) * np.float32(0.25)
    a, b = write(tmp_path / "float_model", x=reals), write(tmp_path / "b", x=CODES)
    layer = only(a, b)
    assert layer.is_equal and layer.meaning == "best fit: 0.25 * code - 4.25"
    assert only(b, a).kind == "codes, f32"
    write(a, x=np.where(reals == reals.max(), np.nan, reals))
    assert "NaN or infinite are" in only(a, b).looks_like


@pytest.mark.parametrize(
    ("other", "guess"),
    [
        (CODES.transpose(0, 3, 1, 2), "layout: A is NHWC where B is NCHW with 4 channels"),
        (CODES[..., [2, 1, 0, 3]], "channel order: red and blue are exchanged"),
        (CODES + 3, "offset and scale: B is 1 * A + 3"),
        (CODES + 1, "numbers: rounding, at most 1 apart"),
        (CODES.reshape(-1)[:-7], "sizes: 120 and 113 bytes"),
    ],
)
def test_what_it_looks_like(tmp_path: Path, other: np.ndarray, guess: str) -> None:
    layer = only(write(tmp_path / "a", x=CODES), write(tmp_path / "b", x=other))
    assert not layer.is_equal and layer.looks_like.startswith(guess)


def test_empty_files(tmp_path: Path) -> None:
    layer = only(write(tmp_path / "a", x=CODES[:0]), write(tmp_path / "b", x=CODES[:0]))
    assert not layer.is_equal and layer.looks_like == "sizes: both files are empty"


def test_reals(tmp_path: Path) -> None:
    a = write(tmp_path / "a/float_model", x=REALS)
    b = write(tmp_path / "b/float_model", x=REALS * np.float32(1.01))
    layer = only(a, b)
    assert (layer.kind, layer.guess) == ("f32", "offset and scale")
    assert layer.sqnr == pytest.approx(40, abs=0.1) and layer.largest == pytest.approx(np.abs(REALS).max() / 100, 1e-3)
    assert only(a, b, limits=Limits(share=0.011)).is_equal
    assert only(a, a).sqnr is None


def test_two_files(tmp_path: Path) -> None:
    folder = write(tmp_path, a=CODES, b=CODES + 1)
    assert compare(folder / "a.bin", folder / "a.bin").first is None
    assert compare(folder / "a.bin", folder / "b.bin").layers[0].differing == CODES.size


def test_the_inputs_come_first(tmp_path: Path) -> None:
    for name, pixels in (("a", CODES), ("b", CODES[:, ::-1])):
        write(tmp_path / name / "ptq_model", x=CODES)
        write(tmp_path / name, input=pixels.astype(np.float32), input_uint8=pixels)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert [(layer.name, layer.is_equal) for layer in found.layers] == [
        ("input", False), ("input_uint8", False), ("x", True),
    ]  # fmt: skip
