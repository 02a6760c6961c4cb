"""magik debug: the table, what it is sorted by, JSON, the page, the folder, and what is refused."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from magik_core.cli._columns import GAP, fit
from magik_core.cli.debug import COLUMNS, SPARE, Sort, _words
from magik_core.debug import debug
from magik_core.debugging.distance import Distance
from magik_core.debugging.measure import Layer
from magik_core.debugging.report import Report, Trial
from magik_core.errors import MagikError
from tests.cli.models import DIGITS, FLOAT, files, samples, weights, write

PIXELS = ("--mean", 127, "--normal", 128)
NOT_FINITE = (math.inf, -math.inf, math.nan)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_and_the_folder(magik, calib: Path, at: Path) -> None:
    done = magik("debug", DIGITS, "--calib", calib, *PIXELS)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert tuple(lines[0].split()) == COLUMNS and len(lines) == 23
    first = lines[1].split()
    assert first[:3] == ["0", "node_Conv_175", "Conv"] and len(first) == len(COLUMNS)
    assert 35 < float(first[3]) < 50 and first[3] == first[4], "nothing is before the first layer"
    assert "22 layers on 2 samples; SQNR in dB" in done.err and "wrote magik_dump_path" in done.err
    assert len(list((at / "magik_dump_path/ptq_model").iterdir())) == 22
    tried = [line for line in done.err.splitlines() if " in f32: " in line]  # what gains, or that nothing does
    assert 1 <= len(tried) <= 3 and all("output probabilities" in line for line in tried)


def trial(layer: str, before: float, after: float) -> Trial:
    return Trial(layer, (layer, f"{layer}/relu"), "y", before, after)


def said(capsys: pytest.CaptureFixture[str], *trials: Trial) -> list[str]:
    _words(Report("m", 1, (), (), trials=trials), None)
    return capsys.readouterr().err.splitlines()[1:]


def test_only_what_gains_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    some = (trial("a", 1.8, 36.1), trial("b", 1.8, math.inf), trial("c", 1.8, 1.82), trial("d", 1.8, 0.5))
    assert said(capsys, *some) == [
        "a in f32: output y goes from 1.8 to 36.1 dB",
        "b in f32: output y goes from 1.8 to exact",
        "hint: --set QUANT_NODE_SKIP=a,a/relu",
    ]
    none = "2 layers tried in f32: none makes output y better than"
    assert said(capsys, *some[2:]) == [f"{none} 1.8 dB"]
    assert said(capsys, trial("a", math.inf, math.inf), trial("b", math.inf, 9)) == [f"{none} exact"]
    assert said(capsys) == []


def test_the_table_fits_a_hundred_columns(magik, calib: Path, at: Path) -> None:
    out = magik("debug", DIGITS, "--calib", calib, *PIXELS, "--no-dump", "--no-try-skips").out
    rows = [line.split() for line in out.splitlines()[1:] if len(line.split()) == len(COLUMNS)]
    shown = fit(COLUMNS, rows, SPARE, 100)
    assert sum(c.width for c in shown) + GAP * (len(shown) - 1) <= 100
    assert {COLUMNS[c.index] for c in shown} >= {*COLUMNS} - {"op", "most"}
    assert not (at / "magik_dump_path").exists()


def test_sorting(magik, calib: Path, at: Path) -> None:
    run = ("debug", DIGITS, "--calib", calib, *PIXELS, "--no-dump", "--no-try-skips")
    all_rows = json.loads(magik(*run, "--json").out)["layers"]
    for sort, part, key, down in (
        ("alone", "isolated", "sqnr_db", False),
        ("weights", "weights", "sqnr_db", False),
        ("cosine", "accumulated", "cosine", False),
        ("share", "accumulated", "share", True),
    ):
        rows = sorted((r for r in all_rows if r[part]), key=lambda r: r[part][key], reverse=down)
        lines = magik(*run, "--sort", sort, "--top", 4).out.splitlines()[1:]
        assert [line.split()[1] for line in lines] == [r["name"] for r in rows[:4]], sort


def test_json_is_the_report(magik, calib: Path, at: Path) -> None:
    done = magik("debug", DIGITS, "--calib", calib, *PIXELS, "--json", "-o", at / "d", "--html", at / "p.html")
    found = json.loads(done.out)
    assert set(found) == {"model", "samples", "layers", "tensors", "folder", "trials", "warnings"}
    assert found["samples"] == 2 and found["folder"] == str(at / "d") and len(found["trials"]) == 3
    layer = found["layers"][1]
    assert set(layer["accumulated"]) == {
        "sqnr_db", "cosine", "cosine_min", "cosine_max", "euclidean", "deviation", "largest", "share",
    }  # fmt: skip
    assert layer["isolated"]["cosine"] > 0.99 and layer["nodes"] == ["node_Conv_177", "n4"]
    assert {"saturated_low", "unused", "counts", "seen_high", "low"} <= set(found["tensors"][0])
    assert "<h2>Tensors of codes</h2>" in (at / "p.html").read_text() and f"wrote {at / 'p.html'}" in done.err


def test_numbers_that_are_not_finite_are_the_tables_words() -> None:
    distances = [Distance(sqnr, 1.0, -math.inf, math.nan, 0.0, 0.0, 0.0, math.inf) for sqnr in NOT_FINITE]
    layers = tuple(Layer("a", "Relu", ("a",), "y", (1,), "u8", 8, d, None, None, None) for d in distances)
    report = Report("m", 1, layers, (), trials=(Trial("a", ("a",), "y", -math.inf, math.inf),))
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    parts = [layer["accumulated"] for layer in found["layers"]]
    assert [part["sqnr_db"] for part in parts] == ["exact", "none", "nan"]
    assert [parts[0][key] for key in ("cosine", "cosine_min", "cosine_max", "share")] == [1.0, "-inf", "nan", "inf"]
    assert found["layers"][0]["isolated"] is None, "that was not measured"
    assert (found["trials"][0]["before"], found["trials"][0]["after"]) == ("none", "exact")
    assert report.trials[0].gain == math.inf


def test_what_the_hint_names_can_be_left_out(magik, calib: Path, at: Path) -> None:
    run = ("debug", DIGITS, "--calib", calib, *PIXELS, "--no-dump", "--no-try-skips", "--json")
    before = json.loads(magik(*run).out)["layers"]
    nodes = next(layer["nodes"] for layer in before if layer["name"] == "node_Conv_185")
    after = json.loads(magik(*run, "--set", f"QUANT_NODE_SKIP={','.join(nodes)}").out)["layers"]
    assert [layer["name"] for layer in after if layer["dtype"] == "f32"] == ["node_Conv_185"]
    assert [layer["name"] for layer in before] == [layer["name"] for layer in after]


def test_data_of_its_own(magik, calib: Path, at: Path) -> None:
    other = samples(at / "other.npy", 5)
    done = magik("debug", DIGITS, "--calib", calib, *PIXELS, "--data", other, "--size", 3, "--json")
    assert json.loads(done.out)["samples"] == 3
    pixels = np.load(other)[0].transpose(1, 2, 0)
    found = np.frombuffer((at / "magik_dump_path/input.bin").read_bytes(), "<f4")
    np.testing.assert_array_equal(found, pixels.reshape(-1), "the raw picture, channels last")


def test_the_calibration_data_is_as_much_as_was_calibrated_on(magik, at: Path) -> None:
    data = samples(at / "five.npy", 5)
    run = ("debug", DIGITS, "--calib", data, "--calib-size", 3, *PIXELS, "--no-dump", "--no-try-skips", "--json")
    for more, count in (((), 3), (("--size", 2), 2), (("--size", 4), 3), (("--data", data), 5)):
        assert json.loads(magik(*run, *more).out)["samples"] == count, more


def test_an_order_that_is_none(refused, at: Path) -> None:
    names = ", ".join(f"'{one}'" for one in Sort)
    assert refused("debug", DIGITS, "--sort", "worst", code=2) == (
        f"error: invalid value for '--sort': 'worst' is not one of {names}\n\n hint: magik debug --help\n"
    )


def test_the_library(calib: Path, at: Path) -> None:
    keys = {"calibration": calib, "mean": [127], "normal": [128]}
    feeds = [{"image": x[None]} for x in np.load(calib)]
    named = debug(DIGITS, calib, tries_skips=False, **keys)
    assert debug(DIGITS, iter(feeds), tries_skips=False, **keys) == named == debug(DIGITS, tries_skips=False, **keys)
    assert files(at) == {"calib.npy": calib.read_bytes()} and named.folder == ""


def test_a_conversion_debugs_when_asked(magik, refused, calib: Path, at: Path) -> None:
    keys = ("--calib", calib, *PIXELS)
    alone = json.loads(magik("debug", DIGITS, *keys, "--no-try-skips", "--json").out)["layers"]
    done = magik("convert", DIGITS, *keys, "--set", f"DEBUG_PATH={calib}", "--json")
    assert done.code == 0 and json.loads(done.out)["debug"]["layers"] == alone
    assert (at / "magik_dump_path/model_node_info.json").exists()
    (at / "magik_dump_path/mine.txt").write_text("x")
    said = refused("convert", DIGITS, *keys, "--set", "DEBUG_PATH=none")
    assert "error: data of DEBUG_PATH not found\nwhere: none" in said
    said = refused("convert", DIGITS, *keys, "--set", f"DEBUG_PATH={calib}", code=2)
    assert "other files" in said
    assert " hint: leave DEBUG_PATH out, or convert in another working directory\n" in said


def test_the_dump_never_takes_the_place_of_data(refused, calib: Path, at: Path) -> None:
    keys, shape = ("--calib", calib, *PIXELS), np.load(calib).shape[1:]
    (at / "frames").mkdir()
    for i in range(3):
        np.zeros(shape, np.uint8).tofile(at / f"frames/input_{i}.bin")
    for run in (("--calib", at / "frames"), (*keys, "--data", at / "frames"),
                (*keys, "--set", f"WEIGHT_CORRECT_PATH={at / 'frames'}")):  # fmt: skip
        for more in ((), ("--no-try-skips",)):
            said = refused("debug", DIGITS, *run, "-o", at / "frames", *more, code=2)
            assert said.startswith(f"error: the dump's folder holds what is in use\nwhere: {at / 'frames'}\n")
    said = refused("debug", DIGITS, *keys, "-o", at / "frames", code=2)
    assert "error: the dump's folder holds other files" in said and "found: input_0.bin\n" in said


def test_a_dump_that_is_fed_is_not_replaced(magik, refused, calib: Path, at: Path) -> None:
    run = (DIGITS, "--calib", calib, *PIXELS)
    for _ in range(2):
        assert magik("debug", *run, "--no-try-skips").code == 0
    fed = Path("magik_dump_path/input.bin")
    for command in (("debug", *run, "--data", fed), ("convert", *run, "--set", f"DEBUG_PATH={fed}")):
        assert f"holds what is in use\nwhere: magik_dump_path\nfound: {fed}\n" in refused(*command, code=2)
    said = refused("convert", *run, "-o", at / "a", "--set", f"DEBUG_PATH={calib}", "--calib", fed, code=2)
    assert " hint: leave DEBUG_PATH out, or convert in another working directory\n" in said


def test_a_place_for_dumps_is_looked_at_first(refused, calib: Path, at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, real = (DIGITS, "--calib", calib, *PIXELS), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "." and real(path, mode))
    for command in (("debug", *run), ("convert", *run, "--set", f"DEBUG_PATH={calib}")):
        said = refused(*command)
        assert said == "error: an output cannot be written\nwhere: magik_dump_path\nfound: .: Permission denied\n"
    said = refused("debug", *run, "-o", calib / "dump")
    assert said == f"error: an output cannot be written\nwhere: {calib / 'dump'}\nfound: {calib} is no folder\n"


def test_the_input_of_a_net_with_memory_can_be_fed_again(magik, at: Path) -> None:
    node = helper.make_node("GRU", ["x", "w", "r", "", "", "h"], ["y", "hn"], "gru", hidden_size=4)
    inputs, outputs = [("x", FLOAT, (1, 1, 3)), ("h", FLOAT, (1, 1, 4))], [("hn", FLOAT, (1, 1, 4))]
    constants = {"w": weights(1, 12, 3), "r": weights(1, 12, 4)}
    write(at / "gru.onnx", [node], inputs, [("y", FLOAT, (1, 1, 1, 4)), *outputs], constants)
    np.save(at / "x.npy", weights(5, 1, 1, 3))
    run = ("debug", "gru.onnx", "--calib", "x.npy", "--state", "h=hn", "--no-try-skips")
    assert magik(*run).code == 0
    assert {path.name for path in (at / "magik_dump_path").glob("*input.bin")} == {"input.bin", "h_input.bin"}
    done = magik(*run, "--data", "magik_dump_path/input.bin", "-o", "again")
    assert done.code == 0 and "on 1 sample;" in done.err
    first, again = files(at / "magik_dump_path"), files(at / "again")
    assert all(again[name] == data for name, data in first.items())


@pytest.mark.parametrize("kind", ["nan", "truncated", "other size", "empty folder"])
def test_bad_data_to_debug_with_leaves_no_model(magik, calib: Path, at: Path, kind: str) -> None:
    data = at / ("bad" if kind == "empty folder" else "bad.npy")
    if kind == "empty folder":
        data.mkdir()
    else:
        array = np.load(calib)
        array[-1, 0, 0, 0] = np.nan if kind == "nan" else 0
        np.save(data, array[..., :-1] if kind == "other size" else array)
        data.write_bytes(data.read_bytes()[: -100 if kind == "truncated" else None])
    before = files(at)
    done = magik("convert", DIGITS, "--calib", calib, *PIXELS, "-o", at / "a", "--set", f"DEBUG_PATH={data}")
    assert done.code == 1 and files(at) == before and f"where: {data}" in done.err
    assert ("calibrate:" in done.err) == (kind == "nan"), "what can be seen early is"


def test_the_place_of_the_file_of_bits_is_looked_at_first(refused, calib: Path, at: Path) -> None:
    (at / "magik_node_quant_bit_info.json").mkdir()
    said = refused("convert", DIGITS, "--calib", calib, *PIXELS, "-o", at / "a", "--set", "SAVE_OP_QUANT_BIT=true")
    assert said == (
        "error: an output cannot be written\nwhere: magik_node_quant_bit_info.json\nfound: Is a directory\n"
    )


def test_keys_that_only_convert_has_are_said(magik, calib: Path, at: Path) -> None:
    run = ("debug", DIGITS, "--calib", calib, *PIXELS, "--no-dump", "--no-try-skips")
    done = magik(*run, "--set", "DEBUG_PATH=/nope", "--set", "SAVE_OP_QUANT_BIT=true")
    assert done.code == 0 and files(at) == {"calib.npy": calib.read_bytes()}
    assert done.err.startswith(
        "warning: DEBUG_PATH is for convert: here --data says what is compared on\n"
        "warning: SAVE_OP_QUANT_BIT is for convert: here no file of bits is written\n"
    )
    assert "warning" not in magik(*run).err


@pytest.mark.parametrize("command", ["debug", "inspect", "profile"])
def test_the_pages_place_is_looked_at_first(refused, at: Path, command: str) -> None:
    (at / "page").mkdir()
    said = refused(command, "none.onnx", "--html", at / "page")
    assert said == f"error: an output cannot be written\nwhere: {at / 'page'}\nfound: Is a directory\n"
    said = refused(command, "none.onnx", "--html", "", code=2)
    assert said == "error: --html wants a file\nwhere: --html\nfound: an empty name\n need: FILE\n"


def test_bits_and_skips_are_options_as_of_convert(magik, calib: Path, at: Path) -> None:
    run = ("debug", DIGITS, "--calib", calib, *PIXELS, "--no-dump", "--no-try-skips", "--json")
    options = ("--feature-bits", 10, "--weight-bits", 4, "--skip-nodes", "node_Conv_185", "--skip-ops", "Softmax")
    keys = ("QUANT_FEATURE_BIT=10", "QUANT_WEIGHT_BIT=4", "QUANT_NODE_SKIP=node_Conv_185", "QUANT_OP_SKIP=Softmax")
    found = magik(*run, *options)
    assert found.code == 0 and found.out == magik(*run, *(f"--set={key}" for key in keys)).out
    assert {layer["bits"] for layer in json.loads(found.out)["layers"]} == {0, 10}
    said = magik("check", DIGITS, *options).err
    assert "no such option" not in said.lower() and "on host: 0 blockers" in said
    assert "where: none\n" in magik("check", DIGITS, "--skip-nodes", "none").err


def test_one_picture(magik, calib: Path, at: Path) -> None:
    from PIL import Image

    Image.fromarray(np.load(calib)[0].astype(np.uint8).transpose(1, 2, 0)).save(at / "one.png")
    done = magik("debug", DIGITS, "--calib", calib, *PIXELS, "--data", at / "one.png", "--no-try-skips")
    assert done.code == 0 and "22 layers on 1 sample;" in done.err


def test_refusals(refused, calib: Path, at: Path) -> None:
    (at / "full").mkdir()
    (at / "full/mine.txt").write_text("x")
    said = refused("debug", DIGITS, "--calib", calib, "--data", at / "none", "-o", at / "full", code=2)
    assert "error: the dump's folder holds other files" in said
    assert f"error: data to debug with not found\nwhere: {at / 'none'}" in said
    assert "calibration data is missing" in refused("debug", DIGITS, code=2)


def test_an_imported_model_needs_data_of_its_own(at: Path) -> None:
    from tests.core.graphs import source_of

    text = """g (float[1,3,8,8] x) => (float[1,3,8,8] y) {
        q = QuantizeLinear (x, s, z)
        d = DequantizeLinear (q, s, z)
        a = Relu (d)
        r = QuantizeLinear (a, s, z)
        y = DequantizeLinear (r, s, z)
    }"""
    model = source_of(text, s=np.float32(0.1), z=np.uint8(100))
    with pytest.raises(MagikError, match="there is no data to debug with") as e:
        debug(model)
    assert e.value.problems[0].hint == "pass --data PATH"
    x = np.random.default_rng(0).uniform(-9, 9, (1, 3, 8, 8)).astype(np.float32)
    report = debug(model, [{"x": x}])
    assert report.layers and all(layer.isolated and layer.isolated.cosine > 0.999 for layer in report.layers)


def test_nothing_heavy_is_imported_for_help() -> None:
    import subprocess

    code = "import magik_core.cli.debug, sys; print([m for m in ('onnxruntime', 'onnx_ir') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
