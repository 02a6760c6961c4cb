"""MXNet's layers: each computes what MXNet computed, at open sizes and at fixed ones; what is refused, and how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from magik_frontend_mxnet import builder, layers, load
from magik_frontend_mxnet.layers.registry import FUNCTIONS

from magik_core import graph, infer
from magik_core.errors import GraphError, Problem, UsageError
from magik_core.hookspecs import Request
from magik_core.prepare import prepare
from tests.core.graphs import run
from tests.frontends import mxnet_files as files

TOLERANCE = 1e-4  # of the largest value
X = np.arange(-12, 12, dtype=np.float32).reshape(1, 2, 3, 4)
PRELU = {"act_type": "prelu"}


def assert_close(got: list[np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    for y, (name, w) in zip(got, wanted.items(), strict=True):
        assert y.shape == w.shape, name
        np.testing.assert_allclose(y, w, rtol=0, atol=TOLERANCE * max(1e-6, abs(w).max()), err_msg=name)


def parts(case: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): array for key, array in case.items() if key.startswith(prefix)}


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "fixed"])
@pytest.mark.parametrize("name", files.recorded())
def test_layer_computes_what_mxnet_does(name: str, is_open: bool, tmp_path: Path) -> None:
    case = files.recorded()[name]
    inputs, outputs = parts(case, "in:"), parts(case, "out:")
    symbol = json.loads(case["symbol"].tobytes())
    for node in symbol["nodes"]:
        if node["name"] in inputs:
            shape = inputs[node["name"]].shape
            node.setdefault("attrs", {})["__shape__"] = str((0,) * len(shape) if is_open else shape)
    model = load(files.write(tmp_path, symbol, case["params"].tobytes()), Request())
    assert [v.name for v in model.graph.outputs] == list(outputs)
    assert_close(run(model, {str(v.name): inputs[str(v.name)] for v in model.graph.inputs}), outputs)
    bound = prepare(model, input_shapes=[inputs[str(v.name)].shape for v in model.graph.inputs])
    assert_close(run(bound, {str(v.name): inputs[str(v.name)] for v in bound.graph.inputs}), outputs)


def test_every_layer_is_recorded() -> None:
    """Itself, or under another of its names."""
    used = {node["op"] for case in files.recorded().values() for node in json.loads(case["symbol"].tobytes())["nodes"]}
    known = {name for names in layers.families().values() for name in names}
    assert known == set(FUNCTIONS) and used - {"null"} <= known
    reached = {id(FUNCTIONS[op]) for op in used - {"null"}}
    assert sorted(op for op in known if id(FUNCTIONS[op]) not in reached) == ["amp_multicast"]


def test_multicast_hands_on_its_inputs(tmp_path: Path) -> None:
    symbol = files.symbol(("null", "x", {}, []), ("amp_multicast", "m", {"num_outputs": "1"}, [0]))
    assert_close(run(load(files.write(tmp_path, symbol, {}), Request()), {"x": X}), {"m_output": X})


# ---- names, inputs, outputs ------------------------------------------------------------------------------


def convolution(**attrs: str) -> tuple[str, str, dict[str, str], list[int]]:
    return "Convolution", "conv", {"kernel": "(1, 1)", "num_filter": "3", "no_bias": "True", **attrs}, [0, 1]


def small() -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """x -> conv -> prelu -> out, with a label that nothing reads."""
    symbol = files.symbol(
        ("null", "x", {}, []),
        ("null", "conv_weight", {}, []),
        convolution(),
        ("null", "gamma", {}, []),
        ("LeakyReLU", "act", PRELU, [2, 3]),
        ("null", "label", {}, []),
        ("SoftmaxOutput", "out", {"multi_output": "True"}, [4, 5]),
    )
    weight = np.arange(6, dtype=np.float32).reshape(3, 2, 1, 1)
    return symbol, {"arg:conv_weight": weight, "arg:gamma": np.float32([0.1, 0.2, 0.3])}


def test_names_are_kept(tmp_path: Path) -> None:
    model = load(files.write(tmp_path, *small()), Request())
    assert [(n.name, n.op_type, n.outputs[0].name) for n in model.graph] == [
        ("conv", "Conv", "conv_output"),
        ("act", "PRelu", "act_output"),
        ("out", "Softmax", "out_output"),
    ]
    assert "conv_weight" in model.graph.initializers
    assert (model.graph.name, model.producer_name) == ("net", "mxnet")
    (x,) = model.graph.inputs
    assert x.dtype == ir.DataType.FLOAT
    assert [d if isinstance(d, int) else d.value for d in x.shape or ()] == ["batch", 2, "height", "width"]


def test_either_file_is_the_model(tmp_path: Path) -> None:
    path = files.write(tmp_path, *small())
    prints = {graph.fingerprint(load(p, Request())) for p in (path, path.with_name("net-0000.params"))}
    assert len(prints) == 1


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_reals_are_f32(dtype: str, tmp_path: Path) -> None:
    symbol, arrays = small()
    model = load(files.write(tmp_path, symbol, {k: v.astype(dtype) for k, v in arrays.items()}), Request())
    assert {v.dtype for v in model.graph.initializers.values()} == {ir.DataType.FLOAT}


def test_old_symbols(tmp_path: Path) -> None:
    """Attributes as "param" and "attr", no aux states among the inputs, Python 2's long integers."""
    symbol = files.symbol(
        ("null", "x", {}, []),
        ("null", "bn_gamma", {}, []),
        ("null", "bn_beta", {}, []),
        ("BatchNorm", "bn", {}, [0, 1, 2]),
        ("_MulScalar", "twice", {"scalar": "2"}, [3]),
        ("Reshape", "flat", {}, [4]),
    )
    for node, attrs in zip(symbol["nodes"], ({}, {}, {}, {"eps": "0.5"}, {}, {"target_shape": "(3L, 0)"}), strict=True):
        node["param"], node["attr"] = {**node.pop("attrs"), **attrs}, {"lr_mult": "1"}
        node["inputs"] = [pair[:2] for pair in node["inputs"]]
    arrays = {
        "arg:bn_beta": np.float32([1, -1]),
        "aux:bn_moving_mean": np.float32([0.5, 2]),
        "aux:bn_moving_var": np.float32([0.5, 3.5]),
    }
    got = run(load(files.write(tmp_path, symbol, arrays), Request()), {"x": X})
    mean, variance, beta = (np.float32(v).reshape(1, 2, 1, 1) for v in ([0.5, 2], [0.5, 3.5], [1, -1]))
    assert_close(got, {"flat_output": (2 * ((X - mean) / np.sqrt(variance + 0.5) + beta)).reshape(3, -1)})


