"""Models of other frameworks that cannot be converted as they are: the exit code, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Refused
from tests.frontends import keras_files, tflite_files

pytestmark = pytest.mark.usefixtures("everything")
OPEN = ("float/max_pool_2d_same_2", (1, 5, 7, 3), (1, -1, 7, 3))


@pytest.mark.parametrize("command", ["check", "convert"])
def test_an_open_size_of_a_tflite_file(command: str, refused: Refused, tmp_path: Path) -> None:
    """A size is a matter of the command line, not of the model: exit 2."""
    path = tflite_files.write(tmp_path, tflite_files.opened(*OPEN))
    more = () if command == "check" else ("-o", tmp_path / "net.bin", "--float")
    assert refused(command, path, *more, code=2) == (
        "error: the size of an input is not known\n"
        "where: input 't0' in net.tflite\n"
        "found: [1, -1, 7, 3]\n"
        " need: a number for every size but the batch\n"
        "\n"
        " hint: INPUT_SHAPE: [[1, ?, 7, 3]]\n"
    )


def test_sizes_of_a_tflite_file_in_another_order_of_axes(refused: Refused, tmp_path: Path) -> None:
    path = tflite_files.write(tmp_path, tflite_files.opened(*OPEN))
    err = refused("check", path, "--input-shape", "1,3,9,7", code=2)
    assert "INPUT_SHAPE does not fit an input" in err
    assert "sizes are in the source's order, e.g. 1,9,7,3" in err


def test_the_rounding_of_a_float_file(refused: Refused, tmp_path: Path) -> None:
    path = tflite_files.write(tmp_path, tflite_files.recorded()["float/abs"]["model"])
    err = refused("check", path, "--frontend-option", "rounding=twice", code=2)
    assert "an option does not fit the model" in err and "found: rounding" in err


def test_a_keras_model_that_is_not_built(refused: Refused, tmp_path: Path) -> None:
    layers = [{"class_name": "Dense", "config": {"name": "dense", "units": 3}}]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    path = keras_files.archive(tmp_path / "net.keras", config, {})
    assert refused("check", path) == (
        "error: the model is not built: its input has no shape\n"
        "where: InputLayer 'dense_input' in net.keras\n"
        "found: dense_input\n"
        " need: a model that is built\n"
        "\n"
        " hint: put a keras.Input in front of its layers, or call model.build(input_shape), then save it\n"
    )


def test_calibration_is_no_matter_of_a_model_that_cannot_be_read(refused: Refused, tmp_path: Path) -> None:
    """It may bring ranges of its own: nobody knows. What is wrong with the data that is named, is said."""
    path = tmp_path / "net.tflite"
    path.write_bytes(tflite_files.recorded()["quantized/conv_s8"]["model"].tobytes()[:99])
    command = ("convert", path, "-o", tmp_path / "net.bin")
    err = refused(*command)
    assert err.count("error: ") == 1 and "the file is damaged, or no TFLite model" in err
    err = refused(*command, "--calib", tmp_path / "none")
    assert err.count("error: ") == 2 and "calibration data not found" in err


def test_calibration_of_a_model_that_can_be_read(refused: Refused, tmp_path: Path) -> None:
    """A float model needs data, a quantized one does not."""
    path = tflite_files.write(tmp_path, tflite_files.recorded()["float/abs"]["model"])
    err = refused("convert", path, "-o", tmp_path / "net.bin", code=2)
    assert err.count("error: ") == 1 and "calibration data is missing" in err
    path = tflite_files.write(tmp_path, tflite_files.recorded()["quantized/conv_s8"]["model"])
    err = refused("convert", path, "-o", tmp_path / "net.bin", "--soc", "T99", code=2)
    assert err.count("error: ") == 1 and "SoC 'T99'" in err
