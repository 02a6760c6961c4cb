"""The vendor's command lines, both dialects with their spellings: they make the files that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import helper

import magik_core
from magik_core import plugins, unpack
from tests.cli.models import FLOAT, weights, write
from tests.vendor.conftest import Done, made

Tool = Callable[[str], Done]
FLAT = {"SOC": "T40", "INPUT_SHAPE": [1, 3, 32, 32], "MEAN": [127], "NORMAL": [128], "QUANT_DATASET_PATH": "pictures"}
ARCH = {"SOC": "T40"}
INPUT = {"BATCH": 1, "WIDTH": 32, "HEIGHT": 32, "CHANNEL": 3, "COLOR": "RGB", "NORMAL": [128] * 3, "MEAN": [127] * 3}
NESTED = {
    "ARCH": ARCH,
    "MODEL": {"FORMAT": "onnx", "INPUT": [INPUT]},
    "EXTRA": {"BIZ_CODE": "Ingenic", "VERBOSE": "ON"},
    "QUANT_DATASET_PATH": "pictures",
}
PTQ = {"format": "RGB", "width": 32, "height": 32, "path": "pictures", "used_image_num": 3,
       "feature_quantize_method": "KL", "weight_quantize_method": "MAX_ABS"}  # fmt: skip
CLASSIC = """\
magik-transform-tools --framework onnx --target_device T40 --outputpath t40_graph_net.mk.h --inputpath ./model.onnx \\
    --mean 127,127,127 --var 128,128,128 --img_width 32 --img_height 32 --img_channel 3 \\
    --input_prepad false --post_training_quantization true --ptq_config_path ptq.json \\
"""
SPELLINGS = {
    "as in the scripts": CLASSIC + "    --save_quantize_model false \\\n\n",
    "equals": re.sub(r"(--\w+) (?=[^\s\\])", r"\1=", CLASSIC),
    "blanks": CLASSIC.replace("--mean 127,127,127", "--mean  127, 127 ,127  ").replace("128,128,128", "' 128 '"),
    "equals with blanks": CLASSIC.replace("--img_width 32", "--img_width = 32").replace("l 3 ", "l =3 "),
    "empty arguments": CLASSIC.replace("--var", "'' ' ' --var").replace(".onnx", ".onnx ''"),
    "one dash": CLASSIC.replace(" --", " -"),
    "dashes of a document": CLASSIC.replace(" --mean", " \u2013mean").replace(" --var", " \u2014var"),
    "line ends of Windows": CLASSIC.replace(" \\\n", " \r \\\n"),
    "a backslash in quotes": CLASSIC.replace("--img_channel 3", "--img_channel '3 \\'") + "'\\'",
    "upper case and hyphens": CLASSIC.replace("--img_width", "--img-Width").replace("--outputpath", "--OutputPath"),
    "no nodes": CLASSIC + "--input_nodes= --output_nodes ''",
    "nodes": CLASSIC + "--input_nodes image --output_nodes probabilities",
}


@pytest.fixture(autouse=True)
def inputs(here: Path, everything: plugins.Plugins) -> Path:
    for name, value in (("flat.cfg", FLAT), ("nested.cfg", NESTED), ("ptq.json", PTQ)):
        (here / name).write_text(json.dumps(value))
    return here


@pytest.fixture
def want(here: Path) -> bytes:
    """The board's file, as `convert` makes it."""
    keys = {"mean": [127], "normal": [128], "input_shape": [1, 3, 32, 32]}
    magik_core.convert("model.onnx", here / "own/net", soc="T40", calibration="pictures", **keys)
    data = (here / "own/net.bin").read_bytes()
    for file in (here / "own").iterdir():
        file.unlink()
    return data


@pytest.mark.parametrize("script", SPELLINGS.values(), ids=SPELLINGS)
def test_classic(here: Path, tool: Tool, want: bytes, script: str) -> None:
    done = tool(script)
    assert done.code == 0, done.err
    assert done.out.endswith("Convert successfully\n")
    assert made(here) == ["magik_model_t40_graph_net.mk.h", "t40_graph_net.bin"]
    assert (here / "t40_graph_net.bin").read_bytes() == want


@pytest.mark.parametrize("config", ["flat.cfg", "nested.cfg"])
@pytest.mark.parametrize(
    "script",
    [
        "magik-transform-tools  --inputpath model.onnx --outputpath out/net_magik.mk.h --config {} \\\n"
        " --save_quantize_model true \\\n",
        "magik-transform-tools -inputpath model.onnx  -outputpath out/net_magik.mk.h -cfg {} -save_quantize_model true",
        "magik-transform-tools -i model.onnx -o out/net_magik.mk.h -cfg {} --save_quantize_model",
        "magik-transform-tools --model_file model.onnx --output_file=out/net_magik.mk.h --config_file {}"
        " --save_quantize_model=True",
    ],
    ids=["long", "one dash", "short", "wrapper"],
)
def test_config_file(here: Path, tool: Tool, want: bytes, script: str, config: str) -> None:
    done = tool(script.format(config))
    assert done.code == 0, done.err
    assert made(here) == ["out/magik_model_net_magik.mk.h", "out/net_magik.bin", "out/save-magik/model_quant.mgk"]
    assert (here / "out/net_magik.bin").read_bytes() == want
    header = (here / "out/magik_model_net_magik.mk.h").read_text()
    assert (
        "static const unsigned char magik_model_net_magik_mk[" in header and "struct MagikModelNetMagikMk {" in header
    )
    program, _ = unpack.read(here / "out/save-magik/model_quant.mgk")
    assert program.name == "net_magik"


