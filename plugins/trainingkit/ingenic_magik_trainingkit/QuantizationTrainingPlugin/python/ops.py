# ruff: noqa: F403, F405, RUF022 - what the kit's own module has; what `*` takes is the vendor's list, in its order
from magik_trainingkit.ops import *

__all__ = [
    "Conv1D", "Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "FullConnected", "BatchNorm", "Flatten",
    "Route", "Shortcut", "Maxpool2D", "Avgpool2D", "AdaptiveAvgpool2D", "Unpool2D", "ReLU6", "ReLU",
    "Linear", "PReLU", "Hswish", "Hsigmoid", "Se_Block", "Mul", "Channel_Split", "Pixel_Shuffle",
    "LSTM", "Embedding", "Focus",
]  # fmt: skip
