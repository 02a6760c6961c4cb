"""What users do to layers: threads, dtypes, empty inputs, many sizes, frozen and synchronized normalizations."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from magik_trainingkit import integer, ops
from magik_trainingkit.batch_norm_2d import batchNorm2d
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from tests.trainingkit.nets import WIDE, made

BITS: dict[str, Any] = {
    "quantize": True,
    "weight_bitwidth": 8,
    "input_bitwidth": 8,
    "output_bitwidth": 8,
    "target_device": "T40",
}
HALVES = [torch.float16, torch.bfloat16]


def codes(*shape: int, seed: int = 0) -> tuple[Tensor, int, float]:
    drawn = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed))
    return drawn.float() / 255, 8, 0.0


# ---- threads and sizes -------------------------------------------------------------------------------------------


def test_threads_share_a_layer() -> None:
    layer = ops.Conv2D(WIDE, 8, padding=1, clip_max_value=1.0, **BITS).eval()
    given = [codes(1, WIDE, 16, 16, seed=i) for i in range(4)]
    alone = [layer(x)[0] for x in given]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda i: torch.equal(layer(given[i % 4])[0], alone[i % 4]), range(80)))
    assert all(found)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(given[0])[0], alone[0])


def compilations(monkeypatch: pytest.MonkeyPatch, sizes: int, turns: int = 2) -> int:
    made_of: list[Any] = []
    compiled = integer._net

    def count(*given: Any) -> Any:
        made_of.append(given)
        return compiled(*given)

    monkeypatch.setattr(integer, "_net", count)
    layer = ops.Shortcut(1, quantize=True, target_device="T40").eval()
    for _ in range(turns):
        for n in range(sizes):
            layer(*[codes(1, 1, 1, n + 1)] * 2)
    return len(made_of)


def test_programs_of_many_sizes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compilations(monkeypatch, 6) == 6


def test_programs_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than KEPT sizes, or of larger arenas, the oldest go; LEAST_KEPT always stay."""
    monkeypatch.setattr(integer, "KEPT", 5)
    assert compilations(monkeypatch, 6) == 12
    monkeypatch.setattr(integer, "KEPT_BYTES", 0)
    assert compilations(monkeypatch, 4) == 4
    assert compilations(monkeypatch, 5) == 10


# ---- dtypes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*HALVES, torch.float64])
def test_a_network_of_another_dtype_trains_and_evaluates(dtype: torch.dtype) -> None:
    """Between layers in halves the codes are what they are; only weights and the last result are rounded."""
    net, x = made("conv", 8, "T40", True)
    expected = copy.deepcopy(net)
    for p in (*expected.parameters(), *expected.buffers()):
        p.data = p.data.to(dtype).float() if p.is_floating_point() else p.data
    y, given = net.to(dtype)(x.to(dtype)), x.to(dtype)
    assert y.dtype == dtype and torch.equal(y, expected(given.float()).to(dtype))
    y = net.train()(given)
    y.float().square().mean().backward()
    assert y.dtype == dtype and all(p.grad is not None and p.grad.dtype == dtype for p in net.parameters())


@pytest.mark.parametrize("dtype", HALVES)
def test_codes_of_eight_bits_survive_halves(dtype: torch.dtype) -> None:
    every = torch.arange(256)
    assert torch.equal((every / 255).to(dtype).float().mul(255).round(), every.float())
    assert torch.equal(((2 * every / 255 - 1).to(dtype).float() + 1).mul(127.5).round(), every.float())


@pytest.mark.parametrize("given", [{}, BITS], ids=["float", "quantized"])
def test_an_lstm_of_doubles(given: dict[str, Any]) -> None:
    layer = ops.LSTM(4, 5, **given).double()
    for mode in (True, False):
        (y, *_), h = layer.train(mode)(torch.rand(2, 3, 4).double())
        assert y.dtype == h.dtype == torch.float64


def test_slopes_behind_a_layer_of_halves() -> None:
    x = codes(1, 4, 2, 2)[0].half(), 8, -1.0
    assert ops.LeakyReLU(0.1, "T40")(x)[0].dtype == ops.PReLU(4, "T40").half()(x)[0].dtype == torch.float16


# ---- empty inputs ------------------------------------------------------------------------------------------------

EMPTY: list[tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...]]] = [
    (lambda: ops.Conv2D(WIDE, 8, padding=1, **BITS), (0, WIDE, 4, 4), (0, 8, 4, 4)),
    (lambda: ops.FullConnected(8, 4, **BITS), (0, 8), (0, 4)),
    (lambda: ops.FullConnected(8, 4, **BITS), (0, 3, 8), (0, 3, 4)),
    (lambda: ops.Avgpool2D(8, quantize=True, target_device="T40"), (0, 8, 4, 4), (0, 8, 2, 2)),
    (lambda: ops.PReLU(8, "T40"), (0, 8, 4, 4), (0, 8, 4, 4)),
]