def test_flags_win_over_the_config_file(here: Path, tool: Tool) -> None:
    done = tool("magik-transform-tools -i model.onnx -o a.mk.h -cfg flat.cfg --target_device nothing")
    assert done.code == 2 and "there is no SoC 'nothing'" in done.err


def test_the_size_of_the_pictures_is_that_of_the_input(here: Path, tool: Tool) -> None:
    (here / "ptq.json").write_text(json.dumps({**PTQ, "width": 48, "height": 40}))
    script = "magik-transform-tools -i model.onnx -o a.mk.h --target_device T40 --ptq_config_path ptq.json"
    assert tool(script).code == 0
    assert magik_core.load(here / "a.bin").inputs[0].shape == (1, 3, 40, 48)
    assert tool(f"{script} --img_width 64 --img_height 32").code == 0
    assert magik_core.load(here / "a.bin").inputs[0].shape == (1, 3, 32, 64)


def test_an_onnx_model_with_its_channels_last(here: Path, tool: Tool) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"]),
    ]
    sizes = [f"d{i}" for i in range(4)]
    ports = [("x", FLOAT, (2, 8, 8, 3))], [("y", FLOAT, sizes)]
    write(here / "model.onnx", nodes, *ports, {"w": weights(4, 3, 3, 3)})
    size = "--img_width 16 --img_height 12 --img_channel 3"
    assert tool(f"magik-transform-tools -i model.onnx -o a.mk.h --target_device T40 {size}").code == 0
    assert magik_core.load(here / "a.bin").inputs[0].shape == (1, 12, 16, 3)


@pytest.mark.parametrize(
    "said",
    [
        "--target_device T40 --img_width 24 --img_height 20 --mean 0,0,0 --var 255,255,255",
        {"ARCH": ARCH, "MODEL": {"INPUT": [{**INPUT, "WIDTH": 24, "HEIGHT": 20}]}},
        {"ARCH": ARCH, "MODEL": {"INPUT": [{**INPUT, "NAME": "image", "WIDTH": 24, "HEIGHT": 20}, {"NAME": "s"}]}},
        {**FLAT, "INPUT_SHAPE": [1, 3, 20, 24], "QUANT_DATASET_PATH": ""},
        {**FLAT, "INPUT_SHAPE": [[1, 3, 20, 24], []], "QUANT_DATASET_PATH": ""},
    ],
)
def test_the_size_of_an_image_beside_other_numbers(here: Path, tool: Tool, said: str | dict[str, object]) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Concat", ["f", "s"], ["y"], axis=1),
    ]
    ports = [("image", FLOAT, (1, 3, 16, 16)), ("s", FLOAT, (1, 8))], [("y", FLOAT, (1, 12))]
    write(here / "model.onnx", nodes, *ports, {"w": weights(4, 3, 3, 3)})
    (here / "own.cfg").write_text(json.dumps(said))
    done = tool(f"magik-transform-tools -i model.onnx -o a.mk.h {said if isinstance(said, str) else '-cfg own.cfg'}")
    assert done.code == 0, done.err
    assert [p.shape for p in magik_core.load(here / "a.bin").inputs] == [(1, 3, 20, 24), (1, 8)]


def test_a_gray_image_with_three_numbers(here: Path, tool: Tool) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    write(here / "model.onnx", nodes, [("x", FLOAT, (1, 1, 8, 8))], [("y", FLOAT, (1, 4, 6, 6))],
          {"w": weights(4, 1, 3, 3)})  # fmt: skip
    (here / "gray.json").write_text(json.dumps({**PTQ, "format": "GRAY", "width": 8, "height": 8}))
    script = "magik-transform-tools -i model.onnx -o a.mk.h --target_device T40 --ptq_config_path gray.json"
    assert tool(f"{script} --mean 127,127,127 --var 128,128,128").code == 0
    three = (here / "a.bin").read_bytes()
    assert tool(f"{script} --mean 127 --var 128").code == 0
    assert (here / "a.bin").read_bytes() == three


@pytest.mark.parametrize("more", ["", "--post_training_quantization false --ptq_config_path ptq.json"])
def test_without_calibration_a_float_model_stays_float(here: Path, tool: Tool, more: str) -> None:
    done = tool(f"magik-transform-tools -i model.onnx -o a.mk.h --target_device T41 {more}")
    assert done.code == 0 and "every step computes in f32" in done.err
    assert all(kernel.endswith(("_f32", "_x32")) for kernel in magik_core.load(here / "a.bin").kernels)


