"""Train the network of this example and write digits.onnx. Needs torch==2.13.0 and onnxscript.

python examples/digits/train.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from data import make
from torch import nn

HERE = Path(__file__).parent


class Block(nn.Module):
    """Depthwise then pointwise convolution, with a shortcut where the shapes allow one."""

    def __init__(self, c: int, o: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False), nn.BatchNorm2d(c), nn.ReLU6(),
            nn.Conv2d(c, o, 1, bias=False), nn.BatchNorm2d(o), nn.Hardswish(),
        )  # fmt: skip
        self.is_residual = c == o and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.is_residual else self.body(x)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 24, 1), Block(24, 32, 2), Block(32, 32, 1), Block(32, 48, 2), Block(48, 48, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 10), nn.Softmax(1),
    )  # fmt: skip


def tensors(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    pictures, digits = make(count, seed)
    x = (pictures.astype(np.float32) - 127) / 128
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), torch.from_numpy(digits)


def main() -> None:
    torch.manual_seed(0)
    net = network()
    x, y = tensors(12000, seed=0)
    epochs, batch = 10, 64
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, epochs * (len(x) // batch))
    for epoch in range(epochs):
        net.train()
        order = torch.randperm(len(x))
        for i in range(len(x) // batch):
            pick = order[i * batch : (i + 1) * batch]
            loss = nn.functional.nll_loss(torch.log(net(x[pick]) + 1e-9), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            xt, yt = tensors(1000, seed=99)
            print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {(net(xt).argmax(1) == yt).float().mean():.3f}")
    net.eval()
    export(net, x[:1], HERE / "digits.onnx")


def export(net: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Write ONNX without the exporter's notes on where this file lies."""
    torch.onnx.export(net, (x,), path, dynamo=True, external_data=False, verbose=False,
                      input_names=["image"], output_names=["probabilities"])  # fmt: skip
    model = onnx.load(path)
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                 *model.graph.output, *model.graph.initializer):  # fmt: skip
        del item.metadata_props[:]
        item.doc_string = ""
    onnx.save(model, path)


if __name__ == "__main__":
    main()
