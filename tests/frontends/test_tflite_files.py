"""TFLite files that nobody should trust: every message, hostile tables, and files changed at random."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from magik_frontend_tf import tflite
from magik_frontend_tf.tflite import convert, flatbuffer, reader
from magik_frontend_tf.tflite.schema import Model, Operator, Quantization, Tensor

from magik_core.errors import MagikError, ModelError, Problem
from magik_core.hookspecs import Request
from tests.conftest import repository
from tests.frontends import tflite_files as files

DAMAGED = "the file is damaged, or no TFLite model"


def problems_of(call: Callable[[], Any]) -> tuple[Problem, ...]:
    with pytest.raises(MagikError) as caught:
        call()
    return caught.value.problems


def problem_of(call: Callable[[], Any]) -> Problem:
    (problem,) = problems_of(call)
    return problem


def source(folder: Path, name: str) -> Model:
    return reader.read(files.write(folder, files.recorded()[name]["model"]))


def converted(model: Model) -> Any:
    return convert.convert(model, Request())


# ---- recognition -----------------------------------------------------------------------------------------


def test_recognized_by_content(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(files.recorded()["float/abs"]["model"]))
    assert repository().sniff(path).name == "tf"


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x1c\0\0\0TFL2", b"\x08\x07\x12\x05onnx"])
def test_not_recognized(data: bytes, tmp_path: Path) -> None:
    assert not tflite.sniff(files.write(tmp_path, data))


def test_a_folder_and_nothing_are_no_files(tmp_path: Path) -> None:
    assert not tflite.sniff(tmp_path)
    assert not tflite.sniff(tmp_path / "none.tflite")


# ---- operators that are refused --------------------------------------------------------------------------


def test_all_operators_that_are_refused_are_named(tmp_path: Path) -> None:
    path = files.write(tmp_path, files.built("refused")["model"])
    found = problems_of(lambda: tflite.load(path, Request()))
    assert [str(p) for p in found] == [
        "error: a custom operator is not supported\n"
        "where: MyOperator 't2', operator 1 in net.tflite\n"
        "found: MyOperator\n"
        " need: an operator of docs/tflite.md",
        "error: an operator is not supported\n"
        "where: CUMSUM 't4', operator 2 in net.tflite\n"
        "found: CUMSUM\n"
        " need: an operator of docs/tflite.md",
        "error: an operator is not supported\n"
        "where: STABLEHLO_CBRT 't6', operator 4 in net.tflite\n"
        "found: STABLEHLO_CBRT\n"
        " need: an operator of docs/tflite.md",
    ]


F32 = {"type": "f32", "shape": (1, 2, 2, 3)}


def net(
    name: str, inputs: list[dict[str, Any]], out: dict[str, Any] | None = None, outs: int = 1, **options: Any
) -> Model:
    """One operator; an input with `data` is stored."""
    tensors = []
    for i, keys in enumerate([*inputs, *[{**F32, **(out or {})}] * outs]):
        data = keys.get("data")
        array = None if data is None else np.asarray(data)
        stored = {} if array is None else {"data": memoryview(array.tobytes()), "shape": array.shape}
        tensors.append(Tensor(i, f"t{i}", **{"type": "f32", "shape": (1, 2, 2, 3), **keys, **stored}))
    made = tuple(range(len(inputs), len(tensors)))
    free = tuple(i for i in range(len(inputs)) if "data" not in inputs[i] and "is_variable" not in inputs[i])
    op = Operator(0, name, "", tuple(range(len(inputs))), made, options)
    return Model(Path("net.tflite"), "main", "", tuple(tensors), free, made, (op,))


def ints(*numbers: Any) -> dict[str, Any]:
    return {"type": "s32", "data": np.array(numbers, np.int32)}


def reals(*shape: int) -> dict[str, Any]:
    return {"data": np.ones(shape, np.float32)}


def per(scale: Any, zero_point: Any, kind: str = "s8", axis: int = 0) -> dict[str, Any]:
    return {"type": kind, "quantization": Quantization(np.float32(scale), np.int64(zero_point), axis)}


CONV: dict[str, Any] = {
    "activation": "", "padding": "SAME", "stride_w": 1, "stride_h": 1, "dilation_w": 1, "dilation_h": 1,
}  # fmt: skip
POOL: dict[str, Any] = {
    "activation": "", "padding": "SAME", "stride_w": 1, "stride_h": 1, "filter_w": 2, "filter_h": 2,
}  # fmt: skip
SLICE: dict[str, Any] = {
    "begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0, "offset": False,
}  # fmt: skip
LSTM: dict[str, Any] = {
    "activation": "TANH", "cell_clip": 0.0, "proj_clip": 0.0, "time_major": False, "diagonal": False,
}  # fmt: skip
X3 = {"shape": (1, 2, 3)}
WEIGHTS = [reals(4, 3)] * 4 + [reals(4, 4)] * 4 + [reals(4)] * 11
REFUSED: dict[str, tuple[Model, str]] = {
    "sizes": (net("RESIZE_BILINEAR", [F32, ints(2)], align_corners=False, half_pixel_centers=False),
              "the sizes of an output are none"),
    "groups": (net("CONV_2D", [F32, reals(4, 1, 1, 2)], **CONV), "the weights of a convolution do not fit"),
    "multiplier": (net("DEPTHWISE_CONV_2D", [F32, reals(1, 1, 1, 4)], **CONV),
                   "the weights of a convolution do not fit"),
    "weights' axes": (net("CONV_2D", [F32, reals(4, 3)], **CONV), "the weights of a convolution have not 4 axes"),
    "bias": (net("CONV_2D", [F32, reals(4, 1, 1, 3), reals(1, 4)], **CONV), "a bias does not fit its weights"),
    "bias's size": (net("CONV_2D", [F32, reals(4, 1, 1, 3), reals(5)], **CONV), "a bias does not fit its weights"),
    "stride": (net("CONV_2D", [F32, reals(4, 1, 1, 3)], **{**CONV, "stride_w": 0}), "a stride is none"),
    "dilation": (net("CONV_2D", [F32, reals(4, 1, 1, 3)], **{**CONV, "dilation_h": -1}), "a dilation is none"),
    "activation": (net("CONV_2D", [F32, reals(4, 1, 1, 3)], **{**CONV, "activation": "SIGN_BIT"}),
                   "a fused activation function is not taken"),
    "image": (net("MAX_POOL_2D", [X3], **POOL), "an input is no image"),
    "window": (net("MAX_POOL_2D", [F32], **{**POOL, "filter_w": 0}), "a window has no size"),
    "block": (net("DEPTH_TO_SPACE", [F32], block_size=0), "a block has no size"),
    "deconvolution": (net("TRANSPOSE_CONV", [ints(1, 2, 2), reals(4, 1, 1, 3), F32], **CONV),
                      "the sizes of an output are none"),
    "reach": (net("TRANSPOSE_CONV", [ints(1, 9, 9, 4), reals(4, 1, 1, 3), F32], **CONV),
              "the output of an operator is larger than its windows reach"),
    "dense": (net("FULLY_CONNECTED", [F32, reals(4, 5)], activation="", weights_format=0, keep_num_dims=False),
              "the weights of a dense layer do not fit"),
    "dense axes": (net("FULLY_CONNECTED", [F32, reals(4)], activation="", weights_format=0, keep_num_dims=False),
                   "the weights of a dense layer have no two axes"),
    "shuffled": (net("FULLY_CONNECTED", [F32, reals(4, 3)], activation="", weights_format=1, keep_num_dims=False),
                 "the weights are shuffled for one processor"),
    "axis": (net("PACK", [F32], axis=7), "there is no such axis"),
    "computed": (net("RESHAPE", [F32, {"type": "s32", "shape": (2,)}], new_shape=()),
                 "a computed tensor stands where a stored one is needed"),
    "reals": (net("TILE", [F32, reals(4)]), "an input is no short list of integers"),
    "reshape": (net("RESHAPE", [F32, ints(5, 5)], new_shape=()), "a reshape does not fit its input"),
    "repeats": (net("TILE", [F32, ints(1, 0, 1, 1)]), "repeats do not fit their input"),
    "order": (net("TRANSPOSE", [F32, ints(0, 0, 1, 2)]), "an order of axes is none"),
    "parts": (net("SPLIT", [ints(3), F32], outs=2, num_splits=2), "parts are not equal"),
    "sizes of parts": (net("SPLIT_V", [F32, ints(1, 1), ints(3)], outs=2, num_splits=2),
                       "parts do not fit what is split"),
    "ranks": (net("CONCATENATION", [F32, X3], activation="", axis=1), "inputs have different numbers of axes"),
    "fill": (net("FILL", [ints(0, 3), reals()]), "the output of an operator has no sensible size"),
    "too much": (net("FILL", [ints(40000, 40000), reals()]), "the constants of the model are too large"),
    "blocks": (net("SPACE_TO_BATCH_ND", [F32, ints(3, 2), ints((0, 0), (0, 0))]), "blocks do not fit their input"),
    "blocks back": (net("BATCH_TO_SPACE_ND", [F32, ints(2, 2), ints((0, 0), (0, 0))]),
                    "blocks do not fit their input"),
    "no blocks": (net("BATCH_TO_SPACE_ND", [F32, ints(0, 2), ints((0, 0), (0, 0))]), "a block has no size"),
    "block's padding": (net("SPACE_TO_BATCH_ND", [F32, ints(2, 2), ints((0, -1), (0, 0))]), "a padding is none"),
    "slice": (net("SLICE", [F32, ints(0, 0), ints(1, 1)]), "a slice does not fit its input"),
    "empty": (net("SLICE", [F32, ints(0, 0, 0, 0), ints(1, 2, 0, 3)]), "a slice is empty or lies outside its input"),
    "step": (net("STRIDED_SLICE", [F32, ints(0), ints(1), ints(0)], **SLICE), "a slice is none"),
    "long": (net("STRIDED_SLICE", [X3, ints(0, 0, 0, 0), ints(1, 1, 1, 1), ints(1, 1, 1, 1)], **SLICE),
             "a slice does not fit its input"),
    "index": (net("STRIDED_SLICE", [F32, ints(5), ints(6), ints(1)], **{**SLICE, "shrink_axis_mask": 1}),
              "an index lies outside its axis"),
    "gathered": (net("GATHER", [F32, ints(3)], axis=3, batch_dims=0), "an index lies outside its axis"),
    "batch": (net("GATHER", [F32, ints(0)], axis=3, batch_dims=1), "a GATHER has batch axes"),
    "padding": (net("PAD", [F32, ints((0, 0), (0, -1), (0, 0), (0, 0))]), "a padding is none"),
    "mirror": (net("MIRROR_PAD", [F32, ints((0, 0), (0, 2), (0, 0), (0, 0))], mode="REFLECT"),
               "a padding is larger than what it mirrors"),
    "condition": (net("SELECT", [{"type": "bool", "shape": (1,)}, F32, F32]),
                  "a condition has another shape than what it selects"),
    "slope": (net("PRELU", [X3, reals(1, 1, 1, 3)]), "a slope has more axes than its input"),
    "broadcast": (net("ADD", [F32, {"shape": (1, 2, 2, 4)}], activation=""), "an operator does not fit its input"),
    "number": (net("SOFTMAX", [{"shape": ()}], beta=1.0), "a single number has no axis"),
    "NaN": (net("ADD", [F32, {"data": np.float32([np.nan, 1, 2])}], activation=""), "a stored value is not a number"),
    "missing": (net("ADD", [F32], activation=""), "an input is missing"),
    "zero point": (net("RELU", [{**F32, **per([0.1], [200])}]), "a zero point is no code"),
    "bias's zero point": (net("FULLY_CONNECTED", [X3, reals(4, 3), {**ints(1, 2, 3, 4), **per([0.1], [1], "s32")}],
                              activation="", weights_format=0, keep_num_dims=False),
                          "a tensor of s32 has a zero point"),
    "long bias": (net("FULLY_CONNECTED", [X3, reals(1, 3), {**per([0.1], [0], "s64"), "data": np.array([1 << 40])}],
                      activation="", weights_format=0, keep_num_dims=False), "a bias does not fit 32 bits"),
    "scales": (net("RELU", [F32], per([0.1] * 3, [0] * 3, axis=3)), "an activation has a scale per channel"),
    "s32": (net("RELU", [F32], per([0.1], [0], "s32")), "an activation is quantized in a type that is not read"),
    "text": (net("RELU", [{**F32, "type": "text"}]), "a tensor has a type that is not read"),
    "stored text": (net("ADD", [F32, {"data": np.ones(3), "type": "complex64"}], activation=""),
                    "a tensor has a type that is not read"),
    "sparse": (net("ADD", [F32, {**reals(3), "is_sparse": True}], activation=""), "a tensor is sparse"),
    "open": (net("RELU", [{**F32, "signature": (-1, -1, 2, 3)}]), "the size of an input is not known"),
    "outputs": (net("RELU", [F32], outs=2), "an operator has the wrong number of outputs"),
    "LSTM's axes": (net("UNIDIRECTIONAL_SEQUENCE_RNN", [F32, reals(4, 3), reals(4, 4), reals(4)], activation="TANH",
                        time_major=False), "the input of a recurrent layer has not 3 axes"),
    "LSTM's function": (net("UNIDIRECTIONAL_SEQUENCE_RNN", [X3, reals(4, 3), reals(4, 4), reals(4)],
                            activation="RELU6", time_major=False),
                        "an activation function of a recurrent layer is not taken"),
    "state": (net("UNIDIRECTIONAL_SEQUENCE_RNN", [X3, reals(4, 3), reals(4, 4), reals(4), {"shape": (1, 4)}],
                  activation="TANH", time_major=False), "the first state of a recurrent layer is an input"),
    "size of a state": (net("UNIDIRECTIONAL_SEQUENCE_RNN", [X3, reals(4, 3), reals(4, 4), reals(4),
                            {"shape": (1 << 30, 4), "is_variable": True}], activation="TANH",
                            time_major=False), "a state has no sensible size"),
    "diagonal": (net("UNIDIRECTIONAL_SEQUENCE_LSTM", [X3, *WEIGHTS], **{**LSTM, "diagonal": True}),
                 "recurrent weights are diagonal"),
    "projection": (net("UNIDIRECTIONAL_SEQUENCE_LSTM", [X3, *WEIGHTS], **LSTM), "an LSTM projects its state"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    model, what = REFUSED[name]
    problem = problem_of(lambda: converted(model))
    assert problem.what == what
    assert "net.tflite" in problem.where


def without(model: Model, *positions: int) -> Model:
    """The model with inputs of its operator left out."""
    (op,) = model.operators
    kept = tuple(-1 if i in positions else index for i, index in enumerate(op.inputs))
    return replace(model, operators=(replace(op, inputs=kept),))


@pytest.mark.parametrize("positions, what", [
    ((1, 5), "the input gate of an LSTM is coupled to its forget gate"),
    ((16, 17), ""),
    ((16, 17, 9, 10, 11), ""),
])  # fmt: skip
def test_parts_of_an_lstm(positions: tuple[int, ...], what: str) -> None:
    model = without(net("UNIDIRECTIONAL_SEQUENCE_LSTM", [X3, *WEIGHTS[:15], reals(4, 4), reals(4)], **LSTM), *positions)
    if what:
        assert problem_of(lambda: converted(model)).what == what
    else:
        assert "LSTM" in [n.op_type for n in converted(model).graph]


def test_layer_normalization_in_an_lstm() -> None:
    inputs = [X3, *WEIGHTS[:15], reals(4, 4), reals(4), *[{"data": np.zeros((1, 4), np.float32)}] * 2, reals(4)]
    model = without(net("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, **LSTM), 16, 17)
    assert problem_of(lambda: converted(model)).what == "a recurrent layer normalizes its gates"


def test_a_model_without_outputs() -> None:
    model = replace(net("RELU", [F32]), outputs=())
    assert problem_of(lambda: converted(model)).what == "the model has no outputs"


def test_the_hint_of_an_open_size() -> None:
    problem = problem_of(lambda: converted(REFUSED["open"][0]))
    assert (problem.found, problem.hint) == ("[-1, -1, 2, 3]", "INPUT_SHAPE: [[1, ?, 2, 3]]")


# ---- the bytes -------------------------------------------------------------------------------------------


def data_of(name: str = "quantized/conv_s8") -> bytearray:
    return bytearray(bytes(files.recorded()[name]["model"]))


def read(data: bytes, folder: Path) -> Model:
    return reader.read(files.write(folder, data))


def test_a_missing_file(tmp_path: Path) -> None:
    assert problem_of(lambda: reader.read(tmp_path / "none.tflite")).what == "there is no such model"


def test_truncated(tmp_path: Path) -> None:
    data = data_of()
    for size in range(0, len(data), 29):
        problem = problem_of(lambda size=size: read(bytes(data[:size]), tmp_path))
        assert problem.what == DAMAGED and problem.found


def table(*fields: bytes) -> bytes:
    """A table of u32 fields and its vtable before it: (size of vtable, size, places), distance, fields."""
    vtable = struct.pack(f"<HH{len(fields)}H", 4 + 2 * len(fields), 4 + 4 * len(fields),
                         *(4 + 4 * i for i in range(len(fields))))  # fmt: skip
    vtable += bytes(-len(vtable) % 4)
    return vtable + struct.pack("<i", len(vtable)) + b"".join(fields)


def file_of(body: bytes, at: int) -> bytes:
    return struct.pack("<I4s", 8 + at, b"TFL3") + body


def test_another_version(tmp_path: Path) -> None:
    data = file_of(table(struct.pack("<I", 2)), 8)
    problem = problem_of(lambda: read(data, tmp_path))
    assert (problem.what, problem.found, problem.need) == ("the file is of another version", "2", "version 3")


def test_a_file_without_a_graph(tmp_path: Path) -> None:
    assert problem_of(lambda: read(file_of(table(struct.pack("<I", 3)), 8), tmp_path)).what == "the file holds no graph"


@pytest.mark.parametrize("data, found", [
    (file_of(b"", 100), "4 bytes at byte 108 of 8"),
    (file_of(struct.pack("<HHi", 2, 4, 4), 4), "a table of 4 bytes with a vtable of 2 at byte 12"),
    (file_of(struct.pack("<HHHHi", 6, 4, 9, 0, 8), 8), "field 0 at 9 of a table of 4 bytes at byte 16"),
    (file_of(struct.pack("<HHHHiI", 10, 99, 4, 0, 8, 3), 8), "99 bytes at byte 16 of 24"),
], ids=["root", "vtable", "field", "size"])  # fmt: skip
def test_tables_that_do_not_fit(data: bytes, found: str, tmp_path: Path) -> None:
    assert problem_of(lambda: read(data, tmp_path)).found == found


def test_one_table_many_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file whose vectors repeat a table."""
    monkeypatch.setattr(flatbuffer, "MAX_TABLES", 3)
    assert problem_of(lambda: read(bytes(data_of()), tmp_path)).found == "more than 3 tables"


