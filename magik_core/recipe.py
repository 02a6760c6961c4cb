"""What gets which bits and which quantizer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Frozen choices of a quantization; a config file, the command line or a search makes one.

    Args:
        feature_method, weight_method: names of registered quantizers.
        feature_bits, weight_bits: width of the codes; 8 is what the kernels have today.
        skip_nodes, skip_ops: node names and ONNX operator types that stay in f32.
        per_channel: weights have one scale per output channel.
        equalize, correct_bias: cross-layer equalization and bias correction.
        is_float: every step in f32, nothing quantized.
    """

    feature_method: str = "KL"
    weight_method: str = "MAX_ABS"
    feature_bits: int = 8
    weight_bits: int = 8
    skip_nodes: frozenset[str] = frozenset()
    skip_ops: frozenset[str] = frozenset()
    per_channel: bool = True
    equalize: bool = False
    correct_bias: bool = True
    is_float: bool = False