def test_dtype_of_an_input(tmp_path: Path) -> None:
    symbol = files.symbol(
        ("null", "x", {"__dtype__": "4", "__shape__": "(0, 5)"}, []),
        ("null", "table", {}, []),
        ("Embedding", "e", {"input_dim": "3", "output_dim": "2"}, [0, 1]),
    )
    table, x = np.arange(6, dtype=np.float32).reshape(3, 2), np.int32([[0, 2, 1, 1, 2]])
    model = load(files.write(tmp_path, symbol, {"table": table}), Request())
    assert model.graph.inputs[0].dtype == ir.DataType.INT32
    assert_close(run(model, {"x": x}), {"e_output": table[x]})


def test_an_input_behind_a_split_has_known_axes(tmp_path: Path) -> None:
    symbol = files.symbol(
        ("null", "x", {}, []),
        ("null", "conv_weight", {}, []),
        ("SliceChannel", "s", {"num_outputs": "3"}, [0]),
        ("Convolution", "conv", {"kernel": "(1, 1)", "num_filter": "3", "no_bias": "True"}, [2, 1]),
    )
    model = load(files.write(tmp_path, symbol, {"conv_weight": np.ones((3, 2, 1, 1), np.float32)}), Request())
    assert [d for d in model.graph.inputs[0].shape or () if isinstance(d, int)] == [6]


def test_heads_that_no_layer_makes_are_copied(tmp_path: Path) -> None:
    symbol = files.symbol(("null", "x", {}, []), ("relu", "r", {}, [0]), heads=(0, 1, 1))
    model = load(files.write(tmp_path, symbol, {}), Request())
    assert [v.name for v in model.graph.outputs] == ["x_output", "r_output", "r_output_output"]
    assert_close(run(model, {"x": X}), {"x": X, "r": np.maximum(X, 0), "r again": np.maximum(X, 0)})


# ---- what is refused -------------------------------------------------------------------------------------


