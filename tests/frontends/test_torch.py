"""What modules become: the same numbers as in torch, recurrent layers as single nodes, names that a user knows."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from magik_frontend_torch import load, takes
from torch import Tensor, nn
from torch.nn import functional as F

import magik_core as magik
from magik_core import graph, spelling
from magik_core.errors import MagikError, ModelError
from magik_core.prepare import prepare
from tests.frontends.torch_reference import agree, request, run, types

RNG = torch.Generator().manual_seed(0)


def floats(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=RNG)


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *x: Tensor) -> Any:
        return self.function(*x)


class Block(nn.Module):
    def __init__(self, inp: int, oup: int) -> None:
        super().__init__()
        self.conv, self.bn, self.act = nn.Conv2d(inp, oup, 3, padding=1), nn.BatchNorm2d(oup), nn.ReLU6()

    def forward(self, image: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(image)))


IMAGE, ROWS = (2, 4, 8, 6), (2, 5, 8)
LAYERS = {
    "conv": (nn.Conv2d(4, 6, (3, 5), (2, 1), (1, 2), groups=2), IMAGE),
    "conv dilated, no bias": (nn.Conv2d(4, 4, 3, dilation=2, padding="same", bias=False), IMAGE),
    "conv reflected": (nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"), IMAGE),
    "conv 1d": (nn.Conv1d(5, 3, 3, 2), ROWS),
    "transposed conv": (nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), IMAGE),
    "batch norm": (nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)), IMAGE),
    "instance norm": (nn.InstanceNorm2d(4, affine=True), IMAGE),
    "group norm": (nn.GroupNorm(2, 4), IMAGE),
    "layer norm": (nn.LayerNorm(8), ROWS),
    "linear": (nn.Linear(8, 3), (2, 8)),
    "linear of rows": (nn.Linear(8, 3), ROWS),
    "embedding": (nn.Sequential(Function(lambda x: x.long().clamp(0, 9)), nn.Embedding(10, 3)), (2, 5)),
    "max pool": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), IMAGE),
    "average pool": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "adaptive pool": (nn.AdaptiveAvgPool2d((2, 3)), IMAGE),
    "global pool": (nn.AdaptiveMaxPool2d(1), IMAGE),
    "nearest": (nn.Upsample(scale_factor=2), IMAGE),
    "bilinear": (nn.Upsample(size=(5, 9), mode="bilinear", align_corners=True), IMAGE),
    "pixel shuffle": (nn.PixelShuffle(2), IMAGE),
    "softmax": (nn.Softmax(1), IMAGE),
    "pad": (nn.ConstantPad2d((1, 0, 2, 1), 0.5), IMAGE),
    "attention": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ROWS),
    "mean": (Function(lambda x: x.mean((2, 3), keepdim=True)), IMAGE),
    "chunk": (Function(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)), IMAGE),
    "where": (Function(lambda x: torch.where(x > 0, x, x * 0.1)), IMAGE),
    "roll": (Function(lambda x: x.flip(2).transpose(2, 3)[:, ::2]), IMAGE),
    "einsum": (Function(lambda x: torch.einsum("bcd,bed->bce", x, x)), ROWS),
    "topk": (Function(lambda x: x.topk(3, 1).values), ROWS),
}
ACTIVATIONS = (
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(4), nn.ELU(), nn.SELU(), nn.CELU(), nn.GELU(), nn.SiLU(),
    nn.GELU("tanh"), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(-2, 3), nn.Mish(), nn.Sigmoid(), nn.Tanh(),
    nn.Softplus(), nn.Softsign(), nn.LogSoftmax(1), nn.Threshold(0.1, 0.2), nn.GLU(1),
)  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    module, shape = LAYERS[name]
    agree(module, floats(*shape) * (4 if name == "embedding" else 1))


def test_activations() -> None:
    """All of them in one network, side by side."""
    everything = nn.ModuleList(ACTIVATIONS)

    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = everything

        def forward(self, x: Tensor) -> list[Tensor]:
            return [part(x) for part in self.parts]

    agree(Beside(), floats(*IMAGE) * 3)


# ---- recurrent layers ------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """A layer with or without its first state as inputs."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.rnn = layer

    def forward(self, x: Tensor, *state: Tensor) -> Any:
        return self.rnn(x, (state if len(state) == 2 else state[0]) if state else None)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN], ids=lambda k: k.__name__)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("first", [False, True], ids=["time first", "batch first"])
