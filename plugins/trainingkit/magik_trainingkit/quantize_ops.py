"""What operators are made of."""

from magik_trainingkit.batch_norm_2d import AWeight, batchNorm2d
from magik_trainingkit.conv2d import Conv2d_Q

__all__ = ["AWeight", "Conv2d_Q", "batchNorm2d"]