def problems_of(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(GraphError) as caught:
        load(path, Request())
    return caught.value.problems


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    symbol = files.symbol(
        ("null", "x", {}, []),
        ("null", "w", {}, []),
        ("Convolution", "a", {"kernel": "(3, 3)", "num_filter": "2", "no_bias": "True"}, [0, 1]),
        ("Correlation", "b", {}, [2]),
        ("SwapAxis", "c", {}, [3]),
        ("Activation", "d", {"act_type": "cubic"}, [4]),
        ("_contrib_MultiBoxDetection", "e", {}, [5]),
        ("CTCLoss", "unread", {}, [0]),
        heads=(6,),
    )
    assert [str(p) for p in problems_of(files.write(tmp_path, symbol, {}))] == [
        "error: a parameter is missing\nwhere: Convolution 'a' in net-symbol.json\nfound: w\n"
        " need: its values in the .params file",
        "error: a layer is not supported\nwhere: Correlation 'b' in net-symbol.json\nfound: Correlation\n"
        " need: a layer of docs/mxnet.md",
        "error: an attribute has a value that is not supported\nwhere: Activation 'd' in net-symbol.json\n"
        "found: act_type cubic\n need: one of: relu, sigmoid, tanh, softrelu, softsign",
        "error: a layer is not supported\nwhere: _contrib_MultiBoxDetection 'e' in net-symbol.json\n"
        "found: _contrib_MultiBoxDetection\n need: a layer of docs/mxnet.md\n\n"
        " hint: save the symbol up to what it reads: sym.get_internals()['NAME_output'].save(...)",
    ]


F, I = np.float32, np.int64
CONV = {"kernel": "(3, 3)", "num_filter": "2", "no_bias": "True"}
GRU = {"mode": "gru", "state_size": "3", "num_layers": "1"}


@pytest.mark.parametrize(("op", "attrs", "weights", "what"), [
    ("Convolution", {**CONV, "num_filter": "0"}, [F(np.ones((2, 2, 3, 3)))], "an attribute is damaged"),
    ("Convolution", {"num_filter": "2"}, [F(np.ones((2, 2, 3, 3)))], "an attribute is damaged"),
    ("Convolution", {**CONV, "kernel": "(3, x)"}, [F(np.ones((2, 2, 3, 3)))], "an attribute is damaged"),
    ("Convolution", {**CONV, "kernel": "(3, None)"}, [F(np.ones((2, 2, 3, 3)))], "an attribute is damaged"),
    ("Convolution", {**CONV, "kernel": "(1, 1, 1, 1)"}, [F(np.ones((2, 2, 3, 3)))], "a window has too many axes"),
    ("Convolution", {**CONV, "stride": "(1,)"}, [F(np.ones((2, 2, 3, 3)))], "an attribute does not fit the kernel"),
    ("Convolution", {**CONV, "layout": "NHWC"}, [F(np.ones((2, 2, 3, 3)))],
     "an attribute has a value that is not supported"),
    ("Convolution", CONV, [F(np.ones((2, 2, 5, 3)))], "a parameter does not fit its layer"),
    ("Convolution", {**CONV, "num_group": "3"}, [F(np.ones((2, 2, 3, 3)))], ""),
    ("Convolution", CONV, [], "an input is missing"),
    ("BatchNorm", {}, [F([1, 1]), F([1, 1]), F([1, 1])], "a parameter is missing"),
    ("BatchNorm", {}, [F([1, 1]), F([1, 1]), F([1, 1]), F([1])], "a parameter does not fit its layer"),
    ("BatchNorm", {"eps": "soft"}, [F([1, 1])] * 4, "an attribute is damaged"),
    ("LayerNorm", {"axis": "1"}, [F([1, 1])] * 2, "an attribute has a value that is not supported"),
    ("GroupNorm", {"num_groups": "2"}, [F([1, 1, 1])] * 2, "a parameter does not fit its layer"),
    ("FullyConnected", {"num_hidden": "3", "no_bias": "True"}, [F(np.ones((2, 24)))],
     "a parameter does not fit its layer"),
    ("FullyConnected", {"num_hidden": "2", "no_bias": "1", "flatten": "0"}, [F(np.ones(2))],
     "a parameter does not fit its layer"),
    ("Pooling", {"kernel": "(2, 2)", "stride": "(3, 3)", "pooling_convention": "full"}, [],
     "a window may lie beside the image"),
    ("Pooling", {"kernel": "(2, 2)", "pad": "(2, 2)"}, [], "a window may lie beside the image"),
    ("Pooling", {"kernel": "(2, 2)", "pool_type": "sum", "pooling_convention": "full"}, [],
     "a window may lie beside the image"),
    ("Pooling", {"kernel": "(2, 2)", "pad": "(1,)"}, [], "the attributes of a window do not fit each other"),
    ("_contrib_AdaptiveAvgPooling2D", {"output_size": "1000000000000"}, [], "an attribute is damaged"),
    ("UpSampling", {"scale": "2", "sample_type": "nearest", "num_args": "2"}, [F([1])],
     "several inputs are not supported"),
    ("UpSampling", {"scale": "2", "sample_type": "bilinear"}, [F(np.ones((2, 1, 3, 3)))],
     "a parameter does not fit its layer"),
    ("_contrib_BilinearResize2D", {"scale_height": "-2"}, [], "an attribute is damaged"),
    ("RNN", GRU, [F(np.ones(70))], "a parameter does not fit its layer"),
    ("RNN", {**GRU, "num_layers": str(1 << 61)}, [F(np.ones(70))], "a parameter does not fit its layer"),
    ("RNN", {**GRU, "use_sequence_length": "True"}, [F(np.ones(70))], "an attribute has a value that is not supported"),
    ("SoftmaxOutput", {}, [], "a softmax over an axis that is not said"),
    ("smooth_l1", {"scalar": "0"}, [], "an attribute has a value that is not supported"),
    ("clip", {"a_min": "0"}, [], "an attribute is missing"),
    ("Dropout", {"mode": "always"}, [], "an attribute has a value that is not supported"),
    ("dot", {}, [], "an input is missing"),
    ("dot", {}, [F(np.ones((2, 4, 3)))], "a product of many axes is not supported"),
    ("batch_dot", {"axis": "1"}, [F(np.ones((1, 2, 4, 3)))], "an attribute has a value that is not supported"),
    ("Reshape", {"shape": "(-1, -1)"}, [], "a reshape is damaged"),
    ("Reshape", {"shape": "(-5,)"}, [], "a reshape is damaged"),
    ("Reshape", {"shape": "(0, -4, 2)"}, [], "a reshape is damaged"),
    ("Reshape", {"shape": "(0, -4, -1, -1)"}, [], "a reshape is damaged"),
    ("Reshape", {"shape": "(0, 0, 0, 0, 0)"}, [], "a reshape does not fit its input"),
    ("Reshape", {"shape": "(-4, 1, 2, -2)", "reverse": "True"}, [], "a reshape is not supported"),
    ("SwapAxis", {"dim1": "7"}, [], "an axis does not exist"),
    ("broadcast_axis", {"axis": "(0,)", "size": "(1, 2)"}, [], "the attributes do not fit each other"),
    ("slice", {"begin": "(0, 1)", "end": "(1,)"}, [], "the attributes do not fit each other"),
    ("Crop", {"num_args": "1", "h_w": "(1,)"}, [], "the attributes do not fit each other"),
    ("SliceChannel", {"num_outputs": "1000000000"}, [], "an attribute is damaged"),
    ("transpose", {"axes": "(0, 1)"}, [], "the axes are no order of those that there are"),
    ("Concat", {"dim": "0"}, [F(np.ones((1, 2, 3, 5)))], "the inputs of a layer do not fit it"),
    ("RNN", GRU, [X], "a parameter does not fit its layer"),
])  # fmt: skip
def test_what_a_layer_cannot_take(
    op: str, attrs: dict[str, str], weights: list[np.ndarray], what: str, tmp_path: Path
) -> None:
    nodes = [
        ("null", "x", {"__shape__": "(1, 2, 3, 4)"}, []),
        *(("null", f"w{i}", {}, []) for i in range(len(weights))),
    ]
    symbol = files.symbol(*nodes, (op, "layer", attrs, range(len(nodes))))
    path = files.write(tmp_path, symbol, {f"w{i}": w for i, w in enumerate(weights)})
    if not what:  # what prepare says
        with pytest.raises(GraphError):
            prepare(load(path, Request()))
        return
    (problem,) = problems_of(path)
    assert problem.what == what and problem.where == f"{op} 'layer' in net-symbol.json", problem


def chain(*layers_: tuple[str, dict[str, str]], shape: str = "(1, 2, 3, 4)") -> dict[str, object]:
    nodes = [(op, f"n{i}", attrs, [i]) for i, (op, attrs) in enumerate(layers_)]
    return files.symbol(("null", "x", {"__shape__": shape}, []), *nodes)


def test_an_unknown_number_of_axes_is_said_once(tmp_path: Path) -> None:
    path = files.write(tmp_path, chain(("SwapAxis", {}), ("SwapAxis", {}), shape="None"), {})
    (problem,) = problems_of(path)
    assert (problem.what, problem.found) == ("the number of axes is not known here", "'x'")
    assert problem.hint.startswith("give the variable a shape")


@pytest.mark.parametrize(("op", "attrs", "what"), [
    ("_zeros", {"shape": "(0, 4)"}, "an output is zeros of an open size"),
    ("_ones", {"shape": "(0, 4)"}, "a tensor has a size that is not known"),
    ("_full", {"shape": "(100000, 100000)", "value": "1"}, "a constant is too large"),
    ("_arange", {"start": "0", "stop": "1e30"}, "a range has no such values"),
    ("_arange", {"start": "0", "step": "0"}, "a range has no such values"),
])  # fmt: skip
def test_constants(op: str, attrs: dict[str, str], what: str, tmp_path: Path) -> None:
    (problem,) = problems_of(files.write(tmp_path, files.symbol((op, "c", attrs, [])), {}))
    assert problem.what == what


def test_an_image_that_is_too_large(tmp_path: Path) -> None:
    symbol = chain(("_contrib_AdaptiveAvgPooling2D", {"output_size": "2"}), shape="(1, 2, 2000000000, 2)")
    (problem,) = problems_of(files.write(tmp_path, symbol, {}))
    assert problem.what == "an image is too large"


def test_constants_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "MAX_MADE_BYTES", 1000)
    symbol = files.symbol(*(("_arange", f"c{i}", {"start": "0", "stop": "200"}, []) for i in range(3)), heads=(0, 1, 2))
    assert {p.what for p in problems_of(files.write(tmp_path, symbol, {}))} == {
        "the constants of the model are too large"
    }


