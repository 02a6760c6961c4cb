"""The normalization inside of layers, its gain at least 0.01."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from magik_trainingkit import fake_quant
from magik_trainingkit.graph import Node


class AWeight(nn.Module):
    """A gain, at least 0.01."""

    def forward(self, weight: Tensor) -> Tensor:
        return fake_quant.gamma(weight)


class batchNorm2d(nn.Module):
    """Normalization over all but channels, also of matrices."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.batch_norm = nn.BatchNorm2d(num_features, eps=eps, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        own = self.batch_norm
        assert own.running_mean is not None and own.running_var is not None
        gain = fake_quant.gamma(own.weight)
        if isinstance(own, nn.SyncBatchNorm):
            y: Tensor = functional_call(own, {"weight": gain}, (x,))
            return y
        if own.training and own.num_batches_tracked is not None:
            own.num_batches_tracked.add_(1)
        return functional.batch_norm(
            x, own.running_mean, own.running_var, gain, own.bias, own.training, self._momentum(), own.eps
        )

    def _momentum(self) -> float:
        """Share of a new batch in the running statistics; None, as of any BatchNorm2d, makes them the plain mean."""
        own = self.batch_norm
        if own.momentum is not None or not own.training:
            return own.momentum or 0.0
        return 0.1 if own.num_batches_tracked is None else 1 / float(own.num_batches_tracked)

    def node(self) -> Node:
        """What `forward` computes in eval()."""
        weight, *rest = self.constants()
        return Node("BatchNormalization", [fake_quant.gamma(weight), *rest], {"epsilon": float(self.batch_norm.eps)})

    def constants(self) -> tuple[Tensor, ...]:
        """gamma, beta, mean and variance, as they are."""
        own = self.batch_norm
        assert own.running_mean is not None and own.running_var is not None
        return own.weight, own.bias, own.running_mean, own.running_var


def no_norm(channels: int, like: Tensor) -> tuple[Tensor, ...]:
    """Constants in the place of those of a layer without normalization."""
    one, none = torch.ones(channels, device=like.device), torch.zeros(channels, device=like.device)
    return one, none, none.clone(), one.clone()
