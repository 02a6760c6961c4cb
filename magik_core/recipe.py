"""What gets which bits and which quantizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FEATURE_BITS = (8, 10, 12, 14, 16, 32)
WEIGHT_BITS = (2, 4, 8, 16, 32)
REAL = 32  # bits that mean f32


@dataclass(frozen=True)
class Choice:
    """What one node gets in the place of the defaults; None leaves one as it is.

    Args:
        feature_bits: of the node's output, one of FEATURE_BITS; 32 computes the node in f32.
        weight_bits: one of WEIGHT_BITS; 32 computes the node in f32.
        range: (low, high) of the node's output in the place of the calibrated one.
        where: what it comes from, for messages; "" is the caller.
    """

    feature_bits: int | None = None
    weight_bits: int | None = None
    range: tuple[float, float] | None = None
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Chosen:
    """What one node gets, the defaults filled in; the arguments are those of Choice."""

    feature_bits: int
    weight_bits: int
    range: tuple[float, float] | None


@dataclass(frozen=True)
class Recipe:
    """Frozen choices of a quantization; a config file, the command line or a search makes one.

    Args:
        feature_method, weight_method: names of registered quantizers.
        feature_bits, weight_bits: width of the codes, of FEATURE_BITS and WEIGHT_BITS. Features of 32 bits: every
            step computes in f32, on weights that are what their codes mean. Weights of 32 bits: nodes with
            weights compute in f32 between quantized activations.
        nodes, ops: choices by node name and by ONNX operator type; a node's own wins.
        skip_nodes, skip_ops: node names and operator types, ONNX's or the vendor's, that stay in f32.
        per_channel: weights have one scale per output channel.
        equalize, balance, correct_bias: cross-layer equalization, shifts of weak channels in front of depthwise
            convolutions, and bias correction.
        is_float: every step in f32, nothing quantized.
    """

    feature_method: str = "KL"
    weight_method: str = "MAX_ABS"
    feature_bits: int = 8
    weight_bits: int = 8
    nodes: Mapping[str, Choice] = field(default_factory=dict)
    ops: Mapping[str, Choice] = field(default_factory=dict)
    skip_nodes: frozenset[str] = frozenset()
    skip_ops: frozenset[str] = frozenset()
    per_channel: bool = True
    equalize: bool = False
    balance: bool = True
    correct_bias: bool = True
    is_float: bool = False

    @property
    def is_real(self) -> bool:
        """Whether no activation has codes."""
        return self.is_float or self.feature_bits == REAL

    def choice(self, node: str, op: str) -> Chosen:
        """What a node gets, the defaults filled in."""
        own, of_type = self.nodes.get(node, Choice()), self.ops.get(op, Choice())
        return Chosen(
            own.feature_bits or of_type.feature_bits or self.feature_bits,
            own.weight_bits or of_type.weight_bits or self.weight_bits,
            own.range or of_type.range,
        )

    def is_skipped(self, node: str, op: str) -> bool:
        """Whether a node computes in f32, on weights as they are, although others do not.

        Where features have 32 bits all compute in f32, and bits of weights beside those of a node tell what it has.
        """
        own, of_type = self.nodes.get(node, Choice()), self.ops.get(op, Choice())
        has_own_weights = self.feature_bits == REAL and (own.weight_bits or of_type.weight_bits)
        is_real = (own.feature_bits or of_type.feature_bits) == REAL and not has_own_weights
        return is_real or node in self.skip_nodes or op in self.skip_ops
