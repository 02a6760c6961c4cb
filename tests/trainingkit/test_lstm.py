"""LSTM: against formulas in double precision, in eval() against its program, alone and in a stream."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import magik_trainingkit as kit
import numpy as np
import pytest
import torch
from magik_trainingkit import ops
from magik_trainingkit.errors import TrainingError
from torch import Tensor, nn

import magik_core as magik
from magik_core.net import load
from tests.trainingkit import reference
from tests.trainingkit.nets import converted

WIDTH, UNITS = 5, 4
BITS = (8, 4, 2)


def made(bits: int = 32, device: str = "T40", seed: int = 0, **given: Any) -> ops.LSTM:
    torch.manual_seed(seed)
    widths = {"weight_bitwidth": bits, "input_bitwidth": bits, "output_bitwidth": bits, "quantize": bits < 32}
    return ops.LSTM(WIDTH, UNITS, target_device=device, **{**widths, **given})


def features(bits: int, device: str, shape: tuple[int, ...] = (2, 6, WIDTH)) -> Tensor:
    """Reals of random signed codes."""
    codes = torch.randint(0, 2**bits, shape).double()
    top, half = 2**bits - 1, 2 ** (bits - 1)
    return ((2 * codes / top - 1) if device == "T40" else (codes - half) / half).float()


def rounded(x: Tensor, values: Any) -> Tensor:
    """x with other values and its own gradient."""
    return x + (torch.as_tensor(np.asarray(values)).reshape(x.shape) - x).detach()


def by_formula(layer: ops.LSTM, x: Tensor, w: Tensor, b: Tensor, *, is_reverse: bool = False) -> Tensor:
    """y (N, T, H) in double precision, number by number; i, f, g, o are rows of w over (x, h)."""
    bits, device = layer.output_bitwidth, layer.target_device
    w = rounded(w, reference.weights(w.detach().numpy(), layer.weight_bitwidth, layer.weight_factor, device))
    h = c = torch.full((len(x), UNITS), -1.0 if device == "T40" else 0.0, dtype=torch.float64)
    y: list[Tensor] = []
    times = range(x.shape[1])
    for t in reversed(times) if is_reverse else times:
        sums = torch.cat([x[:, t], h], 1) @ w.T + b
        i, f, g, o = sums.clamp(-6, 6).split(UNITS, dim=1)
        c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).clamp(-16, 16)
        h = o.sigmoid() * c.tanh()
        h = rounded(h, [reference.feature(float(v), bits, -1.0, 1.0, device) for v in h.detach().reshape(-1)])
        y.append(h)
    return torch.stack(y[::-1] if is_reverse else y, dim=1)


@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("is_reverse", [False, True])
def test_training_is_the_formula(device: str, bits: int, is_reverse: bool) -> None:
    layer = made(bits, device, bidirectional=True)
    x = features(bits, device).requires_grad_()
    (y, out_bits, clip_min), _ = layer((x, bits, -1.0))
    assert (out_bits, clip_min) == (bits, -1.0)
    suffix, columns = ("_reverse", slice(UNITS, None)) if is_reverse else ("", slice(0, UNITS))
    own = [getattr(layer, f"{name}_l0{suffix}") for name in ("weight", "bias")]
    exact = [v.detach().double().requires_grad_() for v in (x, *own)]
    expected = by_formula(layer, *exact, is_reverse=is_reverse)
    torch.testing.assert_close(y[..., columns].double(), expected, rtol=0, atol=1e-6)
    (y[..., columns] * torch.arange(UNITS)).sum().backward()
    (expected * torch.arange(UNITS)).sum().backward()
    for a, b in zip((x, *own), exact, strict=True):
        assert a.grad is not None and b.grad is not None
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("place", "trained", "evaluated"), [(8.5005, 8, 9), (9.5005, 10, 10), (9.4995, 9, 9)])
def test_h_next_to_a_tie(place: float, trained: int, evaluated: int) -> None:
    """In training just above a half goes to the even neighbor, in eval() to the nearest."""
    layer = made(4)
    for p in layer.parameters():
        nn.init.zeros_(p)  # i = f = o = 1/2, g = 0
    h = place * 2 / 15 - 1
    start = torch.zeros(1, 1, UNITS), torch.full((1, 1, UNITS), 2 * float(np.arctanh(2 * h)))
    x = features(4, "T40", (1, 1, WIDTH))
    for is_training, code in ((True, trained), (False, evaluated)):
        (y, _, _), _ = layer.train(is_training)((x, 4, -1.0), start)
        assert ((y.detach() + 1) / 2 * 15).round().unique().tolist() == [code]


@pytest.mark.parametrize("where", ["sum", "c"])
def test_beyond_a_limit_no_gradient_passes(where: str) -> None:
    layer = made(8)
    for p in layer.parameters():
        nn.init.zeros_(p)
    start = [torch.zeros(1, 1, UNITS), torch.full((1, 1, UNITS), 1.0 if where == "sum" else 60.0, requires_grad=True)]
    layer.bias_l0.data[:] = 6.5 if where == "sum" else 0.5
    (y, _, _), _ = layer((features(8, "T40", (1, 1, WIDTH)), 8, -1.0), tuple(start))
    y.sum().backward()
    found = layer.bias_l0.grad if where == "sum" else start[1].grad
    assert found is not None and not found.any()


@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize("bits", BITS)
def test_evaluation_is_within_a_code_of_training(device: str, bits: int) -> None:
    """Of one time, on which nothing of what is rounded acts back."""
    layer = made(bits, device, output_bitwidth=bits)
    x = features(bits, device, (64, 1, WIDTH))
    with torch.no_grad():
        (trained, _, _), _ = layer((x, bits, -1.0))
        (y, _, _), h = layer.eval()((x, bits, -1.0))
    step = 2 / (2**bits - 1) if device == "T40" else 2 ** (1 - bits)
    difference = ((y - trained).abs() / step).numpy()
    assert difference.max() < 1.01 and (difference > 0.5).mean() < 0.02
    torch.testing.assert_close(h[0], y[:, 0])


def test_a_float_layer_is_that_of_torch() -> None:
    layer = made(32, "Txx", bidirectional=True, return_output_states=True)
    own = nn.LSTM(WIDTH, UNITS, batch_first=True, bidirectional=True)
    for suffix in ("", "_reverse"):
        fused = getattr(layer, f"weight_l0{suffix}").detach()
        state = {"weight_ih": fused[:, :WIDTH], "weight_hh": fused[:, WIDTH:]}
        state |= {"bias_ih": getattr(layer, f"bias_l0{suffix}").detach(), "bias_hh": torch.zeros(4 * UNITS)}
        own.load_state_dict({f"{name}_l0{suffix}": v for name, v in state.items()}, strict=False)
    x = torch.randn(3, 7, WIDTH)
    expected, (h, c) = own(x)
    for is_training in (True, False):
        (y, bits, clip_min), last = layer.train(is_training)(x)
        torch.testing.assert_close((y, *last), (expected, h, c))
        assert (bits, clip_min) == (32, -1.0)


@pytest.mark.parametrize(("device", "value"), [("T40", -1.0), ("T02", -1.0), ("Txx", 0.0), ("Xs2", 0.0)])
@pytest.mark.parametrize("bits", [32, 8])
def test_states_begin_with_code_0_where_codes_have_no_zero(device: str, value: float, bits: int) -> None:
    layer, x = made(bits, device), features(8, device)
    start = torch.full((1, 2, UNITS), value)
    for is_training in (True, False):
        layer.train(is_training)
        (y, _, _), _ = layer((x, bits, -1.0))
        (same, _, _), _ = layer((x, bits, -1.0), (start, start))
        (other, _, _), _ = layer((x, bits, -1.0), (start + 0.5, start))
        assert torch.equal(y, same) and not torch.equal(y, other)


KEYS = {"weight_l0": (16, 9), "bias_l0": (16,)}


@pytest.mark.parametrize("bits", [32, 4])
@pytest.mark.parametrize("is_twofold", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_state_has_the_keys_of_the_kit(bits: int, is_twofold: bool, bias: bool) -> None:
    layer = made(bits, bidirectional=is_twofold, bias=bias)
    suffixes = ("", "_reverse") if is_twofold else ("",)
    keys = {f"{name}{s}": shape for s in suffixes for name, shape in KEYS.items() if bias or "weight" in name}
    state = layer.state_dict()
    assert {name: tuple(v.shape) for name, v in state.items()} == keys
    other = made(32, seed=5, bidirectional=is_twofold, bias=bias)
    other.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), state.values(), strict=True))
    x = features(8, "T40")
    again = made(bits, seed=5, bidirectional=is_twofold, bias=bias)
    again.load_state_dict(state)
    assert torch.equal(again((x, min(bits, 8), -1.0))[0][0], layer((x, min(bits, 8), -1.0))[0][0])


def test_layouts_are_the_same_numbers() -> None:
    x = features(4, "T40")
    plain = made(4).eval()((x, 4, -1.0))[0][0]
    time_first = made(4, batch_first=False).eval()((x.transpose(0, 1), 4, -1.0))[0][0]
    image = made(4, use_squeeze=True).eval()((x.transpose(1, 2).unsqueeze(2), 4, -1.0))[0][0]
    assert torch.equal(time_first.transpose(0, 1), plain) and torch.equal(image, plain)


@pytest.mark.parametrize("is_twofold", [False, True])
def test_parts_of_a_sequence_are_the_whole(is_twofold: bool) -> None:
    layer = made(4, bidirectional=is_twofold, return_output_states=True).eval()
    x = features(4, "T40", (2, 7, WIDTH))
    (whole, _, _), last = layer((x, 4, -1.0))
    now: Any = None
    parts = []
    for a, b in pairwise((0, 3, 4, 7)):
        (y, _, _), now = layer((x[:, a:b], 4, -1.0), now)
        parts.append(y[..., :UNITS])
    assert torch.equal(torch.cat(parts, 1), whole[..., :UNITS])
    assert torch.equal(now[0][0], last[0][0]) and torch.equal(now[1][0], last[1][0])


def test_autocast_trains_and_copies_are_the_same() -> None:
    layer, x = made(4, bidirectional=True), features(4, "T40")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (y, _, _), _ = layer((x, 4, -1.0))
        loss = y.float().square().sum()
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any() for p in layer.parameters())
    y = layer.eval()((x, 4, -1.0))[0][0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other((x, 4, -1.0))[0][0], y)


# ---- its program ---------------------------------------------------------------------------------------------


class Stream(nn.Module):
    """One frame after another, its state given and left."""

    def __init__(self, bits: int, device: str) -> None:
        super().__init__()
        self.lstm = made(bits, device, return_output_states=True)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (y, _, _), (h, c) = self.lstm(x, (h, c))
        return y, h, c


@pytest.mark.parametrize(("device", "bits"), [("T40", 8), ("T40", 4), ("T40", 2), ("Txx", 4), ("T40", 32)])
@pytest.mark.parametrize("dynamo", [False, True])
def test_a_stream_is_its_program(tmp_path: Path, device: str, bits: int, dynamo: bool) -> None:
    net = Stream(bits, device).eval()
    x = features(min(bits, 8), device, (5, 1, 2, WIDTH))
    state = [torch.full((1, 1, UNITS), 0.3), torch.full((1, 1, UNITS), -0.4)]
    names = {"input_names": ["x", "h", "c"], "output_names": ["y", "h_next", "c_next"]}
    torch.onnx.export(net, (x[0], *state), str(tmp_path / "net.onnx"), dynamo=dynamo, verbose=False, **names)
    program = load(magik.convert(tmp_path / "net.onnx", tmp_path / "net.bin", is_float=bits == 32).outputs[1])
    found = [s.numpy() for s in state]
    for frame in x:
        y, *state = net(frame, *state)
        feeds = dict(zip(("x", "h", "c"), (frame.numpy(), *found), strict=True))
        out, *found = (v.copy() for v in program.run(feeds).values())
        for a, b in zip((y, *state), (out, *found), strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b, rtol=0, atol=0 if bits < 32 else 1e-6)


@pytest.mark.parametrize("device", ["T40", "Txx"])
def test_a_memory_of_codes_is_carried(tmp_path: Path, device: str) -> None:
    """With --state the program keeps the state itself, from zero on."""
    net = Stream(8, device).eval()
    x = features(8, device, (4, 1, 1, WIDTH))
    state = [torch.zeros(1, 1, UNITS)] * 2
    names = {"input_names": ["x", "h", "c"], "output_names": ["y", "h_next", "c_next"]}
    torch.onnx.export(net, (x[0], *state), str(tmp_path / "net.onnx"), dynamo=False, verbose=False, **names)
    given = {"states": {"h": "h_next", "c": "c_next"}}
    program = load(magik.convert(tmp_path / "net.onnx", tmp_path / "net.bin", **given).outputs[1])
    for frame in x:
        y, *state = net(frame, *state)
        (out,) = program.run({"x": frame.numpy()}).values()
        np.testing.assert_array_equal(y.detach().numpy(), out)


def test_mixed_widths_are_their_program(tmp_path: Path) -> None:
    class Mixed(nn.Module):
        def __init__(self, **widths: Any) -> None:
            super().__init__()
            self.lstm = made(8, **widths)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.lstm(x)[0][0]
            return y

    x = features(8, "T40")
    for given in ({"weight_bitwidth": 32}, {"output_bitwidth": 32}, {"input_bitwidth": 32}, {"output_bitwidth": 5},
                  {"weight_bitwidth": 3, "output_bitwidth": 12}):  # fmt: skip
        net = Mixed(**given).eval()
        np.testing.assert_array_equal(converted(net, x, tmp_path), net(x).detach().numpy())


# ---- what it refuses -----------------------------------------------------------------------------------------


def test_rules_are_said_at_once() -> None:
    net = nn.Sequential(made(8, num_layers=2, weight_bitwidth=9), made(8, device="T99"))
    with pytest.raises(TrainingError) as error:
        kit.check(net)
    found = [(p.where, p.found, p.need) for p in error.value.problems]
    assert found == [
        ("LSTM '0'", "num_layers 2", "1"),
        ("LSTM '0'", "weight_bitwidth 9", "2 to 8, or 32: none"),
        ("LSTM '1'", "target_device 'T99'", "one of: Txx, Xs1, Xs2, T40, T41, A1, X2500, T02"),
    ]


@pytest.mark.parametrize(
    ("x", "hx", "found", "need"),
    [
        (torch.zeros(2, WIDTH, 1, 6), None, "2x5x1x6", "N, T and 5"),
        (torch.zeros(2, 6, 4), None, "2x6x4", "N, T and 5"),
        (torch.zeros(2, 6, WIDTH), (torch.zeros(2, UNITS), torch.zeros(1, 2, UNITS)), "2x4, 1x2x4", "h and c of 1x2x4"),
    ],
)
def test_what_does_not_fit_is_refused(x: Tensor, hx: Any, found: str, need: str) -> None:
    with pytest.raises(TrainingError) as error:
        made(8)((x, 8, -1.0), hx)
    (problem,) = error.value.problems
    assert (problem.found, problem.need, problem.where) == (found, need, "LSTM")


def test_an_input_on_another_device_is_refused() -> None:
    with pytest.raises(TrainingError) as error:
        made(8)((torch.zeros(2, 6, WIDTH, device="meta"), 8, -1.0))
    assert "meta" in error.value.problems[0].found