def test_recurrent_layers(kind: Any, layers: int, both: bool, first: bool) -> None:
    """One ONNX node for each layer, with and without first states."""
    layer = kind(8, 4, layers, batch_first=first, bidirectional=both, dropout=0.5 if layers > 1 else 0)
    x, state = floats(5, 2, 8), floats(layers * (1 + both), 5 if first else 2, 4)
    states = (state, floats(*state.shape)) if kind is nn.LSTM else (state,)
    for given in ((), states):
        model = agree(Recurrent(layer), x, *given)
        assert Counter(types(model))[kind.__name__] == layers
        assert set(types(model)) <= {kind.__name__, "Transpose", "Reshape", "Concat", "Slice", "Squeeze"}


def test_zero_states_are_left_out() -> None:
    (node,) = [n for n in agree(Recurrent(nn.LSTM(8, 4)), floats(5, 2, 8)).graph if n.op_type == "LSTM"]
    assert all(node.inputs[i] is None for i in range(4, len(node.inputs)))


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh", "relu"])
def test_recurrent_cells(kind: str, biased: bool) -> None:
    """A cell is a layer over a sequence of one."""
    cells = {
        "lstm": nn.LSTMCell(8, 4, biased),
        "gru": nn.GRUCell(8, 4, biased),
        "tanh": nn.RNNCell(8, 4, biased),
        "relu": nn.RNNCell(8, 4, biased, "relu"),
    }
    states = (floats(3, 4), floats(3, 4)) if kind == "lstm" else (floats(3, 4),)
    model = agree(Recurrent(cells[kind]), floats(3, 8), *states)
    assert Counter(types(model))[{"lstm": "LSTM", "gru": "GRU"}.get(kind, "RNN")] == 1
    assert set(types(model)) <= {"LSTM", "GRU", "RNN", "Squeeze", "Unsqueeze"}


def test_simple_layers_with_relu() -> None:
    agree(Recurrent(nn.RNN(8, 4, 2, nonlinearity="relu", bias=False, batch_first=True)), floats(2, 5, 8))


def test_projections_are_refused() -> None:
    with pytest.raises(ModelError) as caught:
        load(Recurrent(nn.LSTM(8, 4, proj_size=2)), request(floats(5, 2, 8)))
    (problem,) = caught.value.problems
    assert (problem.what, problem.where) == ("an LSTM projects its outputs", "module 'rnn' of Recurrent")


