from magik_trainingkit.ops import *  # noqa: F403

__all__ = [  # noqa: RUF022 - the list of the vendor's kit
    "Conv1D", "Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "FullConnected", "BatchNorm", "Flatten",  # noqa: F405
    "Route", "Shortcut", "Maxpool2D", "Avgpool2D", "AdaptiveAvgpool2D", "Unpool2D", "ReLU6", "ReLU",  # noqa: F405
    "Linear", "PReLU", "Hswish", "Hsigmoid", "Se_Block", "Mul", "Channel_Split", "Pixel_Shuffle",  # noqa: F405
    "LSTM", "Embedding", "Focus",  # noqa: F405
]  # fmt: skip
