"""What Ingenic's documents say of all its accelerators alike; its backends take it from here."""

from __future__ import annotations

from magik_core import checks
from magik_core.soc import Check, check

OPERATORS = checks.Names(
    "the operators of the vendor's manual and change log",
    # Venus Programming Manual 1.0.2, tables 2-1 to 2-18, then the change log's additions; our names and ONNX's
    """
    Conv DepthwiseConv ConvTranspose Gemm MatMul BatchNormalization Relu Clip PRelu LeakyRelu Elu Sigmoid
    Tanh Swish HardSwish HardSigmoid MaxPool AveragePool GlobalAveragePool Resize DepthToSpace Add Mul
    Concat Min Max Sub LSTM Softmax ReduceSum Gather Pad Slice Transpose GRU Attention LayerNormalization
    Where Equal Sqrt Pow ReduceMean Cast Reshape Quantize Dequantize QuantizeLinear DequantizeLinear
    """,
)

_GUIDE = "vendor's guide to its converter 2.x, {}"
_FEWER = "ask for fewer bits, or convert for SOC host: its files run on the CPU of this chip as well"

WIDTHS: tuple[Check, ...] = (
    check(
        "*",
        "features have at most {n} bits, states of recurrent layers left out",
        name="feature_bits",
        hint=_FEWER,
        source=_GUIDE.format("QUANT_FEATURE_BIT and LOAD_OP_QUANT_BIT") + "; a 14 or 16 is not documented",
        n=12,
    )(checks.most_feature_bits),
    check(
        "*",
        "weights have at most {n} bits",
        name="weight_bits",
        hint=_FEWER,
        source=_GUIDE.format("QUANT_WEIGHT_BIT"),
        n=8,
    )(checks.most_weight_bits),
)