def test_the_models_of_the_vendors_own_programs(here: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGIK_CPP_FOR_INTERNAL", "true")
    assert tool("magik-transform-tools -i model.onnx -o net.mk.h -cfg flat.cfg").code == 0
    (inner,) = (name for name in made(here) if "/" in name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-magik/model_net_t40/net\.bin", inner)
    assert (here / inner).read_bytes() == (here / "net.bin").read_bytes()


def test_the_name_under_which_scripts_import_the_converter(here: Path, want: bytes) -> None:
    import magik_transformer.magik_transform as mt

    files = mt.magik_transform("model.onnx", "out/a.mk.h", "nested.cfg")
    assert [str(path) for path in files] == ["out/a.bin", "out/magik_model_a.mk.h"]
    assert (here / "out/a.bin").read_bytes() == want
    with pytest.raises(magik_core.MagikError, match="the output is not named as a header"):
        mt.magik_transform("model.onnx", "out/a.h", "nested.cfg")


def test_scripts_see_the_table_of_a_debug_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import magik_transformer.magik_transform as mt

    keys = {**json.loads(Path("nested.cfg").read_text()), "DEBUG_PATH": "pictures/0.png"}
    Path("debug.cfg").write_text(json.dumps(keys))
    mt.magik_transform("model.onnx", "out/a.mk.h", "debug.cfg")
    lines = capsys.readouterr().out.splitlines()
    assert "cosine" in lines[0] and len(lines) - 1 == len(list(Path("magik_dump_path/ptq_model").iterdir()))


@pytest.mark.parametrize("spelling", ["-gcfg", "--gen_config", "--gcfg", "-gen_config"])
def test_a_config_file_to_fill_in(here: Path, tool: Tool, spelling: str) -> None:
    done = tool(f"magik-transform-tools {spelling}")
    assert done.code == 0
    assert re.fullmatch(
        r"INFO\(magik\): magik-transform-tools version:0\.1\.0\(00000100_magik\) cuda version:none built:CPU\n",
        done.out,
    )
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}: I \w+\.py:\d+-\w+\] config file to fill in: (.+)\n"
    found = re.fullmatch(line, done.err)
    assert found and Path(found[1]) == (here / "magik.cfg").resolve()
    assert list(json.loads((here / "magik.cfg").read_text()).items()) == [
        ("SOC", ""), ("INPUT", []), ("INPUT_SHAPE", []), ("MEAN", []), ("NORMAL", []), ("COLOR", []), ("OUTPUT", []),
        ("QUANT_DATASET_PATH", "./path/to/"),
    ]  # fmt: skip
    assert tool(f"magik-transform-tools {spelling}").code == 0


def test_a_config_file_that_was_filled_in_stays(here: Path, tool: Tool) -> None:
    (here / "magik.cfg").write_text(json.dumps(FLAT))
    done = tool("magik-transform-tools -gcfg")
    assert done.code == 2 and "error: the file exists\nwhere: magik.cfg" in done.err
    assert json.loads((here / "magik.cfg").read_text()) == FLAT


def test_a_detector_cut_at_three_tensors_of_another_size(here: Path, tool: Tool) -> None:
    """As of the vendor's yolov5: exported at 16x16, converted at 32x24, outputs in the order of the flag."""
    nodes = [
        helper.make_node("Identity", ["images"], ["x"], "first"),
        *(helper.make_node("Conv", ["x", f"w{n}"], [n], f"head{n}", pads=[1] * 4) for n in ("640", "660", "680")),
        helper.make_node("Concat", ["680", "640", "660"], ["decoded"], "decode", axis=1),
    ]
    constants = {f"w{n}": weights(c, 3, 3, 3) for n, c in (("640", 2), ("660", 3), ("680", 4))}
    ports = [("images", FLOAT, (2, 3, 16, 16))], [("decoded", FLOAT, [f"d{i}" for i in range(4)])]
    write(here / "model.onnx", nodes, *ports, constants)
    script = (
        "magik-transform-tools --framework onnx --target_device T40 --outputpath ./yolov5s.mk.h --inputpath \\\n"
        "./model.onnx --mean 0,0,0 --var 255,255,255 --img_width 32 --img_height 24 --img_channel 3 \\\n"
        "    --input_nodes images --output_nodes 680,640,660 --input_prepad true \\\n"
        "--post_training_quantization true --ptq_config_path ptq.json --save_quantize_model true \\\n\n"
    )
    (here / "ptq.json").write_text(json.dumps({**PTQ, "width": 32, "height": 24}))
    done = tool(script)
    assert done.code == 0, done.err
    assert made(here) == ["magik_model_yolov5s.mk.h", "save-magik/model_quant.mgk", "yolov5s.bin"]
    net = magik_core.load(here / "yolov5s.bin")
    assert [(p.name, p.shape) for p in net.inputs] == [("images", (1, 3, 24, 32))]
    assert [(p.name, p.shape[1]) for p in net.outputs] == [("680", 4), ("640", 2), ("660", 3)]
