"""TFLite's operators: each computes what TFLite's reference kernels computed; where quantization and axes lie."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from magik_frontend_tf import tflite
from magik_frontend_tf.tflite import layers, reader

from magik_core import graph
from magik_core.errors import ModelError, UsageError
from magik_core.hookspecs import Request
from magik_core.prepare import prepare
from tests.core.graphs import run
from tests.frontends import tflite_files as files

FLOAT_TOLERANCE = 2e-6  # of the largest value
# In codes; where a case is not named, 1 is a tie or a table that TFLite rounds in another way.
CODES = {
    "quantized/tanh_s16": 2,  # TFLite interpolates in a table of 512
    "quantized/resize_s16": 80,  # TFLite weighs pixels with 10 bits
}
# TFLite quantizes the activations of these while it runs, the graph does not.
HYBRID = {"converted/dense_weights": 2e-2}
# s16 between ends of f32: a few codes of 1/32768 each
WIDE = {"converted/image_s16": 2e-4, "converted/image_s8_ends": 4e-3}


def load(folder: Path, case: files.Case, request: Request | None = None) -> ir.Model:
    return tflite.load(files.write(folder, case["model"]), request or Request())


def results(model: ir.Model, case: files.Case) -> list[np.ndarray]:
    """What the graph computes from the recorded inputs."""
    feeds = {str(v.name): files.real(case[f"in:{i}"], case[f"inq:{i}"]) for i, v in enumerate(model.graph.inputs)}
    return run(model, feeds)


def assert_equal(name: str, found: list[np.ndarray], case: files.Case) -> None:
    assert len(found) == sum(key.startswith("out:") for key in case)
    for i, y in enumerate(found):
        w, how = case[f"out:{i}"], case[f"outq:{i}"]
        assert y.shape == w.shape
        if how[0]:
            assert abs(files.codes(y, how) - w).max() <= CODES.get(name, 1)
        else:
            assert y.dtype == w.dtype
            most = {**HYBRID, **WIDE}.get(name, FLOAT_TOLERANCE)
            np.testing.assert_allclose(y.astype(float), w.astype(float), rtol=0, atol=most * max(1e-6, abs(w).max()))


@pytest.mark.parametrize("name", files.recorded())
def test_operator_computes_what_tflite_does(name: str, tmp_path: Path) -> None:
    case = files.recorded()[name]
    model = load(tmp_path, case)
    assert_equal(name, results(model, case), case)
    if not all(v.dtype == ir.DataType.FLOAT for v in (*model.graph.inputs, *model.graph.outputs)):
        return  # images of integers and masks are no business of the core's
    if name.startswith("float/"):
        prepared = prepare(model)
        assert_equal(name, results(prepared, case), case)


def test_most_quantized_operators_are_exact(tmp_path: Path) -> None:
    """Most codes, so that a tolerance of one hides no wrong zero point; TFLite rounds twice where it rescales."""
    equal = []
    for name in files.names("quantized/"):
        case = files.recorded()[name]
        if name not in CODES and case["outq:0"][0]:
            found = files.codes(results(load(tmp_path, case), case)[0], case["outq:0"])
            equal.append(float((found == case["out:0"]).mean()))
    assert len(equal) > 60
    assert np.mean(equal) > 0.96 and min(equal) > 0.6


def test_every_operator_is_recorded(tmp_path: Path) -> None:
    used = {
        op.name
        for case in files.recorded().values()
        for op in reader.read(files.write(tmp_path, case["model"])).operators
    }
    assert set(layers.table()) - used == set()
    assert {name for names in layers.families().values() for name in names} == set(layers.table())


# ---- form ------------------------------------------------------------------------------------------------


def neighbors(model: ir.Model) -> list[tuple[str, str]]:
    """(operator, operator that reads its output) of the whole graph."""
    return [(n.op_type, user.op_type) for n in model.graph for v in n.outputs for user in graph.consumers(v)]


@pytest.mark.parametrize("name", ["quantized/conv_s8", "quantized/conv_u8", "converted/image_s8"])
def test_quantization_is_untouched(name: str, tmp_path: Path) -> None:
    """Every scale, zero point and code of the file is in the graph, bit for bit."""
    case = files.recorded()[name]
    source, model = reader.read(files.write(tmp_path, case["model"])), load(tmp_path, case)
    stored = [np.asarray(v.const_value.numpy()) for v in model.graph.initializers.values() if v.const_value is not None]
    read = {i for op in source.operators for i in op.inputs if i >= 0} | set(source.outputs)
    for tensor in (t for t in source.tensors if t.quantization is not None and t.index in read):
        how = tensor.quantization
        assert how is not None
        assert any(a.dtype == np.float32 and np.array_equal(a.reshape(-1), how.scale) for a in stored), tensor.name
        if tensor.data and tensor.type in ("u8", "s8", "s32"):
            codes = np.sort(np.frombuffer(tensor.data, {"u8": "u1", "s8": "i1", "s32": "<i4"}[tensor.type]))
            assert any(a.dtype == codes.dtype and np.array_equal(np.sort(a.reshape(-1)), codes) for a in stored)


def test_qdq_form(tmp_path: Path) -> None:
    """Q and DQ behind the input, behind each activation and before the output; DQ alone behind what is stored."""
    model = load(tmp_path, files.recorded()["converted/image_s8"])
    (x,), (y,) = model.graph.inputs, model.graph.outputs
    assert x.dtype == y.dtype == ir.DataType.FLOAT
    assert [n.op_type for n in graph.consumers(x)] == ["QuantizeLinear"]
    assert y.producer().op_type == "DequantizeLinear"  # type: ignore[union-attr]
    for before, after in neighbors(model):
        assert (before == "QuantizeLinear") <= (after == "DequantizeLinear")
        assert before not in ("Relu", "Clip") or after == "QuantizeLinear"
    for node in model.graph:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape"):
            found = {v.producer().op_type for v in node.inputs if v is not None and v.producer() is not None}  # type: ignore[union-attr]
            assert found <= {"DequantizeLinear", "Conv", "Add", "Gemm"}, node.name


def test_axes_of_weights(tmp_path: Path) -> None:
    """quantized_dimension follows the weights into ONNX's order of axes."""
    for name, axis in (("quantized/conv_s8", 0), ("quantized/depthwise_s8", 0), ("quantized/transpose_conv_s8", 1)):
        model = load(tmp_path, files.recorded()[name])
        conv = next(n for n in model.graph if n.op_type in ("Conv", "ConvTranspose"))
        weights = conv.inputs[1].producer()  # type: ignore[union-attr]
        assert weights is not None and weights.op_type == "DequantizeLinear"
        assert graph.attribute(weights, "axis") == axis
        codes, scale, zero_point = (graph.constant(v) for v in weights.inputs)
        assert codes is not None and scale is not None and zero_point is not None
        assert codes.dtype == zero_point.dtype == np.int8 and codes.shape[axis] == scale.size


