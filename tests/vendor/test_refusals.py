"""What the vendor's tool refuses: everything at once, with the nearest known word, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magik_core.config import Config
from magik_core.errors import UsageError
from magik_core.vendor import files, flags
from magik_core.vendor.job import Job, job
from tests.vendor.conftest import made

BASE = {"inputpath": "m.onnx", "outputpath": "o.mk.h", "target_device": "T40"}


def problems(call, *args) -> list[str]:
    with pytest.raises(UsageError) as caught:
        call(*args)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--outputpat", "a"], "error: unknown option\nwhere: magik-transform-tools\nfound: --outputpat\n\n"
                               " hint: did you mean --outputpath?"),
        (["-cgf", "a"], "found: -cgf\n\n hint: did you mean --config?"),
        (["--quantum=3"], "found: --quantum\n\n hint: magik-transform-tools --help"),
        (["--mean"], "error: an option has no value\nwhere: --mean\n need: --mean VALUE"),
        (["--inputpath", "--config", "c"], "error: an option has no value\nwhere: --inputpath"),
        (["-i", "a", "b.onnx"], "error: an argument belongs to no option\nwhere: -i\nfound: b.onnx\n\n"
                                         " hint: put a path with blanks into quotes"),
        (["model.onnx"], "error: an argument belongs to no option\nwhere: magik-transform-tools\nfound: model.onnx"),
        (["-gcfg", "x"], "error: an argument belongs to no option\nwhere: -gcfg\nfound: x"),
        (["-i", "a", "--inputpath", "b"], "error: --inputpath is given twice\nwhere: --inputpath\nfound: a, then b"),
        (["--input_prepad", "maybe"], "error: an option is neither true nor false\nwhere: --input_prepad"),
    ],
)  # fmt: skip
def test_flags(args: list[str], said: str) -> None:
    (text,) = problems(flags.parse, args)
    assert said in text


def test_all_wrong_flags_at_once() -> None:
    assert len(problems(flags.parse, ["x", "--foo", "--mean", "--input_prepad", "7"])) == 4


def test_wrong_values_are_told_beside_wrong_flags(tool) -> None:
    more = "--mean a --var 0 --img_width -1 --img_channel x --framework onxx"
    done = tool(f"magik-transform-tools --save_quantize_model maybe {more}")
    assert done.code == 2 and [line for line in done.err.splitlines() if line.startswith("where: ")] == [
        "where: --save_quantize_model", "where: --framework", "where: --mean", "where: --var", "where: --img_width",
        "where: --img_channel",
    ]  # fmt: skip


def test_a_wrong_mean_does_not_hide_a_wrong_size() -> None:
    texts = problems(job, {**BASE, "mean": "a", "img_width": "0", "img_height": "3"})
    assert [text.splitlines()[1] for text in texts] == ["where: --mean", "where: --img_width"]


def test_a_flag_may_be_repeated_and_may_have_numbers_below_zero() -> None:
    args = ["-i", "a", "--inputpath=a", "--mean", "-1,-2.5", "-3", "--save_quantize_model"]
    assert flags.parse(args) == {"inputpath": "a", "mean": "-1,-2.5,-3", "save_quantize_model": "true"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"outputpath": "o.bin"}, "error: the output is not named as a header\nwhere: --outputpath\nfound: o.bin\n"
                                  " need: a name that ends in .mk.h"),
        ({"outputpath": "a/.mk.h"}, "the output is not named as a header"),
        ({"mean": "a,b"}, "error: wrong value of an option\nwhere: --mean\nfound: ["),
        ({"var": "0"}, "error: wrong value of an option\nwhere: --var\nfound: [0]\n need: a divisor other than 0"),
        ({"img_width": "640"}, "error: the size of the input is not whole\n need: --img_height"),
        ({"img_channel": "1"}, "error: the size of the input is not whole\n need: --img_width and --img_height"),
        ({"img_width": "a", "img_height": "3"}, "error: wrong value of an option\nwhere: --img_width\nfound: a\n"
                                                " need: a whole number above 0"),
        ({"img_width": "9" * 30, "img_height": "3"}, "where: --img_width\nfound: 999999999999999999999999999999\n"
                                                     " need: a whole number above 0, up to 2147483647"),
        ({"img_width": "9" * 5000, "img_height": "3"}, "error: wrong value of an option\nwhere: --img_width\nfound: 9"),
        ({"mean": "9" * 5000}, "error: wrong value of an option\nwhere: --mean\nfound: [\"9"),
        ({"framework": "onxx"}, "error: there is no such format of models\nwhere: --framework\nfound: \"onxx\""),
        ({"post_training_quantization": "true"}, "error: there is nothing to quantize with\n"
                                                 "where: --post_training_quantization"),
        ({"input_prepad": "true", "mean": "0,0,3"}, "error: borders cannot be filled before the mean is subtracted\n"
                                                    "where: --input_prepad\nfound: true, with a mean of"),
        ({"ptq_config_path": "none.json"}, "error: cannot read the config file\nwhere: none.json"),
    ],
)  # fmt: skip
def test_what_is_asked_for(more: dict[str, str], said: str) -> None:
    (text,) = problems(job, {**BASE, **more})
    assert said in text


def test_what_is_missing() -> None:
    assert problems(job, {"mean": "1"}) == [
        "error: --inputpath is missing\n need: --inputpath MODEL",
        "error: --outputpath is missing\n need: --outputpath NAME.mk.h",
        "error: nothing says what to convert for\n need: --config FILE or --target_device CHIP",
    ]


def test_the_calibration_file(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"used_image_nun": 3, "format": "YUV", "width": "640", "path": 3}))
    texts = problems(job, {**BASE, "ptq_config_path": str(path)})
    assert [text.splitlines()[1] for text in texts] == [
        f"where: {path}.used_image_nun", f"where: {path}: format", f"where: {path}: path", f"where: {path}: width",
    ]  # fmt: skip
    assert "hint: did you mean used_image_num?" in texts[0]


def test_a_quantization_without_data(tmp_path: Path) -> None:
    ptq, own = tmp_path / "p.json", tmp_path / "own.cfg"
    ptq.write_text(json.dumps({"format": "RGB"}))
    own.write_text(json.dumps({"SOC": "T40"}))
    said = (
        "error: there is nothing to quantize with\nwhere: --post_training_quantization\n"
        " need: calibration data: path in the file of --ptq_config_path, or QUANT_DATASET_PATH in that of --config"
    )
    asked = {**BASE, "post_training_quantization": "true"}
    for more in ({}, {"ptq_config_path": str(ptq)}, {"config": str(own)}):
        assert problems(job, {**asked, **more}) == [said]
    own.write_text(json.dumps({"SOC": "T40", "QUANT_DATASET_PATH": "x"}))
    assert job({**asked, "config": str(own)}).config.quant_dataset_path == "x"


def test_flags_as_keys(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"format": "BGR", "path": "x", "used_image_num": 12, "feature_quantize_method": "MSE"}))
    more = {"framework": "TFLite", "input_nodes": "a,b", "output_nodes": "640,660", "mean": "1", "var": "2,3,4"}
    more |= {"img_width": "320", "img_height": "240", "ptq_config_path": str(path)}
    assert job({**BASE, **more}).config == Config(
        soc="T40", frontend="tf", input=("a", "b"), output=("640", "660"), mean=((1,),), normal=((2, 3, 4),),
        input_shape=((1, 240, 320, 3),), color=("BGR",), quant_dataset_path="x", quant_dataset_size=12,
        quant_feature_method="MSE",
    )  # fmt: skip
    assert job({**BASE, "input_prepad": "true", "mean": "0"}).config.mean == ((0,),)
    assert job({**BASE, "framework": "pytorch"}).config.frontend == ""


@pytest.mark.parametrize("args", [["255.", "255", ".5"], ["255. 255 .5"], ["255.,255,0.5"]])
def test_numbers_as_scripts_have_them(args: list[str]) -> None:
    assert job({**BASE, **flags.parse(["--var", *args])}).config.normal == ((255, 255, 0.5),)


@pytest.mark.parametrize(
    ("word", "channels"), [("GRAY", 1), ("GARY", 1), (["GRAY"], 1), (["GARY"], 1), (["BRG"], 3), ("RGB", 3), ([], 3)]
)
def test_the_format_of_the_calibration_says_the_channels(tmp_path: Path, word: object, channels: int) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"format": word, "path": "x", "width": 32, "height": 24}))
    assert job({**BASE, "ptq_config_path": str(path)}).image == (24, 32, channels)


@pytest.mark.parametrize("soc", ["Txx", "T02", "Xs1", "Xs2"])
def test_the_first_generation_reads_another_file(soc: str) -> None:
    asked = Job(Path("m"), Path("d/facedet.mk.h"), Config(soc=soc))
    assert files.targets(asked) == {
        Path("d/magik_model_facedet.bin"): "board", Path("d/magik_model_facedet.mk.h"): "header",
    }  # fmt: skip


@pytest.mark.parametrize("soc", ["Txx", "T02", "Xs1"])
def test_chips_that_are_not_there(tool, soc: str) -> None:
    done = tool(f"magik-transform-tools -i model.onnx -o o.mk.h --target_device {soc}")
    assert done.code == 2 and f"error: there is no SoC '{soc}'\nwhere: SOC\nfound: {soc}\n need: one of: " in done.err


def test_exit_codes(tool, here: Path) -> None:
    done = tool("magik-transform-tools -i none.onnx -o d/o.mk.h --target_device host")
    assert (done.code, "error: there is no such model" in done.err) == (1, True)
    assert made(here) == []
    done = tool("magik-transform-tools")
    assert done.code == 2 and "error: nothing is asked for\n need: --inputpath, --outputpath and --config" in done.err
    assert tool("magik-transform-tools --nonsense").code == 2
    (here / "o.bin").mkdir()
    done = tool("magik-transform-tools -i model.onnx -o o.mk.h --target_device host")
    assert done.code == 1 and "an output cannot be written" in done.err


def test_help_and_version(tool) -> None:
    done = tool("magik-transform-tools --help")
    assert done.code == 0 and all(f"--{flag.name}" in done.out for flag in flags.FLAGS)
    assert tool("magik-transform-tools -h").out == done.out
    assert tool("magik-transform-tools --version").out.startswith("INFO(magik): magik-transform-tools version:0.1.0(")
