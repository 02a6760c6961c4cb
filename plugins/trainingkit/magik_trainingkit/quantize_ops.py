"""What operators are made of, and what pickles of older kits hold."""

from magik_trainingkit.batch_norm_2d import AWeight, batchNorm2d
from magik_trainingkit.conv2d import Conv2d_Q
from magik_trainingkit.n_op import InputNOp, NOp, OutputNOp
from magik_trainingkit.quantize_feature import QuantizeFeature
from magik_trainingkit.quantize_weight import QuantizeWeight

__all__ = [
    "AWeight",
    "Conv2d_Q",
    "InputNOp",
    "NOp",
    "OutputNOp",
    "QuantizeFeature",
    "QuantizeWeight",
    "batchNorm2d",
]