def test_parameters_that_cannot_be_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    symbol = files.symbol(
        ("null", "x", {}, []),
        ("null", "w", {}, []),
        ("Reshape", "r", {"shape": "(-1, 11)"}, [1]),
        ("RNN", "rnn", GRU, [0, 2]),
    )
    path = files.write(tmp_path, symbol, {"w": np.ones(70, np.float32)})
    (problem,) = problems_of(path)
    assert (problem.what, problem.where[:7]) == ("the inputs of a layer do not fit it", "Reshape")
    monkeypatch.setattr(infer, "SMALL", 0)  # inference does not look at the sizes: the RNN finds out
    (problem,) = problems_of(path)
    assert (problem.what, problem.where[:3]) == ("parameters cannot be put together", "RNN")


def test_many_layers_of_one_name_take_no_time(tmp_path: Path) -> None:
    count = 3000
    symbol = files.symbol(("null", "x", {}, []), *(("relu", "r", {}, [i]) for i in range(count)))
    assert len(load(files.write(tmp_path, symbol, {}), Request()).graph) == count


def test_zeros_of_an_open_size_are_for_states_only(tmp_path: Path) -> None:
    symbol = files.symbol(("_zeros", "z", {"shape": "(1, 0, 3)"}, []), ("relu", "r", {}, [0]))
    (problem,) = problems_of(files.write(tmp_path, symbol, {}))
    assert problem.what == "zeros have a size that is not known"