@pytest.mark.parametrize(("make", "shape", "expected"), EMPTY)
def test_an_empty_batch(make: Callable[[], nn.Module], shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    layer = make()
    for mode in (True, False):
        assert layer.train(mode)((torch.zeros(shape), 8, -1.0))[0].shape == expected


def test_other_layers_of_nothing() -> None:
    nothing = torch.zeros(0, 4, 2, 2), 8, 0.0
    norm, add = ops.BatchNorm(4, quantize=True, target_device="T40"), ops.Shortcut(4, quantize=True)
    last = ops.AdaptiveAvgpool2D(4, quantize=True, last_layer=True)
    larger = ops.Unpool2D(mode="bilinear", quantize=True, last_layer=True)
    assert norm.eval()(nothing)[0].shape == add.eval()(nothing, nothing)[0].shape == (0, 4, 2, 2)
    assert last.eval()(nothing).shape == (0, 4, 1, 1) and larger.eval()(nothing).shape == (0, 4, 4, 4)


@pytest.mark.parametrize("mode", [True, False])
def test_no_regions(mode: bool) -> None:
    y, *_ = ops.RoIPooling((2, 3), quantize=True).train(mode)(codes(1, 4, 6, 6), torch.zeros(0, 5))
    assert y.shape == (0, 4, 2, 3)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("given", [{}, BITS], ids=["float", "quantized"])
def test_an_lstm_over_no_time(given: dict[str, Any], mode: bool) -> None:
    (y, *_), h = ops.LSTM(4, 5, bidirectional=True, **given).train(mode)((torch.zeros(2, 0, 4), 8, -1.0))
    assert y.shape == (2, 0, 10) and h.shape == (2, 2, 5)


# ---- normalizations ----------------------------------------------------------------------------------------------


def norm_of(layer: nn.Module) -> nn.BatchNorm2d:
    (found,) = (m for m in layer.modules() if isinstance(m, nn.BatchNorm2d))
    return found


def test_a_frozen_normalization_stays() -> None:
    layer = ops.Conv2D(3, 4, enable_batch_norm=True)
    norm_of(layer).eval()
    before, x = copy.deepcopy(layer.state_dict()), torch.rand(2, 3, 5, 5)
    y = layer(x)[0]
    assert all(torch.equal(before[name], tensor) for name, tensor in layer.state_dict().items())
    assert torch.equal(y, layer.eval()(x)[0])


def test_statistics_of_a_whole_dataset() -> None:
    """update_bn sets the momentum to None for its pass: the plain mean over batches."""
    data = [2 * torch.randn(8, 3, 6, 6) + i for i in range(3)]
    layer = ops.Conv2D(3, 4, enable_batch_norm=True, activation_fn=None, last_layer=True)
    plain = nn.Sequential(copy.deepcopy(layer.Conv2d), nn.BatchNorm2d(4))
    for net in (layer, plain):
        update_bn(data, net)
    torch.testing.assert_close(norm_of(layer).state_dict(), plain[1].state_dict())


def test_a_synchronized_normalization_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the gain that is at least 0.01."""
    net: Any = nn.SyncBatchNorm.convert_sync_batchnorm(batchNorm2d(3)).eval()
    gains: list[Tensor] = []
    forward = nn.SyncBatchNorm.forward

    def watched(self: nn.SyncBatchNorm, x: Tensor) -> Tensor:
        gains.append(self.weight)
        return forward(self, x)

    monkeypatch.setattr(nn.SyncBatchNorm, "forward", watched)
    net.batch_norm.weight.data[:] = torch.tensor([1.0, -1.0, 2.0])
    x = torch.rand(2, 3, 4, 4)
    plain = batchNorm2d(3).eval()
    plain.load_state_dict(net.state_dict())
    assert torch.equal(net(x), plain(x))
    assert gains[0].tolist() == pytest.approx([1.0, 0.01, 2.0])
    net(x).sum().backward()
    assert net.batch_norm.weight.grad is not None


# ---- parameters that codes do not depend on ----------------------------------------------------------------------

UNUSED: list[tuple[Callable[[], nn.Module], int]] = [
    (lambda: ops.PReLU(4, "T40"), 1),
    (lambda: ops.Shortcut(4, ops.PReLU(4), quantize=True, target_device="T40"), 2),
]


@pytest.mark.parametrize(("make", "count"), UNUSED)
def test_a_slope_that_changes_nothing_has_a_gradient_of_zero(make: Callable[[], nn.Module], count: int) -> None:
    layer, x = make(), codes(1, 4, 3, 3)
    x[0].requires_grad_()
    (p,) = layer.parameters()
    expected = layer.eval()(*[x] * count)[0]
    p.data.fill_(float("inf"))
    y = layer.train()(*[x] * count)[0]
    assert torch.isfinite(y).all() and (count == 2 or torch.equal(y, expected))
    y.sum().backward()
    assert p.grad is not None and not p.grad.any() and x[0].grad is not None and x[0].grad.any()
