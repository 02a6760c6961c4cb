"""The config file: keys, values, broadcasting, and every mistake at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import magik_core as magik
from magik_core import config, config_text
from magik_core.config import KEYS, NOT_BUILT, Config
from magik_core.errors import UsageError
from magik_core.recipe import Recipe

FULL = {
    "SOC": "T41",
    "INPUT": ["images"],
    "INPUT_SHAPE": [1, 3, 240, 320],
    "MEAN": [104, 117, 123],
    "NORMAL": [128.0],
    "COLOR": ["BGR"],
    "OUTPUT": ["scores", "boxes"],
    "QUANT_DATASET_PATH": "./images",
    "QUANT_DATASET_SIZE": 20,
    "QUANT_FEATURE_METHOD": "KL",
    "QUANT_WEIGHT_METHOD": "MSE",
    "QUANT_FEATURE_BIT": 12,
    "QUANT_WEIGHT_BIT": 4,
    "QUANT_NODE_SKIP": ["conv1", "conv2"],
    "QUANT_OP_SKIP": ["Conv2D", "Softmax"],
    "FEATURE_FAKE_QUANT": True,
    "WEIGHT_FAKE_QUANT": False,
    "WEIGHT_CORRECT_PATH": "./more",
    "FEATURE_CORRECT_PATH": "./most",
    "DEBUG_PATH": "./one.jpg",
    "SAVE_OP_QUANT_BIT": True,
    "LOAD_OP_QUANT_BIT": False,
    "LOAD_OP_QUANT_MIN_MAX": False,
    "FRONTEND": "caffe",
    "FRONTEND_OPTIONS": {"weights": "net.caffemodel"},
    "STATES": {"h": "h_next"},
}
VALUES = {
    "soc": "T41",
    "input": ("images",),
    "input_shape": ((1, 3, 240, 320),),
    "mean": ((104, 117, 123),),
    "normal": ((128.0,),),
    "color": ("BGR",),
    "output": ("scores", "boxes"),
    "quant_dataset_path": "./images",
    "quant_dataset_size": 20,
    "quant_feature_method": "KL",
    "quant_weight_method": "MSE",
    "quant_feature_bit": 12,
    "quant_weight_bit": 4,
    "quant_node_skip": ("conv1", "conv2"),
    "quant_op_skip": ("Conv2D", "Softmax"),
    "feature_fake_quant": True,
    "weight_fake_quant": False,
    "weight_correct_path": "./more",
    "feature_correct_path": "./most",
    "debug_path": "./one.jpg",
    "save_op_quant_bit": True,
    "load_op_quant_bit": False,
    "load_op_quant_min_max": False,
    "frontend": "caffe",
    "frontend_options": {"weights": "net.caffemodel"},
    "states": {"h": "h_next"},
}
TEXTS = {
    "SOC": "T41",
    "INPUT": "images",
    "INPUT_SHAPE": "1,3,240,320",
    "MEAN": "104, 117, 123",
    "NORMAL": "128",
    "COLOR": "BGR",
    "OUTPUT": "scores,boxes",
    "QUANT_DATASET_PATH": "./images",
    "QUANT_DATASET_SIZE": "20",
    "QUANT_FEATURE_METHOD": "KL",
    "QUANT_WEIGHT_METHOD": "MSE",
    "QUANT_FEATURE_BIT": "12",
    "QUANT_WEIGHT_BIT": "4",
    "QUANT_NODE_SKIP": "conv1, conv2",
    "QUANT_OP_SKIP": "Conv2D,Softmax",
    "FEATURE_FAKE_QUANT": "true",
    "WEIGHT_FAKE_QUANT": "false",
    "WEIGHT_CORRECT_PATH": "./more",
    "FEATURE_CORRECT_PATH": "./most",
    "DEBUG_PATH": "./one.jpg",
    "SAVE_OP_QUANT_BIT": "true",
    "LOAD_OP_QUANT_BIT": "false",
    "LOAD_OP_QUANT_MIN_MAX": "false",
    "FRONTEND": "caffe",
    "FRONTEND_OPTIONS": '{"weights": "net.caffemodel"}',
    "STATES": '{"h": "h_next"}',
}


def problems(values: dict[str, object], where: str = "") -> list[str]:
    with pytest.raises(UsageError) as caught:
        Config.parse(values, where)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_every_key_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "magik.cfg"
    path.write_text(json.dumps(FULL))
    assert Config.load(path).model_dump() == VALUES


def test_every_key_from_the_command_line() -> None:
    assert set(TEXTS) == set(KEYS) == set(FULL)
    assert Config().with_overrides(TEXTS).model_dump() == VALUES


def test_overrides_keep_what_they_do_not_name() -> None:
    base = Config.parse(FULL)
    assert base.with_overrides({"SOC": "T40"}).model_dump() == {**VALUES, "soc": "T40"}
    assert base.with_overrides({}) == base
    assert base.soc == "T41"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("INPUT_SHAPE", "1x3x24x32", ((1, 3, 24, 32),)),
        ("INPUT_SHAPE", "1,3,24,32; 1,8", ((1, 3, 24, 32), (1, 8))),
        ("INPUT_SHAPE", "[[1, 8], [1, 9]]", ((1, 8), (1, 9))),
        ("INPUT_SHAPE", "", ()),
        ("MEAN", "1,2;3", ((1, 2), (3,))),
        ("INPUT", '["a,b"]', ("a,b",)),
        ("OUTPUT", "", ()),
        ("COLOR", "RGB, GRAY", ("RGB", "GRAY")),
        ("MEAN", "0 0 0", ((0, 0, 0),)),
        ("MEAN", "1 2 , 3;4", ((1, 2, 3), (4,))),
        ("NORMAL", "255. .5 +1e2", ((255.0, 0.5, 100.0),)),
        ("SOC", "123", "123"),
        ("DEBUG_PATH", "[1]", "[1]"),
    ],
)
def test_text_forms(key: str, text: str, value: object) -> None:
    assert getattr(Config().with_overrides({key: text}), key.lower()) == value


@pytest.mark.parametrize(("key", "text"), [("MEAN", "a,b"), ("INPUT_SHAPE", "[1,"), ("QUANT_DATASET_SIZE", "many"),
                                           ("QUANT_FEATURE_BIT", "9" * 5000), ("MEAN", "[" * 5000)])  # fmt: skip
def test_text_that_is_no_value(key: str, text: str) -> None:
    with pytest.raises(UsageError, match=key):
        Config().with_overrides({key: text})


def test_defaults() -> None:
    config = Config.parse({})
    assert config == Config()
    assert (config.soc, config.quant_dataset_size) == ("host", None)
    assert config.recipe() == Recipe()
    assert Config.parse({"QUANT_WEIGHT_METHOD": "MSE"}).recipe(is_float=True) == Recipe("KL", "MSE", is_float=True)
    assert Config.parse({"SOC": ""}).soc == "host"


def test_the_template_is_a_config() -> None:
    text = config_text.dumps(config_text.TEMPLATE)
    assert Config.parse(json.loads(text)).quant_dataset_path == "./path/to/"
    assert list(json.loads(text)) == [
        "SOC", "INPUT", "INPUT_SHAPE", "MEAN", "NORMAL", "COLOR", "OUTPUT", "QUANT_DATASET_PATH",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "need"),
    [
        ("SOC", 3, "valid string"),
        ("INPUT", [3], "valid string"),
        ("INPUT_SHAPE", [1, -3], "greater than 0"),
        ("INPUT_SHAPE", [1, 10**30], "less than 2147483648"),
        ("INPUT_SHAPE", [1, "3"], "valid integer"),
        ("INPUT_SHAPE", [1, 2.5], "valid integer"),
        ("MEAN", ["1"], "valid number"),
        ("MEAN", [True], "valid number"),
        ("MEAN", [float("nan")], "finite number"),
        ("NORMAL", [1, 0, 1], "a divisor other than 0"),
        ("MEAN", [1e300], "numbers that f32 holds: up to 3.403e+38"),
        ("NORMAL", [-1e300], "numbers that f32 holds: up to 3.403e+38"),
        ("NORMAL", [1e-300], "divisors whose reciprocals f32 holds: from 2.939e-39"),
        ("COLOR", ["YUV"], "each one of: RGB, BGR, GRAY"),
        ("QUANT_DATASET_SIZE", 0, "greater than or equal to 1"),
        ("QUANT_DATASET_SIZE", "20", "valid integer"),
        ("QUANT_FEATURE_METHOD", None, "valid string"),
        ("QUANT_FEATURE_BIT", 9, "one of: 8, 10, 12, 14, 16, 32"),
        ("QUANT_FEATURE_BIT", "8", "valid integer"),
        ("QUANT_WEIGHT_BIT", 10, "one of: 2, 4, 8, 16, 32"),
        ("SAVE_OP_QUANT_BIT", 1, "valid boolean"),
        ("QUANT_NODE_SKIP", [1], "valid string"),
    ],
)
def test_wrong_values(key: str, value: object, need: str) -> None:
    (text,) = problems({key: value}, "a.cfg")
    assert text.startswith(f"error: wrong value of a config key\nwhere: a.cfg: {key}\nfound: ")
    assert need in text


@pytest.mark.parametrize("key", NOT_BUILT)
def test_a_key_that_is_not_built_is_refused_by_name(key: str) -> None:
    assert Config.parse({key: NOT_BUILT[key]}) == Config()
    (text,) = problems({key: "something"})
    assert text.startswith(f"error: {key} is not built yet\nwhere: {key}\n")


def test_the_recipe_of_the_keys() -> None:
    asked = {
        "QUANT_FEATURE_BIT": 12,
        "QUANT_WEIGHT_BIT": 4,
        "QUANT_NODE_SKIP": "a",
        "QUANT_OP_SKIP": ["Conv2D", "Gemm"],
    }
    found = Config.parse(asked).recipe()
    assert (found.feature_bits, found.weight_bits, found.skip_nodes) == (12, 4, {"a"})
    assert found.skip_ops == {"Conv2D", "Gemm"}


@pytest.mark.parametrize(
    ("features", "weights", "bits"), [(1, 0, (10, 32)), (0, 1, (32, 4)), (1, 1, (10, 4)), (0, 0, (10, 4))]
)
def test_fake_quantization_leaves_the_other_in_32_bits(features: int, weights: int, bits: tuple[int, int]) -> None:
    keys = {"FEATURE_FAKE_QUANT": bool(features), "WEIGHT_FAKE_QUANT": bool(weights)}
    found = Config.parse({"QUANT_FEATURE_BIT": 10, "QUANT_WEIGHT_BIT": 4, **keys}).recipe()
    assert (found.feature_bits, found.weight_bits) == bits


@pytest.mark.parametrize(("key", "near"), [("SOCK", "SOC"), ("soc", "SOC"), ("INPUT_SHAPES", "INPUT_SHAPE")])
def test_unknown_key(key: str, near: str) -> None:
    (text,) = problems({key: "T41"}, "a.cfg")
    assert text == f'error: unknown config key\nwhere: a.cfg: {key}\nfound: "T41"\n\n hint: did you mean {near}?'


def test_unknown_key_that_is_like_nothing() -> None:
    (text,) = problems({"ZZZZ": 1})
    assert f"hint: the keys are {', '.join(KEYS)}" in text


def test_all_problems_at_once() -> None:
    texts = problems({"FOO": 1, "SOC": 3, "NORMAL": [0], "INFER_COLOR": ["x"], "MEAN": ["a", "b"]})
    assert [text.splitlines()[1] for text in texts] == [
        "where: FOO", "where: INFER_COLOR", "where: SOC", "where: MEAN", "where: NORMAL",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("COLOR", ["BRG"], "COLOR BRG is read as BGR"),
        ("COLOR", ["GARY"], "COLOR GARY is read as GRAY"),
        ("FEATURE_QUANT_BITS", 8, "config key FEATURE_QUANT_BITS is read as QUANT_FEATURE_BIT"),
        ("WEIGHT_COREECT_PATH", "", "config key WEIGHT_COREECT_PATH is read as WEIGHT_CORRECT_PATH"),
        ("DEUBG_PATH", "", "config key DEUBG_PATH is read as DEBUG_PATH"),
    ],
)
def test_the_vendors_misspellings(key: str, value: object, meant: str, caplog: pytest.LogCaptureFixture) -> None:
    config = Config.parse({key: value})
    assert config.color in ((), ("BGR",), ("GRAY",))
    assert [record.getMessage() for record in caplog.records] == [meant]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_key_beside_its_misspelling(turn: int, tmp_path: Path) -> None:
    keys = ["QUANT_FEATURE_BIT", "FEATURE_QUANT_BITS"][::turn]
    (text,) = problems(dict.fromkeys(keys, 10), "a.cfg")
    assert text == (
        f"error: a config key is given twice\nwhere: a.cfg: QUANT_FEATURE_BIT\nfound: {' and '.join(keys)}\n"
        " need: each key once"
    )


@pytest.mark.parametrize(("first", "second"), [("QUANT_FEATURE_BIT", "FEATURE_QUANT_BITS"),
                                               ("FEATURE_QUANT_BITS", "QUANT_FEATURE_BIT")])  # fmt: skip
def test_an_option_wins_over_the_other_spelling(first: str, second: str) -> None:
    assert Config.parse({first: 10}).with_overrides({second: "12"}).quant_feature_bit == 12
    assert Config().with_overrides({"DEUBG_PATH": "123"}).debug_path == "123"
    assert Config.parse(config.over({first: 10}, {second: 12})).quant_feature_bit == 12


@pytest.mark.parametrize(("word", "near"), [("GRAU", "did you mean GRAY?"), ("RBG", "did you mean RGB?"), ("YUV", "")])
def test_a_wrong_color_has_a_hint(word: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        Config.parse({"COLOR": ["BGR", word]})
    assert [(p.need, p.hint) for p in caught.value.problems] == [("each one of: RGB, BGR, GRAY", near)]


@pytest.mark.parametrize("key", ["QUANT_FEATURE_METHOD", "QUANT_WEIGHT_METHOD"])
def test_a_wrong_method_names_its_key(key: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        magik.convert("none.onnx", config={key: "MAXABS"}, calibration=str(tmp_path))
    found = [p for p in caught.value.problems if p.what == "there is no quantizer 'MAXABS'"]
    assert [(p.where, p.hint) for p in found] == [(key, "did you mean MAX_ABS?")]


@pytest.mark.parametrize(
    ("text", "what", "where", "found"),
    [
        ('{\n  "SOC": "T41",\n  "MEAN": [1 2]\n}', "is not JSON", ", line 3, column 14", '"MEAN": [1 2]'),
        ('{"SOC": "T41",\n', "is not JSON", ", line 2, column 1", "the end of the file"),
        ("", "is not JSON", ", line 1, column 1", "the end of the file"),
        ("[1, 2]", "holds no keys", "", "[1, 2]"),
        ('{"SOC": "a", "SOC": "b"}', "is given twice", ": SOC", ""),
        ("[" * 200_000, "is nested too deeply", "", ""),
        (f'{{"SOC": {"9" * 5000}}}', "a number in the config file is too long", "", f"5000 digits: {'9' * 38} …"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, text: str, what: str, where: str, found: str) -> None:
    path = tmp_path / "magik.cfg"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        Config.load(path)
    (problem,) = caught.value.problems
    assert what in problem.what
    assert (problem.where, problem.found) == (f"{path}{where}", found)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the config file"):
        Config.load(tmp_path / "none.cfg")
    (tmp_path / "binary.cfg").write_bytes(b"{\xff}")
    with pytest.raises(UsageError, match="byte 1 is not UTF-8"):
        Config.load(tmp_path / "binary.cfg")


def test_only_a_file_of_a_sensible_size_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.cfg")
    for path, found in ((tmp_path / "pipe.cfg", "a named pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(UsageError, match=f"cannot read the config file\nwhere: {path}\nfound: {found}\n need: a f"):
            Config.load(path)
    monkeypatch.setattr(config_text, "MAX_BYTES", 10)
    (tmp_path / "large.cfg").write_text('{"SOC": "T40"}')
    with pytest.raises(UsageError, match="found: 14 bytes\n need: at most 10 bytes"):
        Config.load(tmp_path / "large.cfg")


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "magik.cfg"
    path.write_bytes(b'\xef\xbb\xbf{"SOC": "T40"}')
    assert Config.load(path).soc == "T40"


def test_the_last_color_stands_for_all_further_inputs() -> None:
    shapes = dict.fromkeys("abc", (1, 3, 8, 8))
    assert Config.parse({"COLOR": ["RGB", "BGR"]}).colors(shapes) == {"a": "RGB", "b": "BGR", "c": "BGR"}


def test_a_config_as_keys_and_values_and_what_is_none() -> None:
    with pytest.raises(UsageError, match="unknown config key\nwhere: FOO"):
        magik.convert("none.onnx", config={"FOO": 1})
    with pytest.raises(UsageError, match="there is no SoC 'T99'"):
        magik.convert("none.onnx", config={"SOC": "T99"}, calibration="none")
    with pytest.raises(UsageError) as caught:
        magik.convert("none.onnx", config=3)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "error: this is no config\nwhere: config\nfound: a int\n"
        " need: a Config, the path of a config file, or its keys and values"
    )


def test_a_color_that_is_not_said_is_the_models() -> None:
    shapes = {"color": (1, 3, 8, 8), "gray": (1, 1, 8, 8), "last": (1, 8, 8, 1), "numbers": (1, 8)}
    assert Config().colors(shapes) == {"color": "RGB", "gray": "GRAY", "last": "GRAY", "numbers": "RGB"}


def test_gray_fits_no_image_of_three_channels() -> None:
    config = Config(color=("GRAY",))
    assert config.colors({"a": (1, 1, 8, 8), "b": (1, 3, 8)}) == {"a": "GRAY", "b": "GRAY"}
    with pytest.raises(UsageError) as caught:
        config.colors({"a": (1, 3, 8, 8), "b": (1, 8, 8, 3), "c": (1, 1, 8, 8)})
    assert [str(problem).splitlines()[:4] for problem in caught.value.problems] == [
        ["error: COLOR does not fit the input's channels", f"where: input {name}", "found: GRAY",
         " need: RGB or BGR: 3 channels"] for name in "ab"
    ]  # fmt: skip


def test_more_colors_than_inputs() -> None:
    with pytest.raises(UsageError) as caught:
        Config.parse({"COLOR": ["RGB", "RGB"]}).colors({"a": (1, 3, 8, 8)})
    assert str(caught.value) == (
        "error: COLOR has more entries than the model has inputs\nwhere: COLOR\nfound: 2\n need: at most 1"
    )
