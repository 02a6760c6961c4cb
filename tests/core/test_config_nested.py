"""The nested form of a config file: what it stands for, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magik_core.config import Config
from magik_core.errors import UsageError

IMAGE = {"BATCH": 1, "WIDTH": 640, "HEIGHT": 384, "CHANNEL": 3, "COLOR": "RGB", "NORMAL": [255, 255, 255],
         "MEAN": [0, 0, 0]}  # fmt: skip
VENDORS = {
    "ARCH": {"SOC": "T40"},
    "MODEL": {"FORMAT": "onnx", "INPUT": [IMAGE]},
    "EXTRA": {"BIZ_CODE": "Ingenic", "VERBOSE": "ON"},
}


def model(**keys: object) -> dict[str, object]:
    return {"MODEL": keys}


def problems(values: dict[str, object]) -> list[str]:
    with pytest.raises(UsageError) as caught:
        Config.parse(values)
    return [str(problem) for problem in caught.value.problems]


def test_the_vendors_file(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text(json.dumps(VENDORS))
    assert Config.load(tmp_path / "a.cfg") == Config(
        soc="T40", frontend="onnx", input_shape=((1, 3, 384, 640),), mean=((0, 0, 0),), normal=((255, 255, 255),),
        color=("RGB",),
    )  # fmt: skip


def test_keys_outside_of_the_sections_are_those_of_the_flat_form() -> None:
    config = Config.parse({**VENDORS, "QUANT_DATASET_PATH": "images", "OUTPUT": ["a"]})
    assert (config.soc, config.quant_dataset_path, config.output) == ("T40", "images", ("a",))
    assert Config.parse({"ARCH": {}, "MODEL": {}, "EXTRA": {}}) == Config()


@pytest.mark.parametrize("source", ["tensorflow", "TFLite", "keras"])
def test_channels_come_last_where_the_format_has_them_last(source: str) -> None:
    assert Config.parse(model(FORMAT=source, INPUT=[IMAGE])).input_shape == ((1, 384, 640, 3),)
    assert Config.parse(model(FORMAT=source)).frontend == "tf"


@pytest.mark.parametrize("source", ["pytorch", "mxnet"])
def test_formats_that_may_come_through_onnx(source: str) -> None:
    config = Config.parse(model(FORMAT=source, INPUT=[IMAGE]))
    assert (config.frontend, config.input_shape) == ("", ((1, 3, 384, 640),))


def test_several_inputs() -> None:
    a = {"NAME": "a", "WIDTH": 8, "HEIGHT": 4, "CHANNEL": 1, "MEAN": [127.5]}
    b = {"NAME": "b", "WIDTH": 2, "HEIGHT": 2, "CHANNEL": 3, "COLOR": "BGR"}
    config = Config.parse(model(INPUT=[a, b], OUTPUT=["y"]))
    assert config.input == ("a", "b") and config.output == ("y",)
    assert config.input_shape == ((1, 1, 4, 8), (1, 3, 2, 2))
    assert config.mean == ((127.5,), ()) and config.normal == ()
    assert config.color == ("GRAY", "BGR")


def test_an_input_that_says_no_size_keeps_the_models() -> None:
    config = Config.parse(model(INPUT=[{**IMAGE, "NAME": "image"}, {"NAME": "numbers"}]))
    assert (config.input, config.input_shape) == (("image", "numbers"), ((1, 3, 384, 640), ()))
    assert (config.mean, config.normal) == (((0, 0, 0), ()), ((255, 255, 255), ()))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ARCH": 3}, "error: wrong value of a config key\nwhere: ARCH\nfound: 3\n need: an object"),
        ({"ARCH": {"SOCK": "T40"}}, 'error: unknown config key\nwhere: ARCH.SOCK\nfound: "T40"\n\n'
                                    " hint: did you mean SOC?"),
        ({"EXTRA": {"zzzz": 1}}, "where: EXTRA.zzzz\nfound: 1\n\n hint: the keys are BIZ_CODE, VERBOSE"),
        ({"MODL": {}}, "error: unknown config key\nwhere: MODL\nfound: {}\n\n hint: did you mean MODEL?"),
        (model(FORMAT="onxn"), 'error: there is no such format of models\nwhere: MODEL.FORMAT\nfound: "onxn"\n'
                               " need: one of: onnx, tensorflow, tf, tflite, keras, caffe, mxnet, pytorch, torch\n\n"
                               " hint: did you mean onnx?"),
        (model(INPUT={}), "where: MODEL.INPUT\nfound: {}\n need: a list of objects, one for each input"),
        (model(INPUT=[3]), "where: MODEL.INPUT[0]\nfound: 3\n need: an object"),
        (model(INPUT=[{"WIDHT": 1}]), "where: MODEL.INPUT[0].WIDHT\nfound: 1\n\n hint: did you mean WIDTH?"),
        (model(INPUT=[{**IMAGE, "WIDTH": "640"}]), 'where: MODEL.INPUT[0].WIDTH\nfound: "640"\n'
                                                   " need: a whole number above 0"),
        (model(INPUT=[{**IMAGE, "BATCH": 0}]), "where: MODEL.INPUT[0].BATCH\nfound: 0"),
        (model(INPUT=[{**IMAGE, "MEAN": 3}]), "where: MODEL.INPUT[0].MEAN\nfound: 3\n need: a list with a number for "),
        (model(INPUT=[{**IMAGE, "COLOR": ["RGB"]}]), 'where: MODEL.INPUT[0].COLOR\nfound: ["RGB"]\n need: text'),
        (model(INPUT=[{"WIDTH": 3}]), "error: an input has no whole size\nwhere: MODEL.INPUT[0]\n"
                                      "found: no HEIGHT and no CHANNEL"),
        (model(INPUT=[{"NAME": "a"}, {}]), "error: NAME is not said of every input\nwhere: MODEL.INPUT\n"
                                           "found: none of input 1\n need: of all, or of none"),
        ({**VENDORS, "SOC": "T41"}, "error: a config key is given twice\nwhere: SOC\n"
                                    " need: inside the sections or outside of them"),
    ],
)  # fmt: skip
def test_what_is_wrong(values: dict[str, object], said: str) -> None:
    (text,) = problems(values)
    assert said in text


def test_everything_wrong_at_once() -> None:
    wrong = {"ARCH": {"A": 1}, "MODEL": {"FORMAT": "x", "INPUT": [{**IMAGE, "HEIGHT": -1}]}, "SOC": 3}
    assert len(problems(wrong)) == 4
