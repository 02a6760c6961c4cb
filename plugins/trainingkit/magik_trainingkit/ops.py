"""The operators that networks are made of."""

from magik_trainingkit.adaptive_avgpool2d import AdaptiveAvgpool2D
from magik_trainingkit.avgpool2d import Avgpool2D
from magik_trainingkit.batch_norm import BatchNorm
from magik_trainingkit.channel_shuffle import Channel_Shuffle
from magik_trainingkit.channel_split import Channel_Split
from magik_trainingkit.conv1d import Conv1D
from magik_trainingkit.conv2d import Conv2D
from magik_trainingkit.conv_transpose2d import ConvTranspose2D
from magik_trainingkit.depthwise_conv2d import DepthwiseConv2D
from magik_trainingkit.embedding import Embedding
from magik_trainingkit.flatten import Flatten
from magik_trainingkit.focus import Focus
from magik_trainingkit.full_connected import FullConnected, FullyConnected
from magik_trainingkit.functions import Hsigmoid, LeakyReLU, Linear, PReLU, ReLU, ReLU6
from magik_trainingkit.hswish import Hswish
from magik_trainingkit.lstm import LSTM
from magik_trainingkit.max import Max
from magik_trainingkit.maxpool2d import Maxpool2D
from magik_trainingkit.mil_pool_attention import MILPoolAttention
from magik_trainingkit.mul import Mul
from magik_trainingkit.pixel_shuffle import Pixel_Shuffle
from magik_trainingkit.preprocess import Preprocess
from magik_trainingkit.quantize_ops import (
    AWeight,
    Conv2d_Q,
    InputNOp,
    NOp,
    OutputNOp,
    QuantizeFeature,
    QuantizeWeight,
    batchNorm2d,
)
from magik_trainingkit.roi_pooling import RoIPooling
from magik_trainingkit.route import Route
from magik_trainingkit.se_block import Se_Block
from magik_trainingkit.shortcut import Shortcut
from magik_trainingkit.soft_attention import SoftAttention
from magik_trainingkit.unpool2d import Unpool2D

__all__ = [
    "LSTM",
    "AWeight",
    "AdaptiveAvgpool2D",
    "Avgpool2D",
    "BatchNorm",
    "Channel_Shuffle",
    "Channel_Split",
    "Conv1D",
    "Conv2D",
    "Conv2d_Q",
    "ConvTranspose2D",
    "DepthwiseConv2D",
    "Embedding",
    "Flatten",
    "Focus",
    "FullConnected",
    "FullyConnected",
    "Hsigmoid",
    "Hswish",
    "InputNOp",
    "LeakyReLU",
    "Linear",
    "MILPoolAttention",
    "Max",
    "Maxpool2D",
    "Mul",
    "NOp",
    "OutputNOp",
    "PReLU",
    "Pixel_Shuffle",
    "Preprocess",
    "QuantizeFeature",
    "QuantizeWeight",
    "ReLU",
    "ReLU6",
    "RoIPooling",
    "Route",
    "Se_Block",
    "Shortcut",
    "SoftAttention",
    "Unpool2D",
    "batchNorm2d",
]
