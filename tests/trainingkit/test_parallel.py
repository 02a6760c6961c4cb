"""Training in two processes, under autocast, and again: what has to be the same is, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, multiprocessing, nn
from torch.nn import functional

from tests.trainingkit.nets import BODIES, Net

STEPS = 6
State = dict[str, Tensor]


def network(bits: int = 4) -> Net:
    torch.manual_seed(0)
    return Net(BODIES["shortcut of another sign"], bits, "T40", False, 128.0)


def images() -> Tensor:
    pixels = torch.randint(0, 256, (8, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    return (pixels.float() - 128) / 128


def trained(net: nn.Module, x: Tensor, *, is_autocast: bool = False) -> list[float]:
    """Losses of some steps, which are to make each image's mean its brightness."""
    optimizer = torch.optim.SGD(net.parameters(), 0.2, momentum=0.9)
    wanted, losses = x.mean((1, 2, 3)) + 0.3, []
    for _ in range(STEPS):
        with torch.autocast("cpu", dtype=torch.bfloat16) if is_autocast else nullcontext():
            y = net(x)
        loss = functional.mse_loss(y.float().mean((1, 2, 3)), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def are_same(one: State, two: State) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


# ---- two processes -----------------------------------------------------------------------------------------------


def _rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    net = nn.parallel.DistributedDataParallel(network())
    losses = trained(net, images()[rank::2])
    net.eval()  # running statistics are each process's own until the next call, which sends them
    with torch.no_grad():
        y = net(images())
    torch.save({"state": net.module.state_dict(), "y": y, "losses": losses}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_end_with_the_same_state(tmp_path: Path) -> None:
    """Parameters and running statistics, from other images; and so evaluation is the same in both."""
    multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert are_same(one["state"], two["state"]) and torch.equal(one["y"], two["y"])
    assert one["losses"] != two["losses"], "both saw the same images"
    start = network().state_dict()
    moved = {name for name, tensor in one["state"].items() if not torch.equal(tensor, start[name])}
    assert {name for name in start if name.endswith(("Conv2d.weight", "running_mean"))} <= moved


# ---- autocast ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_autocast_trains_in_codes_and_evaluates_in_integers(bits: int) -> None:
    """Features stay exact reals of codes, gradients reach every weight in f32, the loss falls."""
    net, x = network(bits), images()
    losses = trained(net, x, is_autocast=True)
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in net.parameters() if p.grad is not None)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = net(x)
        codes = y.detach().double() * (2**bits - 1)
        assert y.dtype == torch.float32 and (codes - codes.round()).abs().max() < 1e-4
        net.eval()
        with torch.no_grad():
            under = net(x)
    with torch.no_grad():
        assert torch.equal(under, net(x))


# ---- again -------------------------------------------------------------------------------------------------------


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("is_autocast", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("deterministic")
def test_training_again_is_the_same(threads: int, is_autocast: bool) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        nets = [network(8), network(8)]
        losses = [trained(net, images(), is_autocast=is_autocast) for net in nets]
    finally:
        torch.set_num_threads(before)
    assert losses[0] == losses[1] and are_same(nets[0].state_dict(), nets[1].state_dict())
    assert not are_same(nets[0].state_dict(), network(8).state_dict())