# ---- names, modes, bytes ---------------------------------------------------------------------------------


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(Block(3, 4), Block(4, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, image: Tensor, gain: Tensor) -> dict[str, Any]:
        x = self.features(image) * gain
        return {"scores": self.head(x.mean((2, 3))), "pair": Pair(x, x + 1), "map": x}


def test_names() -> None:
    model = agree(Named(), floats(1, 3, 8, 8), floats(1))
    assert [v.name for v in model.graph.inputs] == ["image", "gain"]
    nodes = [n.name for n in model.graph]
    assert nodes[:6] == [f"features.{i}.{part}" for i in range(2) for part in ("conv", "bn", "act")]
    assert {"mul", "mean", "head"} <= set(nodes)
    assert [v.name for v in model.graph.outputs] == ["scores", "pair.left", "pair.right", "map"]
    assert {"features.0.conv.weight", "head.bias"} <= set(model.graph.initializers)
    inner = {v.name for n in model.graph for v in n.outputs}
    assert {"features.0.conv", "features.1.act"} <= inner, "values are named as their nodes are"


def test_a_module_that_is_used_twice() -> None:
    shared = Recurrent(nn.Linear(4, 4))
    shared.forward = lambda x: shared.rnn(F.relu(shared.rnn(x)))  # type: ignore[method-assign]
    model = agree(shared, floats(2, 4))
    assert [n.name for n in model.graph] == ["rnn", "relu", "rnn_1"]


def test_an_output_that_is_an_input() -> None:
    model = agree(Function(lambda x, y: (x, y + 1)), floats(2, 3), floats(2, 3))
    assert len({v.name for v in (*model.graph.inputs, *model.graph.outputs)}) == 4


def test_the_same_module_gives_the_same_bytes() -> None:
    module, x = Recurrent(nn.LSTM(8, 4, 2, bidirectional=True)), floats(5, 2, 8)
    assert graph.fingerprint(load(module, request(x))) == graph.fingerprint(load(module, request(x)))


def test_another_process_gives_the_same_bytes() -> None:
    script = (
        "import torch\nfrom magik_frontend_torch import load\nfrom magik_core import graph\n"
        "from magik_core.hookspecs import Request\ntorch.manual_seed(1)\n"
        "m = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Hardswish())\n"
        "print(graph.fingerprint(load(m, Request(input_shapes=((1, 3, 8, 8),)))))\n"
    )
    command = [sys.executable, "-c", script]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    assert first.stdout == second.stdout and len(first.stdout) == 65
    assert first.stderr == "", "nothing of what torch says to its developers is shown"


def test_nothing_of_this_machine_is_in_the_graph() -> None:
    model = load(Block(3, 4), request(floats(1, 3, 8, 8)))
    assert __file__.encode() not in spelling.serialize(model)
    assert not any(n.metadata_props or n.doc_string for n in model.graph)


def test_modes_come_back() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5))
    module.train()
    module[0].eval()
    agree(module, floats(2, 3, 4, 4))
    assert [part.training for part in module.modules()] == [True, False, True]


def test_half_precision_computes_in_float() -> None:
    module = nn.Conv2d(3, 2, 3).half()
    model = load(module, request(floats(1, 3, 8, 8).half()))
    assert all(v.dtype.name == "FLOAT" for v in (*model.graph.inputs, *model.graph.outputs))
    assert module.weight.dtype == torch.float16
    x = floats(1, 3, 8, 8)
    np.testing.assert_allclose(run(model, x)[0], module.float()(x).detach(), atol=1e-5)


def test_sizes_instead_of_examples() -> None:
    model = load(Block(3, 4), request(shapes=[(2, 3, 9, 7)]))
    assert graph.static_shape(model.graph.outputs[0]) == (2, 4, 9, 7)
    resized = load(Block(3, 4), request(floats(1, 3, 8, 8), shapes=[(1, 3, 5, 5)]))
    assert graph.static_shape(resized.graph.outputs[0]) == (1, 4, 5, 5)
    same = load(Block(3, 4), request(floats(1, 3, 8, 8), shapes=[()]))
    assert graph.static_shape(same.graph.outputs[0]) == (1, 4, 8, 8)


def test_dtypes_of_sizes() -> None:
    model = load(nn.Embedding(10, 4), request(shapes=[(1, 5)], input_dtypes="int64"))
    assert model.graph.inputs[0].dtype is not None and model.graph.inputs[0].dtype.name == "INT64"
    for wrong in ("int65", ["nn"]):
        with pytest.raises(MagikError, match="there is no such dtype"):
            load(nn.Embedding(10, 4), request(shapes=[(1, 5)], input_dtypes=wrong))


def test_a_part_of_a_network() -> None:
    model = load(Named(), request(shapes=[(1, 3, 8, 8)], submodule="features.0"))
    assert [n.name for n in model.graph] == ["conv", "bn", "act"]
    with pytest.raises(MagikError, match="the network has no such part"):
        load(Named(), request(shapes=[(1, 3, 8, 8)], submodule="neck"))