def test_names_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatbuffer, "MAX_COPIED_BYTES", 10)
    assert problem_of(lambda: read(bytes(data_of()), tmp_path)).found == "more than 10 bytes of names and lists"


def test_a_long_vector(tmp_path: Path) -> None:
    """Counts are held against what is left of the file before anything is read."""
    body = struct.pack("<HHHHHHiIIII", 10, 16, 4, 0, 8, 0, 12, 3, 4, 1 << 30, 0)
    problem = problem_of(lambda: read(file_of(body, 12), tmp_path))
    assert problem.what == DAMAGED and "4294967296 bytes" in problem.found


def test_what_comes_too_late(tmp_path: Path) -> None:
    model = source(tmp_path, "float/moves_between_images")
    backwards = tuple(reversed(model.operators))
    with pytest.raises(flatbuffer.FormatError, match="which nobody has made"):
        reader._check_order(backwards, model.tensors, model.inputs, ())
    twice = (*model.operators, model.operators[0])
    with pytest.raises(flatbuffer.FormatError, match="makes tensor"):
        reader._check_order(twice, model.tensors, model.inputs, ())
    with pytest.raises(flatbuffer.FormatError, match="made by nobody"):
        reader._check_order((), model.tensors, model.inputs, model.outputs)


def mutated(data: bytearray, rng: random.Random) -> bytes:
    """Some bytes changed: to anything, to the ends of their range, or by one."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        data[at] = rng.choice((rng.randrange(256), 0, 255, 127, 128, (data[at] + 1) % 256, (data[at] - 1) % 256))
    return bytes(data[: rng.randrange(len(data))] if rng.random() < 0.05 else data)


@pytest.mark.parametrize("seed", range(8))
def test_mutants_give_a_model_or_an_error(seed: int, tmp_path: Path) -> None:
    """Of all recorded files."""
    rng, outcomes = random.Random(seed), {"model": 0, "error": 0}
    names = list(files.recorded())
    for _ in range(100):
        path = files.write(tmp_path, mutated(data_of(rng.choice(names)), rng))
        try:
            tflite.load(path, Request())
            outcomes["model"] += 1
        except ModelError as error:
            assert all(p.what and p.where for p in error.problems)
            outcomes["error"] += 1
    assert min(outcomes.values()) > 5, outcomes