def test_weights_alone(tmp_path: Path) -> None:
    """A file that quantizes weights and nothing else: DequantizeLinear on them (small ones stay)."""
    found = [n.op_type for n in load(tmp_path, files.recorded()["converted/dense_weights"]).graph]
    assert found.count("DequantizeLinear") == 1 and "QuantizeLinear" not in found
    assert "DequantizeLinear" not in [n.op_type for n in load(tmp_path, files.recorded()["converted/image_f16"]).graph]


def test_images_are_transposed_once(tmp_path: Path) -> None:
    """One Transpose behind the input; none between layers of images, one where a dense layer reads them."""
    model = load(tmp_path, files.recorded()["converted/image_f32"])
    found = [n for n in model.graph if n.op_type == "Transpose"]
    assert len(found) == 2
    assert found[0].inputs[0] is model.graph.inputs[0]
    assert [n.op_type for n in graph.consumers(found[1].outputs[0])] == ["Reshape"]
    assert list(model.graph.inputs[0].shape or ()) == [1, 8, 8, 3]


def test_a_dilated_convolution_is_one(tmp_path: Path) -> None:
    (conv,) = (n for n in load(tmp_path, files.recorded()["float/dilated_1"]).graph if n.op_type == "Conv")
    assert graph.attribute(conv, "dilations") == (2, 2)
    assert graph.attribute(conv, "pads") == (2, 2, 2, 2)


@pytest.mark.parametrize("name", ["lstm", "lstm_time_major_peepholes", "rnn", "bidirectional_true"])
def test_a_recurrent_layer_is_one_node(name: str, tmp_path: Path) -> None:
    found = [n.op_type for n in load(tmp_path, files.recorded()[f"float/{name}"]).graph]
    assert found.count("LSTM") + found.count("RNN") == 1


