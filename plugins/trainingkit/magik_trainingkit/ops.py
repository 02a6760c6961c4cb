"""The operators that networks are made of."""

from magik_trainingkit.adaptive_avgpool2d import AdaptiveAvgpool2D
from magik_trainingkit.avgpool2d import Avgpool2D
from magik_trainingkit.batch_norm import BatchNorm
from magik_trainingkit.conv1d import Conv1D
from magik_trainingkit.conv2d import Conv2D
from magik_trainingkit.depthwise_conv2d import DepthwiseConv2D
from magik_trainingkit.flatten import Flatten
from magik_trainingkit.focus import Focus
from magik_trainingkit.full_connected import FullConnected, FullyConnected
from magik_trainingkit.functions import Hsigmoid, LeakyReLU, Linear, PReLU, ReLU, ReLU6
from magik_trainingkit.lstm import LSTM
from magik_trainingkit.maxpool2d import Maxpool2D
from magik_trainingkit.mul import Mul
from magik_trainingkit.preprocess import Preprocess
from magik_trainingkit.quantize_ops import AWeight, Conv2d_Q, batchNorm2d
from magik_trainingkit.route import Route
from magik_trainingkit.shortcut import Shortcut
from magik_trainingkit.unpool2d import Unpool2D

__all__ = [
    "LSTM",
    "AWeight",
    "AdaptiveAvgpool2D",
    "Avgpool2D",
    "BatchNorm",
    "Conv1D",
    "Conv2D",
    "Conv2d_Q",
    "DepthwiseConv2D",
    "Flatten",
    "Focus",
    "FullConnected",
    "FullyConnected",
    "Hsigmoid",
    "LeakyReLU",
    "Linear",
    "Maxpool2D",
    "Mul",
    "PReLU",
    "Preprocess",
    "ReLU",
    "ReLU6",
    "Route",
    "Shortcut",
    "Unpool2D",
    "batchNorm2d",
]
