"""Whole Caffe nets: names, phases, in-place layers, versions, inputs, detection, and every error at once."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from magik_frontend_caffe import load
from magik_frontend_caffe.layers import detection

from magik_core import graph
from magik_core.errors import MagikError, ModelError, Problem, UsageError
from magik_core.hookspecs import Request
from magik_core.prepare import prepare
from magik_core.read import read
from tests.conftest import ROOT
from tests.frontends import caffe_reference as ref
from tests.frontends.caffe_files import inputs_text, layer_text, nodes, outputs, write

X = {"x": (1, 3, 6, 6)}
RECORDED = sorted((ROOT / "tests/data/caffe").glob("*.prototxt"))


def problems_of(path: Path, error: type[MagikError] = ModelError, **options: str) -> tuple[Problem, ...]:
    with pytest.raises(error) as caught:
        load(path, Request(options=options))
    assert type(caught.value) is error
    return caught.value.problems


def problem_of(folder: Path, text: str, blobs: dict[str, list[np.ndarray]] | None = None, **options: str) -> Problem:
    (problem,) = problems_of(write(folder, text, blobs), **options)
    return problem


def net(*layers: str, inputs: dict[str, tuple[int, ...]] | None = None) -> str:
    return inputs_text(X if inputs is None else inputs) + "".join(layers)


def named(name: str, *args: object, **kwargs: object) -> str:
    return layer_text(*args, **kwargs).replace('name: "l"', f'name: "{name}"')  # type: ignore[arg-type]


# ---- names, phases, versions --------------------------------------------------------------------------------


def test_in_place_layers_keep_the_blobs_name_for_the_last(tmp_path: Path) -> None:
    text = net(
        named("scale", "Power", "power_param { scale: 2 shift: 1 }", ["x"], ["a"]),
        named("relu", "ReLU", "", ["a"], ["a"]),
        named("other", "AbsVal", "", ["a"], ["b"]),
        named("drop", "Dropout", "", ["a"], ["a"]),
    )
    model = load(write(tmp_path, text), Request())
    made = [("scale/mul", "Mul"), ("scale", "Add"), ("relu", "Relu"), ("other", "Abs"), ("drop", "Identity")]
    assert nodes(model) == made
    assert [n.outputs[0].name for n in model.graph] == ["scale/mul", "a/scale", "a/relu", "b", "a"]
    assert [v.name for v in model.graph.outputs] == ["a", "b"]
    assert model.graph.name == "net"


def test_an_input_that_is_overwritten_keeps_its_name(tmp_path: Path) -> None:
    model = load(write(tmp_path, net(named("neg", "Power", "power_param { scale: -1 }", ["x"], ["x"]))), Request())
    assert [v.name for v in model.graph.inputs] == ["x"]
    assert [v.name for v in model.graph.outputs] == ["x_1"]


def test_layers_of_one_name_are_numbered(tmp_path: Path) -> None:
    text = net(layer_text("ReLU"), layer_text("AbsVal", "", ["y"], ["z"]))
    assert nodes(load(write(tmp_path, text), Request())) == [("l", "Relu"), ("l_1", "Abs")]


@pytest.mark.parametrize(("rule", "is_in"), [
    ("include { phase: TEST }", True), ("include { phase: TRAIN }", False), ("exclude { phase: TEST }", False),
    ("exclude { phase: TRAIN }", True), ("include { phase: TRAIN } include { phase: TEST stage: 'deploy' }", True),
    ("include { not_stage: 'deploy' }", False), ("include { min_level: 3 }", False), ("include { max_level: 3 }", True),
    ("exclude { stage: ['deploy', 'other'] }", True), ("include { phase: TEST min_level: 2 max_level: 2 }", True),
])  # fmt: skip
def test_rules_of_phases(tmp_path: Path, rule: str, is_in: bool) -> None:
    text = 'state { phase: TRAIN level: 2 stage: "deploy" }' + net(
        layer_text("ReLU"), named("m", "AbsVal", rule, ["y"], ["z"])
    )
    assert ("m" in dict(nodes(load(write(tmp_path, text), Request())))) is is_in


def test_a_training_net_ends_before_its_losses(tmp_path: Path) -> None:
    data = 'layer { name: "d" type: "MemoryData" top: "x" top: "label" memory_data_param { batch_size: 2 channels: 3 '
    text = (
        data
        + "height: 4 width: 5 } }"
        + net(
            layer_text("ReLU"),
            named("loss", "SoftmaxWithLoss", "", ["y", "label"], ["loss"]),
            named("top1", "Accuracy", "", ["y", "label"], ["top1"]),
            named("quiet", "Silence", "", ["label"], []),
            inputs={},
        )
    )
    model = load(write(tmp_path, text), Request())
    assert [v.name for v in model.graph.outputs] == ["y"]
    assert graph.static_shape(model.graph.inputs[0]) == (2, 3, 4, 5)


def test_v1_layers(tmp_path: Path) -> None:
    text = """name: "old" input: "x" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 5
        layers { name: "c" type: CONVOLUTION bottom: "x" top: "c" convolution_param { num_output: 2 kernel_size: 3 } }
        layers { name: "r" type: RELU bottom: "c" top: "c" }
        layers { name: "i" type: INNER_PRODUCT bottom: "c" top: "i" inner_product_param { num_output: 2 } }
        layers { name: "t" type: TANH bottom: "i" top: "t" }
        layers { name: "loss" type: SOFTMAX_LOSS bottom: "t" bottom: "x" }"""
    rng = np.random.default_rng(0)
    w, b, v, c = (rng.normal(size=s).astype(np.float32) for s in [(2, 2, 3, 3), (2,), (2, 18), (2,)])
    path = write(tmp_path, text, {"c": [w, b], "i": [v, c]})
    x = rng.normal(size=(1, 2, 5, 5)).astype(np.float32)
    (y,) = outputs(path, {"x": x}).values()
    wanted = np.tanh(np.maximum(ref.conv(x, w, b), 0).reshape(1, -1) @ v.T + c)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)
    assert load(path, Request()).graph.name == "old"


@pytest.mark.parametrize("layer", [
    'layer { name: "d" type: "Input" top: "x" top: "z" input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }',
    'layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }',
    'layer { name: "d" type: "DummyData" top: "x" dummy_data_param { num: 1 channels: 3 height: 6 width: 6 } }',
    'input: "x" input_dim: 1 input_dim: 3 input_dim: 6 input_dim: 6 ',
])  # fmt: skip
def test_inputs(tmp_path: Path, layer: str) -> None:
    model = load(write(tmp_path, net(layer, layer_text("ReLU"), inputs={})), Request())
    assert graph.static_shape(model.graph.inputs[0]) == (1, 3, 6, 6)


def test_other_sizes_than_the_prototxts(tmp_path: Path) -> None:
    """A fully convolutional net with a crop takes the size that is asked for."""
    text = net(
        layer_text("Pooling", "pooling_param { kernel_size: 3 stride: 2 }", ["x"], ["p"]),
        layer_text("Upsample", "upsample_param { scale: 2 }", ["p"], ["u"]),
        layer_text("Crop", "crop_param { axis: 2 }", ["u", "p"], ["c"]),
        layer_text("ShuffleChannel", "shuffle_channel_param { group: 3 }", ["c"], ["y"]),
    )
    model = prepare(load(write(tmp_path, text), Request()), input_shapes=[[1, 3, 9, 14]])
    assert graph.static_shape(model.graph.outputs[0]) == (1, 3, 4, 7)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_outputs(path: Path) -> None:
    """What OpenCV computed; tests/data/caffe/make.py made the models and ran it."""
    recorded = dict(np.load(path.with_suffix(".npz")))
    found = outputs(path, {"data": recorded.pop("data")})
    assert found.keys() == recorded.keys()
    for name, wanted in recorded.items():
        assert np.abs(found[name] - wanted).max() < 1e-5 * np.ptp(wanted), name


def test_every_recorded_model_is_tested() -> None:
    assert len(RECORDED) == 3


# ---- detection ----------------------------------------------------------------------------------------------

PRIOR = "min_size: 1.5 max_size: 3 aspect_ratio: 2 aspect_ratio: 1 variance: [0.1, 0.1, 0.2, 0.2] "
SSD = net(
    layer_text("Permute", "permute_param { order: [0, 2, 3, 1] }", ["f"], ["q"]),
    layer_text("Flatten", "", ["q"], ["loc"]),
    layer_text("Flatten", "", ["g"], ["conf"]),
    layer_text("PriorBox", f"prior_box_param {{ {PRIOR} }}", ["f", "image"], ["p0"]),
    layer_text("Concat", "concat_param { axis: 2 }", ["p0"], ["priors"]),
    named("det", "DetectionOutput", "detection_output_param { num_classes: 3 code_type: CENTER_SIZE }",
          ["loc", "conf", "priors"], ["out"]),
    inputs={"f": (1, 16, 2, 3), "g": (1, 24, 3, 1), "image": (1, 3, 6, 9)},
)  # fmt: skip
FEEDS = {
    "f": np.linspace(-2, 2, 96, dtype=np.float32).reshape(1, 16, 2, 3),
    "g": np.linspace(0, 1, 72, dtype=np.float32).reshape(1, 24, 3, 1),
    "image": np.zeros((1, 3, 6, 9), np.float32),
}


def test_detection_is_cut_off_with_a_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = load(write(tmp_path, SSD), Request())
    assert [v.name for v in model.graph.outputs] == ["loc", "conf"]
    said = "DetectionOutput 'det' is cut off; outputs are 'loc', 'conf', offsets and scores of boxes"
    assert caplog.messages == [f"net.prototxt: {said}"]


def test_detection_is_decoded_on_request(tmp_path: Path) -> None:
    found = outputs(write(tmp_path, SSD), FEEDS, detection="decode")
    priors = ref.prior_boxes((2, 3), (6, 9), [1.5], [3], [2, 1], True, False, [0.1, 0.1, 0.2, 0.2], 0, 0.5)
    loc = FEEDS["f"].transpose(0, 2, 3, 1).reshape(1, -1, 4)
    assert list(found) == ["out/boxes", "out/scores"]
    np.testing.assert_allclose(found["out/boxes"], ref.decoded(loc, priors), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["out/scores"], FEEDS["g"].reshape(1, 24, 3))


@pytest.mark.parametrize(("param", "expected"), [
    ("", ((2, 3), (6, 9), [1.5], [3], [2, 1], True, False, [0.1, 0.1, 0.2, 0.2], 0, 0.5)),
    ("clip: true flip: false step: 4 offset: 0.25", ((2, 3), (6, 9), [1.5], [3], [2, 1], False, True,
                                                    [0.1, 0.1, 0.2, 0.2], 4, 0.25)),
    ("img_size: 20", ((2, 3), (20, 20), [1.5], [3], [2, 1], True, False, [0.1, 0.1, 0.2, 0.2], 0, 0.5)),
])  # fmt: skip
def test_prior_boxes(tmp_path: Path, param: str, expected: tuple[object, ...]) -> None:
    prior = layer_text("PriorBox", f"prior_box_param {{ {PRIOR} {param} }}", ["x", "image"], ["p"])
    add = layer_text("Eltwise", "", ["p", "z"], ["y"])
    shape = (1, 2, 2 * 3 * 4 * (4 if "flip" not in param else 3))
    feeds = {"x": np.zeros((1, 1, 2, 3)), "image": np.zeros((1, 1, 6, 9)), "z": np.zeros(shape)}
    path = write(tmp_path, net(prior, add, inputs={k: v.shape for k, v in feeds.items()}))
    found = outputs(path, {"z": feeds["z"].astype(np.float32), "x": feeds["x"].astype(np.float32),
                           "image": feeds["image"].astype(np.float32)})["y"]  # fmt: skip
    np.testing.assert_allclose(found, ref.prior_boxes(*expected), rtol=1e-5, atol=1e-6)  # type: ignore[arg-type]


def test_outputs_that_are_constant_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = net(layer_text("ReLU"), layer_text("PriorBox", "prior_box_param { min_size: 2 img_size: 9 }", ["y"], ["p"]),
               named("abs", "AbsVal", "", ["y"], ["z"]))  # fmt: skip
    assert [v.name for v in load(write(tmp_path, text), Request()).graph.outputs] == ["z"]
    assert caplog.messages == ["net.prototxt: output 'p' is constant and is left out"]


# ---- errors ---------------------------------------------------------------------------------------------------


def test_every_unsupported_layer_is_reported_at_once(tmp_path: Path) -> None:
    text = net(
        named("a", "Python", "", ["x"], ["a"]),
        named("b", "ReLU", "", ["a"], ["b"]),
        named("c", "LSTM", "", ["b"], ["c"]),
        named("d", "Convolution", "convolution_param { num_output: 2 kernel_size: 3 }", ["x"], ["d"]),
        named("e", "Softmax", "softmax_param { axis: 7 }", ["x"], ["e"]),
        named("f", "AbsVal", "", ["ghost"], ["f"]),
    )
    found = problems_of(write(tmp_path, text))
    assert [(p.what, p.where, p.found) for p in found] == [
        ("a layer is of a type that cannot be converted", "Python 'a' in net.prototxt, line 3", "Python"),
        ("a layer is of a type that cannot be converted", "LSTM 'c' in net.prototxt, line 5", "LSTM"),
        ("the layer has no weights", "Convolution 'd' in net.prototxt, line 6", "no such layer in a caffemodel"),
        ("there is no such axis", "Softmax 'e' in net.prototxt, line 7", "axis 7 of [1, 3, 6, 6]"),
        ("a bottom is defined nowhere", "AbsVal 'f' in net.prototxt, line 8", "ghost"),
    ]
    assert found[0].need.startswith("one of: AbsVal, ArgMax,")


IP = "inner_product_param { num_output: 2 }"
W, B = np.ones((2, 108), np.float32), np.zeros(2, np.float32)


@pytest.mark.parametrize(("blobs", "what", "found"), [
    ([], "the layer has no weights", "0 blobs"),
    ([W], "the layer has no weights", "1 blobs"),
    ([W[:, :9], B], "the weights do not fit the layer", "18 numbers in [2, 9]"),
    ([W.T, B], "the weights do not fit the layer", "216 numbers in [108, 2]"),
    ([W * np.nan, B], "a weight is not a number", "216 NaN and 0 infinite of 216 values"),
    ([W, B + np.inf], "a weight is not a number", "0 NaN and 2 infinite of 2 values"),
])  # fmt: skip
def test_weights_that_do_not_fit(tmp_path: Path, blobs: list[np.ndarray], what: str, found: str) -> None:
    problem = problem_of(tmp_path, net(layer_text("InnerProduct", IP)), {"l": blobs})
    assert (problem.what, problem.found) == (what, found)


def conv(param: str) -> tuple[str, str]:
    return "Convolution", f"convolution_param {{ {param} }}"


def pool(param: str) -> tuple[str, str]:
    return "Pooling", f"pooling_param {{ {param} }}"


ERRORS = [
    (*conv("num_output: 2 kernel_size: 0"), "the window is no window"),
    (*conv("num_output: 2 kernel_size: 3 stride: 0"), "the window is no window"),
    (*conv("num_output: 2 kernel_size: [3, 3, 3]"), "the window has the wrong number of axes"),
    (*conv("num_output: 2"), "the window has the wrong number of axes"),
    (*conv("num_output: 2 kernel_size: 3 group: 2"), "the channels of a convolution do not fit"),
    (*conv("num_output: 0 kernel_size: 3"), "the channels of a convolution do not fit"),
    (*conv("num_output: 2 kernel_size: 3 axis: 2"), "the convolution has an unusual axis"),
    (*pool("pool: STOCHASTIC kernel_size: 2"), "a layer cannot be converted"),
    (*pool("kernel_size: 2 pad: 2"), "the padding is as large as the window"),
    (*pool("kernel_size: 9"), "the window is larger than its input"),
    (*pool("kernel_size: 1 stride: 4"), "the last window of a pooling lies outside of its input"),
    (*pool("kernel_size: 1 stride: 4 pad: 0 pad_h: 0"), "the last window of a pooling lies outside of its input"),
    (*pool("kernel_size: 0"), "the window is no window"),
    ("LRN", "lrn_param { local_size: 4 }", "the window is no window"),
    ("BatchNorm", "batch_norm_param { use_global_stats: false }", "the layer normalizes by its batch"),
    ("Exp", "exp_param { base: -2 }", "there is no power of this base"),
    ("Log", "log_param { base: 1 }", "there is no logarithm to this base"),
    ("Slice", "slice_param { slice_point: 4 }", "the slices do not fit"),
    ("Flatten", "flatten_param { axis: 3 end_axis: 1 }", "there is nothing to flatten"),
    ("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }", "the shape is no shape"),
    ("Reshape", "reshape_param { shape { dim: 5 } }", "the shape does not fit"),
    ("Reshape", "reshape_param { num_axes: 9 }", "there is no such axis"),
    ("Permute", "permute_param { order: [0, 0] }", "the order is no order of the axes"),
    ("Tile", "tile_param { axis: 1 }", "there is nothing to tile"),
    ("Tile", "tile_param { tiles: 2000000000 }", "the layer's output has no sensible size"),
    ("ShuffleChannel", "shuffle_channel_param { group: 2 }", "the channels do not fit the groups"),
    ("Upsample", "", "the layer says no scale"),
    ("Interp", "interp_param { pad_beg: -1 }", "a layer cannot be converted"),
    ("Interp", "interp_param { zoom_factor: 0 }", "a layer cannot be converted"),
    ("Interp", "interp_param { height: 0 width: 0 }", "the layer's output has no sensible size"),
    ("Scale", "scale_param { axis: 3 num_axes: 2 }", "there is no such axis"),
    ("ArgMax", "argmax_param { top_k: 5 }", "a layer cannot be converted"),
    ("PriorBox", "prior_box_param { img_size: 9 }", "the sizes of the boxes do not fit"),
    ("PriorBox", "prior_box_param { min_size: 9 }", "the layer needs height and width"),
    ("PriorBox", "prior_box_param { min_size: 9 img_size: 9 variance: [1, 2] }", "the variances do not fit"),
    ("Eltwise", "", "the layer has the wrong number of bottoms"),
    ("ReLU", "relu_param { negative_slop: 1 }", "a layer has fields that are not known"),
]


@pytest.mark.parametrize(("kind", "param", "what"), ERRORS, ids=lambda v: v.replace(" ", "_"))
def test_layers_that_cannot_be(tmp_path: Path, kind: str, param: str, what: str) -> None:
    tops = ["y", "z"] if kind == "Slice" else ["y"]
    problem = problem_of(tmp_path, net(layer_text(kind, param, ["x"], tops)))
    assert (problem.what, problem.where) == (what, f"{kind} 'l' in net.prototxt, line 3")


@pytest.mark.parametrize(("kind", "param", "shapes", "what"), [
    ("Eltwise", "", [(1, 2), (1, 3)], "the bottoms have several shapes"),
    ("Eltwise", "eltwise_param { coeff: 1 }", [(1, 2), (1, 2)], "the coefficients do not fit"),
    ("Scale", "", [(1, 2, 3), (3,)], "the bottoms do not fit each other"),
    ("Axpy", "", [(1, 2), (1, 3, 4, 4), (1, 3, 4, 4)], "the bottoms do not fit each other"),
    ("Crop", "", [(1, 2, 4, 4), (1, 2, 5, 4)], "the crop does not fit"),
    ("Crop", "", [(1, 2, 4, 4), (1, 2)], "the crop does not fit"),
    ("Concat", "", [(1, 2, 4), (1, 2, 3)], "the layer does not fit its input"),
    ("PReLU", "", [(4,)], "the layer needs an axis of channels"),
    ("BatchNorm", "", [(4,)], "the layer needs an axis of channels"),
    ("MVN", "", [(4, 4)], "the layer needs height and width"),
    ("Normalize", "", [(4, 4)], "the layer needs height and width"),
    ("Pooling", "", [(4, 4)], "the layer needs height and width"),
    ("LRN", "", [(1, 9999, 2, 2)], "the layer has too many channels"),
    ("ShuffleChannel", "shuffle_channel_param { group: 2 }", [(1, 1 << 30)], "the layer has too many channels"),
    ("PriorBox", "prior_box_param { min_size: 9 }", [(1, 1, 9999, 9999), (1, 1, 9, 9)],
     "the layer makes too many boxes"),
])  # fmt: skip
def test_bottoms_that_do_not_fit(
    tmp_path: Path, kind: str, param: str, shapes: list[tuple[int, ...]], what: str
) -> None:
    inputs = {f"x{i}": shape for i, shape in enumerate(shapes)}
    assert problem_of(tmp_path, net(layer_text(kind, param, list(inputs)), inputs=inputs)).what == what


def test_a_negative_variance(tmp_path: Path) -> None:
    blobs = [np.ones(3, np.float32), -np.ones(3, np.float32), np.ones(1, np.float32)]
    assert problem_of(tmp_path, net(layer_text("BatchNorm")), {"l": blobs}).what == "a variance is negative"


def test_a_top_that_is_made_twice(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, net(layer_text("ReLU"), layer_text("AbsVal")))
    assert (problem.what, problem.found) == ("a top is made twice", "y")
    problem = problem_of(tmp_path, 'input: "x" input_shape { dim: 2 }' + net(layer_text("ReLU")))
    assert (problem.what, problem.where, problem.found) == ("a top is made twice", "input 'x' in net.prototxt", "x")


@pytest.mark.parametrize(("shape", "what"), [
    ("", "the size of an input is not known"),
    ("input_param { shape { dim: 1 dim: -1 } }", "the size of an input is no size"),
    ("input_param { shape { dim: 99999999 dim: 99999999 } }", "the size of an input is no size"),
])  # fmt: skip
def test_inputs_without_a_size(tmp_path: Path, shape: str, what: str) -> None:
    layer = f'layer {{ name: "d" type: "Input" top: "x" {shape} }}'
    problem = problem_of(tmp_path, net(layer, layer_text("ReLU"), inputs={}))
    assert (problem.what, problem.where) == (what, "Input 'd' in net.prototxt, line 1")
    assert problem.hint == "use the deploy prototxt, or give its Input layer a shape"


def test_a_net_without_outputs(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, net(named("loss", "EuclideanLoss", "", ["x", "x"], ["y"])))
    assert problem.what == "the model has no outputs"


@pytest.mark.parametrize(("change", "what"), [
    (("code_type: CENTER_SIZE", "code_type: CORNER"), "the boxes cannot be decoded"),
    (("num_classes: 3", "num_classes: 4"), "the bottoms do not fit each other"),
    (('bottom: "priors"', 'bottom: "loc"'), "the third bottom holds no prior boxes"),
])  # fmt: skip
def test_boxes_that_cannot_be_decoded(tmp_path: Path, change: tuple[str, str], what: str) -> None:
    assert problem_of(tmp_path, SSD.replace(*change), detection="decode").what == what


def test_options(tmp_path: Path) -> None:
    path = write(tmp_path, net(layer_text("ReLU")))
    (value,) = problems_of(path, UsageError, detection="none")
    assert (value.what, value.where) == ("an option has no such value", "detection")
    assert value.need == f"one of: {detection.DECODE}, cut"
    (path_,) = problems_of(path, UsageError, weights=7)
    assert (path_.what, path_.found) == ("an option is no path", "7")
    with pytest.raises(UsageError) as caught:
        read(path, request=Request(options={"weight": "x"}))
    (name,) = caught.value.problems
    assert (name.what, name.found) == ("the caffe frontend has no such option", "weight")
    assert name.hint == "did you mean weights?"