def test_names(tmp_path: Path) -> None:
    """Nodes are named for what they make, values as in the file."""
    case = files.recorded()["quantized/conv_s8"]
    source, model = reader.read(files.write(tmp_path, case["model"])), load(tmp_path, case)
    (x,), (y,) = source.inputs, source.outputs
    assert model.graph.inputs[0].name == source.tensors[x].name
    assert model.graph.outputs[0].name == source.tensors[y].name
    assert next(n for n in model.graph if n.op_type == "Conv").name == source.tensors[y].name
    names = [v.name for v in graph.values(model)] + [n.name for n in model.graph]
    assert all(names) and len(names[: len(graph.values(model))]) == len(set(names[: len(graph.values(model))]))


# ---- sizes and ends --------------------------------------------------------------------------------------


def test_input_shape(tmp_path: Path) -> None:
    case = files.recorded()["float/max_pool_2d_same_2"]
    model = load(tmp_path, case, Request(input_shapes=((2, 9, 11, 3),)))
    assert list(model.graph.inputs[0].shape or ()) == [2, 9, 11, 3]
    assert list(model.graph.outputs[0].shape or ()) == [2, 5, 6, 3]


def test_an_empty_input_shape_is_the_models(tmp_path: Path) -> None:
    case = files.recorded()["float/max_pool_2d_same_2"]
    shapes = [load(tmp_path, case, Request(input_shapes=given)).graph.inputs[0].shape for given in ((), ((),))]
    assert shapes[0] == shapes[1]


def test_input_shape_of_another_rank(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, files.recorded()["float/max_pool_2d_same_2"], Request(input_shapes=((9, 11, 3),)))
    assert str(caught.value) == (
        "error: INPUT_SHAPE does not fit an input\n"
        "where: input 't0'\n"
        "found: [9, 11, 3]\n"
        " need: 4 positive sizes: [1, 5, 7, 3]"
    )


def test_input_shape_in_another_order_of_axes(tmp_path: Path) -> None:
    data = files.opened("float/max_pool_2d_same_2", (1, 5, 7, 3), (1, -1, 7, 3))
    with pytest.raises(UsageError) as caught:
        load(tmp_path, {"model": data}, Request(input_shapes=((1, 3, 9, 11),)))
    assert str(caught.value) == (
        "error: INPUT_SHAPE does not fit an input\n"
        "where: input 't0'\n"
        "found: [1, 3, 9, 11]\n"
        " need: [1, ?, 7, 3]\n"
        "\n"
        " hint: sizes are in the source's order, e.g. 1,9,11,3"
    )


@pytest.mark.parametrize("name", ["float/abs", "converted/dense_weights"])
def test_the_rounding_of_a_file_without_codes(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, files.recorded()[name], Request(options={"rounding": "twice"}))
    (problem,) = caught.value.problems
    assert (problem.what, problem.found) == ("an option does not fit the model", "rounding")
    assert problem.need == "of a TFLite file of float activations: none"


@pytest.mark.parametrize("rounding", ["once", "twice"])
def test_the_rounding_of_a_quantized_file(rounding: str, tmp_path: Path) -> None:
    model = load(tmp_path, files.recorded()["quantized/conv_s8"], Request(options={"rounding": rounding}))
    assert model.metadata_props["magik.rounding"] == rounding
    with pytest.raises(UsageError, match="an option has no such value"):
        load(tmp_path, files.recorded()["quantized/conv_s8"], Request(options={"rounding": "thrice"}))


def test_the_tail_of_a_detector_is_cut_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = load(tmp_path, files.built("detector"))
    assert [v.name for v in model.graph.outputs] == ["t1", "t3"]
    assert "TFLite_Detection_PostProcess is cut off; outputs are 't1' and 't3'" in caplog.text


def test_what_lies_behind_an_output_need_not_be_known(tmp_path: Path) -> None:
    case = files.built("refused")
    model = load(tmp_path, case, Request(outputs=("t1",)))
    assert [n.op_type for n in model.graph] == ["Relu"]
    assert [v.name for v in model.graph.outputs] == ["t1"]
    with pytest.raises(ModelError, match="MyOperator"):
        load(tmp_path, case, Request(outputs=("t1", "none")))