def test_an_integer_beside_a_fraction(tmp_path: Path) -> None:
    symbol = chain(("shape_array", {}), ("_mul_scalar", {"scalar": "0.5"}))
    (problem,) = problems_of(files.write(tmp_path, symbol, {}))
    assert problem.what == "a number does not fit the integers beside it"


def test_outputs_of_training(tmp_path: Path) -> None:
    symbol = chain(("LeakyReLU", {"act_type": "rrelu"}), ("relu", {}))
    symbol["nodes"][2]["inputs"] = [[1, 1, 0]]  # type: ignore[index]
    (problem,) = problems_of(files.write(tmp_path, symbol, {}))
    assert (problem.what, problem.found) == ("an output of a layer is not there", "output 1")


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    symbol, arrays = small()
    arrays["arg:gamma"] = np.float32([np.nan, np.inf, 0])
    (problem,) = problems_of(files.write(tmp_path, symbol, arrays))
    assert (problem.what, problem.where) == ("a weight is not a number", "parameter 'gamma'")
    assert problem.found == "1 NaN and 1 infinite of 3 values"


def test_computed_parameters(tmp_path: Path) -> None:
    symbol = files.symbol(("null", "x", {"__shape__": "(5,)"}, []), ("RNN", "r", GRU, [0, 0]))
    (problem,) = problems_of(files.write(tmp_path, symbol, {}))
    assert problem.what == "a parameter is missing"
    symbol = files.symbol(("null", "x", {"__shape__": "(5,)"}, []), ("relu", "y", {}, [0]), ("RNN", "r", GRU, [0, 1]))
    (problem,) = problems_of(files.write(tmp_path, symbol, {}))
    assert problem.what == "a computed tensor stands where a parameter is needed"


def test_the_size_of_an_image_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(load(files.write(tmp_path, *small()), Request()))
    (problem,) = caught.value.problems
    assert problem.what == "the size of an input is not known"
    assert problem.hint == "INPUT_SHAPE: [[1, 2, ?, ?]]"