def test_quantized_by_torch_stays_quantized() -> None:
    """Quantize and dequantize operators of torch become those of ONNX, scales as they are."""

    def forward(x: Tensor) -> Tensor:
        q = torch.ops.quantized_decomposed.quantize_per_tensor.default(x, 0.05, 7, 0, 255, torch.uint8)
        return torch.ops.quantized_decomposed.dequantize_per_tensor.default(q, 0.05, 7, 0, 255, torch.uint8)

    import torch.ao.quantization.fx._decomposed

    model = agree(Function(forward), floats(1, 3, 4, 4), tolerance=1e-6)
    assert types(model) == ["QuantizeLinear", "DequantizeLinear"]


# ---- recognition, conversion, errors ---------------------------------------------------------------------


def test_takes() -> None:
    program = torch.export.export(nn.ReLU(), (floats(2),))
    script = torch.jit.script(nn.ReLU())
    assert all(takes(model) for model in (nn.ReLU(), Named(), program, script))
    assert not any(takes(other) for other in ("net.pt", np.zeros(1), floats(2), nn.ReLU, None))


@pytest.mark.usefixtures("everything")
def test_convert(tmp_path: Any) -> None:
    module, x = nn.Sequential(Block(3, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)), floats(16, 3, 8, 8)
    np.save(tmp_path / "x.npy", x)
    result = magik.convert(module, tmp_path / "net", example_inputs=(x[:1],), soc="T41", calibration=tmp_path / "x.npy")
    assert (result.soc, result.calibration_samples, result.float_steps) == ("T41", 16, 0)
    net = magik.load(tmp_path / "net.mgk")
    got = np.concatenate([next(iter(net.run(one[None].numpy()).values())) for one in x])
    wanted = module.eval()(x).detach().numpy()
    assert np.abs(got - wanted).max() < 0.1 * np.ptp(wanted)


def test_the_graph_prepares() -> None:
    """Nothing is left of what torch writes for open sizes."""
    model = prepare(load(nn.MultiheadAttention(8, 2, batch_first=True), request(*[floats(1, 5, 8)] * 3)))
    assert not {"Shape", "If", "SequenceAt", "SplitToSequence"} & set(types(model))


def test_no_sizes() -> None:
    with pytest.raises(MagikError) as caught:
        load(Named(), request())
    (problem,) = caught.value.problems
    assert (problem.what, problem.found) == ("the sizes of the inputs are not known", "forward takes image, gain")
    assert (problem.need, problem.hint) == (
        "example inputs, or INPUT_SHAPE", "pass example_inputs=(x,), a tensor for each input",
    )  # fmt: skip


def test_wrong_sizes() -> None:
    with pytest.raises(ModelError) as caught:
        load(Block(3, 4), request(shapes=[(1, 5, 8, 8)]))
    (problem,) = caught.value.problems
    assert problem.what == "the model does not run with inputs of these sizes, or cannot be followed"
    assert "given: [1, 5, 8, 8]" in problem.need and "channels" in problem.found


def test_decisions_at_run_time() -> None:
    with pytest.raises(ModelError) as caught:
        load(Function(lambda x: x + 1 if x.sum() > 0 else x), request(floats(2)))
    assert caught.value.problems[0].what == "the model decides by values that are known only at run time"


class Strange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Function(torch.linalg.eigvalsh), Function(torch.linalg.qr)

    def forward(self, x: Tensor) -> Any:
        return self.first(x), F.relu(x), self.second(x)[0]


def test_operators_without_a_form_are_all_named() -> None:
    with pytest.raises(ModelError) as caught:
        load(Strange(), request(floats(4, 4)))
    problems = caught.value.problems
    assert {p.what for p in problems} == {"an operator of torch has no ONNX form"}
    assert [p.where for p in problems] == ["module 'first' of Strange", "module 'second' of Strange"]
    assert ["eigh" in problems[0].found, "qr" in problems[1].found] == [True, True]


def test_what_torch_says_stays_with_torch(capfd: pytest.CaptureFixture[str], caplog: Any) -> None:
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        load(Recurrent(nn.LSTM(8, 4)), request(floats(5, 2, 8)))
    assert (capfd.readouterr(), list(caught)) == (("", ""), [])
    assert not [r for r in caplog.records if r.name.startswith("torch") and r.getMessage()]
    assert not logging.root.manager.disable
