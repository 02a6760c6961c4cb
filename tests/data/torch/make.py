"""One small network in every form that torch saves, and its outputs: `python -m tests.data.torch.make FOLDER`.

The files are made when they are tested: they hold stack traces, which name folders of the machine.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

from tests.data.torch.network import build


def write(folder: Path) -> None:
    """Write net.npz, net.pt2, scripted.jit, traced.jit, weights.pth, legacy.pth and whole.pth."""
    torch.manual_seed(4)
    network = build().eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch calls old
        network.bn.running_mean.uniform_(-0.5, 0.5)  # type: ignore[operator, union-attr]
        network.bn.running_var.uniform_(0.5, 1.5)  # type: ignore[operator, union-attr]
        x = torch.randn(1, 2, 8, 6)
        np.savez(folder / "net.npz", image=x.numpy(), fc=network(x).numpy())
        torch.export.save(torch.export.export(network, (x,), strict=False), folder / "net.pt2")
        torch.jit.save(torch.jit.script(network), folder / "scripted.jit")
        torch.jit.save(torch.jit.trace(network, x), folder / "traced.jit")
        torch.save(network.state_dict(), folder / "weights.pth")
        torch.save(network, folder / "whole.pth")
        checkpoint = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}
        torch.save(checkpoint, folder / "legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
